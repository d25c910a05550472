"""The streams of one symbol, and how what they tell reaches its series."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from market_ingest.live.followed import AllFollowed, Followed, LiveOptions, cancelled
from market_ingest.live.meters import StreamMeters
from market_ingest.live.rows import bars_of_rows
from market_ingest.live.series_track import SeriesTrack
from market_ingest.live.streams import Stream, StreamKey

log = logging.getLogger(__name__)


class SymbolStreams:
    """Opens a stream for what is followed, and closes it when nothing needs it any more.

    Args:
        exchange: venue, for the log.
        labels: of the symbol in /metrics.
        open_client: returns a new ccxt.pro client that knows the venue's markets.
        followed: the series that are told.
        meters: count.
        clock: market time, epoch ms.
        options: see `LiveOptions`.
    """

    def __init__(
        self,
        exchange: str,
        labels: tuple[str, str],
        open_client: Callable[[], Any],
        followed: AllFollowed,
        meters: StreamMeters,
        clock: Callable[[], int],
        options: LiveOptions,
    ) -> None:
        self._exchange = exchange
        self._labels = labels
        self._open_client = open_client
        self._followed = followed
        self._meters = meters
        self._clock = clock
        self._options = options
        self._streams: dict[StreamKey, tuple[Stream, asyncio.Task[None]]] = {}

    @property
    def connected(self) -> int:
        """How many are connected."""
        return sum(stream.is_connected for stream, _ in self._streams.values())

    def join(self, one: Followed) -> None:
        """Tell a series what its stream tells, from now on."""
        if one.stream not in self._streams:
            stream = Stream(
                one.stream,
                self._open_client,
                self,
                self._clock,
                stall_after_ms=self._options.stall_after_ms,
                backoff=self._options.backoff(),
            )
            self._streams[one.stream] = stream, asyncio.create_task(stream.run())
        elif self._streams[one.stream][0].is_connected:
            one.track.connected(self._clock())

    async def leave(self, one: Followed) -> None:
        """Close the stream of a series that is no longer followed, unless others need it."""
        if all(other.stream != one.stream for other in self._followed()):
            _, task = self._streams.pop(one.stream)
            await cancelled(task)

    async def look_after(self) -> None:
        """Renew what has fallen silent; raise where a stream cannot go on at all."""
        for stream, task in self._streams.values():
            if task.done():
                await task
            if stream.look_after():
                self._meters.stalls.labels(*self._labels).inc()

    def renew_deaf(self, one: Followed) -> None:
        """Renew the stream that did not tell a series what the venue shows."""
        stream, _ = self._streams[one.stream]
        if stream.is_connected:
            self._meters.stalls.labels(*self._labels).inc()
            stream.renew("deaf: the venue has trades that it did not tell")

    async def stop(self) -> None:
        """Close all."""
        tasks = [task for _, task in self._streams.values()]
        self._streams.clear()
        for task in tasks:
            await cancelled(task)

    # --- what the streams say: see `streams.Listener` ---

    def on_connected(self, key: StreamKey) -> None:
        """Note that everything is told from now on."""
        for one in self._on(key):
            one.track.connected(self._clock())

    def on_refused(self, key: StreamKey, reason: str) -> None:
        """Tell that it does not connect."""
        if key in self._streams:
            log.warning("stream does not connect: %s", reason, extra={"stream": self._name(key)})

    def on_broken(self, key: StreamKey, reason: str) -> None:
        """Note that anything may be missed until it is connected again."""
        self._cut(key, lambda track, now: track.broken(now))
        if key in self._streams:
            self._meters.breaks.labels(*self._labels).inc()
            log.info("stream broken: %s", reason, extra={"stream": self._name(key)})

    def on_missed(self, key: StreamKey) -> None:
        """Note that something was lost."""
        self._cut(key, lambda track, now: track.missed(now))
        self._meters.lost.labels(*self._labels).inc()

    def on_rows(self, key: StreamKey, rows: list[Any]) -> None:
        """Take in ccxt's candles or trades."""
        for one in self._on(key):
            if one.trades is not None:
                if not one.trades.add(rows):
                    self.on_missed(key)
                continue
            bars, unreadable = bars_of_rows(rows)
            if unreadable:
                self.on_missed(key)
            for bar in bars:
                one.track.on_bar(bar)

    def _name(self, key: StreamKey) -> str:
        return f"{self._exchange}:{key.symbol}:{key.timeframe or 'trades'}"

    def _on(self, key: StreamKey) -> list[Followed]:
        return [one for one in self._followed() if one.stream == key]

    def _cut(self, key: StreamKey, what: Callable[[SeriesTrack, int], None]) -> None:
        now = self._clock()
        for one in self._on(key):
            one.collect(now, self._options.timing.grace)
            what(one.track, now)
            if one.trades is not None:
                one.trades.forget()
