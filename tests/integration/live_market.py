"""The live feed in this process on a fake exchange and a real database; what it sends is kept."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from contracts.events import CandleClosed, FeedAnnounced
from contracts.topics import CANDLES, FEEDS, Topic
from market_ingest.live.bars import Bar, is_alike
from market_ingest.live.feed import LiveFeed, RealMarket
from market_ingest.live.followed import LiveOptions
from market_ingest.live.meters import LiveMeters
from market_ingest.live.shares import Shares
from market_ingest.live.store import LiveStore
from tests.fakes.exchange import FakeExchange, Instrument
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.subscriptions import subscribe
from tradepulse.market_data.venues.client import Venues, open_client
from tradepulse.market_data.venues.pace import LocalPace
from tradepulse.runtime.db import connect, connect_pool, migrate
from tradepulse.runtime.outbox import Relay

PATIENCE_S = 120
START = 1_700_006_400_000
MINUTE = 60_000
BTC = Instrument("BTC/USD", amount_decimals=6)
ETH = Instrument("ETH/USD", amount_decimals=6)
FAST = LiveOptions(tick_s=0.004, retry_first_s=0.01, retry_last_s=0.1, refused_again_s=0.2)
log = logging.getLogger(__name__)


def compiled_once(folder: Path) -> dict[str, str]:
    """Return an environment in which ccxt is compiled for the first process only.

    Where bytecode is written to its usual place, nothing has to be said.
    """
    if not sys.dont_write_bytecode:
        return {}
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


class BrokerIsGoneError(Exception):
    """Nothing can be sent."""


class Kept:
    """A sender that keeps what it is given."""

    def __init__(self) -> None:
        self.candles: list[CandleClosed] = []
        self.feeds: list[FeedAnnounced] = []
        self.order: list[str] = []
        self.fails_at: str | None = None
        """A source of candles of which none gets through."""

    async def send(self, topic: Topic, key: str, value: bytes) -> None:
        assert topic is FEEDS
        self.feeds.append(FeedAnnounced.model_validate_json(value))
        self.order.append(f"feed {self.feeds[-1].series[0].series}")
        assert self.feeds[-1].feed == key

    async def send_many(self, topic: Topic, messages: Sequence[tuple[str, bytes]]) -> None:
        assert topic is CANDLES
        if any(f'"source":"{self.fails_at}"'.encode() in value for _, value in messages):
            raise BrokerIsGoneError
        for key, value in messages:
            candle = CandleClosed.model_validate_json(value)
            assert candle.instrument == key
            self.candles.append(candle)
            self.order.append(candle.series)

    def of(self, series: str) -> list[CandleClosed]:
        return [candle for candle in self.candles if candle.series == series]


class LiveMarket:
    """One replica of the live feed in this process."""

    def __init__(self, fake: FakeExchange, pool: Any, registry: CollectorRegistry) -> None:
        self.fake = fake
        self.pool = pool
        self.sent = Kept()
        self.registry = registry
        self.feed: LiveFeed | None = None
        self.tasks: tuple[asyncio.Task[None], ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether something has failed: a process would end."""
        return any(task.done() for task in self.tasks)

    @property
    def looked_after(self) -> set[str]:
        """The symbols that this replica follows."""
        return set() if self.feed is None else set(self.feed.looks)

    def value(self, name: str, **labels: str) -> float:
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 - many parties change it
                await asyncio.sleep(0.002)

    async def published_to(self, series: str, until: int) -> None:
        """Wait until everything that closed by a time is published; the clock stands still."""
        length = timeframe_ms(series.rpartition(":")[2])
        due = until // length * length
        found = lambda: max((c.close_time for c in self.sent.of(series)), default=0)  # noqa: E731 - read where it stands
        await self.until(lambda: found() >= due)

    async def connected(self, streams: int) -> None:
        await self.until(lambda: self.value("tradepulse_live_streams_connected") >= streams)

    async def pass_time(self, ms: int, step: int = 5_000) -> None:
        """Let the market go on in steps, each with a moment for the feed to act in."""
        for _ in range(0, ms, step):
            await self.fake.advance(step)
            await self.looked()

    async def looked(self) -> None:
        """Wait until every symbol was looked after twice: what came meanwhile is dealt with."""
        before = {} if self.feed is None else self.feed.looks

        def done() -> bool:
            now = {} if self.feed is None else self.feed.looks
            return self.has_ended or all(
                now[unit] >= looks + 2 for unit, looks in before.items() if unit in now
            )

        await asyncio.sleep(0.002)
        await self.until(done)

    async def corrected(self) -> list[int]:
        """Return the open times of the candles that are stored as corrected."""
        rows = await self.pool.fetch(
            "select open_time from market_data where source = 'repaired' order by open_time"
        )
        return [row["open_time"] for row in rows]

    async def settled(self, series: str) -> None:
        """Let the market stand a little: everything is published, checked and repaired."""
        exchange, symbol, timeframe = series.split(":")
        length = timeframe_ms(timeframe)
        await self.pass_time(3 * MINUTE)
        now = self.fake.clock.now
        last = (now - 20_000) // length * length

        async def position() -> int:
            return await self.pool.fetchval(
                "select published_until from feeds where feed = $1",
                f"live-{exchange}-{symbol}-{timeframe}",
            )

        async with asyncio.timeout(PATIENCE_S):
            while await position() < last:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
            while await self.pool.fetchval("select exists (select from outbox)"):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)

    def truth(self, series: str, first: int, until: int) -> dict[int, Bar]:
        """Return the market's own candles that open from a time on and close by another."""
        exchange, symbol, timeframe = series.split(":")
        length = timeframe_ms(timeframe)
        tape = self.fake.core(exchange).tape(symbol)
        rows = tape.candles(length, until, start=first, end=until - length)
        price = tape.instrument.price
        return {
            row.open_time: Bar(
                row.open_time,
                *(float(price(value)) for value in (row.open, row.high, row.low, row.close)),
                row.volume,
            )
            for row in rows
        }

    async def check(self, series: str, first: int) -> dict[str, int]:
        """See that all is there once, in order and true, in the topic and in the database.

        Returns:
            How many candles came from where, corrections among them.
        """
        exchange, symbol, timeframe = series.split(":")
        length = timeframe_ms(timeframe)
        sent = self.sent.of(series)
        fresh = [candle for candle in sent if candle.source != "repaired"]
        last = max(candle.close_time for candle in fresh)
        assert last >= (self.fake.clock.now - 30_000) // length * length
        truth = self.truth(series, first, last)
        assert [candle.open_time for candle in fresh] == sorted(truth)
        final = {candle.open_time: bar_of(candle) for candle in sent}
        wrong = [slot for slot, bar in truth.items() if not is_alike(final[slot], bar)]
        assert wrong == []
        rows = await self.pool.fetch(
            "select open_time, open, high, low, close, volume from market_data "
            "where exchange = $1 and symbol = $2 and timeframe = $3 and open_time >= $4 "
            "and open_time < $5 order by open_time",
            *(exchange, symbol, timeframe, first, last),
        )
        stored = {row["open_time"]: Bar(*row.values()) for row in rows}
        assert stored == final
        counts: dict[str, int] = {}
        for candle in sent:
            counts[candle.source] = counts.get(candle.source, 0) + 1
        return counts


