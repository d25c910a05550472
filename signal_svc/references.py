"""The candles of other instruments that strategies look at, read once they are there.

They are read from the database, of which Kafka is never ahead: a candle is stored before it is
published, in a replay with all others of its close. So it does not matter which replica has the
partition of a reference, nor in which order partitions are read, and a restart or a repair leaves
nothing behind: every close reads anew.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from contracts.events import trace_id
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.runtime.codec import WireCandle

log = logging.getLogger(__name__)

ASK_EVERY_S = 0.05
OUTAGE_CLOSES = 3
"""A reference that has missed so many closes, and shown nothing since, is not waited for again."""


class Store(Protocol):
    """What is needed of the database."""

    async def candles_before(
        self, exchange: str, symbol: str, timeframe: str, open_time: int, count: int
    ) -> Candles:
        """Return the last `count` candles that open before `open_time`."""

    async def last_close(self, exchange: str, symbol: str, timeframe: str) -> int:
        """Return when the last stored candle of a series closed, epoch ms; 0 for none."""


class References:
    """Waits for references, and reads them.

    Args:
        store: the database.
        grace_s: how long a candle of a reference is waited for, seconds.
        clock: seconds.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        store: Store,
        grace_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._grace_s = grace_s
        self._clock = clock
        self._sleep = sleep
        self._silent: dict[tuple[str, str], int] = {}
        """The last close of each that was waited for in vain."""
        self._read: dict[tuple[str, str], tuple[int, int, Candles]] = {}
        """What was read of each: until which close, how many were asked for, the candles."""

    async def of(
        self, instruments: Iterable[str], last: WireCandle, count: int
    ) -> Mapping[str, Candles]:
        """Return candles of instruments, of the timeframe and up to the close of a candle.

        A live candle's close is waited for until a reference has shown that close or a later one,
        or the grace is over. A replay stores all candles of a close before it publishes one.

        Args:
            instruments: `exchange:symbol` each.
            last: the last candle that is evaluated.
            count: how many candles, at least.
        """
        until = self._clock() + self._grace_s
        return {one: await self._one(one, last, count, until) for one in instruments}

    async def _one(self, instrument: str, last: WireCandle, count: int, until: float) -> Candles:
        key = instrument, last.timeframe
        exchange, _, symbol = instrument.partition(":")
        name = exchange, symbol, last.timeframe
        closed, asked, found = self._read.get(key, (0, 0, None))
        if found is None or closed != last.close_time or asked < count:
            if last.source != "replay":
                await self._wait(key, name, last, until)
            found = await self._store.candles_before(*name, last.close_time, count)
            self._read[key] = last.close_time, count, found
        return found

    async def _wait(
        self, key: tuple[str, str], name: tuple[str, str, str], last: WireCandle, until: float
    ) -> None:
        while (shown := await self._store.last_close(*name)) < last.close_time:
            missed = (last.close_time - shown) // timeframe_ms(last.timeframe)
            if self._silent.get(key) == shown and missed > OUTAGE_CLOSES:
                return
            if self._clock() >= until:
                self._silent[key] = shown
                log.warning(
                    "evaluated without the candle of %s, %d closes behind",
                    ":".join(name),
                    missed,
                    extra={"trace_id": trace_id(last.series, last.close_time)},
                )
                return
            await self._sleep(ASK_EVERY_S)
        self._silent.pop(key, None)
