"""The API of models and of weights over time."""

from typing import Any
from uuid import uuid4

import pytest
from studio_page import Studio

from tests.made_models import made_model
from tradepulse.research.configurations import NewConfiguration, activate, add_discovered
from tradepulse.research.model_registry import NewModel, StoredModel, add_model
from tradepulse.runtime.db import at
from tradepulse.trading.policies.model_bytes import bytes_of

HOUR = 3_600_000
GATE = {"name": "costs", "title": "Higher costs", "passed": True, "verdict": "0.2 % a month"}


async def added(
    studio: Studio, seed: int, *, passed: bool | None = True, portfolio: str = "main"
) -> StoredModel:
    artifact = bytes_of(made_model(seed))
    new = NewModel(
        artifact, portfolio, f"m{seed}", passed, [GATE],
        config={"steps": seed}, configurations=[{"id": "c", "revision": 1}],
        data={"sha256": "d", "train": {"rows": 7}}, seeds=[1, 2], steps=9,
        metrics={"test": {"growth": 0.1}}, baselines={"equal": {"test": {"growth": 0.2}}},
        report={"label": "sizing"},
    )  # fmt: skip
    async with studio.pool.acquire() as connection, connection.transaction():
        return await add_model(connection, new, "trained")


async def posted(studio: Studio, path: str, status: int, **body: Any) -> Any:
    response = await studio.client.post(f"/api/rl/models/{path}", json=body)
    assert response.status_code == status, response.text
    return response.json()


async def decided(studio: Studio, closes: int, model_id: object = None, fallback: Any = ()) -> None:
    """Store weight vectors, the closes of `fallback` decided by inverse volatility."""
    await studio.pool.executemany(
        "insert into portfolio_weights (portfolio, close_time, policy, weights, missing, model_id, "
        "fallback) values ('main', $1, 'p', $2, '[]', $3, $4)",
        [
            (at(n * HOUR), {"x:A/USD": n / 100}, model_id, "history" if n in fallback else None)
            for n in range(1, closes + 1)
        ],
    )


async def test_models_are_listed_and_shown_with_what_they_came_of(studio: Studio) -> None:
    assert await studio.get("/api/rl/models") == []
    row = await added(studio, 1)
    other = await added(studio, 2, passed=False)
    elsewhere = await added(studio, 3, portfolio="second")
    listed = await studio.get("/api/rl/models")
    assert [(one["name"], one["stage"]) for one in listed] == [
        ("m2", "REFUSED"),
        ("m1", "CANDIDATE"),
    ]
    assert await studio.get("/api/rl/models", limit=1) == listed[:1]
    assert listed[1]["verdict"] == "passed all 1 gates"
    assert (listed[1]["gates"], listed[1]["seeds"], listed[1]["steps"]) == ([GATE], [1, 2], 9)
    assert listed[1]["baselines"] == {"equal": {"test": {"growth": 0.2}}}
    await decided(studio, 10, row.model_id, {1, 2, 3})
    shown = await studio.get(f"/api/rl/models/{row.model_id}")
    assert shown == shown | listed[1]
    assert (shown["closes"], shown["fallbacks"]) == (10, {"history": 3})
    assert (shown["config"], shown["data"]["train"]) == ({"steps": 1}, {"rows": 7})
    assert shown["report"] == {"label": "sizing"}
    assert shown["manifest"]["layers"] == [20, 16, 1]
    (event,) = shown["events"]
    assert (event["reason"], event["by_person"]) == ("trained: passed all 1 gates", False)
    shown = await studio.get(f"/api/rl/models/{other.model_id}")
    assert (shown["closes"], shown["fallbacks"]) == (0, {})
    # of another portfolio nothing is shown, and nothing changed
    for path in (str(elsewhere.model_id), str(uuid4())):
        assert (await studio.client.get(f"/api/rl/models/{path}")).status_code == 404
        await posted(studio, f"{path}/promote", 404, to="SHADOW", reason="x")
        await posted(studio, f"{path}/retire", 404, reason="x")


async def test_what_the_watch_found_is_told(studio: Studio) -> None:
    row, elsewhere = await added(studio, 1), await added(studio, 3, portfolio="second")
    path = f"/api/rl/models/{row.model_id}/drift"
    empty = {"model_id": str(row.model_id), "as_of": None, "days": [], "configurations": 0}
    assert await studio.get(path) == {**empty, "still_active": 0, "warnings": []}
    trained, other = uuid4(), uuid4()
    async with studio.pool.acquire() as connection:
        for one in (trained, other):
            new = NewConfiguration(one, "sma_cross", "x", "A/USD", "1h", {}, 1.0, {})
            await add_discovered(connection, new, "made")
    await activate(studio.pool, trained, "for a test")
    told = [{"configuration_id": str(one)} for one in (trained, other, uuid4())]
    await studio.pool.execute("update rl_models set configurations = $1", told)
    await posted(studio, f"{row.model_id}/promote", 200, to="SHADOW")
    await studio.pool.executemany(
        "insert into rl_model_days (model_id, day, begun, closes, clipped, psi, growth, equal, "
        "evidence, bound) values ($1, $2, 1, 24, 0.25, $3, $4, 0.5, 1.5, 100)",
        [
            (row.model_id, at(n * 24 * HOUR), {"fall": float(n)}, None if n == 1 else 0.75)
            for n in range(1, 41)
        ],
    )
    found = await studio.get(path)
    assert (len(found["days"]), found["as_of"]) == (30, 41 * 24 * HOUR)
    assert found["days"][-1] == {
        "day": 40 * 24 * HOUR, "clipped": 0.25, "psi": {"fall": 40.0}, "excess": 0.25,
        "evidence": 1.5, "bound": 100.0,
    }  # fmt: skip
    assert (found["configurations"], found["still_active"]) == (3, 1)
    assert "not measured" in found["warnings"][0]
    assert "1 of the 3 configurations of its training are active" in found["warnings"][1]
    found = await studio.get(path, days=40)
    assert found["days"][0]["excess"] is None
    for wrong in (f"/api/rl/models/{elsewhere.model_id}/drift", f"/api/rl/models/{uuid4()}/drift"):
        assert (await studio.client.get(wrong)).status_code == 404
    assert (await studio.client.get(path, params={"days": 0})).status_code == 422


