"""market_ingest as its own process on a real broker and a real database, killed and stopped."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from topic_reader import read_all

from contracts.events import CandleClosed, FeedAnnounced
from contracts.topics import CANDLES, FEEDS
from tests.candle_series import as_events, random_walk
from tests.database_roles import address_of
from tradepulse import __version__
from tradepulse.embedded.ports import free_ports
from tradepulse.market_data.files import write_candles
from tradepulse.market_data.store import load_candles, store_candles
from tradepulse.runtime.db import Connection, connect, migrate
from tradepulse.runtime.topics import create_topics

pytestmark = pytest.mark.integration

SERIES = [random_walk(f"{coin}/USD", 3_000, seed=i) for i, coin in enumerate(("BTC", "ETH", "XRP"))]
PATIENCE_S = 180


class Ingest:
    """Starts market_ingest and looks at what it does."""

    def __init__(
        self, environment: dict[str, str], connection: Connection, bootstrap: str, folder: Path
    ) -> None:
        self.environment = environment
        self.connection = connection
        self.bootstrap = bootstrap
        self.log = folder / "market_ingest.log"
        self.processes: list[asyncio.subprocess.Process] = []

    async def start(self, module: str = "app", **environment: str) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"market_ingest.{module}"),
                env={**os.environ, **self.environment, **environment},
                stderr=log,
            )
        self.processes.append(process)
        return process

    async def end(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def position(self) -> tuple[int, bool]:
        row = await self.connection.fetchrow("select published_until, finished from feeds")
        return (row["published_until"], row["finished"]) if row else (0, False)

    async def finished(self) -> bool:
        return (await self.position())[1]

    async def position_moved(self, since: int = 0) -> bool:
        return (await self.position())[0] > since

    async def end_other_connections(self) -> None:
        await self.connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )

    async def published(self) -> list[CandleClosed]:
        candles: list[CandleClosed] = await read_all(self.bootstrap, CANDLES)
        return candles

    async def until(self, holds: Callable[[], Awaitable[object]]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await holds():
                assert all(p.returncode is None for p in self.processes[-1:]), self.log.read_text()
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture
async def ingest(
    database_url: str, kafka_bootstrap: str, no_topics: None, tmp_path: Path
) -> AsyncIterator[Ingest]:
    await migrate(database_url)
    await create_topics(kafka_bootstrap)
    write_candles(tmp_path / "candles.parquet", SERIES)
    connection = await connect(database_url)
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "DATABASE_URL": await address_of("market_ingest", database_url),
        "REPLAY_FILE": str(tmp_path / "candles.parquet"),
    }
    ingest = Ingest(environment, connection, kafka_bootstrap, tmp_path)
    try:
        yield ingest
    finally:
        await ingest.end()
        await connection.close()


def by_instrument(candles: list[CandleClosed]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for candle in candles:
        found.setdefault(candle.instrument, []).append(candle.open_time)
    return found


def in_order_without_loss(times: list[int], expected: list[int]) -> bool:
    """Tell whether the first sight of each time is in order and none is missing."""
    return list(dict.fromkeys(times)) == expected


async def test_a_file_becomes_rows_and_messages(ingest: Ingest) -> None:
    (port,) = free_ports(1)
    process = await ingest.start(HTTP_PORT=str(port), TRADEPULSE_COMMIT="1ad9a03")
    await ingest.until(ingest.finished)
    published = await ingest.published()
    assert sorted(c.id for c in published) == sorted(c.id for c in as_events(SERIES))
    for series in SERIES:
        assert by_instrument(published)[series.instrument] == series.open_time.tolist()
        stored = await load_candles(ingest.connection, "test", series.symbol, "30m")
        assert stored.close.tobytes() == series.close.tobytes()
    (feed,) = await read_all(ingest.bootstrap, FEEDS)
    assert isinstance(feed, FeedAnnounced)
    assert {s.series for s in feed.series} == {s.series for s in SERIES}
    assert (await ingest.position())[0] == SERIES[0].close_time[-1]

    await asyncio.sleep(0.3)
    assert process.returncode is None, "it must stay up after the end"
    async with httpx.AsyncClient() as client:
        told = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    assert f'tradepulse_feed_info{{feed="{feed.feed}",mode="replay"}} 1.0' in told
    assert f'tradepulse_build_info{{commit="1ad9a03",version="{__version__}"}} 1.0' in told
    assert 'tradepulse_dead_letters_total{topic="tradepulse.candles"} 0.0' in told
    assert "_created" not in told
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0

    await ingest.start()
    await ingest.until(lambda: announced(ingest, 2))
    assert len(await ingest.published()) == len(published), "a finished feed is not replayed"


async def announced(ingest: Ingest, times: int) -> bool:
    return len(await read_all(ingest.bootstrap, FEEDS)) >= times


async def test_killed_between_acknowledgement_and_position(ingest: Ingest) -> None:
    process = await ingest.start(REPLAY_SPEED="180000")
    await ingest.until(ingest.position_moved)
    async with ingest.connection.transaction():
        # the row is held: what is acknowledged from now on cannot be noted
        row = await ingest.connection.fetchrow("select published_until from feeds for update")
        assert row is not None

        async def more_is_out() -> bool:
            return max(c.close_time for c in await ingest.published()) > row["published_until"]

        await ingest.until(more_is_out)
        process.kill()
        await process.wait()
        # its server processes outlive it and would still write, once the row is free
        await ingest.end_other_connections()
    until, finished = await ingest.position()
    assert not finished
    before = await ingest.published()
    assert max(c.close_time for c in before) > until

    await ingest.start()
    await ingest.until(ingest.finished)
    after = await ingest.published()
    assert len(after) > 9_000, "the batch that was not noted comes again"
    assert {c.id for c in after} == {c.id for c in as_events(SERIES)}
    for series in SERIES:
        times = by_instrument(after)[series.instrument]
        assert in_order_without_loss(times, series.open_time.tolist())


async def test_killed_at_any_moment(ingest: Ingest) -> None:
    # half a minute of replay, killed three times in its first seconds
    for _ in range(3):
        process = await ingest.start(REPLAY_SPEED="180000")
        start = (await ingest.position())[0]
        await ingest.until(lambda since=start: ingest.position_moved(since))
        await asyncio.sleep(0.15)
        process.kill()
        await process.wait()
    await ingest.start()
    await ingest.until(ingest.finished)
    published = await ingest.published()
    for series in SERIES:
        times = by_instrument(published)[series.instrument]
        assert in_order_without_loss(times, series.open_time.tolist())
        stored = await load_candles(ingest.connection, "test", series.symbol, "30m")
        assert len(stored) == len(series)


async def test_history_is_what_came_before(ingest: Ingest) -> None:
    start = str(SERIES[0].open_time[2_000])
    for _ in range(2):
        process = await ingest.start(
            "history.before_replay", REPLAY_FROM=start, REPLAY_SYMBOLS="BTC/USD,XRP/USD"
        )
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0, ingest.log.read_text()
    rows = await ingest.connection.fetch(
        "select symbol, count(*) as n, max(open_time) as last, min(source) as source "
        "from market_data group by symbol order by symbol"
    )
    last = SERIES[0].open_time[1_999]
    assert [tuple(row) for row in rows] == [
        ("BTC/USD", 2_000, last, "import"),
        ("XRP/USD", 2_000, last, "import"),
    ]


@pytest.mark.parametrize(
    ("module", "name", "value", "status", "line"),
    [
        ("app", "REPLAY_SYMBOLS", "DOGE/USD", 1, "has no symbol DOGE/USD; it has BTC/USD"),
        ("app", "REPLAY_SPEED", "fast", 2, "REPLAY_SPEED"),
        ("history.before_replay", "REPLAY_FILE", __file__, 1, "not a kind that is read"),
    ],
)
async def test_refusals_are_one_line(
    ingest: Ingest, module: str, name: str, value: str, status: int, line: str
) -> None:
    process = await ingest.start(module, **{"REPLAY_FROM": "1", name: value})
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == status
    text = ingest.log.read_text()
    assert line in text
    assert "Traceback" not in text
    assert await ingest.published() == []


async def test_better_candles_stop_the_replay(ingest: Ingest) -> None:
    await store_candles(ingest.connection, [random_walk("BTC/USD", 5, seed=99)], "live")
    process = await ingest.start()
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 1
    assert "5 stored candles of a better source differ" in ingest.log.read_text()
    assert await ingest.published() == []
    assert await ingest.connection.fetchval("select count(*) from market_data") == 5


async def test_a_name_belongs_to_its_candles(ingest: Ingest) -> None:
    await ingest.start(FEED="demo", REPLAY_SYMBOLS="BTC/USD")
    await ingest.until(ingest.finished)
    process = await ingest.start(FEED="demo")
    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 1
    assert "feed demo was begun with other candles" in ingest.log.read_text()
