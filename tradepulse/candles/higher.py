"""Candles of a higher timeframe out of closed lower ones, and where they stand in time.

A higher candle is there once a lower candle closes at or after its end. A hole among the lower
ones leaves it smaller, never later.
"""

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms

IntArray = NDArray[np.int64]


def parts_in(higher: str, lower: str) -> int:
    """Return how many candles of a timeframe are in one of a higher one, 1 for the same.

    Raises:
        ValueError: a timeframe is unknown, or the higher one is no multiple of the lower.
    """
    parts, rest = divmod(timeframe_ms(higher), timeframe_ms(lower))
    if rest or not parts:
        raise ValueError(f"{higher} is no multiple of {lower}, the timeframe of the series")
    return parts


def reduced(candles: Candles, timeframe: str) -> tuple[Candles, IntArray]:
    """Return one candle of a higher timeframe for each that has parts, and how many it has.

    A part belongs to the candle in which it closes.

    Args:
        candles: closed, in time order.
        timeframe: a multiple of theirs.
    """
    coarse = timeframe_ms(timeframe)
    buckets = (candles.close_time - 1) // coarse
    heads = np.flatnonzero(np.diff(buckets, prepend=-1))
    ends = np.append(heads[1:], len(candles))[: len(heads)]
    made = Candles(
        candles.exchange,
        candles.symbol,
        timeframe,
        buckets[heads] * coarse,
        candles.open[heads],
        _reduced(np.maximum, candles.high, heads),
        _reduced(np.minimum, candles.low, heads),
        candles.close[ends - 1],
        _reduced(np.add, candles.volume, heads),
    )
    return made, ends - heads


def _reduced(
    how: np.ufunc, values: NDArray[np.float64], heads: NDArray[np.intp]
) -> NDArray[np.float64]:
    # the order of a sum depends on the number of parts alone, so it is the same in any window
    result: NDArray[np.float64] = how.reduceat(values, heads) if len(heads) else values[:0]
    return result


def closed_higher(candles: Candles, timeframe: str) -> tuple[Candles, IntArray]:
    """Return the candles of a higher timeframe that are closed when the last of these is.

    Where the series begins within one, that first one lacks parts.

    Returns:
        The candles, and when each was there: the close of the lower one that showed that no part
        of it comes any more, epoch ms.

    Raises:
        ValueError: as `parts_in`.
    """
    if parts_in(timeframe, candles.timeframe) == 1:
        return candles, candles.close_time
    made, _ = reduced(candles, timeframe)
    closes = candles.close_time
    shown = np.searchsorted(closes, made.close_time)
    count = int(np.count_nonzero(shown < len(closes)))
    return made.rows(0, count), closes[shown[:count]]
