"""market_data: repeats are harmless, a worse source never overwrites a better one."""

from collections.abc import AsyncIterator

import asyncpg
import numpy as np
import pytest
import pytest_asyncio

import tradepulse as tp
from contracts.events import CandleClosed
from tests.candle_series import as_events, random_walk, same
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.store import (
    CandleConflictError,
    candle_counts,
    known_series,
    load_candles,
    load_range,
    store_candles,
    upsert_candles,
)
from tradepulse.runtime.db import (
    Connection,
    connect,
    connect_pool,
    migrate,
    migrations,
    opened_pool,
)

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    await migrate(database_url)
    connection = await connect(database_url)
    yield connection
    await connection.close()


async def sources(connection: Connection) -> list[str]:
    rows = await connection.fetch("select source from market_data order by open_time")
    return [row["source"] for row in rows]


async def test_what_is_stored_comes_back_to_the_bit(connection: Connection) -> None:
    btc = random_walk("BTC/USD", 25_000, seed=1)
    eth = random_walk("ETH/USD", 300, seed=2)
    assert await store_candles(connection, [btc, eth], "import") == 25_300
    assert same(await load_candles(connection, "test", "BTC/USD", "30m"), btc)
    assert same(await load_candles(connection, "test", "ETH/USD", "30m"), eth)
    assert len(await load_candles(connection, "test", "ETH/USD", "1h")) == 0


@pytest.mark.parametrize("connections", [1, 2])
async def test_a_range_in_halves_is_the_range(
    connection: Connection, database_url: str, connections: int
) -> None:
    btc = random_walk("BTC/USD", 12_000, seed=1, without=(0, 5_999, 6_000, 11_999))
    await store_candles(connection, [btc], "import")
    step = timeframe_ms("30m")
    first, last = int(btc.open_time[0]), int(btc.open_time[-1])
    pool = await connect_pool(database_url, max_size=connections)
    for start, end in (
        (first, last + step),
        (first - 7 * step, last + 1),
        (first + 1, last),
        (first, first + 10 * step),
        (last + step, last + 9_000 * step),
        (last, first),
    ):
        where = "test", "BTC/USD", "30m", start, end
        assert same(await load_range(pool, *where), await load_candles(connection, *where))
    await pool.close()


async def test_a_repeat_changes_nothing(connection: Connection) -> None:
    candles = [random_walk("BTC/USD", 500)]
    assert await store_candles(connection, candles, "import") == 500
    assert await store_candles(connection, candles, "import") == 0
    assert await store_candles(connection, as_events(candles), "replay") == 0
    assert set(await sources(connection)) == {"import"}


async def test_parts_of_a_series(connection: Connection) -> None:
    candles = random_walk("BTC/USD", 100)
    await store_candles(connection, [candles], "import")
    end = int(candles.open_time[60])
    window = await load_candles(connection, "test", "BTC/USD", "30m", end=end, limit_last=7)
    assert same(window, candles.rows(53, 60))
    start = int(candles.open_time[95])
    tail = await load_candles(connection, "test", "BTC/USD", "30m", start=start)
    assert same(tail, candles.rows(95, 100))


async def test_a_file_never_overwrites_what_the_venue_said(connection: Connection) -> None:
    live = random_walk("BTC/USD", 10, seed=1)
    other = random_walk("BTC/USD", 20, seed=2)
    await store_candles(connection, [live], "live")
    with pytest.raises(CandleConflictError, match=r"^10 stored .* import, the first is test:BTC"):
        await store_candles(connection, [other], "import")
    assert same(await load_candles(connection, "test", "BTC/USD", "30m"), live), "half imported"
    with pytest.raises(CandleConflictError):
        await store_candles(connection, as_events([other]), "replay")

    kept = await upsert_candles(connection, [other], "import")
    assert kept.written == 10
    assert kept.kept == 10
    assert "stored as live" in kept.example
    assert same((await load_candles(connection, "test", "BTC/USD", "30m")).rows(0, 10), live)