def bar_of(candle: CandleClosed) -> Bar:
    """Return the figures of an event."""
    return Bar(candle.open_time, candle.open, candle.high, candle.low, candle.close, candle.volume)


@asynccontextmanager
async def following(
    fake: FakeExchange,
    database_url: str,
    *series: str,
    options: LiveOptions = FAST,
    settings: dict[str, Any] | None = None,
    may_fail: bool = False,
) -> AsyncIterator[LiveMarket]:
    """Follow some series live; the database is migrated first."""
    await migrate(database_url)
    pool = await connect_pool(database_url)
    for one in series:
        exchange, symbol, timeframe = one.split(":")
        async with pool.acquire() as connection:
            await subscribe(connection, exchange, symbol, timeframe)
    registry = CollectorRegistry()
    config = {name: fake.config(name, **(settings or {})) for name in fake.venues}
    clock = lambda: fake.clock.now  # noqa: E731 - the market's
    lock = await connect(database_url)
    market = LiveMarket(fake, pool, registry)
    try:
        async with Venues(config, LocalPace(), clock) as venues:
            feed = LiveFeed(
                RealMarket(venues, lambda name: open_client(name, config)),
                LiveStore(pool),
                Shares(lock),
                market.sent,
                LiveMeters(registry),
                clock,
                options,
                poll_s=0.02,
            )
            market.feed = feed
            relay = Relay(pool, market.sent, CANDLES.writer, poll_s=0.005)
            market.tasks = asyncio.create_task(feed.run()), asyncio.create_task(relay.run())
            try:
                yield market
                for task in market.tasks:
                    if task.done() and not may_fail:
                        task.result()
            finally:
                for task in market.tasks:
                    task.cancel()
                await asyncio.gather(*market.tasks, return_exceptions=True)
    finally:
        await lock.close()
        await pool.close()
