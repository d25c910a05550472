"""Which days of which models are over, and what is kept of them, on a real database."""

from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest
import pytest_asyncio

from rl_svc.drift_days import days_over
from rl_svc.drift_watch import Found
from tests.made_waves import (
    DAY,
    DOWN,
    HOUR,
    START,
    UP,
    wave_candles,
    wave_configurations,
    wave_model,
)
from tradepulse.market_data.store import store_candles
from tradepulse.research.configurations import NewConfiguration, activate, add_discovered
from tradepulse.research.drift import ModelDay
from tradepulse.research.model_days import add_day, begun_at, model_days
from tradepulse.research.model_lifecycle import promote, retire
from tradepulse.research.model_registry import import_model
from tradepulse.runtime.db import at, connect_pool, migrate
from tradepulse.runtime.ownership import Ownership, take_over
from tradepulse.trading.policies.model_bytes import bytes_of

pytestmark = pytest.mark.integration
FIRST, SECOND = wave_model(UP), wave_model(None)
CONSUMER = "weights:main"


@pytest_asyncio.fixture
async def pool(database_url: str) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    await migrate(database_url)
    pool = await connect_pool(database_url)
    async with pool.acquire() as connection:
        await store_candles(connection, wave_candles(5), "replay")
        for one in wave_configurations():
            new = NewConfiguration(
                one.configuration_id, one.strategy, one.exchange, one.symbol, one.timeframe,
                one.params, 1.0, {},
            )  # fmt: skip
            await add_discovered(connection, new, "made")
    for one in wave_configurations():
        await activate(pool, one.configuration_id, "for a test")
    for model in (FIRST, SECOND):
        await import_model(pool, bytes_of(model), "main", "m", "m.npz")
    await promote(pool, FIRST.model_id, "ACTIVE", "for a test")
    yield pool
    await pool.close()


async def decided(
    pool: "asyncpg.Pool[asyncpg.Record]",
    closes: range,
    *,
    model: object = FIRST.model_id,
    table: str = "portfolio_weights",
    fallback: str | None = None,
) -> None:
    """Store vectors that prefer one instrument, hour by hour."""
    await pool.executemany(
        f"insert into {table} (portfolio, close_time, policy, weights, missing, budget, model_id, "
        "fallback) values ('main', $1, 'p', $2, '[]', 1, $3, $4)",
        [(at(START + n * HOUR), {UP: 0.5, DOWN: 0.1}, model, fallback) for n in closes],
    )


async def settled(pool: "asyncpg.Pool[asyncpg.Record]", time: int) -> Ownership:
    owner = await take_over(pool, CONSUMER)
    await pool.execute("update event_time_positions set settled_time = $1", time)
    return owner


async def found_by(pool: "asyncpg.Pool[asyncpg.Record]") -> list[Found]:
    return [one async for one in days_over(pool, "main")]


def days_of(found: list[Found]) -> list[ModelDay]:
    return [one.day for one in found if one.day is not None]


async def test_a_day_is_over_with_the_midnight_that_ends_it(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    assert await found_by(pool) == []
    await decided(pool, range(1, 49))
    await settled(pool, START + 2 * DAY - 1)
    first = days_of(await found_by(pool))
    assert [(one.day, one.closes) for one in first] == [(START, 23)]
    await settled(pool, START + 2 * DAY)
    both = days_of(await found_by(pool))
    assert both[0] == first[0]
    assert [(one.day, one.closes) for one in both[1:]] == [(START + DAY, 24)]
    assert all(one.excess is not None and one.excess != 0 for one in both[1:])
    # what is kept is not given again
    owner = await settled(pool, START + 2 * DAY)
    assert await add_day(pool, FIRST.model_id, both[0], CONSUMER, owner.epoch)
    assert days_of(await found_by(pool)) == both[1:]


async def test_closes_that_the_fallback_decided_are_not_the_models(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    await decided(pool, range(1, 30), fallback="history")
    await decided(pool, range(30, 40))
    # a day without any decision of its own is left out
    await decided(pool, range(40, 75), model=None)
    await decided(pool, range(75, 97))
    await settled(pool, START + 4 * DAY)
    found = days_of(await found_by(pool))
    assert [((one.day - START) // DAY, one.closes) for one in found] == [(1, 10), (3, 21)]
    assert all(one.clipped is not None for one in found)


async def test_a_model_in_shadow_is_judged_by_what_it_decided_beside(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    await retire(pool, FIRST.model_id, "for a test")
    await promote(pool, SECOND.model_id, "SHADOW", "for a test")
    await decided(pool, range(1, 49), model=None)
    await decided(pool, range(1, 49), model=SECOND.model_id, table="shadow_weights")
    await settled(pool, START + 2 * DAY)
    beside = days_of(await found_by(pool))
    await pool.execute("update portfolio_weights set model_id = $1", SECOND.model_id)
    await pool.execute("delete from shadow_weights")
    assert days_of(await found_by(pool)) == beside
    assert len(beside) == 2


async def test_a_damaged_model_is_told_and_keeps_no_other_from_its_days(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    await promote(pool, SECOND.model_id, "SHADOW", "for a test")
    await decided(pool, range(1, 25))
    await decided(pool, range(1, 25), model=SECOND.model_id, table="shadow_weights")
    await settled(pool, START + DAY)
    await pool.execute("update rl_models set artifact = '' where model_id = $1", FIRST.model_id)
    damaged, other = await found_by(pool)
    assert damaged.day is None
    assert "was changed or damaged in the database" in (damaged.error or "")
    assert (other.model_id, len(days_of([other]))) == (SECOND.model_id, 1)


async def test_without_configurations_nothing_is_measured(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    await pool.execute("update trained_configurations set is_active = false")
    await decided(pool, range(1, 25))
    await settled(pool, START + DAY)
    (day,) = days_of(await found_by(pool))
    assert (day.growth, day.excess, day.evidence) == (None, None, 1.0)
    assert day.clipped is not None


async def test_only_the_owner_keeps_a_day_and_a_day_that_is_there_stays(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    day = ModelDay(START, 7, 24, 0.1, ((1, 2),), {"fall": 0.5}, 0.01, 0.02, 1.5)
    owner = await take_over(pool, CONSUMER)
    assert not await add_day(pool, FIRST.model_id, day, CONSUMER, owner.epoch - 1)
    assert not await add_day(pool, FIRST.model_id, day, "weights:other", owner.epoch)
    assert await model_days(pool, FIRST.model_id) == []
    assert await add_day(pool, FIRST.model_id, day, CONSUMER, owner.epoch)
    changed = replace(day, evidence=9.0)
    assert not await add_day(pool, FIRST.model_id, changed, CONSUMER, owner.epoch)
    assert await model_days(pool, FIRST.model_id) == [day]


async def test_after_an_alarm_nothing_is_given_until_a_person_brings_it_back(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    await decided(pool, range(1, 97))
    owner = await settled(pool, START + 4 * DAY)
    begun = await begun_at(pool, FIRST.model_id)
    alarm = ModelDay(START, begun, 24, None, growth=-0.5, equal=0.0, evidence=100.0)
    await add_day(pool, FIRST.model_id, alarm, CONSUMER, owner.epoch)
    assert await found_by(pool) == []
    await retire(pool, FIRST.model_id, "does harm", by_person=False)
    assert await found_by(pool) == []
    await promote(pool, FIRST.model_id, "SHADOW", "all the same")
    after = days_of(await found_by(pool))
    assert [one.day for one in after] == [START + n * DAY for n in (1, 2, 3)]
    assert {one.begun for one in after} == {await begun_at(pool, FIRST.model_id)} != {begun}
    # the test for harm begins anew
    assert max(one.evidence for one in after) < 2
    # to ACTIVE it is the same service
    await promote(pool, FIRST.model_id, "ACTIVE", "soon")
    assert days_of(await found_by(pool)) == after