async def test_a_better_source_overwrites_and_is_remembered(connection: Connection) -> None:
    imported = random_walk("BTC/USD", 4, seed=1)
    live = random_walk("BTC/USD", 4, seed=2)
    await store_candles(connection, [imported], "import")
    assert await store_candles(connection, [live], "live") == 4
    assert await store_candles(connection, [live], "repaired") == 4, "the same figures, now sure"
    assert await sources(connection) == ["repaired"] * 4
    assert same(await load_candles(connection, "test", "BTC/USD", "30m"), live)


async def test_files_are_equals(connection: Connection) -> None:
    first = random_walk("BTC/USD", 4, seed=1)
    second = random_walk("BTC/USD", 4, seed=2)
    await store_candles(connection, [first], "import")
    assert await store_candles(connection, as_events([second]), "replay") == 4
    assert same(await load_candles(connection, "test", "BTC/USD", "30m"), second)


async def test_known_series(connection: Connection) -> None:
    assert await known_series(connection) == []
    btc = random_walk("BTC/USD", 10)
    await store_candles(connection, [btc, random_walk("ETH/USD", 3)], "import")
    first, second = await known_series(connection)
    assert (first.symbol, second.symbol) == ("BTC/USD", "ETH/USD")
    assert first.first_open_time == btc.open_time[0]
    assert first.last_open_time == btc.open_time[-1]
    assert await candle_counts(connection) == {
        ("test", "BTC/USD", "30m"): 10,
        ("test", "ETH/USD", "30m"): 3,
    }


async def test_nothing_to_store(connection: Connection) -> None:
    no_events: list[CandleClosed] = []
    assert await store_candles(connection, no_events, "live") == 0
    empty = await load_candles(connection, "test", "BTC/USD", "30m")
    assert empty.open_time.dtype == np.int64
    assert empty.close.dtype == np.float64


async def test_the_migration_carries_all_candles_over(database_url: str) -> None:
    connection = await connect(database_url)
    files = dict(migrations())
    for name in ("0001_first.sql", "0002_positions.sql", "0003_research.sql"):
        await connection.execute(files[name])
    candles = [
        random_walk("ETH/USD", 300, seed=1),
        random_walk("BTC/USD", 40, seed=2, exchange="other", timeframe="1m"),
        random_walk("BTC/USD", 500, seed=3, without=(7, 8)),
    ]
    rows = [
        (e.exchange, e.symbol, e.timeframe, e.open_time, e.open, e.high, e.low, e.close, e.volume)
        for e in as_events(candles)
    ]
    rows = [(*row, ("live", "import")[i % 2]) for i, row in enumerate(rows)]
    await connection.copy_records_to_table("market_data", records=rows)
    await connection.execute(files["0004_market_data.sql"])
    assert sorted(tuple(row) for row in await connection.fetch("table market_data")) == sorted(rows)
    for one in candles:
        names = one.exchange, one.symbol, one.timeframe
        assert same(await load_candles(connection, *names), one)
    later = random_walk("SOL/USD", 3)
    assert await store_candles(connection, [later], "live") == 3, "a new series after it"
    assert len(await known_series(connection)) == 4
    await connection.close()


async def test_python_reads_what_is_stored_and_cannot_write(
    connection: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a running loop, as a notebook's cell."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    btc = random_walk("BTC/USD", 300, seed=1)
    await store_candles(connection, [btc], "import")
    assert same(tp.stored("test", "BTC/USD", "30m"), btc)
    first, last = int(btc.open_time[10]), int(btc.open_time[20])
    assert same(tp.stored("test", "BTC/USD", "30m", first, last), btc.between(first, last))
    made = tp.stored("test", "BTC/USD", "1h")
    assert len(made) == 150
    assert made.close[0] == btc.close[1]
    with pytest.raises(ValueError, match="no candles of test:X/USD:1h are stored in this"):
        tp.stored("test", "X/USD", "1h")
    async with opened_pool(database_url, read_only=True) as pool:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await pool.execute("delete from candles")
