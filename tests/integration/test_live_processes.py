"""Live replicas as processes on a real broker and a real database: killed, stopped, joined."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from live_market import BTC, ETH, MINUTE, START, bar_of, compiled_once
from topic_reader import TopicReader, read_all

from contracts.events import CandleClosed
from contracts.topics import CANDLES, FEEDS
from market_ingest.live.bars import Bar, is_alike
from market_ingest.live.series_track import Timing
from tests.database_roles import address_of
from tests.fakes.exchange import HOUR, FakeExchange, Tape
from tests.fakes.exchange.faults import DropSocket, LostMessage
from tests.fakes.exchange.synthetic import random_trades
from tradepulse.market_data.subscriptions import replicas, subscribe
from tradepulse.runtime.db import connect, migrate
from tradepulse.runtime.topics import create_topics

pytestmark = pytest.mark.integration
PATIENCE_S = 240
SPEED = 120
SERIES = (
    "binanceus:BTC/USD:1m",
    "binanceus:ETH/USD:1m",
    "bitstamp:ETH/USD:1m",
    "kraken:BTC/USD:1m",
)
UNITS = {series.rpartition(":")[0] for series in SERIES}
PROGRAM = Path(__file__).with_name("live_process.py")
KEYS = ("apiKey", "secret")


def tape(seed: int) -> Tape:
    item = BTC if seed % 2 == 0 else ETH
    return Tape(item, trades=random_trades(4_000, START - HOUR, START + 4 * HOUR, seed=seed))


class Replicas:
    """Processes of market_ingest, what they published, and what they stored."""

    def __init__(
        self,
        fake: FakeExchange,
        environment: dict[str, str],
        bootstrap: str,
        pool: Any,
        folder: Path,
    ) -> None:
        self.fake = fake
        self.bootstrap = bootstrap
        self.database = pool
        self.seen: list[CandleClosed] = []
        self._environment = environment
        self._folder = folder
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = await asyncio.create_subprocess_exec(
                *(sys.executable, str(PROGRAM)),
                env={**os.environ, **self._environment},
                cwd=Path(__file__).parents[2],
                stderr=log,
            )

    async def stop(self, name: str, number: signal.Signals) -> None:
        process = self._processes[name]
        process.send_signal(number)
        status = await asyncio.wait_for(process.wait(), PATIENCE_S)
        # not before: what does not end is ended with the test
        del self._processes[name]
        assert status == (0 if number is signal.SIGTERM else -number), self.log(name)

    async def dies(self, name: str) -> None:
        """Wait for a process that is killed."""
        status = await asyncio.wait_for(self._processes[name].wait(), PATIENCE_S)
        del self._processes[name]
        assert status == -signal.SIGKILL, self.log(name)

    async def corrected(self) -> dict[str, Bar]:
        """Return the candles that are stored as corrected."""
        rows = await self.database.fetch(
            "select concat_ws(':', exchange, symbol, timeframe, open_time), open_time, open, high, "
            "low, close, volume from market_data where source = 'repaired'"
        )
        return {id_: Bar(*figures) for id_, *figures in rows}

    async def published(self) -> dict[str, CandleClosed]:
        """Return what the topic says of each candle last."""
        return {candle.id: candle for candle in await read_all(self.bootstrap, CANDLES)}

    async def end(self) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                process.kill()
            await process.wait()

    def log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    async def until(self, holds: Callable[[], Awaitable[object]]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not await holds():
                for name, process in self._processes.items():
                    assert process.returncode is None, self.log(name)
                await asyncio.sleep(0.05)

    async def positions(self) -> dict[str, int]:
        rows = await self.database.fetch("select feed, published_until from feeds")
        return {row["feed"]: row["published_until"] for row in rows}

    async def moved(self, candles: int) -> None:
        """Wait until every series has gone on by so many candles."""
        await self.until(self._all_begun)
        before = await self.positions()

        async def further() -> bool:
            now = await self.positions()
            return all(now[feed] >= at + candles * MINUTE for feed, at in before.items())

        await self.until(further)

    async def _all_begun(self) -> bool:
        return len(await self.positions()) == len(SERIES)

    async def count_is(self, number: int) -> bool:
        return await replicas(self.database) == number

    async def listen(self) -> None:
        """Read the topic from its beginning; a group would read twice where it is slow."""
        async with TopicReader(self.bootstrap, CANDLES) as reader:
            while True:
                self.seen += [delivery.event for delivery in await reader.next_batch()]

    def truth(self, series: str, first: int, last: int) -> list[Bar]:
        """Return the market's own candles from one open time to another."""
        exchange, symbol, _ = series.split(":")
        tape = self.fake.core(exchange).tape(symbol)
        return [
            Bar(
                row.open_time,
                *(round(v, 2) for v in (row.open, row.high, row.low, row.close)),
                row.volume,
            )
            for row in tape.candles(MINUTE, last + MINUTE, start=first, end=last)
        ]

    def told(self, series: str) -> dict[int, Bar]:
        """Return what a consumer knows of a series."""
        return {c.open_time: bar_of(c) for c in self.seen if c.series == series}

    async def settled(self) -> None:
        """Wait until the replicas have dealt with all that the market, which stands, has told."""

        async def done() -> bool:
            due = (self.fake.clock.now - 20_000) // MINUTE * MINUTE
            if min((await self.positions()).values()) < due:
                return False
            checked = self.fake.clock.now - MINUTE - Timing().check_delay
            for series in SERIES:
                told = self.told(series)
                if not told:
                    return False
                truth = self.truth(series, min(told), min(max(told), checked))
                if not all(b.open_time in told and is_alike(told[b.open_time], b) for b in truth):
                    return False
            if await self.database.fetchval("select exists (select from outbox)"):
                return False
            count = len(self.seen)
            await asyncio.sleep(1)
            return count == len(self.seen) == len(await read_all(self.bootstrap, CANDLES))

        # what is wrong, the check tells better
        with contextlib.suppress(TimeoutError):
            await self.until(done)

    async def check(self, *, exactly_once: bool) -> None:
        """Compare what the topic and the database hold with the market itself."""
        published: list[CandleClosed] = await read_all(self.bootstrap, CANDLES)

        async def consumed() -> bool:
            return len(self.seen) >= len(published)

        await self.until(consumed)
        assert sorted(c.id for c in self.seen) == sorted(c.id for c in published)
        for series in SERIES:
            exchange, symbol, _ = series.split(":")
            told = [candle for candle in self.seen if candle.series == series]
            fresh = [candle.open_time for candle in told if candle.source != "repaired"]
            first, last = fresh[0], max(fresh)
            slots = list(range(first, last + MINUTE, MINUTE))
            assert list(dict.fromkeys(fresh)) == slots, f"{series}: a hole, or out of order"
            if exactly_once:
                assert fresh == slots, f"{series}: something came twice"
            truth, final = self.truth(series, first, last), self.told(series)
            assert [bar.open_time for bar in truth] == slots
            # the youngest may not be checked yet
            assert all(is_alike(final[bar.open_time], bar) for bar in truth[:-2])
            stored = await self.database.fetch(
                "select open_time, open, high, low, close, volume from market_data "
                "where exchange = $1 and symbol = $2 and open_time between $3 and $4 "
                "order by open_time",
                *(exchange, symbol, first, last),
            )
            assert [Bar(*row.values()) for row in stored] == [final[slot] for slot in slots]


@pytest_asyncio.fixture
async def live(
    database_url: str, kafka_bootstrap: str, no_topics: None, tmp_path: Path
) -> AsyncIterator[Replicas]:
    await migrate(database_url)
    await create_topics(kafka_bootstrap)
    connection = await connect(database_url)
    for series in SERIES:
        await subscribe(connection, *series.split(":"))
    venues = {
        "binanceus": [tape(0), tape(1)],
        "bitstamp": [tape(3)],
        "kraken": [tape(2)],
    }
    async with FakeExchange(START + 5_000, venues) as fake:
        configs = {name: fake.config(name) for name in venues}
        for config in configs.values():
            for key in KEYS:
                del config[key]
        (tmp_path / "venues.json").write_text(json.dumps(configs))
        environment = {
            **compiled_once(tmp_path),
            "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
            "DATABASE_URL": await address_of("market_ingest", database_url),
            "VENUES_FILE": str(tmp_path / "venues.json"),
            "DIES_BEFORE_CORRECTION": str(tmp_path / "mortal"),
            "FAKE_TIME_URL": f"{fake.address}/binanceus/api/v3/time",
        }
        replicas_ = Replicas(fake, environment, kafka_bootstrap, connection, tmp_path)
        listening = asyncio.create_task(replicas_.listen())
        try:
            yield replicas_
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await replicas_.end()
            await connection.close()