async def test_a_promotion_and_what_it_replaces(studio: Studio) -> None:
    old, new = await added(studio, 1), await added(studio, 2, passed=False)
    done = await posted(studio, f"{old.model_id}/promote", 200, to="SHADOW")
    assert (done["model"]["stage"], done["model"]["overrides"]) == ("SHADOW", [])
    refused = await posted(studio, f"{old.model_id}/promote", 409, to="ACTIVE")
    assert refused["code"] == "needs_reason"
    assert refused["detail"].endswith("in SHADOW for 0 days, not 14")
    done = await posted(studio, f"{old.model_id}/promote", 200, to="ACTIVE", reason=" in a hurry ")
    assert done["replaced"] is None
    told = ["in SHADOW for 0 days, not 14. Reason: in a hurry"]
    assert done["model"]["overrides"] == told
    done = await posted(studio, f"{new.model_id}/promote", 200, to="ACTIVE", reason="better")
    assert done["replaced"]["model_id"] == str(old.model_id)
    assert done["replaced"]["stage"] == "RETIRED"
    assert [one["to_stage"] for one in done["model"]["events"]] == ["REFUSED", "ACTIVE"]
    assert done["model"]["events"][-1]["by_person"]
    gone = await posted(studio, f"{new.model_id}/retire", 200, reason="drift")
    assert (gone["stage"], gone["events"][-1]["reason"]) == ("RETIRED", "drift")
    assert (await posted(studio, f"{new.model_id}/retire", 409, reason="x"))["code"] == "same_stage"
    assert [one["stage"] for one in await studio.get("/api/rl/models")] == ["RETIRED"] * 2


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("promote", {"reason": "x"}, "to"),
        ("promote", {"to": "RETIRED", "reason": "x"}, "to"),
        ("promote", {"to": "ACTIVE", "reason": ""}, "reason"),
        ("promote", {"to": "ACTIVE", "reason": "x" * 501}, "reason"),
        ("retire", {}, "reason"),
        ("retire", {"reason": " "}, "reason"),
    ],
)
async def test_bodies_that_are_refused(
    studio: Studio, path: str, body: dict[str, Any], field: str
) -> None:
    row = await added(studio, 1)
    said = await posted(studio, f"{row.model_id}/{path}", 422, **body)
    assert said["field"] == field
    assert (await studio.get("/api/rl/models"))[0]["stage"] == "CANDIDATE"


async def test_weights_over_time_are_thinned_from_the_last_on(studio: Studio) -> None:
    assert await studio.get("/api/rl/allocations") == {"closes": 0, "every": 1, "vectors": []}
    await decided(studio, 10, fallback={10})
    found = await studio.get("/api/rl/allocations")
    assert (found["closes"], found["every"], len(found["vectors"])) == (10, 1, 10)
    assert found["vectors"][-1] == await studio.get("/api/weights")
    assert found["vectors"][-1]["fallback"] == "history"
    for points, shown in ((4, [1, 4, 7, 10]), (3, [2, 6, 10]), (1, [10])):
        found = await studio.get("/api/rl/allocations", points=points)
        assert [one["close_time"] // HOUR for one in found["vectors"]] == shown
        assert found["closes"] == 10
    row = await added(studio, 1)
    await studio.pool.execute(
        "insert into shadow_weights (portfolio, close_time, model_id, policy, weights, missing, "
        "budget) select portfolio, close_time, $1, 'ppo', '{}', '[]', 1 from portfolio_weights "
        "where close_time > $2",
        *(row.model_id, at(4 * HOUR)),
    )
    for shadow, closes in ((row.model_id, 6), (uuid4(), 0)):
        found = await studio.get("/api/rl/allocations", shadow=str(shadow), points=3)
        assert found["closes"] == closes
    found = await studio.get("/api/rl/allocations", shadow=str(row.model_id), points=3)
    assert [one["close_time"] // HOUR for one in found["vectors"]] == [6, 8, 10]
    assert {one["model_id"] for one in found["vectors"]} == {str(row.model_id)}
    assert (await studio.get(f"/api/rl/models/{row.model_id}"))["shadow_closes"] == 6
    found = await studio.get("/api/rl/allocations", start=3 * HOUR, end=6 * HOUR)
    assert [one["close_time"] // HOUR for one in found["vectors"]] == [3, 4, 5]
