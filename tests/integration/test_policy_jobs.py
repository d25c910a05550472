"""Trainings on a real database: success, cancel, resume, deadline, refusal, two trainers, looks."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import numpy as np
import pytest
import pytest_asyncio
from trainings import DAY, END, SERIES, START, STEPS, filled, spec_of, stored_in, trainer_of

from rl_svc.trainer import TrainerSettings
from rl_svc.training.process import TrainerProcess, locked
from rl_svc.training.store import TrainingStore
from tests.database_roles import address_of
from tests.made_models import made_model
from tradepulse.research.jobs import JobStatus, job_status, request_cancel
from tradepulse.research.looks import JudgedRange, add_look, looks_at
from tradepulse.research.model_registry import NewModel, list_models, model_row, stored_model
from tradepulse.research.policies.report import PolicyReport
from tradepulse.research.policy_jobs import resume_policy_job, submit_policy_job
from tradepulse.research.policy_spec import PolicySpec
from tradepulse.research.trainers import trainer_seen
from tradepulse.research.training_points import training_points
from tradepulse.runtime.db import connect_pool, migrate
from tradepulse.runtime.refusals import RefusedError
from tradepulse.runtime.settings import RefusedError as RefusedSettingsError
from tradepulse.trading.policies.model_bytes import bytes_of

pytestmark = pytest.mark.integration
Pool = asyncpg.Pool


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator["Pool[asyncpg.Record]"]:
    await migrate(database_url)
    made = await connect_pool(database_url)
    await filled(made)
    yield made
    await made.close()


async def queued(pool: "Pool[asyncpg.Record]", spec: PolicySpec | None = None) -> UUID:
    return await submit_policy_job(pool, spec or spec_of(), await stored_in(pool))


async def trained(pool: "Pool[asyncpg.Record]", folder: Path, job_id: UUID) -> JobStatus:
    assert await trainer_of(pool, folder).work_once()
    return await job_status(pool, job_id)


async def wait_for_checkpoints(pool: "Pool[asyncpg.Record]", job_id: UUID) -> None:
    async with asyncio.timeout(240):
        while not await pool.fetchval(  # noqa: ASYNC110 - another process tells nobody here
            "select checkpoints from rl_trainings where job_id = $1", job_id
        ):
            await asyncio.sleep(0.02)


async def gone_on(pool: "Pool[asyncpg.Record]", folder: Path, job_id: UUID) -> JobStatus:
    """See a training through whose trainer is gone; it does not begin anew."""
    await pool.execute("delete from rl_training_points where job_id = $1", job_id)
    job = await trained(pool, folder, job_id)
    points = await training_points(pool, job_id)
    assert points[0].metrics["update"] > 2
    assert points[-1].step == job.total
    return job


async def arrays_of(
    pool: "Pool[asyncpg.Record]", job: JobStatus
) -> dict[str, np.ndarray[Any, Any]]:
    assert job.status == "SUCCEEDED", job.error
    assert job.result is not None
    return dict((await stored_model(pool, UUID(job.result["model_id"]))).arrays)


def same(one: dict[str, np.ndarray[Any, Any]], two: dict[str, np.ndarray[Any, Any]]) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(two[name], a) for name, a in one.items())


async def test_a_training_ends_as_a_row_of_the_registry(
    pool: "Pool[asyncpg.Record]", tmp_path: Path
) -> None:
    job_id = await queued(pool)
    before = await job_status(pool, job_id)
    assert (before.kind, before.status, before.total) == ("policy", "QUEUED", 2 * STEPS)
    assert (before.spec["start"], before.spec["end"]) == (START, END)
    job = await trained(pool, tmp_path, job_id)
    assert (job.status, job.error) == ("SUCCEEDED", None)
    assert job.done == job.total == 2 * STEPS
    (model,) = await list_models(pool)
    assert job.result is not None
    assert job.result["model_id"] == str(model.model_id)
    assert (model.job_id, model.stage, model.seeds, model.steps) == (
        job_id,
        "REFUSED",
        [1, 2],
        STEPS,
    )
    assert model.name == f"training {str(job_id)[:8]}"
    assert [one["series"] for one in model.configurations] == list(SERIES)
    assert all(one["revision"] == 2 for one in model.configurations)
    told = PolicyReport.of_json(model.report)
    assert (told.looks, told.seeds, told.passed) == (1, 2, False)
    gates = {gate.name: gate for gate in told.gates}
    assert not gates["seeds"].passed
    assert gates["sanity"].passed, gates["sanity"].verdict
    (warning,) = told.warnings
    assert warning.startswith("2 configurations had been searched on days that the policy learns")
    test = model.data["parts"]["test"]
    assert test["series"][SERIES[0]]["rows"] == 6 * told.parts["test"].days
    assert await pool.fetchval("select count(*) from rl_looks") == 1
    # what the page draws
    points = await training_points(pool, job_id)
    assert [(one.seed, one.step) for one in points] == [
        (seed, step) for seed in (1, 2) for step in range(160, STEPS + 1, 160)
    ]
    assert {"reward", "entropy", "kl", "clip_fraction", "steps_per_s"} <= points[0].metrics.keys()
    assert [one.metrics.get("ended") for one in points if one.step == STEPS] == ["steps", "steps"]
    best = {one["seed"]: one["best_step"] for one in job.result["seeds"]}
    for seed, step in best.items():
        excess = {
            one.step: one.metrics["validation_excess"]
            for one in points
            if one.seed == seed and one.metrics["validation_excess"] is not None
        }
        assert excess[step] == max(excess.values())
    # nothing is left to go on with
    assert not (tmp_path / str(job_id)).exists()

    again = await trained(pool, tmp_path, await queued(pool, spec_of(name="the same")))
    assert again.status == "FAILED"
    assert str(again.error).startswith(f"model {model.model_id} was trained with the same settings")
    other = await trained(pool, tmp_path, await queued(pool, spec_of(seeds=1, seed=7)))
    assert other.result is not None
    newest = await model_row(pool, UUID(other.result["model_id"]))
    assert newest.report["looks"] == 2


LONG: dict[str, Any] = {"seeds": 1, "seed": 3, "steps": 24_000}
"""A hundred and fifty updates, a checkpoint after every other."""


async def test_cancelled_or_killed_it_goes_on_to_the_same_parameters(
    pool: "Pool[asyncpg.Record]", database_url: str, tmp_path: Path
) -> None:
    whole = await trained(pool, tmp_path / "whole", await queued(pool, spec_of(**LONG)))
    expected = await arrays_of(pool, whole)

    # a deadline that is never reached makes it another training of the same parameters
    job_id = await queued(pool, spec_of(**LONG, minutes=1_000))
    folder = tmp_path / "cancelled"
    working = asyncio.create_task(trainer_of(pool, folder).work_once())
    await wait_for_checkpoints(pool, job_id)
    assert not (await request_cancel(pool, job_id)).is_final
    assert await working
    cancelled = await job_status(pool, job_id)
    assert (cancelled.status, cancelled.result) == ("CANCELLED", None)
    assert 0 < cancelled.done < cancelled.total
    assert list((folder / str(job_id)).glob("seed-3-*.npz"))
    assert len(await list_models(pool)) == 1
    resumed = await resume_policy_job(pool, job_id)
    assert (resumed.status, resumed.cancel_requested) == ("QUEUED", False)
    assert same(await arrays_of(pool, await gone_on(pool, folder, job_id)), expected)
    with pytest.raises(RefusedError, match="has ended: there is no more to do"):
        await resume_policy_job(pool, job_id)

    job_id = await queued(pool, spec_of(**LONG, minutes=2_000))
    folder = tmp_path / "killed"
    environment = {
        **os.environ, "TRAINER_FOLDER": str(folder), "HEARTBEAT_S": "0.3",
        "DATABASE_URL": await address_of("rl_trainer", database_url),
    }  # fmt: skip
    command = [sys.executable, "-m", "rl_svc.trainer"]
    process = subprocess.Popen(command, env=environment)
    try:
        await wait_for_checkpoints(pool, job_id)
        assert await trainer_seen(pool) is not None
        process.kill()
    finally:
        process.kill()
        process.wait()
    left = await job_status(pool, job_id)
    assert left.status == "RUNNING"
    await asyncio.sleep(1)
    assert same(await arrays_of(pool, await gone_on(pool, folder, job_id)), expected)


async def test_only_looks_at_the_same_days_and_instruments_count(
    pool: "Pool[asyncpg.Record]", tmp_path: Path
) -> None:
    judged = JudgedRange("4h", ["x:A", "x:B"], START, START + 10 * DAY)
    others = [
        JudgedRange("4h", ["x:B", "x:C"], START + 9 * DAY, START + 20 * DAY),
        JudgedRange("4h", ["x:B"], START + 10 * DAY, START + 20 * DAY),
        JudgedRange("4h", ["x:C"], START, START + 10 * DAY),
        JudgedRange("1h", ["x:A"], START, START + 10 * DAY),
    ]
    assert await looks_at(pool, judged) == 0
    for other in others:
        await add_look(pool, await queued(pool), "another", other)
    assert await looks_at(pool, judged) == 1
    # a verdict on fewer looks than there were is not stored
    store = TrainingStore(pool, "one")
    job_id = await queued(pool)
    await pool.execute("update training_jobs set worker = 'one', status = 'RUNNING'")
    new = NewModel(bytes_of(made_model(1)), "main", "m", passed=False)
    assert await store.finish(job_id, new, judged, 1, {}) is None
    assert await list_models(pool) == []
    assert (await job_status(pool, job_id)).status == "RUNNING"
    assert await store.finish(job_id, new, judged, 2, {}) is not None
    assert (await job_status(pool, job_id)).status == "SUCCEEDED"
    assert await looks_at(pool, judged) == 2


async def test_two_trainers_do_not_share_a_folder(database_url: str, tmp_path: Path) -> None:
    await migrate(database_url)
    settings = TrainerSettings(database_url=database_url, trainer_folder=tmp_path)
    with (
        locked(tmp_path),
        pytest.raises(RefusedSettingsError, match=f"another trainer works in {tmp_path}: one at"),
    ):
        await TrainerProcess(settings).run()


async def test_after_its_minutes_it_ends_with_what_it_has(
    pool: "Pool[asyncpg.Record]", tmp_path: Path
) -> None:
    asked = 0

    def clock() -> float:
        nonlocal asked
        asked += 1
        return 0.0 if asked < 200 else 90.0

    job_id = await queued(pool, spec_of(**{**LONG, "minutes": 1, "seeds": 2}))
    worker = trainer_of(pool, tmp_path, clock=clock, at_once=1)
    assert await worker.work_once()
    job = await job_status(pool, job_id)
    assert job.status == "SUCCEEDED", job.error
    assert 0 < job.done == job.total < 48_000
    (model,) = await list_models(pool)
    assert model.seeds == [3]
    assert model.report["warnings"][-2:] == [
        "the training was to end after 1 min: seed 3 stopped with the best so far",
        "the training was to end after 1 min: seed 4 had not begun",
    ]


async def test_what_is_queued_without_its_ground_fails_in_one_line(
    pool: "Pool[asyncpg.Record]", tmp_path: Path
) -> None:
    bare = uuid4()
    await pool.execute(
        "insert into training_jobs (job_id, kind, spec) values ($1, 'policy', $2)",
        bare,
        {"seeds": 0},
    )
    job = await trained(pool, tmp_path, bare)
    assert job.status == "FAILED"
    assert "the job's spec is refused: seeds:" in str(job.error)
    job_id = await queued(pool)
    await pool.execute("delete from candles")
    job = await trained(pool, tmp_path, job_id)
    assert (job.status, job.error) == (
        "FAILED",
        f"no candles of {SERIES[0]} are in the range any more; import them again",
    )
    assert await pool.fetchval("select count(*) from rl_models") == 0
    assert await pool.fetchval("select count(*) from rl_looks") == 0
