"""One series that is followed live, and how symbols are followed."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from market_ingest.live.rows import TradeBars
from market_ingest.live.series_track import SeriesTrack, Step, Timing
from market_ingest.live.store import Series
from market_ingest.live.streams import Backoff, StreamKey


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How the market is followed.

    Attributes:
        timing: durations of a slot, market time.
        stall_after_ms: market time without a sign of life after which a stream is renewed.
        tick_s: pause between two looks at the clock, s.
        retry_first_s: first pause before a connection or a request is tried again, s.
        retry_last_s: the longest of these pauses, s.
        refused_again_s: pause before a venue is asked again for what it has refused, s.
    """

    timing: Timing = field(default_factory=Timing)
    stall_after_ms: int = 60_000
    tick_s: float = 0.25
    retry_first_s: float = 1.0
    retry_last_s: float = 60.0
    refused_again_s: float = 300.0

    def backoff(self) -> Backoff:
        """Return new pauses between attempts."""
        return Backoff(self.retry_first_s, self.retry_last_s)


@dataclass(slots=True)
class Followed:
    """One series that is followed.

    Attributes:
        series: (exchange, symbol, timeframe).
        length: of a slot, ms.
        track: decides.
        stream: what it is made of.
        trades: builds its candles, where its stream is one of trades.
        backoff: pauses after questions without an answer.
        corrections: what answers of the venue have brought, not yet dealt with.
        asking: the question under way.
        unconfirmed: those of `track.unconfirmed` that are counted already.
    """

    series: Series
    length: int
    track: SeriesTrack
    stream: StreamKey
    trades: TradeBars | None
    backoff: Backoff
    corrections: list[Step] = field(default_factory=list)
    asking: asyncio.Task[None] | None = None
    unconfirmed: int = 0

    @property
    def name(self) -> str:
        """`exchange:symbol:timeframe`."""
        return ":".join(self.series)

    def collect(self, now: int, grace: int) -> None:
        """Hand finished candles that were built from trades over to the track."""
        if self.trades is not None:
            for bar in self.trades.take(now - grace):
                self.track.on_bar(bar)


AllFollowed = Callable[[], Collection[Followed]]
"""Returns the series of a symbol that are followed at present."""


async def cancelled(task: asyncio.Task[None] | None) -> None:
    """Cancel a task and wait for its end, however it ends."""
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
