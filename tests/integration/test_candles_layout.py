"""How candles lie in the database: what reads few rows touches few, and nothing is one by one."""

import asyncio
import sys
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import pytest_asyncio

from contracts.events import Source
from tests.candle_series import START, as_events, random_walk, same
from tradepulse.candles.arrays import Candles
from tradepulse.candles.checks import time_text
from tradepulse.market_data.rows import CHUNK
from tradepulse.market_data.store import (
    Storable,
    known_series,
    load_candles,
    load_frame,
    store_candles,
    upsert_candles,
)
from tradepulse.runtime.db import Connection, connect, migrate

pytestmark = pytest.mark.integration
HALF_HOUR = 1_800_000
BENCH = Path(__file__).parents[2] / "bench" / "data.py"


@pytest_asyncio.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    await migrate(database_url)
    connection = await connect(database_url)
    yield connection
    await connection.close()


async def plan(connection: Connection, query: str) -> str:
    rows = await connection.fetch(f"explain (analyze, buffers, timing off, summary off) {query}")
    return "\n".join(row[0] for row in rows)


async def test_a_range_is_read_from_the_index_alone(connection: Connection) -> None:
    series = [random_walk(f"S{i}/USD", 2_000, seed=i) for i in range(5)]
    for lo in range(0, 2_000, 500):
        await store_candles(connection, [one.rows(lo, lo + 500) for one in series], "live")
    # so small a table would be read otherwise; what may be read from the index alone is the same
    await connection.execute("set enable_seqscan = off; set enable_bitmapscan = off")
    read = await plan(
        connection,
        "select open_time, open, high, low, close, volume, source "
        f"from candles_of('test', 'S3/USD', '30m') where open_time < {START + 300 * HALF_HOUR}",
    )
    assert "Index Only Scan using candles_pkey" in read
    last = await plan(
        connection,
        "select close from candles_of('test', 'S3/USD', '30m') order by open_time desc limit 1",
    )
    assert "Index Only Scan Backward using candles_pkey" in last
    assert "Sort" not in last
    through_the_view = await plan(
        connection,
        "select close from market_data where exchange = 'test' and symbol = 'S3/USD' "
        f"and timeframe = '30m' and open_time < {START + 300 * HALF_HOUR}",
    )
    assert "Index Only Scan using candles_pkey" in through_the_view


async def test_vacuum_follows_what_comes_live(connection: Connection) -> None:
    options = await connection.fetchval("select reloptions from pg_class where relname = 'candles'")
    assert "autovacuum_vacuum_insert_scale_factor=0" in options


async def test_no_object_is_made_for_a_row(connection: Connection) -> None:
    count = 150_000
    candles = random_walk("BTC/USD", count)
    await store_candles(connection, [candles.rows(0, 10)], "live")  # statements are prepared
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    stored = await store_candles(connection, [candles], "live")
    written = (tracemalloc.get_traced_memory()[1] - before) / count
    tracemalloc.reset_peak()
    loaded = await load_candles(connection, "test", "BTC/USD", "30m")
    read = (tracemalloc.get_traced_memory()[1] - before) / count
    tracemalloc.stop()
    assert stored == count - 10
    assert same(loaded, candles)
    # a row has 48 bytes, on the wire 74 or 82; as a tuple of Python objects it has 270 and more
    assert written < 250
    assert read < 200


async def test_a_frame_with_its_sources(connection: Connection) -> None:
    candles = random_walk("BTC/USD", 600)
    sources: tuple[Source, ...] = (
        *("live", "backfill", "replay", "import", "repaired", "synthetic"),
    )
    for i, source in enumerate(sources):
        await store_candles(connection, [candles.rows(100 * i, 100 * i + 100)], source)
    frame = await load_frame(connection, "test", "BTC/USD", "30m", with_source=True)
    assert frame.schema == {
        "open_time": pl.Int64,
        **dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64),
        "source": pl.String,
    }
    assert frame["source"].to_list() == [source for source in sources for _ in range(100)]
    assert frame["volume"].to_numpy().tobytes() == candles.volume.tobytes()
    end = int(candles.open_time[7])
    part = await load_frame(connection, "test", "BTC/USD", "30m", START + HALF_HOUR, end)
    assert part.equals(frame.drop("source")[1:7])
    none = await load_frame(connection, "test", "ETH/USD", "30m", with_source=True)
    assert none.schema == frame.schema
    assert none.is_empty()


