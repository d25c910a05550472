"""Replay recorded candles as if they came now, at a chosen speed."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from contracts.events import CandleClosed, FeedAnnounced, FeedSeries
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms

Speed = float | Literal["max"]
"""Seconds of event time per second of wall time, or as fast as the reader takes them."""
_BATCH = 4_000
_FIGURES = ("open_time", "open", "high", "low", "close", "volume")


def feed_name(path: Path, symbols: Sequence[str] | None, start: int | None, end: int | None) -> str:
    """Derive a feed's name from what is replayed: the file's content and the part chosen.

    The speed is no part of it, so a replay goes on at another speed where it stopped.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    chosen = sorted(set(symbols)) if symbols is not None else None
    digest.update(json.dumps([chosen, start, end]).encode())
    return f"replay-{digest.hexdigest()[:16]}"


class ReplayFeed:
    """A feed of recorded candles: all series merged by close time, then by name.

    Args:
        name: the feed's name.
        candles: the series, checked, none empty.
        speed: see `Speed`.
        clock: seconds of a clock that never goes back.
        sleep: waits that many seconds of that clock.
        batch: a batch ends with the close time that fills it to this many candles.
    """

    def __init__(
        self,
        name: str,
        candles: Sequence[Candles],
        speed: Speed,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        batch: int = _BATCH,
    ) -> None:
        self._name = name
        self._candles = sorted(candles, key=lambda series: series.series)
        self._speed = speed
        self._clock = clock
        self._sleep = sleep
        self._batch = batch
        self._origin: tuple[int, float] | None = None
        """A close time and when it was due; all others are due by their distance to it."""
        times = np.concatenate([series.close_time for series in self._candles])
        sizes = [len(series) for series in self._candles]
        number = np.repeat(np.arange(len(sizes)), sizes)
        row = np.concatenate([np.arange(size) for size in sizes])
        order = np.lexsort((number, times))
        self._times, self._number, self._row = times[order], number[order], row[order]
        # where each close time ends
        self._ends = np.append(np.flatnonzero(np.diff(self._times)) + 1, len(times))

    def announcement(self) -> FeedAnnounced:
        """Return the feed's name and the range of each series."""
        return FeedAnnounced(
            feed=self._name,
            series=tuple(
                FeedSeries(
                    exchange=series.exchange,
                    symbol=series.symbol,
                    timeframe=series.timeframe,
                    first_open_time=int(series.open_time[0]),
                    last_close_time=int(series.close_time[-1]),
                )
                for series in self._candles
            ),
        )

    def __len__(self) -> int:
        return len(self._times)

    async def batches(self, after: int) -> AsyncIterator[list[CandleClosed]]:
        """Yield the candles that close after `after`; see `Feed.batches`.

        When paced, a close time is never yielded before it is due, counted from the first; what
        became due while the reader was busy comes together.
        """
        lo = int(np.searchsorted(self._times, after, side="right"))
        if lo < len(self._times):
            self._origin = int(self._times[lo]), self._clock()
        while lo < len(self._times):
            due = await self._next_due(int(self._times[lo]))
            hi = self._end_of_batch(lo, due)
            yield self._events(lo, hi)
            lo = hi

    def lateness_s(self, close_time: int) -> float:
        """Return how far the replay is behind its schedule; 0 where it has none."""
        if self._origin is None or self._speed == "max":
            return 0.0
        first, started = self._origin
        return self._clock() - started - (close_time - first) / 1000 / self._speed

    async def _next_due(self, close_time: int) -> int | None:
        """Wait for a close time; return the latest that is due then, None for any."""
        if self._speed == "max":
            return None
        # by the schedule, not by a fixed pause: the time that the reader takes does not add up
        while (lateness := self.lateness_s(close_time)) < 0:
            await self._sleep(-lateness)
        return close_time + int(lateness * 1000 * self._speed)

    def _end_of_batch(self, lo: int, due: int | None) -> int:
        full = np.searchsorted(self._ends, min(lo + self._batch, len(self._times)))
        hi = int(self._ends[full])
        if due is not None:
            hi = min(hi, int(np.searchsorted(self._times, due, side="right")))
        return hi

    def _events(self, lo: int, hi: int) -> list[CandleClosed]:
        events: list[CandleClosed | None] = [None] * (hi - lo)
        for number, series in enumerate(self._candles):
            places = np.flatnonzero(self._number[lo:hi] == number)
            if not places.size:
                continue
            rows = self._row[lo:hi][places]
            step = timeframe_ms(series.timeframe)
            columns = [getattr(series, name)[rows].tolist() for name in _FIGURES]
            for place, open_time, open_, high, low, close, volume in zip(
                places.tolist(), *columns, strict=True
            ):
                events[place] = CandleClosed(
                    exchange=series.exchange,
                    symbol=series.symbol,
                    timeframe=series.timeframe,
                    open_time=open_time,
                    close_time=open_time + step,
                    open=open_,
                    high=high,
                    low=low,
                    close=close,
                    volume=volume,
                    source="replay",
                )
        return [event for event in events if event is not None]
