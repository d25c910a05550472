"""The market as a strategy is shown it: columns of closed candles, to be read only."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.strategies.read_only import read_only

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
HOURS = 24
WEEKDAYS = 7
THURSDAY = 3
"""Weekday of the first day of 1970; Monday is 0."""


class Market(NamedTuple):
    """Closed candles of one series, oldest first, each column `(n,)`.

    Compiled code works `hour` and `weekday` out for the rows that it reads, see `_clock.py`.

    Attributes:
        open: float64, quote currency; so are `high`, `low` and `close`.
        volume: float64, base currency.
        open_time: int64, epoch ms.
    """

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    open_time: IntArray

    @property
    def hour(self) -> IntArray:
        """Hour in which each candle opens, UTC, int64 `(n,)`, 0 to 23."""
        return np.asarray(self.open_time // HOUR_MS % HOURS)

    @property
    def weekday(self) -> IntArray:
        """Day of the week on which each candle opens, UTC, int64 `(n,)`, Monday 0."""
        return np.asarray((self.open_time // DAY_MS + THURSDAY) % WEEKDAYS)


def columns_of(candles: Candles) -> Market:
    """Return the columns of a series that no compiled code can write to."""
    return Market(
        read_only(candles.open),
        read_only(candles.high),
        read_only(candles.low),
        read_only(candles.close),
        read_only(candles.volume),
        read_only(candles.open_time),
    )
