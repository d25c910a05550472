"""Averages: simple, exponential, Wilder's, and by volume."""

import numpy as np
from numpy.typing import NDArray

from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.indicators._indicator import FloatArray, Indicator, window_of

DAY_MS = 86_400_000

SumState = tuple[int, float, FloatArray, FloatArray]
"""Rows seen, sum of the block so far, the block's rows, and the sums of the block before."""
MeanState = tuple[int, float]
"""Rows seen, at most the window; and their sum, from the window on the average."""


def sum_state(window: int) -> SumState:
    """Return `rolling_sum`'s state before the first row."""
    return 0, 0.0, np.zeros(window), np.zeros(window + 1)


MEAN_STATE: MeanState = (0, 0.0)


@compiled
def rolling_sum(x: FloatArray, window: int, state: SumState) -> tuple[FloatArray, SumState]:
    """Sum each row and the `window - 1` rows before it.

    Rows are taken in blocks of `window`. A window is the end of the block before, whose sums from
    each row on are known, and the beginning of this one. So nothing is ever subtracted: a running
    sum would keep the rounding of a large value long after that has left the window. Source: M.
    van Herk, "A fast algorithm for local minimum and maximum filters", Pattern Recognition
    Letters 13 (1992), here for sums.
    """
    seen, total, block, ends = state
    out = np.full(len(x), np.nan)
    for i in range(len(x)):
        at = seen % window
        block[at] = x[i]
        total += x[i]
        seen += 1
        if seen >= window:
            out[i] = ends[at + 1] + total
        if at == window - 1:
            total = 0.0
            for j in range(at, -1, -1):
                ends[j] = ends[j + 1] + block[j]
    return out, (seen, total, block, ends)


@compiled
def ema_rows(x: FloatArray, window: int, state: MeanState) -> tuple[FloatArray, MeanState]:
    """Smooth with the factor 2 / (window + 1), from the mean of the first `window` rows on.

    Rows that are NaN have not begun yet: they are passed over.
    """
    seen, value = state
    factor = 2.0 / (window + 1.0)
    out = np.full(len(x), np.nan)
    for i in range(len(x)):
        if np.isnan(x[i]):
            continue
        if seen == window:
            value += factor * (x[i] - value)
        else:
            value += x[i]
            seen += 1
            if seen == window:
                value /= window
        if seen == window:
            out[i] = value
    return out, (seen, value)


@compiled
def wilder_rows(x: FloatArray, window: int, state: MeanState) -> tuple[FloatArray, MeanState]:
    """Smooth as Wilder: the mean of the first `window` rows, then 1 / window of each new row.

    Rows that are NaN have not begun yet: they are passed over.
    """
    seen, value = state
    out = np.full(len(x), np.nan)
    for i in range(len(x)):
        if np.isnan(x[i]):
            continue
        if seen == window:
            value = (value * (window - 1) + x[i]) / window
        else:
            value += x[i]
            seen += 1
            if seen == window:
                value /= window
        if seen == window:
            out[i] = value
    return out, (seen, value)


@compiled
def _sma_rows(x: FloatArray, window: int, state: SumState) -> tuple[tuple[FloatArray], SumState]:
    total, state = rolling_sum(x, window, state)
    return (total / window,), state


@compiled
def _ema_rows(x: FloatArray, window: int, state: MeanState) -> tuple[tuple[FloatArray], MeanState]:
    mean, state = ema_rows(x, window, state)
    return (mean,), state


@compiled
def _rolling_vwap_rows(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    window: int,
    state: tuple[SumState, SumState],
) -> tuple[tuple[FloatArray], tuple[SumState, SumState]]:
    value, value_state = rolling_sum((high + low + close) / 3.0 * volume, window, state[0])
    traded, traded_state = rolling_sum(volume, window, state[1])
    return (value / traded,), (value_state, traded_state)


@compiled
def _session_vwap_rows(
    open_time: NDArray[np.int64],
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    state: tuple[int, float, float],
) -> tuple[tuple[FloatArray], tuple[int, float, float]]:
    today, value, traded = state
    out = np.empty(len(close))
    for i in range(len(close)):
        day = open_time[i] // DAY_MS
        if day != today:
            today, value, traded = day, 0.0, 0.0
        value += (high[i] + low[i] + close[i]) / 3.0 * volume[i]
        traded += volume[i]
        out[i] = value / traded
    return (out,), (today, value, traded)


def sma(window: int) -> Indicator:
    """Return the simple moving average of the closes, in the price's unit.

    Raises:
        ValueError: the window is no whole number of at least 1.
    """
    length = window_of("window", window)
    return Indicator(
        f"sma({length})", ("close",), ("sma",), _sma_rows, (length,), lambda: sum_state(length)
    )


def ema(window: int) -> Indicator:
    """Return the exponential moving average of the closes, seeded by the simple one.

    The factor is 2 / (window + 1); the first value is the mean of the first `window` closes.

    Raises:
        ValueError: the window is no whole number of at least 1.
    """
    length = window_of("window", window)
    return Indicator(
        f"ema({length})", ("close",), ("ema",), _ema_rows, (length,), lambda: MEAN_STATE
    )


def rolling_vwap(window: int) -> Indicator:
    """Return the volume-weighted average price of the last candles.

    A candle's price is its typical one, (high + low + close) / 3. NaN where nothing was traded.

    Raises:
        ValueError: the window is no whole number of at least 1.
    """
    length = window_of("window", window)
    return Indicator(
        f"rolling_vwap({length})",
        ("high", "low", "close", "volume"),
        ("vwap",),
        _rolling_vwap_rows,
        (length,),
        lambda: (sum_state(length), sum_state(length)),
    )


def session_vwap() -> Indicator:
    """Return the volume-weighted average price since the UTC day began, as `rolling_vwap`.

    A candle belongs to the day in which it opens.
    """
    return Indicator(
        "session_vwap",
        ("open_time", "high", "low", "close", "volume"),
        ("vwap",),
        _session_vwap_rows,
        (),
        # no candle opens in that day
        lambda: (-(2**62), 0.0, 0.0),
    )