async def test_more_than_one_statement(connection: Connection) -> None:
    long = random_walk("LONG/USD", CHUNK + 50, timeframe="1m")
    short = [random_walk(f"S{i}/USD", 3, seed=i) for i in range(40)]
    given = [*short[20:], long, *short[:20]]
    assert await store_candles(connection, given, "backfill") == CHUNK + 170
    assert same(await load_candles(connection, "test", "LONG/USD", "1m"), long)
    for one in short:
        assert same(await load_candles(connection, "test", one.symbol, "30m"), one)
    assert await store_candles(connection, given, "backfill") == 0


@pytest.mark.parametrize("count", [50, 3_000])
async def test_what_is_kept_is_counted_either_way(connection: Connection, count: int) -> None:
    """Few rows and many take other ways to the server, and count the same."""
    old, new = random_walk("BTC/USD", count, seed=1), random_walk("BTC/USD", count, seed=2)
    old.close[: count // 2] = new.close[: count // 2]
    for name in ("open", "high", "low", "volume"):
        getattr(old, name)[: count // 2] = getattr(new, name)[: count // 2]
    await store_candles(connection, [old.rows(0, count - 10)], "live")
    stored = await upsert_candles(connection, [new], "import")
    assert (stored.written, stored.kept) == (10, count - 10 - count // 2)
    first = time_text(int(new.open_time[count // 2]))
    assert stored.example == f"test:BTC/USD:30m of {first}, stored as live"
    again = await upsert_candles(connection, as_events([new]), "live")
    assert (again.written, again.kept) == (count - count // 2, 0)
    assert same(await load_candles(connection, "test", "BTC/USD", "30m"), new)


@pytest.mark.parametrize("count", [5, 2_000])
async def test_a_candle_given_twice_is_refused(connection: Connection, count: int) -> None:
    one = random_walk("BTC/USD", count)
    with pytest.raises(Exception, match="cannot affect row a second time"):
        await store_candles(connection, [one, one], "live")
    assert await known_series(connection) == []


async def test_writers_of_the_same_candles_do_not_lock_each_other(database_url: str) -> None:
    await migrate(database_url)
    series = [random_walk(f"S{i}/USD", 300, seed=i) for i in range(12)]
    mixed: list[Storable] = [
        series,
        series[::-1],
        as_events(series)[::-1],
        [one.rows(lo, lo + 100) for lo in (200, 0, 100) for one in series],
    ]

    async def write(candles: Storable) -> int:
        connection = await connect(database_url)
        try:
            return await store_candles(connection, candles, "live")
        finally:
            await connection.close()

    # new series and new candles, by all at once, in any order: one of them writes each
    assert sum(await asyncio.gather(*map(write, mixed))) == 12 * 300
    connection = await connect(database_url)
    for one in series:
        assert same(await load_candles(connection, "test", one.symbol, "30m"), one)
    await connection.close()


async def test_the_last_so_many_of_a_range(connection: Connection) -> None:
    candles = random_walk("BTC/USD", 100, without=(50,))
    await store_candles(connection, [candles], "live")
    names = ("test", "BTC/USD", "30m")
    end = START + 60 * HALF_HOUR
    for last, rows in ((0, 0), (1, 1), (59, 59), (1_000, 59)):
        found = await load_candles(connection, *names, None, end, last)
        assert same(found, candles.between(None, end).rows(59 - rows, 59))
        assert all(
            column.flags.c_contiguous and column.flags.writeable
            for column in (found.open_time, found.close)
        )


async def test_figures_to_the_bit(connection: Connection) -> None:
    odd = np.array([5e-324, 0.1 + 0.2, 1.7976931348623157e308, -0.0, np.inf, np.nan])
    times = START + HALF_HOUR * np.arange(len(odd), dtype=np.int64)
    candles = Candles("test", "ODD/USD", "30m", times, odd, odd, odd, odd, odd)
    await store_candles(connection, [candles], "import")
    assert same(await load_candles(connection, "test", "ODD/USD", "30m"), candles)


async def test_the_benchmark_runs(database_url: str) -> None:
    command = [sys.executable, str(BENCH), "--rows", "2000", "--series", "8", "--runs", "1"]
    process = await asyncio.create_subprocess_exec(
        *command, "--database", database_url,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    told = (await process.communicate())[0].decode()
    assert process.returncode == 0, told
    assert "with ATR(14) and SMA(20)" in told
    assert "COPY alone" in told
