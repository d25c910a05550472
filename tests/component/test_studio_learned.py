"""The API of the page of learned weights: who decides, trainings, curves, files."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from rl_rows import RUNNING, SEEDS, TRAINED, jobs, learned, model
from studio_page import Studio
from studio_rows import HALF_HOUR, START, Seeded

from studio_svc.stream.hub import Hub
from studio_svc.stream.watch import models_refresher
from tradepulse.research.jobs import request_cancel
from tradepulse.research.model_lifecycle import promote, retire
from tradepulse.runtime.db import at

CLOSES = 400


async def test_nothing_is_there_and_that_is_known(studio: Studio) -> None:
    assert await studio.get("/api/rl/status") == {
        "portfolio": "main", "last": None, "recent": None, "active": None, "promoted": None,
        "former": None, "shadows": [], "shadow_days": 14,
    }  # fmt: skip
    assert await studio.get("/api/rl/jobs") == []
    for path in (f"jobs/{uuid4()}", f"jobs/{uuid4()}/points", f"models/{uuid4()}/artifact"):
        assert (await studio.client.get(f"/api/rl/{path}")).status_code == 404


async def test_the_status_tells_who_decides_and_how_often_the_fallback_did(
    studio: Studio, seeded: Seeded
) -> None:
    names = await learned(studio.pool, CLOSES)
    found = await studio.get("/api/rl/status")
    assert (found["active"]["name"], found["former"]["name"]) == ("older", "narrow")
    assert [one["name"] for one in found["shadows"]] == ["beside"]
    assert found["active"]["overrides"][0].endswith("Reason: it looked better in the replay")
    told = found["promoted"]
    assert (told["to_stage"], told["by_person"]) == ("ACTIVE", True)
    assert told["reason"].startswith("it looked better in the replay")
    assert found["last"] == await studio.get("/api/weights")
    # seven days of event time are 336 closes; 30 of them fell back
    recent = found["recent"]
    assert recent["until"] == START + CLOSES * HALF_HOUR
    assert recent["until"] - recent["since"] == timedelta(days=7) // timedelta(milliseconds=1)
    assert recent["closes"] == 336
    assert recent["fallbacks"] == [
        {"reason": "not_finite", "sentence": "a weight of the model was no number", "closes": 30}
    ]
    await retire(studio.pool, names["older"], "enough of it")
    found = await studio.get("/api/rl/status")
    assert (found["active"], found["promoted"], found["former"]["name"]) == (None, None, "older")
    await promote(studio.pool, names["older"], "ACTIVE", "back again")
    found = await studio.get("/api/rl/status")
    assert (found["active"]["name"], found["former"]["name"]) == ("older", "narrow")


async def test_trainings_are_listed_apart_from_searches(studio: Studio, seeded: Seeded) -> None:
    await jobs(studio.pool)
    listed = await studio.get("/api/rl/jobs")
    assert [(one["job_id"], one["status"]) for one in listed] == [
        (str(RUNNING), "RUNNING"),
        (str(TRAINED), "SUCCEEDED"),
    ]
    assert await studio.get("/api/rl/jobs", limit=1) == listed[:1]
    assert await studio.get(f"/api/rl/jobs/{RUNNING}") == listed[0]
    assert (listed[0]["kind"], listed[0]["done"], listed[0]["total"]) == (
        "policy", 3_100_000, 8_000_000,
    )  # fmt: skip
    assert listed[0]["heartbeat_at"] is not None
    everything = await studio.get("/api/jobs")
    assert {one["kind"] for one in everything} == {"search", "policy"}
    search = next(one["job_id"] for one in everything if one["kind"] == "search")
    assert (await studio.client.get(f"/api/rl/jobs/{search}")).status_code == 404
    assert (await studio.client.get(f"/api/rl/jobs/{search}/points")).status_code == 404


async def test_curves_tell_each_seed_and_what_they_have_in_common(studio: Studio) -> None:
    await jobs(studio.pool)
    found = await studio.get(f"/api/rl/jobs/{TRAINED}/points")
    assert found["metric"] == "validation_excess"
    assert set(found["metrics"]) == {
        "update", "reward", "validation_excess", "entropy", "std", "kl", "clip_fraction",
        "explained_variance", "steps_per_s",
    }  # fmt: skip
    assert [one["seed"] for one in found["seeds"]] == list(range(1, SEEDS + 1))
    # every fifth update is validated; seeds end after 61, 55 and 49
    assert {len(one["step"]) for one in found["seeds"]} == {12, 11, 9}
    for one in found["seeds"]:
        best = one["value"].index(max(one["value"]))
        assert one["best_step"] == one["step"][best]
        assert one["ended"] == ("no_gain" if one["seed"] % 3 else "steps")
    assert len(found["step"]) == 11
    assert all(a < b < c for a, b, c in zip(found["low"], found["iqm"], found["high"], strict=True))
    kl = await studio.get(f"/api/rl/jobs/{RUNNING}/points", metric="kl", points=6)
    assert (len(kl["step"]), {len(one["step"]) for one in kl["seeds"]}) == (6, {6})
    assert {one["ended"] for one in kl["seeds"]} == {None}
    none = await studio.get(f"/api/rl/jobs/{RUNNING}/points", metric="loss")
    assert (none["step"], none["seeds"]) == ([], [])
    refused = await studio.client.get(f"/api/rl/jobs/{RUNNING}/points", params={"points": 3})
    assert refused.status_code == 422


async def test_a_model_comes_as_its_file(studio: Studio) -> None:
    row = await model(studio.pool, 1, "m", job=None)
    answer = await studio.client.get(f"/api/rl/models/{row.model_id}/artifact")
    stored = await studio.pool.fetchval("select artifact from rl_models")
    assert (answer.status_code, answer.content) == (200, stored)
    assert answer.headers["content-type"] == "application/octet-stream"
    name = f"model-{str(row.model_id)[:8]}.npz"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    await studio.pool.execute("update rl_models set artifact = substring(artifact for 900)")
    answer = await studio.client.get(f"/api/rl/models/{row.model_id}/artifact")
    assert (answer.status_code, answer.json()["code"]) == (409, "damaged_model")
    await studio.pool.execute("update rl_models set portfolio = 'second'")
    answer = await studio.client.get(f"/api/rl/models/{row.model_id}/artifact")
    assert answer.status_code == 404


async def test_open_pages_are_told_of_what_changed(studio: Studio) -> None:
    hub = Hub()
    refresher = models_refresher(studio.stores.rl, hub)

    async def told() -> Any:
        await refresher.read()
        return hub.latest("models")

    assert await told() is None  # nobody looks
    stream = hub.stream(None)
    await anext(stream)
    versions = [(await told()).version]

    async def changes() -> None:
        versions.append((await told()).version)
        assert len(set(versions)) == len(versions)
        assert (await told()).version == versions[-1]

    row = await model(studio.pool, 1, "m", passed=True, job=None)
    await changes()
    await promote(studio.pool, row.model_id, "SHADOW")
    await changes()
    await jobs(studio.pool)
    await changes()
    # progress alone is asked for by who looks at it
    await studio.pool.execute("update training_jobs set done = done + 1")
    assert (await told()).version == versions[-1]
    await request_cancel(studio.pool, RUNNING)
    await changes()


async def test_closes_before_the_range_are_not_counted(studio: Studio) -> None:
    day = 86_400_000
    await studio.pool.executemany(
        "insert into portfolio_weights (portfolio, close_time, policy, weights, missing, fallback) "
        "values ($1, $2, 'p', '{}', '[]', $3)",
        [
            ("main", at(day), "sum"),
            ("main", at(3 * day), None),
            ("main", at(10 * day), "history"),
            ("second", at(11 * day), "range"),
        ],
    )
    recent = (await studio.get("/api/rl/status"))["recent"]
    assert (recent["since"], recent["until"], recent["closes"]) == (3 * day, 10 * day, 1)
    assert [one["reason"] for one in recent["fallbacks"]] == ["history"]
