"""The queue of jobs: who has which, for how long, and who comes next."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from asyncpg import Pool

from tradepulse.research.claims import Claims, LostJobError
from tradepulse.research.jobs import JobKind
from tradepulse.runtime.db import connect_pool, migrate

pytestmark = pytest.mark.integration
STALE_S = 60.0
KINDS: tuple[JobKind, ...] = ("search", "validation")


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator["Pool[asyncpg.Record]"]:
    await migrate(database_url)
    made = await connect_pool(database_url)
    yield made
    await made.close()


async def queued(pool: "Pool[asyncpg.Record]", kind: str = "search", *, minutes_ago: float) -> UUID:
    job_id = uuid4()
    await pool.execute(
        "insert into training_jobs (job_id, kind, spec, total, created_at) "
        "values ($1, $2, '{}', 1, now() - make_interval(secs => $3))",
        job_id,
        kind,
        60 * minutes_ago,
    )
    return job_id


async def row_of(pool: "Pool[asyncpg.Record]", job_id: UUID) -> dict[str, Any]:
    row = await pool.fetchrow("select * from training_jobs where job_id = $1", job_id)
    assert row is not None
    return dict(row)


async def silent(pool: "Pool[asyncpg.Record]", job_id: UUID, seconds: float) -> None:
    await pool.execute(
        "update training_jobs set heartbeat_at = now() - make_interval(secs => $2) "
        "where job_id = $1",
        job_id,
        seconds,
    )


async def claimed(claims: Claims) -> UUID | None:
    job = await claims.claim(STALE_S)
    return None if job is None else job.job_id


async def test_who_waits_longest_comes_first_and_a_search_before_a_validation(
    pool: "Pool[asyncpg.Record]",
) -> None:
    young = await queued(pool, minutes_ago=1)
    old_validation = await queued(pool, "validation", minutes_ago=12)
    validation = await queued(pool, "validation", minutes_ago=9)
    old = await queued(pool, minutes_ago=3)
    claims = Claims(pool, "one", KINDS)
    assert [await claimed(claims) for _ in range(5)] == [
        old, old_validation, young, validation, None
    ]  # fmt: skip
    row = await row_of(pool, young)
    assert (row["status"], row["worker"], row["attempts"]) == ("RUNNING", "one", 1)
    assert row["started_at"] is not None


async def test_each_worker_takes_its_kinds_of_jobs(pool: "Pool[asyncpg.Record]") -> None:
    validation = await queued(pool, "validation", minutes_ago=20)
    search = await queued(pool, minutes_ago=1)
    one, other = Claims(pool, "one", ("search",)), Claims(pool, "other", ("validation",))
    assert await claimed(one) == search
    assert not await one.others_wait(search), "what it does not work on waits for another"
    assert await claimed(one) is None
    await silent(pool, search, STALE_S + 20)
    assert [await claimed(other) for _ in range(2)] == [validation, None]


async def test_a_job_is_held_as_long_as_its_worker_is_heard(pool: "Pool[asyncpg.Record]") -> None:
    job = await queued(pool, minutes_ago=1)
    one, other = Claims(pool, "one", KINDS), Claims(pool, "other", KINDS)
    assert await claimed(one) == job
    await silent(pool, job, STALE_S - 20)
    assert await claimed(other) is None
    await silent(pool, job, STALE_S + 20)
    # it is heard just in time
    await one.beat(job)
    assert await claimed(other) is None
    assert not await one.is_cancelled(job)
    await silent(pool, job, STALE_S + 20)
    await other.beat(job)
    assert await claimed(other) == job
    assert (await row_of(pool, job))["attempts"] == 2
    with pytest.raises(LostJobError):
        await one.is_cancelled(job)
    before = await row_of(pool, job)
    await one.beat(job)
    await one.release(job)
    assert await row_of(pool, job) == before


async def test_a_wish_to_cancel_is_seen(pool: "Pool[asyncpg.Record]") -> None:
    job = await queued(pool, minutes_ago=1)
    claims = Claims(pool, "one", KINDS)
    await claimed(claims)
    await pool.execute("update training_jobs set cancel_requested = true")
    assert await claims.is_cancelled(job)
    await claims.release(job)
    again = await claims.claim(STALE_S)
    assert again is not None
    assert again.cancel_requested


@pytest.mark.parametrize(("last", "first"), [(False, "released"), (True, "waiting")])
async def test_what_is_released_comes_at_once_or_after_those_that_wait(
    pool: "Pool[asyncpg.Record]", last: bool, first: str
) -> None:
    released = await queued(pool, minutes_ago=3)
    waiting = await queued(pool, minutes_ago=2)
    claims = Claims(pool, "one", KINDS)
    assert await claimed(claims) == released
    await claims.release(released, last=last)
    row = await row_of(pool, released)
    assert (row["status"], row["worker"], row["attempts"]) == ("QUEUED", None, 0)
    assert await claimed(claims) == {"released": released, "waiting": waiting}[first]


async def test_others_wait_where_they_would_go_on_before_this_one(
    pool: "Pool[asyncpg.Record]",
) -> None:
    job = await queued(pool, minutes_ago=1)
    claims = Claims(pool, "one", KINDS)
    await claimed(claims)
    assert not await claims.others_wait(job), "it is alone"
    validation = await queued(pool, "validation", minutes_ago=8)
    assert not await claims.others_wait(job), "a validation waits ten minutes for searches"
    await pool.execute(
        "update training_jobs set created_at = now() - interval '11 minutes' where job_id = $1",
        validation,
    )
    assert await claims.others_wait(job)
    await pool.execute("update training_jobs set status = 'RUNNING', heartbeat_at = now()")
    assert not await claims.others_wait(job)
    await silent(pool, validation, 14 * 60)
    assert not await claims.others_wait(job)
    await silent(pool, validation, 16 * 60)
    assert await claims.others_wait(job), "its worker is gone"
