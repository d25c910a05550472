"""Averages: simple, exponential, Wilder's, and by volume."""

import numpy as np
from numpy.typing import NDArray

from tradepulse.strategies._windows import window_mean, window_sum
from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.indicators._indicator import FloatArray, Indicator, window_of, windowed

DAY_MS = 86_400_000

MeanState = tuple[int, float]
"""Rows seen, at most the window; and their sum, from the window on the average."""

MEAN_STATE: MeanState = (0, 0.0)


@compiled
def endless_ema(x: FloatArray, window: int, state: MeanState) -> tuple[FloatArray, MeanState]:
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
def endless_wilder(x: FloatArray, window: int, state: MeanState) -> tuple[FloatArray, MeanState]:
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
def _ema_rows(x: FloatArray, window: int, state: MeanState) -> tuple[tuple[FloatArray], MeanState]:
    mean, state = endless_ema(x, window, state)
    return (mean,), state


@compiled
def _window_vwap(
    high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, window: int
) -> FloatArray:
    value = window_sum((high + low + close) / 3.0 * volume, window)
    return value / window_sum(volume, window)


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
    return windowed(
        f"sma({length})", ("close",), ("sma",), length, lambda close: (window_mean(close, length),)
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
    return windowed(
        f"rolling_vwap({length})",
        ("high", "low", "close", "volume"),
        ("vwap",),
        length,
        lambda high, low, close, volume: (_window_vwap(high, low, close, volume, length),),
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
