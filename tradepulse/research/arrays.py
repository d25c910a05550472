"""Candles as compiled loops read them: contiguous columns, rows and days."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.trading.fills import FinerPrices
from tradepulse.trading.metrics import DAY_MS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NO_ROWS = np.empty(0, dtype=np.int64)
NOTHING = np.empty(0)


class FinerArrays(NamedTuple):
    """Lower-timeframe candles, and for each candle the first of them in it and the end.

    All are empty if there are none.
    """

    prices: FinerPrices
    begin: IntArray
    end: IntArray


class Span(NamedTuple):
    """What is traded of the candles.

    Attributes:
        first: first row that is traded: the equity begins here.
        candle_ms: length of a candle.
        days: last row of each UTC day, see `day_ends`.
    """

    first: int
    candle_ms: int
    days: IntArray


def finer_of(candles: Candles, finer: Candles | None) -> FinerArrays:
    """Return lower-timeframe candles with the rows that lie in each of the candles.

    Raises:
        ValueError: they are of another instrument, or do not divide the candles.
    """
    if finer is None:
        return FinerArrays(FinerPrices(NOTHING, NOTHING, NOTHING), NO_ROWS, NO_ROWS)
    whole, part = timeframe_ms(candles.timeframe), timeframe_ms(finer.timeframe)
    if finer.instrument != candles.instrument or part >= whole or whole % part:
        raise ValueError(f"candles of {finer.series} do not divide those of {candles.series}")
    return FinerArrays(
        FinerPrices(
            np.ascontiguousarray(finer.open),
            np.ascontiguousarray(finer.high),
            np.ascontiguousarray(finer.low),
        ),
        np.searchsorted(finer.open_time, candles.open_time),
        np.searchsorted(finer.open_time, candles.close_time),
    )


def span_of(candles: Candles, first: int) -> Span:
    """Return the span from a row to the end of the candles.

    Raises:
        ValueError: `first` is no row of the candles.
    """
    if not 0 <= first < max(len(candles), 1):
        raise ValueError(f"first row {first} is outside of {len(candles)} candles")
    candle_ms = timeframe_ms(candles.timeframe)
    return Span(first, candle_ms, day_ends(candles.open_time, candle_ms, first))


def day_ends(open_time: IntArray, candle_ms: int, first: int) -> IntArray:
    """Return the last row of each UTC day from row `first` on, int64 `(days,)`.

    A close at midnight ends its day. A day without candles has the row of the day before.
    """
    if first >= len(open_time):
        return NO_ROWS
    first_day = (int(open_time[first]) + candle_ms - 1) // DAY_MS
    last_day = (int(open_time[-1]) + candle_ms - 1) // DAY_MS
    midnights = (np.arange(first_day, last_day + 1) + 1) * DAY_MS
    return np.asarray(np.searchsorted(open_time, midnights - candle_ms, side="right") - 1)
