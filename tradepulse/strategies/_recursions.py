"""Columns that remember everything by definition, cut to a finite memory, the same to the bit.

An exponential average depends on every row there ever was, though hardly on the old ones. Here it
is a weighted sum over so many rows that the weight of all that is left out is below 1e-9, built as
a tree like the sums of `_windows.py`: with weights q^0, q^1, ... for the newest, the one before
and so on, the sum of 2k rows is that of the newer k plus q^k times that of the older k. Once
warmed up it differs from the endless average of `strategies.indicators` by less than 1e-8.
"""

import math

import numpy as np

from tradepulse.strategies._windows import BLOCK, FloatArray, mean_true_range, true_range
from tradepulse.strategies.compiled import compiled

EMA_MEMORY = 11
"""Rows of an exponential average for each row of its window: its factor is 1 - 2 / (window + 1),
and ((window - 1) / (window + 1)) ^ (11 window) is below e^-22."""
WILDER_MEMORY = 21
"""As `EMA_MEMORY`, for Wilder's factor 1 - 1 / window: below e^-21."""
SUPERTREND_MEMORY = 40
"""Rows that a Supertrend remembers, times its multiplier squared: a random walk needs about the
square of a distance to go it, so the length of trends grows so, and hardly with the window."""
SUPERTREND_LEAST_MEMORY = 50

Bands = tuple[float, float, float]
"""Upper band, lower band, and direction: 1 up, -1 down, NaN before the first row."""

NO_BANDS: Bands = (math.nan, math.nan, math.nan)


def ema_rows(window: float) -> int:
    """Return how many rows a row of `window_ema` depends on."""
    return EMA_MEMORY * int(window)


def rsi_rows(window: float) -> int:
    """Return how many rows a row of `window_rsi` depends on."""
    return WILDER_MEMORY * int(window) + 1


def atr_wilder_rows(window: float) -> int:
    """Return how many rows a row of `window_atr_wilder` depends on."""
    return WILDER_MEMORY * int(window) + 1


def supertrend_rows(window: float, multiplier: float) -> int:
    """Return how many rows a row of `window_supertrend` depends on."""
    return supertrend_memory.python(multiplier) + int(window)


@compiled
def supertrend_memory(multiplier: float) -> int:
    """Return how many rows before it, itself included, a row's Supertrend is started afresh."""
    return SUPERTREND_LEAST_MEMORY + int(SUPERTREND_MEMORY * multiplier * multiplier)


@compiled
def _weighted_block(x: FloatArray, rows: int, q: float) -> FloatArray:
    """Sum every `rows` adjoining rows of x, the newest with weight 1, the one before with q."""
    count = len(x) - rows + 1
    total = np.zeros(count)
    weight = 1.0
    sums = x
    size = 1
    power = q
    remaining = rows
    while True:
        # sums[j] is that of `size` rows from j on, and power is q^size
        if remaining & 1:
            # the smaller sums cover the newest rows
            part = sums[(remaining - 1) * size :]
            for j in range(count):
                total[j] += weight * part[j]
            weight *= power
        remaining >>= 1
        if remaining == 0:
            return total
        doubled = np.empty(len(sums) - size)
        for j in range(len(doubled)):
            doubled[j] = power * sums[j] + sums[j + size]
        sums = doubled
        size *= 2
        power *= power


@compiled
def weighted_mean(x: FloatArray, rows: int, q: float) -> FloatArray:
    """Average each row and the `rows - 1` rows before it, with weights 1, q, q^2, ...

    Args:
        x: float64 `(n,)`; a NaN makes every mean that contains it NaN.
        rows: at least 1.
        q: at least 0, below 1.

    Returns:
        float64 `(n,)`; NaN in the first `rows - 1` rows.
    """
    n = len(x)
    mean = np.full(n, np.nan)
    weights = (1.0 - q**rows) / (1.0 - q)
    # each block works on `rows` more than it yields
    block = max(BLOCK, rows)
    for begin in range(0, n - rows + 1, block):
        end = min(n, begin + block + rows - 1)
        mean[begin + rows - 1 : end] = _weighted_block(x[begin:end], rows, q) / weights
    return mean


@compiled
def window_ema(x: FloatArray, window: int) -> FloatArray:
    """Return the exponential average of `ema_rows(window)` rows, by the factor 2 / (window + 1).

    Args:
        x: float64 `(n,)`.
        window: at least 1.

    Returns:
        float64 `(n,)`; NaN in the first `ema_rows(window) - 1` rows.
    """
    return weighted_mean(x, EMA_MEMORY * window, (window - 1.0) / (window + 1.0))


@compiled
def strength(gain: float, loss: float) -> float:
    """Return the share of the gains in all movement, in percent; 50 where nothing moved."""
    return 100.0 * gain / (gain + loss) if gain + loss > 0.0 else 50.0


@compiled
def window_rsi(close: FloatArray, window: int) -> FloatArray:
    """Return Wilder's relative strength index over `rsi_rows(window)` rows, 0 to 100.

    Args:
        close: float64 `(n,)`.
        window: at least 1.

    Returns:
        float64 `(n,)`, 50 where nothing moved; NaN in the first `rsi_rows(window) - 1` rows.
    """
    n = len(close)
    gains = np.full(n, np.nan)
    losses = np.full(n, np.nan)
    for i in range(1, n):
        change = close[i] - close[i - 1]
        gains[i] = max(change, 0.0)
        losses[i] = max(-change, 0.0)
    q = 1.0 - 1.0 / window
    gain = weighted_mean(gains, WILDER_MEMORY * window, q)
    loss = weighted_mean(losses, WILDER_MEMORY * window, q)
    for i in range(n):
        gain[i] = math.nan if math.isnan(gain[i]) else strength(gain[i], loss[i])
    return gain


