"""Ranges from venues in a real database: each question once, killed or not, alone or not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import numpy as np
import pytest
import pytest_asyncio

from tests.fakes.exchange import DAY, HOUR, MINUTE, FakeExchange, Instrument, Tape
from tests.fakes.exchange.faults import Disconnect, Halt, RateLimited, ServerError, TruncatedBody
from tests.fakes.exchange.synthetic import random_candles
from tradepulse.candles.arrays import Candles
from tradepulse.candles.gaps.remedies import resample
from tradepulse.market_data.backfill import Filled, FillOptions, fill, missing_ranges
from tradepulse.market_data.loader import MarketData
from tradepulse.market_data.store import load_candles, store_candles
from tradepulse.market_data.venues.client import Venues
from tradepulse.market_data.venues.errors import OutOfReachError, VenueDownError, VenueRefusedError
from tradepulse.market_data.venues.history import Patience
from tradepulse.market_data.venues.pace import SharedPace
from tradepulse.runtime.db import connect_pool, migrate

pytestmark = pytest.mark.integration

START = 1_700_006_400_000
BTC, ETH = "BTC/USD", "ETH/USD"
PATIENT = Patience(tries=4, first_s=0.001)
Pool = asyncpg.Pool


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await migrate(database_url)
    pool = await connect_pool(database_url, max_size=4)
    yield pool
    await pool.close()


@asynccontextmanager
async def market(
    pool: Pool, name: str, tapes: Sequence[Tape], now: int
) -> AsyncIterator[tuple[FakeExchange, Venues]]:
    async with FakeExchange(now, {name: tapes}) as fake:
        options = {name: fake.config(name)}
        async with Venues(options, SharedPace(pool), lambda: fake.clock.now) as venues:
            yield fake, venues


def tape(rows: np.ndarray, symbol: str = BTC, **more: Any) -> Tape:
    return Tape(Instrument(symbol), candles=rows, **more)


def asked(fake: FakeExchange, method: str = "fetch_ohlcv") -> int:
    return sum(call[1] == method for call in fake.calls)


def rows_of(c: Candles) -> np.ndarray:
    return np.column_stack([c.open_time, c.open, c.high, c.low, c.close, c.volume])


async def stored(pool: Pool, name: str, timeframe: str = "1m", symbol: str = BTC) -> np.ndarray:
    async with pool.acquire() as connection:
        return rows_of(await load_candles(connection, name, symbol, timeframe))


async def sources(pool: Pool) -> set[str]:
    return {row["source"] for row in await pool.fetch("select distinct source from market_data")}


async def test_a_range_is_stored_once_and_never_asked_again(pool: Pool) -> None:
    rows = random_candles(700, START, seed=1)
    end = START + 700 * MINUTE
    async with market(pool, "coinbase", [tape(rows)], end + HOUR) as (fake, venues):
        fake.faults.add(Halt(START + 350 * MINUTE, START + 400 * MINUTE))
        told: list[tuple[int, int]] = []
        venue = venues.venue("coinbase")
        options = FillOptions(on_page=lambda so_far, dealt: told.append((so_far.stored, dealt)))
        done = await fill(pool, venue, BTC, "1m", START, end, options)
        there = np.delete(rows, np.r_[350:400], axis=0)
        assert np.array_equal(await stored(pool, "coinbase"), there)
        assert await sources(pool) == {"backfill"}
        assert told == [(300, 300), (550, 600), (650, 700)]
        assert done == Filled(slots=700, stored=650, without=50, pages=3)
        fake.calls.clear()

        again = await fill(pool, venue, BTC, "1m", START, end)
        assert again == Filled(slots=700, present=650, settled=50)
        assert not fake.calls, "what the venue does not have is not asked for again"

        fake.faults.clear()
        repaired = await fill(pool, venue, BTC, "1m", START, end, FillOptions(again=True))
        assert repaired == Filled(slots=700, present=650, stored=50, pages=1)
        assert np.array_equal(await stored(pool, "coinbase"), rows)


async def test_only_what_is_missing_is_asked_for(pool: Pool) -> None:
    rows = random_candles(3_000, START, seed=2)
    async with pool.acquire() as connection:
        for part in (rows[200:1_300], rows[1_310:1_320], rows[2_900:]):
            candles = Candles("binanceus", BTC, "1m", part[:, 0].astype(np.int64), *part.T[1:])
            await store_candles(connection, [candles], "import")
        where = connection, "binanceus", BTC, "1m"
        assert await missing_ranges(*where, START + 1, START + 3_001 * MINUTE) == [
            (START + lower * MINUTE, START + upper * MINUTE)
            for lower, upper in ((1, 200), (1_300, 1_310), (1_320, 2_900), (3_000, 3_001))
        ]
        assert await missing_ranges(*where, START + 205 * MINUTE, START + 210 * MINUTE) == []
        assert await missing_ranges(*where, START + HOUR, START + HOUR) == []
    end = START + 3_000 * MINUTE
    async with market(pool, "binanceus", [tape(rows)], end + HOUR) as (fake, venues):
        done = await fill(pool, venues.venue("binanceus"), BTC, "1m", START, end)
        assert (done.present, done.stored, done.without) == (1_210, 1_790, 0)
        assert asked(fake) == 4, "one for the first hole, one for a few slots, two for the long one"
        assert np.array_equal(await stored(pool, "binanceus"), rows)


async def test_what_has_just_closed_is_stored_but_not_settled(pool: Pool) -> None:
    rows = random_candles(100, START, seed=3)
    now = START + 90 * MINUTE + 20_000
    async with market(pool, "bitstamp", [tape(rows)], now) as (fake, venues):
        fake.faults.add(Halt(START + 85 * MINUTE, START + 90 * MINUTE))
        venue = venues.venue("bitstamp")
        done = await fill(pool, venue, BTC, "1m", START, START + 100 * MINUTE)
        assert np.array_equal(await stored(pool, "bitstamp"), rows[:85])
        assert done == Filled(slots=90, stored=85, without=4, open=1, pages=1)
        async with pool.acquire() as connection:
            left = await missing_ranges(
                connection, "bitstamp", BTC, "1m", START, START + 91 * MINUTE
            )
        assert left == [(START + 89 * MINUTE, START + 91 * MINUTE)]
        # the venue was late with it
        fake.faults.clear()
        await fill(pool, venue, BTC, "1m", START, START + 100 * MINUTE)
        assert np.array_equal(
            await stored(pool, "bitstamp"), np.delete(rows[:90], range(85, 89), 0)
        )


async def test_over_an_outage_and_after_one_that_lasts(pool: Pool) -> None:
    rows = random_candles(1_500, START, seed=4)
    end = START + 1_500 * MINUTE
    async with market(pool, "coinbase", [tape(rows)], end + HOUR) as (fake, venues):
        venue = venues.venue("coinbase")
        for fault in (ServerError(), TruncatedBody(), RateLimited(0), Disconnect()):
            fake.faults.add(fault, method="fetch_ohlcv", count=1, skip=1)
        lasting = fake.faults.add(ServerError(), method="fetch_ohlcv", skip=3)
        so_far = Filled()
        with pytest.raises(VenueDownError, match="coinbase does not answer: HTTP 503"):
            await fill(pool, venue, BTC, "1m", START, end, FillOptions(patience=PATIENT), so_far)
        assert lasting.hits == 4
        assert so_far.stored == 900
        assert np.array_equal(await stored(pool, "coinbase"), rows[:900])
        fake.faults.clear()
        fake.calls.clear()
        await fill(pool, venue, BTC, "1m", START, end, FillOptions(backward=True))
        assert asked(fake) == 2, "it goes on where it stood"
        assert np.array_equal(await stored(pool, "coinbase"), rows)


async def test_kraken_stores_what_it_serves_and_never_settles_the_rest(pool: Pool) -> None:
    rows = random_candles(1_000, START, seed=5)
    end = START + 999 * MINUTE
    async with market(pool, "kraken", [tape(rows)], end + 30_000) as (fake, venues):
        venue = venues.venue("kraken")
        done = Filled()
        with pytest.raises(OutOfReachError, match="no candles for kraken BTC/USD 1m before"):
            await fill(pool, venue, BTC, "1m", START, end, filled=done)
        assert np.array_equal(await stored(pool, "kraken"), rows[279:999])
        assert (done.stored, done.without, done.open) == (720, 0, 279)
        async with pool.acquire() as connection:
            left = await missing_ranges(connection, "kraken", BTC, "1m", START, end)
        assert left == [(START, START + 279 * MINUTE)], "it did not answer about these"
        fake.calls.clear()
        done = await fill(pool, venue, BTC, "1m", START, end, FillOptions(from_trades=True))
        assert np.array_equal(await stored(pool, "kraken"), rows[:999])
        assert done == Filled(slots=999, present=720, stored=279, pages=done.pages)


async def test_two_at_once_ask_once(pool: Pool, database_url: str) -> None:
    rows = random_candles(900, START, seed=6)
    end = START + 900 * MINUTE
    other = await connect_pool(database_url, max_size=2)
    async with market(pool, "coinbase", [tape(rows)], end + HOUR) as (fake, venues):
        options = {"coinbase": fake.config("coinbase")}
        async with Venues(options, SharedPace(other), lambda: fake.clock.now) as elsewhere:
            await asyncio.gather(
                *(fill(pool, venues.venue("coinbase"), BTC, "1m", START, end) for _ in range(5)),
                *(
                    fill(other, elsewhere.venue("coinbase"), BTC, "1m", START, end)
                    for _ in range(5)
                ),
            )
        assert asked(fake) == 3
        assert np.array_equal(await stored(pool, "coinbase"), rows)
    await other.close()


async def test_processes_share_the_pace_of_a_venue(pool: Pool, database_url: str) -> None:
    waits: list[float] = []
    other = await connect_pool(database_url, max_size=2)
    mine = SharedPace(pool, lambda _, seconds: waits.append(seconds))
    theirs = SharedPace(other)
    loop = asyncio.get_running_loop()
    turns: list[float] = []

    async def ask(pace: SharedPace, venue: str) -> None:
        await pace.wait(venue, 0.05)
        turns.append(loop.time())

    began = loop.time()
    await asyncio.gather(*(ask(pace, "kraken") for pace in (mine, theirs) for _ in range(4)))
    # a slow machine may be late, and then two may come together; too early comes nobody
    early = [began + n * 0.05 - turn for n, turn in enumerate(sorted(turns))]
    assert max(early) < 0.005, "each after the one before"
    assert waits
    turns.clear()
    waits.clear()
    before = loop.time()
    await theirs.hold("kraken", 1.5)
    await ask(mine, "bitstamp")
    assert not waits, "another venue is not held"
    await ask(mine, "kraken")
    assert loop.time() - before >= 1.49, "who was not told of the limit keeps it, too"
    await other.close()


async def test_database_first(pool: Pool) -> None:
    rows = random_candles(500, START, seed=7)
    end = START + 500 * MINUTE
    async with market(pool, "binanceus", [tape(rows)], end + HOUR) as (fake, venues):
        data = MarketData(pool, venues)
        frame = await data.load_candles("binanceus", BTC, "1m", START, end)
        assert frame.columns == ["open_time", "open", "high", "low", "close", "volume"]
        assert np.array_equal(frame.to_numpy(), rows)
        fake.calls.clear()
        again = await data.load_candles("binanceus", BTC, "1m", START + 10 * MINUTE, end)
        assert np.array_equal(again.to_numpy(), rows[10:])
        assert not fake.calls, "not even what it lists is asked for"
        later = await data.load("binanceus", BTC, "1m", end - 10 * MINUTE, end + 5 * MINUTE)
        assert len(later) == 10
        assert asked(fake) == 1
        fake.calls.clear()
        await data.load("binanceus", BTC, "1m", end - 10 * MINUTE, end + 5 * MINUTE)
        assert not fake.calls, "and what it does not have is asked for once"


async def test_longer_candles_are_made_of_stored_shorter_ones(pool: Pool) -> None:
    rows = random_candles(600, START, seed=8)
    short = Candles("binanceus", BTC, "1m", rows[:, 0].astype(np.int64), *rows.T[1:])
    hourly = resample(short, "1h").candles
    end = START + 10 * HOUR
    async with pool.acquire() as connection:
        await store_candles(connection, [short.rows(0, 300), short.rows(330, 600)], "import")
    async with market(pool, "binanceus", [tape(rows)], end + HOUR) as (fake, venues):
        offline = await MarketData(pool).load("binanceus", BTC, "1h", START, end)
        assert offline.open_time.tolist() == np.delete(hourly.open_time, 5).tolist()
        assert not fake.calls
        whole = await MarketData(pool, venues).load("binanceus", BTC, "1h", START, end)
        assert np.array_equal(rows_of(whole)[:, :5], rows_of(hourly)[:, :5])
        assert np.allclose(whole.volume, hourly.volume, rtol=1e-9)
        assert asked(fake) == 1, "the hour with a hole only"
        assert len(await stored(pool, "binanceus", "1h")) == 1


async def test_a_timeframe_that_the_venue_lacks_is_made_of_one_that_it_has(pool: Pool) -> None:
    rows = random_candles(16, START - START % DAY, seed=9, timeframe=HOUR)
    end = int(rows[0, 0]) + 16 * HOUR
    async with market(pool, "coinbase", [tape(rows, timeframe=HOUR)], end + HOUR) as (fake, venues):
        found = await MarketData(pool, venues).load("coinbase", BTC, "4h", int(rows[0, 0]), end)
        assert found.open_time.tolist() == rows[::4, 0].tolist()
        assert found.high.tolist() == rows[:, 2].reshape(4, 4).max(axis=1).tolist()
        assert len(await stored(pool, "coinbase", "2h")) == 8
        fake.calls.clear()
        await MarketData(pool, venues).load("coinbase", BTC, "4h", int(rows[0, 0]), end)
        assert not fake.calls


async def test_other_exchanges_are_read_from_the_database_only(pool: Pool) -> None:
    async with market(pool, "kraken", [tape(random_candles(5, START))], START) as (fake, venues):
        data = MarketData(pool, venues)
        assert len(await data.load("bitfinex", BTC, "1m", START, START + HOUR)) == 0
        assert not fake.calls
        with pytest.raises(ValueError, match="unknown timeframe"):
            await data.load("kraken", BTC, "7m", START, START + HOUR)
        with pytest.raises(VenueRefusedError, match="kraken has no XRP/USD"):
            await data.load("kraken", "XRP/USD", "1m", START - HOUR, START)


async def test_loads_at_once_of_many_series_on_few_connections(pool: Pool) -> None:
    symbols = [f"{base}/USD" for base in ("BTC", "ETH", "LTC", "XRP", "SOL", "ADA", "DOT", "BCH")]
    rows = random_candles(350, START, seed=10)
    end = START + 350 * MINUTE
    tapes = [tape(rows, symbol) for symbol in symbols]
    async with market(pool, "coinbase", tapes, end + HOUR) as (fake, venues):
        data = MarketData(pool, venues)
        async with asyncio.timeout(120):
            loaded = await asyncio.gather(
                *(data.load("coinbase", one, "1m", START, end) for one in symbols * 2)
            )
        assert all(np.array_equal(rows_of(one), rows) for one in loaded)
        assert asked(fake) == 2 * len(symbols)
        assert asked(fake, "load_markets") <= 5, "what it lists is loaded once"
