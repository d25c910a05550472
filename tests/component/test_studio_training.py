"""The API by which a person has policies trained: checked, queued, cancelled, taken up again."""

import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from studio_page import Studio

from tests.integration.trainings import DAY, END, SERIES, START, configured, filled
from tradepulse.research.trainers import Trainer, seen


async def asked(studio: Studio, path: str, status: int, body: Any = None) -> Any:
    response = await studio.client.post(f"/api/rl/{path}", json={} if body is None else body)
    assert response.status_code == status, response.text
    return response.json()


async def count(pool: "asyncpg.Pool[asyncpg.Record]", table: str) -> int:
    found: int = await pool.fetchval(f"select count(*) from {table}")
    return found


async def test_a_check_tells_what_a_training_would_be(studio: Studio) -> None:
    ids = await filled(studio.pool)
    found = await asked(studio, "train/check", 200)
    assert found["refusals"] == []
    assert found["parts"]["train"]["start"] == START
    assert found["parts"]["test"]["end"] == END
    assert found["parts"]["test"]["days"] >= 90
    # a policy looks back 336 candles of four hours
    assert found["embargo_days"] == 56
    assert {one["configuration_id"] for one in found["configurations"]} == {str(one) for one in ids}
    assert (found["trainer"], found["free_bytes"]) == (False, None)
    assert found["seconds"] > 60
    learned, trainer = found["warnings"]
    assert learned.startswith("2 configurations had been searched on days that the policy learns")
    assert trainer.startswith(
        "no trainer is running: start it with `tradepulse up` after `make rl`"
    )
    assert await count(studio.pool, "training_jobs where kind = 'policy'") == 0

    await seen(studio.pool, "one", Trainer(8, 5_000_000_000))
    quick = await asked(studio, "train/check", 200, {"seeds": 2})
    assert (quick["trainer"], quick["free_bytes"]) == (True, 5_000_000_000)
    assert "2 seeds are fewer than the 8 that the gates want" in quick["warnings"][-1]
    assert quick["seconds"] <= found["seconds"]


async def test_a_training_is_queued_cancelled_and_resumed(studio: Studio) -> None:
    ids = await filled(studio.pool)
    job = await asked(studio, "train", 201, {"seeds": 3, "steps": 1_000, "name": "a try"})
    assert (job["kind"], job["status"], job["total"]) == ("policy", "QUEUED", 3_000)
    assert {*job["spec"]["configurations"]} == {str(one) for one in ids}
    assert (job["spec"]["start"], job["spec"]["end"]) == (START, END)
    assert [one["job_id"] for one in await studio.get("/api/rl/jobs")] == [job["job_id"]]
    second = await asked(studio, "train/check", 200)
    assert f"training {job['job_id']} comes before this one, which waits" in str(second["warnings"])

    refused = await asked(studio, f"jobs/{job['job_id']}/resume", 409)
    assert refused["code"] == "not_ended"
    cancelled = await asked(studio, f"jobs/{job['job_id']}/cancel", 200)
    assert cancelled["status"] == "CANCELLED"
    assert (await asked(studio, f"jobs/{job['job_id']}/cancel", 409))["code"] == "has_ended"
    resumed = await asked(studio, f"jobs/{job['job_id']}/resume", 200)
    assert (resumed["status"], resumed["cancel_requested"]) == ("QUEUED", False)
    assert (await asked(studio, f"jobs/{uuid4()}/resume", 404))["code"] == "not_found"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"seeds": 0}, 422, "seeds"),
        ({"seeds": 99}, 422, "seeds"),
        ({"fee": -1}, 422, "fee"),
        ({"unknown": 1}, 422, "unknown"),
        ({"start": 5, "end": 4}, 409, "start is not before end"),
        ({"allow_overlap": " "}, 422, "allow_overlap"),
        ({"ppo": {"accounts": 1, "rollout": 1}}, 409, "batch_size 8192 is more than the 1 steps"),
        ({"ppo": {"learning_rate": [0.001, 0.1]}}, 409, "it falls"),
        ({"configurations": [str(UUID(int=404))]}, 409, "there is no configuration"),
        ({"start": END + DAY}, 409, "no candles of venue:BTC/USD:4h are in the range"),
        ({"start": END - 300 * DAY}, 409, "give a range of at least 562 days"),
        # searched until the hundredth day; validation begins before
        ({"start": START - 1_000 * DAY}, 409, "searched on days of validation"),
    ],
    ids=lambda one: json.dumps(one) if isinstance(one, dict) else None,
)  # fmt: skip
async def test_what_cannot_be_trained_is_refused_in_a_line(
    studio: Studio, body: Any, status: int, says: str
) -> None:
    await filled(studio.pool)
    before = await count(studio.pool, "training_jobs")
    said = await asked(studio, "train", status, body)
    assert says in json.dumps(said)
    assert await count(studio.pool, "training_jobs") == before
    assert await count(studio.pool, "rl_trainings") == 0
    if status == 409:
        assert "\n" not in said["detail"]
        if said["code"].startswith("wrong_"):
            # no training could ever be so
            assert (await asked(studio, "train/check", 409, body))["code"] == said["code"]
            return
        checked = await asked(studio, "train/check", 200, body)
        assert checked["refusals"][0] == said["detail"]
        assert checked["seconds"] is None


async def test_configurations_must_be_there_and_see_one_timeframe(studio: Studio) -> None:
    assert (await asked(studio, "train", 409))["code"] == "no_configurations"
    await filled(studio.pool)
    known = {"in_sample_range": [START, START + DAY], "out_of_sample_range": [START, START + DAY]}
    other = await configured(studio.pool, "XRP/USD", known)
    said = await asked(studio, "train", 409)
    assert said["detail"].startswith(
        "no candles of venue:XRP/USD:4h are stored: import or backfill"
    )
    await configured(studio.pool, "BTC/USD", known, timeframe="1h")
    said = await asked(studio, "train", 409)
    assert said["code"] == "several_timeframes"
    assert said["detail"].startswith(
        "the configurations are on 1h, 4h, and a policy sees candles of"
    )
    assert other is not None


async def test_days_of_which_nobody_knows_whether_they_were_searched_count(studio: Studio) -> None:
    ids = await filled(studio.pool)
    unknown = await configured(studio.pool, "BTC/USD", {}, strategy="donchian_breakout", params={})
    said = await asked(studio, "train", 409)
    assert said["code"] == "overlap"
    assert f"on {SERIES[0]}, {str(unknown)[:8]}) had been chosen is not known" in said["detail"]
    # those whose days are known can be had without it, and a person may know better
    named = {"configurations": [str(one) for one in ids]}
    assert (await asked(studio, "train/check", 200, named))["refusals"] == []
    allowed = {"allow_overlap": "parameters of a paper of 2009"}
    found = await asked(studio, "train/check", 200, allowed)
    assert found["refusals"] == []
    assert "Allowed because: parameters of a paper of 2009" in found["warnings"][0]


async def test_a_full_disk_and_other_work_are_told(studio: Studio) -> None:
    await filled(studio.pool)
    await seen(studio.pool, "one", Trainer(2, 400_000_000))
    await studio.pool.execute(
        "insert into training_jobs (job_id, spec, status) values ($1, '{}', 'RUNNING')", uuid4()
    )
    said = await asked(studio, "train", 409)
    assert said["detail"] == (
        "the folder of the trainer's checkpoints has 0.4 GB left, and a training needs 1 GB: free "
        "some space, or set TRAINER_FOLDER to another disk"
    )
    found = await asked(studio, "train/check", 200)
    assert "is at work: on the same machine both share its cores" in found["warnings"][-1]
