"""Trainings on a real database: success, cancel, resume, deadline, refusal, two trainers, looks."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from trainings import END, START, STEPS, filled, spec_of, stored_in, trainer_of

from tradepulse.research.jobs import JobStatus, job_status
from tradepulse.research.model_registry import list_models
from tradepulse.research.policy_jobs import submit_policy_job
from tradepulse.research.policy_spec import PolicySpec
from tradepulse.runtime.db import connect_pool, migrate

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
