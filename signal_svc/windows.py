"""The last candles of each series, as arrays for the kernels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.runtime.codec import WireCandle
from tradepulse.strategies.read_only import read_only

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
        next_time: when the last candle ends, epoch ms; 0 where there is none.
    """

    __slots__ = ("_names", "_open_time", "_prices", "end", "market", "next_time", "open_time")

    def __init__(self, candles: Candles) -> None:
        self._names = candles.exchange, candles.symbol, candles.timeframe
        self._begin(candles, SPARE)
        self.next_time = int(candles.close_time[-1]) if len(candles) else 0

    def __len__(self) -> int:
        return self.end

    @property
    def candles(self) -> Candles:
        """All that it holds (views, no copies)."""
        columns: Any = self.market[:, : self.end]
        return Candles(*self._names, self._open_time[: self.end], *columns)

    @property
    def last(self) -> tuple[int, float]:
        """Open time, epoch ms, and close of the last candle."""
        return int(self._open_time[self.end - 1]), float(self._prices[3, self.end - 1])

    def add(self, rows: Sequence[WireCandle], wanted: int) -> None:
        """Write candles that follow; those before the `wanted` last ones may be forgotten."""
        if self.end + len(rows) > len(self._open_time):
            held = self.candles
            self._begin(held.rows(max(0, self.end - wanted), self.end), len(rows) + SPARE)
        for at, row in enumerate(rows, self.end):
            self._open_time[at] = row.open_time
            self._prices[:, at] = row.open, row.high, row.low, row.close, row.volume
        self.end += len(rows)
        self.next_time = rows[-1].close_time

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

    def before(self, series: str, open_time: int, wanted: int) -> Window | None:
        """Return the candles right before `open_time`, or None where they must be loaded.

        Args:
            series: `exchange:symbol:timeframe`.
            open_time: of the first new candle.
            wanted: how many candles the strategies need.
        """
        kept = self._kept.get(series)
        if kept is None or kept.next_time != open_time or kept.end < wanted:
            return None
        return kept

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