@compiled
def window_atr_wilder(
    high: FloatArray, low: FloatArray, close: FloatArray, window: int
) -> FloatArray:
    """Return Wilder's average true range over `atr_wilder_rows(window)` rows.

    Args:
        high: float64 `(n,)`; so are `low` and `close`.
        low: least price of each candle.
        close: last price of each candle.
        window: at least 1.

    Returns:
        float64 `(n,)`, in the price's unit; NaN in the first `atr_wilder_rows(window) - 1` rows.
    """
    # the first row has no close before it
    ranges = np.full(len(close), np.nan)
    for i in range(1, len(close)):
        ranges[i] = true_range(high[i], low[i], close[i - 1])
    return weighted_mean(ranges, WILDER_MEMORY * window, 1.0 - 1.0 / window)


@compiled
def _spread_block(x: FloatArray, window: int) -> FloatArray:
    """Return the standard deviation of every `window` adjoining rows, by merging halves."""
    count = len(x) - window + 1
    mean = np.zeros(count)
    squares = np.zeros(count)
    covered = 0
    means = x
    distances = np.zeros(len(x))
    size = 1
    remaining = window
    while True:
        # means[j] and distances[j] are those of `size` rows from j on
        if remaining & 1:
            first = (remaining - 1) * size
            whole = covered + size
            for j in range(count):
                apart = means[first + j] - mean[j] if covered > 0 else 0.0
                squares[j] += distances[first + j] + apart * apart * covered * size / whole
                mean[j] = mean[j] + apart * size / whole if covered > 0 else means[first + j]
            covered = whole
        remaining >>= 1
        if remaining == 0:
            return np.sqrt(squares / window)
        wider = np.empty(len(means) - size)
        farther = np.empty(len(wider))
        for j in range(len(wider)):
            apart = means[j + size] - means[j]
            wider[j] = means[j] + apart / 2.0
            farther[j] = distances[j] + distances[j + size] + apart * apart * size / 2.0
        means = wider
        distances = farther
        size *= 2


@compiled
def window_spread(x: FloatArray, window: int) -> FloatArray:
    """Return the standard deviation (of the population) of each row and those before it.

    Means and squared distances of halves are merged (T. Chan, G. Golub and R. LeVeque, 1979), so
    a flat price has a spread of exactly 0, and a high one that hardly moves keeps its digits.

    Args:
        x: float64 `(n,)`, without NaN.
        window: rows looked at, at least 1.

    Returns:
        float64 `(n,)`; NaN in the first `window - 1` rows.
    """
    n = len(x)
    spread = np.full(n, np.nan)
    for begin in range(0, n - window + 1, BLOCK):
        end = min(n, begin + BLOCK + window - 1)
        spread[begin + window - 1 : end] = _spread_block(x[begin:end], window)
    return spread


@compiled
def next_bands(middle: float, distance: float, close: float, before: float, bands: Bands) -> Bands:
    """Return Supertrend's bands and direction after one more candle.

    A band only comes nearer to the price, until a close has passed it. The direction turns with
    a close beyond the band that it faces.

    Args:
        middle: the mean of the candle's high and low.
        distance: from there to each new band.
        close: the candle's.
        before: the close before.
        bands: after the candle before; NaN where this is the first one.
    """
    upper, lower, direction = bands
    new_upper, new_lower = middle + distance, middle - distance
    if math.isnan(direction):
        return new_upper, new_lower, -1.0
    if new_upper < upper or before > upper:
        upper = new_upper
    if new_lower > lower or before < lower:
        lower = new_lower
    if direction < 0.0:
        direction = 1.0 if close > upper else -1.0
    else:
        direction = -1.0 if close < lower else 1.0
    return upper, lower, direction


@compiled
def window_supertrend(
    high: FloatArray, low: FloatArray, close: FloatArray, window: int, multiplier: float
) -> FloatArray:
    """Return Supertrend's line: the lower band while the direction is up, else minus the upper.

    A lower band below 0 is 0: no price reaches it.

    Row i is where the recursion stands that was started afresh, downwards, at the first of the
    last `supertrend_memory(multiplier)` rows, with bands from the plain mean of true ranges. Two
    runs that once agree agree for ever, and mostly do after a few rows. So the run of the row
    before is kept, and of the next only the rows until it has joined that one are computed.

    Args:
        high: float64 `(n,)`, above 0; so are `low` and `close`.
        low: least price of each candle.
        close: last price of each candle.
        window: candles of the average true range, at least 1.
        multiplier: average true ranges from a candle's middle to each band, above 0.

    Returns:
        float64 `(n,)`; NaN in the first `supertrend_rows(window, multiplier) - 1` rows.
    """
    n = len(close)
    line = np.full(n, np.nan)
    ranges = mean_true_range(high, low, close, window)
    memory = supertrend_memory(multiplier)
    # the run kept, up to the row before `known`
    upper = np.empty(n)
    lower = np.empty(n)
    direction = np.empty(n)
    known = window
    for last in range(window + memory - 1, n):
        bands = NO_BANDS
        i = last - memory + 1
        while i <= last:
            middle, distance = (high[i] + low[i]) / 2.0, multiplier * ranges[i]
            bands = next_bands(middle, distance, close[i], close[i - 1], bands)
            if i < known and bands == (upper[i], lower[i], direction[i]):
                i = known - 1
                bands = (upper[i], lower[i], direction[i])
            upper[i], lower[i], direction[i] = bands
            i += 1
        known = i
        line[last] = max(bands[1], 0.0) if bands[2] > 0.0 else -bands[0]
    return line
