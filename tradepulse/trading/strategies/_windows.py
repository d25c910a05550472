"""Sums and extremes over a fixed window, the same to the bit wherever the window lies.

A running sum (add the new, subtract the old) depends on where it began, so a live window of the
last candles and a backtest over all of them would differ in the last bits, and sometimes in a
signal. Here the sum of a window is a fixed tree over its rows: sums of 2, 4, 8, ... rows are
built by doubling and those that make up the window's binary digits are added. That costs
2 log2(window) passes over the rows, instead of one pass for each row of the window, and rounds
less than adding one by one.
"""

import numpy as np

from tradepulse.trading.compiled import compiled
from tradepulse.trading.strategies._registry import FloatArray


@compiled
def window_sum(x: FloatArray, window: int) -> FloatArray:
    """Sum each row and the `window - 1` rows before it.

    Args:
        x: float64 `(n,)`.
        window: rows of a sum, at least 1.

    Returns:
        float64 `(n,)`; NaN in the first `window - 1` rows.
    """
    n = len(x)
    total = np.zeros(n)
    block = x.copy()
    doubled = np.empty(n)
    covered = 0
    size = 1
    remaining = window
    while remaining > 0:
        if remaining & 1:
            for i in range(covered, n):
                total[i] += block[i - covered]
            covered += size
        remaining >>= 1
        if remaining > 0:
            doubled[: min(size, n)] = block[: min(size, n)]
            for i in range(size, n):
                doubled[i] = block[i] + block[i - size]
            block, doubled = doubled, block
            size *= 2
    total[: min(window - 1, n)] = np.nan
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
    n = len(x)
    block = x.copy()
    doubled = np.empty(n)
    size = 1
    while size < window:
        # the last step overlaps what is covered: the least of a row seen twice is the same
        step = min(size, window - size)
        doubled[: min(step, n)] = block[: min(step, n)]
        for i in range(step, n):
            doubled[i] = min(block[i], block[i - step])
        block, doubled = doubled, block
        size += step
    block[: min(window - 1, n)] = np.nan
    return block


@compiled
def average_true_range(
    high: FloatArray, low: FloatArray, close: FloatArray, window: int
) -> FloatArray:
    """Average the true range of each row and the `window - 1` rows before it.

    The plain mean, not Wilder's smoothing: that one never forgets, so it would need all history.

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
        before = close[i - 1]
        ranges[i] = max(high[i], before) - min(low[i], before)
    mean = window_sum(ranges, window) / window
    # the first true range had no close before it
    mean[: min(window, n)] = np.nan
    return mean