@asynccontextmanager
async def _market_runs(live: Replicas) -> AsyncIterator[None]:
    async with live.fake.running(factor=SPEED):
        yield


async def test_killed_and_started_again_nothing_is_lost_or_out_of_order(live: Replicas) -> None:
    await live.start("one")
    await live.moved(0)
    async with _market_runs(live):
        for number in range(3):
            await live.moved(3)
            live.fake.faults.add(DropSocket(clean=number % 2 == 0), count=1)
            await live.moved(1)
            await live.stop("one", signal.SIGKILL)
            await asyncio.sleep(0.5)
            await live.start("one")
        await live.moved(3)
    await live.settled()
    await live.stop("one", signal.SIGTERM)
    await live.check(exactly_once=False)


async def test_killed_before_it_tells_a_correction_it_tells_it_after_its_start(
    live: Replicas, tmp_path: Path
) -> None:
    await live.start("one")
    await live.moved(0)
    (tmp_path / "mortal").touch()
    live.fake.faults.add(LostMessage(), method="watch_trades", probability=0.5)
    async with _market_runs(live):
        await live.dies("one")
    corrected, published = await live.corrected(), await live.published()
    untold = {id_: bar for id_, bar in corrected.items() if bar_of(published[id_]) != bar}
    assert untold
    await live.start("one")

    async def told() -> bool:
        now = await live.published()
        return all(bar_of(now[id_]) == bar for id_, bar in untold.items())

    await live.until(told)
    await live.stop("one", signal.SIGTERM)


async def test_replicas_hand_symbols_over_without_a_hole_or_a_double(live: Replicas) -> None:
    await live.start("one")
    await live.moved(0)
    async with _market_runs(live):
        await live.moved(2)
        assert live.log("one").count("symbol taken") == len(UNITS)
        await live.start("two")
        await live.until(lambda: live.count_is(2))
        await live.until(lambda: _holds(live, "two", 2))
        await live.moved(3)
        await live.stop("one", signal.SIGTERM)
        await live.moved(2)
        assert live.log("two").count("symbol taken") == len(UNITS)
        await live.start("three")
        await live.until(lambda: _holds(live, "three", 2))
        await live.moved(2)
    await live.settled()
    await live.check(exactly_once=True)
    async with _market_runs(live):
        await live.stop("two", signal.SIGKILL)
        await live.moved(3)
        assert live.log("three").count("symbol taken") == len(UNITS)
    await live.settled()
    await live.stop("three", signal.SIGTERM)
    await live.check(exactly_once=False)
    feeds = await read_all(live.bootstrap, FEEDS)
    assert {one.series[0].series for one in feeds} == set(SERIES)
    assert len({one.model_dump_json() for one in feeds}) == len(SERIES), "each says the same again"


async def _holds(live: Replicas, name: str, units: int) -> bool:
    return live.log(name).count("symbol taken") >= units
