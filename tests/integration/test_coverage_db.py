"""Coverage counted by the database is the coverage counted by the rules."""

from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
import pytest
import pytest_asyncio

from tests.candle_series import START, random_walk
from tradepulse.candles.arrays import Candles
from tradepulse.candles.gaps.finding import Coverage, coverage
from tradepulse.candles.series import SeriesFilter
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.gaps.coverage import coverage_of, lifetimes_of, sources_of
from tradepulse.market_data.store import store_candles
from tradepulse.runtime.db import Connection, connect, migrate

pytestmark = pytest.mark.integration

HOUR = 3_600_000


@pytest_asyncio.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    await migrate(database_url)
    connection = await connect(database_url)
    yield connection
    await connection.close()


def assert_same(a: Coverage, b: Coverage) -> None:
    assert a.series == b.series
    assert a.days.tolist() == b.days.tolist()
    for name in ("expected", "present", "zero_volume", "synthetic", "missing"):
        assert getattr(a, name).tolist() == getattr(b, name).tolist(), name


def full_of_holes(seed: int) -> tuple[list[Candles], dict[str, np.ndarray]]:
    """Return series with holes, without volume here and there, and which candles are made up."""
    random = np.random.default_rng(seed)
    series, made = [], {}
    for symbol, timeframe, count, share in (
        ("A/USD", "30m", 300, 0.3),
        ("B/USD", "1h", 90, 0.1),
        ("B/USD", "1d", 20, 0.2),
        ("C/EUR", "1m", 2000, 0.05),
    ):
        gone = np.flatnonzero(random.random(count) < share)
        begin = START + int(random.integers(0, 5)) * 86_400_000
        c = random_walk(symbol, count, seed=seed, timeframe=timeframe, start=begin, without=gone)
        volume = np.where(random.random(len(c)) < 0.2, 0.0, c.volume)
        up = random.random(len(c)) < 0.1
        # at the ends, too: they extend no lifetime
        up[:2] = up[-2:] = True
        off = ~up & (random.random(len(c)) < 0.02)
        times = c.open_time + np.where(off, 7_000, 0)
        series.append(replace(c, volume=volume, open_time=times))
        made[c.series] = up
    return series, made


@pytest.mark.parametrize("seed", range(4))
async def test_it_equals_the_rules(connection: Connection, seed: int) -> None:
    series, made = full_of_holes(seed)
    for one in series:
        up = made[one.series]
        for source, rows in (("synthetic", up), ("import", ~up)):
            columns = (
                getattr(one, name)[rows]
                for name in ("open_time", "open", "high", "low", "close", "volume")
            )
            part = Candles(one.exchange, one.symbol, one.timeframe, *columns)
            await store_candles(connection, [part], source)
    series.sort(key=lambda one: (one.exchange, one.symbol, one.timeframe))
    random = np.random.default_rng(seed)
    edges = START + random.integers(0, 12 * 24 * 60, (8, 3)) * 60_000
    assert_same(await coverage_of(connection), coverage(series, synthetic=made))
    for lo, hi, now in np.sort(edges, axis=1).tolist():
        for bounds in (
            {"start": lo, "end": hi},
            {"start": lo},
            {"end": hi, "now": now},
            {"lifetimes": {"test:A/USD:30m": (lo, hi), "test:C/EUR:1m": (lo, now)}, "now": hi},
        ):
            # what has no candle before now is no series of the database yet
            live = [
                one
                for one in series
                if (one.open_time[~made[one.series]] % timeframe_ms(one.timeframe) == 0)[
                    one.open_time[~made[one.series]]
                    <= bounds.get("now", 1 << 60) - timeframe_ms(one.timeframe)
                ].any()
            ]
            found = await coverage_of(connection, **bounds)
            assert_same(found, coverage(live, synthetic=made, **bounds))


async def test_filters_and_sources(connection: Connection) -> None:
    a, b = random_walk("A/USD", 5), random_walk("B/USD", 7, exchange="other")
    await store_candles(connection, [a], "live")
    await store_candles(connection, [b], "import")
    await store_candles(connection, [b.rows(2, 4)], "repaired")
    elsewhere = await coverage_of(connection, SeriesFilter("other"))
    assert elsewhere.series == ("other:B/USD:30m",)
    of_a = await coverage_of(connection, SeriesFilter(symbol="A/USD"))
    assert of_a.series == ("test:A/USD:30m",)
    nothing = await coverage_of(connection, SeriesFilter(timeframe="1h"))
    assert (nothing.series, nothing.days.shape, nothing.missing.shape) == ((), (0,), (0, 0))
    assert await sources_of(connection) == {
        "other:B/USD:30m": {"import": 5, "repaired": 2},
        "test:A/USD:30m": {"live": 5},
    }
    assert list(await sources_of(connection, end=START)) == []
    first, second = await lifetimes_of(connection, now=START + 3 * HOUR + 1)
    assert (first.series, first.first, first.end) == (
        "other:B/USD:30m",
        START,
        START + 3 * HOUR,
    )
    assert second.last == START + 2 * HOUR
