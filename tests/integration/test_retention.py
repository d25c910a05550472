"""What is old goes, batch by batch, and nothing that somebody still needs."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from executor_svc.thinning import EQUITY
from optimizer_svc.store import TRIALS
from signal_svc.store import SIGNALS
from tradepulse.market_data.gaps.tries_store import REPAIRS
from tradepulse.runtime.db import connect_pool, migrate
from tradepulse.runtime.retention import Kept, Retention

pytestmark = pytest.mark.integration
NEWEST = datetime(2018, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
Pool = asyncpg.Pool


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator["Pool[asyncpg.Record]"]:
    await migrate(database_url)
    made = await connect_pool(database_url)
    yield made
    await made.close()


async def removed(pool: "Pool[asyncpg.Record]", kept: Kept, batch: int) -> tuple[int, int]:
    """Remove what is old, so much at once; return how many rows, and how many the meter says."""
    registry = CollectorRegistry()
    retention = Retention(pool, (kept,), registry)
    labels = {"table": kept.table}
    assert registry.get_sample_value("tradepulse_retention_removed_total", labels) == 0
    count = await retention.remove(Kept(kept.table, kept.remove, batch))
    assert await retention.remove(kept) == 0
    ended = registry.get_sample_value("tradepulse_retention_time_seconds", labels)
    assert ended is not None
    assert ended > 0
    told = registry.get_sample_value("tradepulse_retention_removed_total", labels)
    assert told is not None
    return count, int(told)


async def test_signals_go_after_400_days_of_their_own_time(pool: "Pool[asyncpg.Record]") -> None:
    days = [0, 399, 400, 401, 402, 500, 3_000]
    await pool.executemany(
        "insert into signals (signal_id, configuration_id, strategy, exchange, symbol, timeframe,"
        " action, reference_price, confidence, decided_at)"
        " values (gen_random_uuid(), gen_random_uuid(), 's', 'x', 'A/B', '1h', 'enter_long', 1, 1,"
        " $1)",
        [(NEWEST - day * DAY,) for day in days],
    )
    assert await removed(pool, SIGNALS, 3) == (4, 4)
    left = await pool.fetch("select decided_at from signals order by 1 desc")
    assert [row[0] for row in left] == [NEWEST - day * DAY for day in days[:3]]


async def test_old_equity_keeps_the_last_the_lowest_and_the_highest_of_each_hour(
    pool: "Pool[asyncpg.Record]",
) -> None:
    minutes = [NEWEST - 90 * DAY - timedelta(hours=3, minutes=-n) for n in range(240)]
    rows = {
        account: [(account, minute, 100 + (n * 7) % 60) for n, minute in enumerate(minutes)]
        for account in ("a", "b")
    }
    for account, points in rows.items():
        await pool.execute("insert into accounts values ($1, 100, 100)", account)
        await pool.executemany(
            "insert into equity values ($1, $2, 0, $3, 0, 0)", [*points, (account, NEWEST, 100)]
        )
    # an account that began lately has nothing old
    await pool.execute("insert into accounts values ('new', 1, 1)")
    await pool.executemany(
        "insert into equity values ('new', $1, 0, 1, 0, 0)", [(one,) for one in minutes]
    )
    expected = []
    for points in rows.values():
        for hour in range(4):
            inside = points[60 * hour : 60 * hour + 60]
            if hour == 3:
                # within the 90 days
                expected += inside
                continue
            by_equity = sorted(inside, key=lambda row: row[2])
            expected += {by_equity[0], by_equity[-1], inside[-1]}
    expected += [(account, NEWEST, 100) for account in rows]
    count = 2 * 241 - len(expected)
    assert count > 300
    assert await removed(pool, EQUITY, 1) == (count, count)
    query = "select account, close_time, equity from equity where account <> 'new'"
    assert sorted(map(tuple, await pool.fetch(query))) == sorted(expected)
    assert await pool.fetchval("select count(*) from equity where account = 'new'") == 240


async def test_trials_go_unless_their_search_found_what_is_still_kept(
    pool: "Pool[asyncpg.Record]",
) -> None:
    jobs = {name: uuid4() for name in ("old", "kept", "retired", "young", "running")}
    for name, job in jobs.items():
        finished = {"young": "now() - interval '89 days'", "running": "null"}.get(
            name, "now() - interval '91 days'"
        )
        await pool.execute(
            "insert into training_jobs (job_id, spec, status, created_at, finished_at)"
            f" values ($1, '{{}}', 'SUCCEEDED', now() - interval '99 days', {finished})",
            job,
        )
        await pool.execute(
            "insert into training_searches (job_id, search, strategy, exchange, symbol, timeframe,"
            " params, figures, done) values ($1, 0, 's', 'x', 'A/B', '1h', '{}', '{}', 3)",
            job,
        )
        await pool.executemany(
            "insert into training_batches values ($1, 0, $2, '{1}', '{1}')",
            [(job, number) for number in range(3)],
        )
    for name in ("kept", "retired"):
        await pool.execute(
            "insert into trained_configurations (configuration_id, job_id, strategy, exchange,"
            " symbol, timeframe, params, stage, retired)"
            " values (gen_random_uuid(), $1, 's', 'x', 'A/B', '1h', $2, 'DECAY', $3)",
            jobs[name],
            json.loads("{}"),
            name == "retired",
        )
    assert await removed(pool, TRIALS, 2) == (6, 6)
    left = {row["job_id"] for row in await pool.fetch("select job_id from training_batches")}
    assert left == {jobs[name] for name in ("kept", "young", "running")}
    # the gates count what was tried
    assert await pool.fetchval("select sum(done) from training_searches") == 15


async def test_repairs_go_of_gaps_that_are_settled(pool: "Pool[asyncpg.Record]") -> None:
    for number, status in enumerate(("open", "filled", "unrepairable", "repaired", "gone")):
        gap = await pool.fetchval(
            "insert into data_gaps (exchange, symbol, timeframe, kind, first_open_time,"
            " last_open_time, candles, sure, sentence, status)"
            " values ('x', 'A/B', '1h', 'hole', $1, $1, 1, true, 's', $2) returning gap_id",
            number,
            status,
        )
        for age in (399, 401):
            await pool.execute(
                "insert into gap_repairs (gap_id, at, step, timeframe, candles, outcome, note)"
                " values ($1, now() - $2 * interval '1 day', 'venue', '1h', 0, 'nothing', 'n')",
                gap,
                age,
            )
    assert await removed(pool, REPAIRS, 1) == (2, 2)
    left = await pool.fetch(
        "select status, count(*) from gap_repairs join data_gaps using (gap_id) group by 1"
    )
    assert dict(map(tuple, left)) == {
        "open": 2, "filled": 2, "unrepairable": 2, "repaired": 1, "gone": 1,
    }  # fmt: skip
