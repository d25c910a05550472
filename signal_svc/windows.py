"""The last candles of each series, as arrays for the kernels."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.higher import closed_higher
from tradepulse.runtime.codec import WireCandle
from tradepulse.strategies.read_only import read_only

COLUMNS = ("open_time", "open", "high", "low", "close", "volume")
NONE: frozenset[str] = frozenset()
SPARE = 64
"""Candles that a window has room for behind its last."""


class Window:
    """The last candles of one series, in arrays with room behind them.

    A new candle is written behind the last one, so that nothing is copied, but once in `SPARE`
    candles. What was written stays as it is: a view of it stays true.

    Attributes:
        market: open, high, low, close and volume, float64 `(5, room)`, to be read only.
        open_time: int64 `(room,)`, epoch ms, to be read only.
        end: one past the last candle.
        before: how many candles there were before the first, of which there are the higher ones.
        next_time: when the last candle ends, epoch ms; 0 where there is none.
    """

    __slots__ = (
        *("_higher", "_most", "_names", "_open_time", "_prices"),
        *("before", "end", "market", "next_time", "open_time"),
    )

    def __init__(
        self, candles: Candles, wanted: int = 0, near: int = 0, higher: Iterable[str] = ()
    ) -> None:
        """Begin with candles.

        Args:
            candles: those that the strategies need, fewer where there are fewer.
            wanted: how many they need.
            near: so many of these, the last ones, are kept beside higher ones.
            higher: timeframes whose closed candles are made of all, and kept; empty to keep all.
        """
        self._most = max(1, wanted)
        self._names = candles.exchange, candles.symbol, candles.timeframe
        self._higher = {on: closed_higher(candles, on)[0] for on in higher}
        self.before = max(0, len(candles) - near) if self._higher else 0
        self._begin(candles.rows(self.before, len(candles)), SPARE)
        self.next_time = int(candles.close_time[-1]) if len(candles) else 0

    def __len__(self) -> int:
        return self.end

    @property
    def candles(self) -> Candles:
        """All that it holds (views, no copies)."""
        columns: Any = self.market[:, : self.end]
        given = {f"{self._names[0]}:{self._names[1]}:{on}": c for on, c in self._higher.items()}
        return Candles(
            *self._names,
            self._open_time[: self.end],
            *columns,
            references=given,
            before=self.before,
        )

    @property
    def higher(self) -> frozenset[str]:
        """The timeframes whose closed candles it keeps."""
        return frozenset(self._higher)

    @property
    def last(self) -> tuple[int, float]:
        """Open time, epoch ms, and close of the last candle."""
        return int(self._open_time[self.end - 1]), float(self._prices[3, self.end - 1])

    def add(self, rows: Sequence[WireCandle], wanted: int) -> None:
        """Write candles that follow; those before the `wanted` last ones may be forgotten."""
        if self.end + len(rows) > len(self._open_time):
            held, dropped = self.candles, max(0, self.end - wanted)
            self._begin(held.rows(dropped, self.end), len(rows) + SPARE)
            if self._higher:
                self.before += dropped
        for at, row in enumerate(rows, self.end):
            self._open_time[at] = row.open_time
            self._prices[:, at] = row.open, row.high, row.low, row.close, row.volume
        self.end += len(rows)
        self.next_time = rows[-1].close_time
        for on, closed in self._higher.items():
            self._close(on, closed)

    def _close(self, on: str, closed: Candles) -> None:
        """Add the higher candles of a timeframe that have closed since."""
        held = self.candles
        since = int(closed.close_time[-1]) if len(closed) else None
        more, _ = closed_higher(held.between(since, None), on)
        if len(more):
            both = [np.concatenate((getattr(closed, n), getattr(more, n))) for n in COLUMNS]
            # a row needs no more higher candles than candles, and the first new one asks, too
            most = self._most + len(more)
            self._higher[on] = Candles(*self._names[:2], on, *(c[-most:] for c in both))

    def _begin(self, candles: Candles, spare: int) -> None:
        room = len(candles) + spare
        self.end = len(candles)
        self._open_time: NDArray[np.int64] = np.empty(room, dtype=np.int64)
        self._open_time[: self.end] = candles.open_time
        self._prices: NDArray[np.float64] = np.empty((5, room))
        for column, held in zip(
            self._prices,
            (candles.open, candles.high, candles.low, candles.close, candles.volume),
            strict=True,
        ):
            column[: self.end] = held
        self.market = read_only(self._prices)
        self.open_time = read_only(self._open_time)


def segments(rows: Sequence[WireCandle]) -> list[list[WireCandle]]:
    """Split candles of one series where one does not begin at the end of the one before."""
    found: list[list[WireCandle]] = []
    for row in rows:
        if found and found[-1][-1].close_time == row.open_time:
            found[-1].append(row)
        else:
            found.append([row])
    return found


class Windows:
    """What is remembered of each series between batches."""

    def __init__(self) -> None:
        self._kept: dict[str, Window] = {}
        self._last: dict[str, int] = {}

    def last_open_time(self, series: str) -> int:
        """Return the open time of the last candle that was evaluated, -1 where none is known."""
        return self._last.get(series, -1)

    def before(
        self,
        series: str,
        open_time: int,
        wanted: int,
        near: int = 0,
        higher: frozenset[str] = NONE,
    ) -> Window | None:
        """Return the candles right before `open_time`, or None where they must be loaded.

        Args:
            series: `exchange:symbol:timeframe`.
            open_time: of the first new candle.
            wanted: how many candles the strategies need.
            near: how many where closed higher candles are kept.
            higher: the timeframes of these.
        """
        kept = self._kept.get(series)
        if kept is None or kept.next_time != open_time:
            return None
        # beside higher candles there are fewer of the series itself
        is_short = kept.before + kept.end < wanted or kept.end < min(near, wanted)
        return None if is_short or not kept.higher >= higher else kept

    def keep(self, series: str, window: Window, last_open_time: int) -> None:
        """Remember a window, and its last candle as evaluated."""
        self._kept[series] = window
        self._last[series] = last_open_time

    def forget(self, series: str) -> None:
        """Load this series again before it is evaluated; what was evaluated is remembered."""
        self._kept.pop(series, None)

    def forget_all(self) -> None:
        """Know nothing of any series, as at the start."""
        self._kept.clear()
        self._last.clear()
