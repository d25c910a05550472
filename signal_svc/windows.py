"""The last candles of each series, as arrays for the kernels."""

from collections.abc import Sequence

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.runtime.codec import WireCandle


def to_candles(rows: Sequence[WireCandle]) -> Candles:
    """Return messages of one series, in time order, as arrays."""
    first = rows[0]
    prices = np.array([(c.open, c.high, c.low, c.close, c.volume) for c in rows]).T.copy()
    return Candles(
        first.exchange,
        first.symbol,
        first.timeframe,
        np.array([c.open_time for c in rows], dtype=np.int64),
        prices[0],
        prices[1],
        prices[2],
        prices[3],
        prices[4],
    )


def joined(before: Candles, after: Candles) -> Candles:
    """Return two stretches of one series as one."""
    return Candles(
        after.exchange,
        after.symbol,
        after.timeframe,
        np.concatenate([before.open_time, after.open_time]),
        np.concatenate([before.open, after.open]),
        np.concatenate([before.high, after.high]),
        np.concatenate([before.low, after.low]),
        np.concatenate([before.close, after.close]),
        np.concatenate([before.volume, after.volume]),
    )


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
        self._kept: dict[str, Candles] = {}
        self._last: dict[str, int] = {}

    def last_open_time(self, series: str) -> int:
        """Return the open time of the last candle that was evaluated, -1 where none is known."""
        return self._last.get(series, -1)

    def before(self, series: str, open_time: int, wanted: int) -> Candles | None:
        """Return the candles right before `open_time`, or None where they must be loaded.

        Args:
            series: `exchange:symbol:timeframe`.
            open_time: of the first new candle.
            wanted: how many candles the strategies need.
        """
        kept = self._kept.get(series)
        if kept is None or int(kept.close_time[-1]) != open_time or len(kept) < wanted:
            return None
        return kept

    def keep(self, series: str, candles: Candles, wanted: int) -> None:
        """Remember the last `wanted` candles, at least one."""
        self._kept[series] = candles.rows(max(0, len(candles) - max(1, wanted)), len(candles))
        self._last[series] = int(candles.open_time[-1])

    def forget(self, series: str) -> None:
        """Load this series again before it is evaluated; what was evaluated is remembered."""
        self._kept.pop(series, None)

    def forget_all(self) -> None:
        """Know nothing of any series, as at the start."""
        self._kept.clear()
        self._last.clear()
