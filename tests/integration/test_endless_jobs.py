"""Jobs whose strategies never end, jobs that take long, and those that wait behind them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from planted_gates import slow
from test_optimizer import eventually, market, outcome, run_to_end, spec_of, worker_of

from optimizer_svc.search.processes import TrialProcess
from optimizer_svc.store import Store
from tradepulse.market_data.store import store_candles
from tradepulse.research.jobs import JobSpec, job_status, request_cancel, submit_job
from tradepulse.runtime.db import connect_pool, migrate
from tradepulse.strategies import files as strategy_files
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.files import load_strategy_file

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool  # type: ignore[type-arg]  # its only argument says how rows look

ENDLESS = """
from tradepulse.strategies import Param, hold, strategy


@strategy(space=(Param("n", 1, 50, integer=True),), defaults={"n": 3}, features={})
def endless(i, c, f, p):
    while c.close[i] > 0.0:
        i += 0
    return hold()
"""


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await migrate(database_url)
    opened = await connect_pool(database_url, max_size=8)
    async with opened.acquire() as connection:
        await store_candles(connection, [market("A/USD", 1), market("B/USD", 2)], "import")
    yield opened
    await opened.close()


@pytest.fixture
def _endless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A strategy without an end, known here and to every trial process."""
    file = tmp_path / "endless.py"
    file.write_text(ENDLESS)
    monkeypatch.setenv("STRATEGY_FILES", str(file))
    load_strategy_file(file)
    yield
    del STRATEGIES["endless"]
    strategy_files._loaded.clear()


SMALL = spec_of(strategies=("sma_cross",), symbols=("A/USD",), trials=20)


def endless_spec() -> JobSpec:
    return spec_of(strategies=("endless",), symbols=("A/USD", "B/USD"), trials=5_000)


@pytest.mark.usefixtures("_endless")
async def test_a_search_without_an_end_is_cancelled_and_the_next_job_goes_on(pool: Pool) -> None:
    own = TrialProcess(1)
    try:
        job_id = await submit_job(pool, endless_spec())
        worker = worker_of(pool, own, "w")
        working = asyncio.create_task(worker.work_once())

        async def has_begun() -> bool:
            return (await job_status(pool, job_id)).total > 0

        await eventually(has_begun, "the job has begun")
        assert (await request_cancel(pool, job_id)).status == "RUNNING"
        # without a cancel it would go on for ever
        async with asyncio.timeout(60):
            assert await working
        status = await job_status(pool, job_id)
        assert (status.status, status.done) == ("CANCELLED", 0)
        assert (await run_to_end(pool, own, SMALL)).status == "SUCCEEDED"
    finally:
        own.close()


@pytest.mark.usefixtures("_endless")
async def test_a_search_without_an_end_fails_by_itself_and_the_next_job_goes_on(
    pool: Pool,
) -> None:
    own = TrialProcess(1, limit_s=30)
    try:
        ids = [await submit_job(pool, spec) for spec in (endless_spec(), SMALL)]
        worker = worker_of(pool, own, "w")
        async with asyncio.timeout(600):
            assert await worker.work_once()
            # the first batch of another strategy is compiled first, which may take as long
            own.limit_s = 600
            assert await worker.work_once()
        endless, small = [await job_status(pool, job_id) for job_id in ids]
        assert endless.status == "FAILED"
        assert endless.error == (
            "strategy endless: 1 parameter sets side by side took longer than 30 s: look for a "
            "loop without an end, or for work in each row that grows with the row; take fewer "
            "candles or raise TRIAL_LIMIT_S"
        )
        assert small.status == "SUCCEEDED"
    finally:
        own.close()


async def test_a_long_search_gives_way_and_ends_as_if_undisturbed(pool: Pool) -> None:
    own = TrialProcess(1)
    try:
        spec = spec_of(method="bayesian", trials=60)
        undisturbed = await run_to_end(pool, own, spec)
        await pool.execute("delete from training_jobs where status = 'QUEUED'")
        long = await submit_job(pool, spec)
        others = [await submit_job(pool, SMALL) for _ in range(2)]
        worker = worker_of(pool, own, "w", turn_s=0)
        assert await worker.work_once()
        # it had its turn: one batch of each of its searches at most, and is not the next
        status = await job_status(pool, long)
        assert status.status == "QUEUED"
        assert 0 < status.done < status.total
        # these have turns that are long enough
        patient = worker_of(pool, own, "w")
        for job_id in others:
            assert await patient.work_once()
            assert (await job_status(pool, job_id)).status == "SUCCEEDED"
            assert (await job_status(pool, long)).status == "QUEUED"
        await pool.execute("delete from training_jobs where kind = 'validation'")
        # nobody waits any more
        assert await worker.work_once()
        assert (await job_status(pool, long)).status == "SUCCEEDED"
        assert await outcome(pool, long) == await outcome(pool, undisturbed.job_id)
    finally:
        own.close()


async def claimed(pool: Pool) -> UUID | None:
    job = await Store(pool, uuid4().hex).claim(5)
    return None if job is None else job.job_id


async def test_who_waits_longest_goes_first_a_search_ten_minutes_before(pool: Pool) -> None:
    waiting = {
        "old validation": ("validation", 11),
        "young validation": ("validation", 9),
        "young search": ("search", 0),
        "old search": ("search", 5),
    }
    ids = {}
    for name, (kind, minutes) in waiting.items():
        ids[name] = uuid4()
        await pool.execute(
            "insert into training_jobs (job_id, kind, spec, created_at) "
            "values ($1, $2, '{}', now() - make_interval(mins => $3))",
            ids[name],
            kind,
            minutes,
        )
    order = ["old search", "old validation", "young search", "young validation"]
    assert [await claimed(pool) for _ in order] == [ids[name] for name in order]
    assert await claimed(pool) is None


async def test_gates_that_come_no_further_fail_their_validation(pool: Pool) -> None:
    own = TrialProcess(1)
    try:
        assert (await run_to_end(pool, own, SMALL)).status == "SUCCEEDED"
        async with asyncio.timeout(120):
            assert await worker_of(pool, own, "w", gates=slow, stall_s=2).work_once()
        row = await pool.fetchrow("select * from training_jobs where kind = 'validation'")
        assert row is not None
        assert row["status"] == "FAILED"
        assert row["error"] == (
            "strategy sma_cross: its gates came no further for 2 s, at 50%: look for a loop "
            "without an end, or give fewer candles"
        )
        assert (await run_to_end(pool, own, SMALL)).status == "SUCCEEDED"
    finally:
        own.close()
