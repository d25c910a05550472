"""A search whose candles are not all stored fetches them, or says why it cannot."""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from optimizer_svc.store import Store
from tests.database_roles import address_of
from tests.fakes.exchange import HOUR, MINUTE, FakeExchange, Instrument, Tape
from tests.fakes.exchange.faults import ServerError
from tests.fakes.exchange.synthetic import random_candles
from tradepulse.candles.arrays import Candles
from tradepulse.market_data.loader import MarketData
from tradepulse.market_data.store import store_candles
from tradepulse.market_data.venues.client import Venues
from tradepulse.market_data.venues.history import Patience
from tradepulse.market_data.venues.pace import SharedPace
from tradepulse.research.jobs import JobSpec
from tradepulse.runtime.db import connect_pool, migrate

pytestmark = pytest.mark.integration

START = 1_700_006_400_000
ROWS = random_candles(1_000, START, seed=1)
TIMES = ROWS[:, 0].astype(np.int64)


class Jobs:
    """A store whose venues are a fake exchange."""

    def __init__(self, fake: FakeExchange, pool: Any, venues: Venues) -> None:
        self.fake = fake
        self.pool = pool
        market = MarketData(pool, venues, patience=Patience(tries=3, first_s=0.001))
        self.store = Store(pool, "worker", market)

    async def candles(self, first: int | None, end: int | None, **more: Any) -> Candles:
        spec = {
            "strategies": ["sma_cross"],
            "exchange": "coinbase",
            "symbols": ["BTC/USD"],
            "timeframe": "1m",
            "start": None if first is None else START + first * MINUTE,
            "end": None if end is None else START + end * MINUTE,
            **more,
        }
        return await self.store.candles(JobSpec(**spec), "BTC/USD", 50, None)

    async def keep(self, exchange: str, low: int, high: int) -> None:
        part = ROWS[low:high]
        candles = Candles(exchange, "BTC/USD", "1m", TIMES[low:high], *part.T[1:])
        async with self.pool.acquire() as connection:
            await store_candles(connection, [candles], "import")


@pytest_asyncio.fixture
async def jobs(database_url: str) -> AsyncIterator[Jobs]:
    await migrate(database_url)
    pool = await connect_pool(await address_of("optimizer_svc", database_url))
    tape = Tape(Instrument("BTC/USD"), candles=ROWS)
    async with FakeExchange(
        START + 1_000 * MINUTE + HOUR, {"coinbase": [tape], "kraken": [tape]}
    ) as fake:
        options = {name: fake.config(name) for name in ("coinbase", "kraken")}
        async with Venues(options, SharedPace(pool), lambda: fake.clock.now) as venues:
            yield Jobs(fake, pool, venues)
    await pool.close()


async def test_what_is_missing_is_fetched_once_with_what_lies_before(jobs: Jobs) -> None:
    await jobs.keep("coinbase", 300, 500)
    found = await jobs.candles(100, 900)
    assert found.open_time.tolist() == TIMES[50:900].tolist()
    jobs.fake.calls.clear()
    again = await jobs.candles(100, 900)
    assert np.array_equal(again.close, ROWS[50:900, 4])
    assert not jobs.fake.calls


async def test_without_both_ends_only_what_is_stored_is_taken(jobs: Jobs) -> None:
    await jobs.keep("coinbase", 300, 500)
    for first, end in ((None, None), (310, None), (None, 450)):
        found = await jobs.candles(first, end)
        assert found.open_time[0] == TIMES[300]
    assert not jobs.fake.calls


async def test_a_venue_that_is_down_fails_the_job_in_one_line(jobs: Jobs) -> None:
    jobs.fake.faults.add(ServerError())
    with pytest.raises(ValueError, match="coinbase:BTC/USD:1m is not all stored, and") as failed:
        await jobs.candles(100, 900)
    told = str(failed.value)
    assert "coinbase does not answer: HTTP 503" in told
    assert told.endswith("or set FETCH_MISSING=false to search what is stored")
    assert "\n" not in told


async def test_what_the_venue_cannot_serve_is_taken_from_what_is_stored(
    jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    await jobs.keep("kraken", 0, 100)
    await jobs.keep("kraken", 120, 200)
    found = await jobs.candles(60, 190, exchange="kraken")
    assert found.open_time.tolist() == TIMES[np.r_[10:100, 120:190]].tolist()
    assert "kraken serves only the last 720" in caplog.text
    with pytest.raises(ValueError, match="kraken has no DOGE/USD: check its spelling"):
        await jobs.store.candles(
            JobSpec(
                strategies=("sma_cross",),
                exchange="kraken",
                symbols=("DOGE/USD",),
                timeframe="1m",
                start=START,
                end=START + HOUR,
            ),
            *("DOGE/USD", 50, None),
        )


async def test_a_timeframe_that_is_not_stored_is_made_of_one_that_is(jobs: Jobs) -> None:
    await jobs.keep("bitfinex", 0, 1_000)
    found = await jobs.candles(400, 900, exchange="bitfinex", timeframe="5m")
    # 50 of them before the start
    assert found.open_time.tolist() == TIMES[150:900:5].tolist()
    assert found.close.tolist() == ROWS[154:900:5, 4].tolist()
    assert not jobs.fake.calls
