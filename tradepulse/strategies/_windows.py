"""Sums and extremes over a fixed window, the same to the bit wherever the window lies.

A running sum (add the new, subtract the old) depends on where it began, so a live window of the
last candles and a backtest over all of them would differ in the last bits, and sometimes in a
signal. Here the sum of a window is a fixed tree over its rows: sums of 2, 4, 8, ... rows are
built by doubling and those that make up the window's binary digits are added. That costs
2 log2(window) passes over the rows, instead of one pass for each row of the window, and rounds
less than adding one by one. The passes go over blocks that stay in the processor's first cache;
where a block begins changes no sum.
"""

import numpy as np
from numpy.typing import NDArray

from tradepulse.strategies.compiled import compiled

FloatArray = NDArray[np.float64]

BLOCK = 1_024
"""Rows worked on at a time: two buffers of them and of a window fit 32 KB."""


@compiled
def window_sum(x: FloatArray, window: int) -> FloatArray:
    """Sum each row and the `window - 1` rows before it.

    Args:
        x: float64 `(n,)`.
        window: rows of a sum, at least 1.

    Returns:
        float64 `(n,)`; NaN in the first `window - 1` rows.
    """
    return _scaled_sum(x, window, 1.0)


@compiled
def window_mean(x: FloatArray, window: int) -> FloatArray:
    """Average each row and the `window - 1` rows before it, as `window_sum`."""
    return _scaled_sum(x, window, 1.0 / window)


@compiled
def _scaled_sum(x: FloatArray, window: int, factor: float) -> FloatArray:
    n = len(x)
    total = np.empty(n)
    total[: min(window - 1, n)] = np.nan
    here = np.empty(min(n, BLOCK + window))
    there = np.empty(min(n, BLOCK + window))
    for begin in range(0, n - window + 1, BLOCK):
        end = min(n, begin + BLOCK + window - 1)
        out = total[begin + window - 1 : end]
        # sums[j] is that of `size` rows from begin + j on
        sums = x[begin:end]
        size = 1
        remaining = window
        while True:
            if remaining & 1:
                # the smaller sums cover the newest rows
                part = sums[remaining * size - size :][: len(out)]
                if remaining * size == window:
                    for j in range(len(out)):
                        out[j] = part[j]
                else:
                    for j in range(len(out)):
                        out[j] += part[j]
            remaining >>= 1
            if remaining == 0:
                break
            first = sums[: len(sums) - size]
            second = sums[size:]
            doubled = here[: len(first)]
            for j in range(len(doubled)):
                doubled[j] = first[j] + second[j]
            sums = doubled
            here, there = there, here
            size *= 2
        for j in range(len(out)):
            out[j] *= factor
    return total


@compiled
def window_min(x: FloatArray, window: int) -> FloatArray:
    """Return the least of each row and the `window - 1` rows before it.

    Args:
        x: float64 `(n,)`, without NaN.
        window: rows looked at, at least 1.

    Returns:
        float64 `(n,)`; NaN in the first `window - 1` rows.
    """
    return _least_times(x, window, 1.0)


@compiled
def window_max(x: FloatArray, window: int) -> FloatArray:
    """Return the greatest of each row and the `window - 1` rows before it, as `window_min`."""
    return _least_times(x, window, -1.0)


@compiled
def _least_times(x: FloatArray, window: int, sign: float) -> FloatArray:
    n = len(x)
    least = np.empty(n)
    least[: min(window - 1, n)] = np.nan
    here = np.empty(min(n, BLOCK + window))
    there = np.empty(min(n, BLOCK + window))
    for begin in range(0, n - window + 1, BLOCK):
        end = min(n, begin + BLOCK + window - 1)
        part = x[begin:end]
        found = here[: len(part)]
        for j in range(len(part)):
            found[j] = sign * part[j]
        size = 1
        while size < window:
            # the last step overlaps what is covered: the least of a row seen twice is the same
            step = min(size, window - size)
            here, there = there, here
            first = found[: len(found) - step]
            second = found[step:]
            wider = here[: len(first)]
            for j in range(len(wider)):
                wider[j] = min(first[j], second[j])
            found = wider
            size += step
        out = least[begin + window - 1 : end]
        for j in range(len(out)):
            out[j] = sign * found[j]
    return least


@compiled
def true_range(high: float, low: float, before: float) -> float:
    """Return the distance from the lowest to the highest, the close before included."""
    return max(high, before) - min(low, before)


@compiled
def mean_true_range(
    high: FloatArray, low: FloatArray, close: FloatArray, window: int
) -> FloatArray:
    """Average the true range of each row and the `window - 1` rows before it.

    The plain mean, not Wilder's smoothing, which reaches back further (`window_atr_wilder`).

    Args:
        high: float64 `(n,)`; so are `low` and `close`.
        low: least price of each candle.
        close: last price of each candle.
        window: candles of the mean, at least 1; one more is read for its close.

    Returns:
        float64 `(n,)`, in the price's unit; NaN in the first `window` rows.
    """
    n = len(close)
    ranges = np.empty(n)
    if n > 0:
        ranges[0] = high[0] - low[0]
    for i in range(1, n):
        ranges[i] = true_range(high[i], low[i], close[i - 1])
    mean = window_sum(ranges, window) / window
    # the first true range had no close before it
    mean[: min(window, n)] = np.nan
    return mean
