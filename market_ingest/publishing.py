"""Store first, then publish, then note the position: the whole duty of market_ingest."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from contracts.events import CandleClosed, trace_id
from contracts.topics import CANDLES, FEEDS, Topic
from market_ingest.feed import Feed
from market_ingest.store import FeedProgress

log = logging.getLogger(__name__)


class Store(Protocol):
    """Keeps candles and positions; see `market_ingest.store.CandleStore`."""

    async def save(self, batch: Sequence[CandleClosed]) -> int: ...  # noqa: D102 - see class

    async def advance(self, feed: str, published_until: int) -> None: ...  # noqa: D102 - see class

    async def finish(self, feed: str) -> None: ...  # noqa: D102 - see class


class Sender(Protocol):
    """Publishes; see `tradepulse.runtime.publisher.Publisher`."""

    async def send(self, topic: Topic, key: str, value: bytes) -> None: ...  # noqa: D102 - see class

    async def send_many(self, topic: Topic, messages: Sequence[tuple[str, bytes]]) -> None: ...  # noqa: D102 - see class


def tell_feed(registry: CollectorRegistry, mode: str, feed: str) -> None:
    """Say by /metrics which market this is, so that alerts on live markets know a replay.

    Args:
        registry: of the metrics.
        mode: `replay` or `live`.
        feed: name of the replay; `live`.
    """
    info = Gauge(
        "tradepulse_feed_info",
        "1: which market this is",
        ["mode", "feed"],
        registry=registry,
    )
    info.labels(mode, feed).set(1)


def log_published(candles: Sequence[CandleClosed]) -> None:
    """Write a line for each candle that Kafka has taken, at DEBUG: there may be many."""
    if log.isEnabledFor(logging.DEBUG):
        for candle in candles:
            known = {
                "event_id": candle.id,
                "trace_id": trace_id(candle.series, candle.close_time),
                "source": candle.source,
            }
            log.debug("candle published", extra=known)


class Meters:
    """What /metrics tells of the feed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.published = Counter(
            "tradepulse_candles_published_total",
            "Candles stored and acknowledged by Kafka",
            ["exchange", "symbol"],
            registry=registry,
        )
        self.event_time = Gauge(
            "tradepulse_event_time_seconds",
            "Close time of the last published candle",
            registry=registry,
        )
        self.lag = Gauge(
            "tradepulse_feed_lag_seconds",
            "How long after it was due the last candle was acknowledged",
            registry=registry,
        )
        self.finished = Gauge(
            "tradepulse_feed_finished", "1 when the feed has ended", registry=registry
        )


class FeedPublisher:
    """Publishes one feed from where it stands to its end."""

    def __init__(
        self, feed: Feed, progress: FeedProgress, store: Store, sender: Sender, meters: Meters
    ) -> None:
        self._feed = feed
        self._progress = progress
        self._store = store
        self._sender = sender
        self._meters = meters
        self.is_announced = False

    async def run(self) -> None:
        """Announce the feed, publish it to its end, then stay idle until cancelled.

        A cancellation lets the batch in hand come to its end. A crash between acknowledgement and
        noting the position publishes that batch again: the same candles, in the same order.
        """
        announcement = self._feed.announcement()
        name = announcement.feed
        await self._sender.send(FEEDS, name, announcement.model_dump_json().encode())
        self.is_announced = True
        log.info(
            "feed announced",
            extra={"event_id": announcement.id, "published_until": self._progress.published_until},
        )
        if not self._progress.finished:
            async for batch in self._feed.batches(self._progress.published_until):
                await uninterrupted(self._publish(name, batch))
            await self._store.finish(name)
            log.info("feed finished", extra={"event_id": announcement.id})
        self._meters.finished.set(1)
        # a service that ends is started again by its supervisor
        await asyncio.Event().wait()

    async def _publish(self, name: str, batch: list[CandleClosed]) -> None:
        await self._store.save(batch)
        await self._sender.send_many(
            CANDLES, [(candle.instrument, candle.model_dump_json().encode()) for candle in batch]
        )
        log_published(batch)
        until = batch[-1].close_time
        await self._store.advance(name, until)
        for candle in batch:
            self._meters.published.labels(candle.exchange, candle.symbol).inc()
        self._meters.event_time.set(until / 1000)
        self._meters.lag.set(max(0.0, self._feed.lateness_s(until)))


async def uninterrupted(work: Any) -> None:
    """Await `work`; when cancelled meanwhile, however often, let it end first."""
    task = asyncio.ensure_future(work)
    cancelled = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled
