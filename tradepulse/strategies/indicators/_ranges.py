"""Indicators of range and direction: ATR, ADX, Supertrend."""

import math

import numpy as np

from tradepulse.strategies._recursions import NO_BANDS, Bands, next_bands
from tradepulse.strategies._windows import mean_true_range, true_range
from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.indicators._averages import MEAN_STATE, MeanState, endless_wilder
from tradepulse.strategies.indicators._indicator import (
    FloatArray,
    Indicator,
    factor_of,
    window_of,
    windowed,
)

AtrState = tuple[float, MeanState]
"""The close before, and the average's state."""
Bar = tuple[float, float, float]
"""High, low and close of a candle."""
AdxState = tuple[Bar, MeanState, MeanState, MeanState, MeanState]
SupertrendState = tuple[AtrState, float, Bands]


@compiled
def atr_rows(
    high: FloatArray, low: FloatArray, close: FloatArray, window: int, state: AtrState
) -> tuple[FloatArray, AtrState]:
    """Average the true ranges as Wilder; the first row, with no close before it, has none."""
    before, mean_state = state
    ranges = np.full(len(close), np.nan)
    for i in range(len(close)):
        if not np.isnan(before):
            ranges[i] = true_range(high[i], low[i], before)
        before = close[i]
    mean, mean_state = endless_wilder(ranges, window, mean_state)
    return mean, (before, mean_state)


@compiled
def _atr_rows(
    high: FloatArray, low: FloatArray, close: FloatArray, window: int, state: AtrState
) -> tuple[tuple[FloatArray], AtrState]:
    mean, state = atr_rows(high, low, close, window, state)
    return (mean,), state


@compiled
def _fading_sum(x: FloatArray, window: int, state: MeanState) -> tuple[FloatArray, MeanState]:
    """Sum as Wilder: the first `window - 1` rows, then less 1 / window and the new row."""
    seen, total = state
    out = np.full(len(x), np.nan)
    for i in range(len(x)):
        if np.isnan(x[i]):
            continue
        if seen < window - 1:
            total += x[i]
            seen += 1
        else:
            total = total - total / window + x[i]
            out[i] = total
    return out, (seen, total)


@compiled
def _adx_rows(
    high: FloatArray, low: FloatArray, close: FloatArray, window: int, state: AdxState
) -> tuple[tuple[FloatArray, FloatArray, FloatArray], AdxState]:
    before, range_state, up_state, down_state, adx_state = state
    ranges = np.full(len(close), np.nan)
    ups = np.full(len(close), np.nan)
    downs = np.full(len(close), np.nan)
    for i in range(len(close)):
        high_before, low_before, close_before = before
        if not np.isnan(close_before):
            ranges[i] = true_range(high[i], low[i], close_before)
            up, down = high[i] - high_before, low_before - low[i]
            ups[i] = up if up > down and up > 0.0 else 0.0
            downs[i] = down if down > up and down > 0.0 else 0.0
        before = (high[i], low[i], close[i])
    ranged, range_state = _fading_sum(ranges, window, range_state)
    up_moves, up_state = _fading_sum(ups, window, up_state)
    down_moves, down_state = _fading_sum(downs, window, down_state)
    plus = np.full(len(close), np.nan)
    minus = np.full(len(close), np.nan)
    index = np.full(len(close), np.nan)
    for i in range(len(close)):
        if np.isnan(ranged[i]):
            continue
        # a market that does not move has no direction
        plus[i] = 100.0 * up_moves[i] / ranged[i] if ranged[i] > 0.0 else 0.0
        minus[i] = 100.0 * down_moves[i] / ranged[i] if ranged[i] > 0.0 else 0.0
        both = plus[i] + minus[i]
        index[i] = 100.0 * abs(plus[i] - minus[i]) / both if both > 0.0 else 0.0
    smooth, adx_state = endless_wilder(index, window, adx_state)
    return (smooth, plus, minus), (before, range_state, up_state, down_state, adx_state)


@compiled
def _supertrend_rows(
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    window: int,
    multiplier: float,
    state: SupertrendState,
) -> tuple[tuple[FloatArray, FloatArray], SupertrendState]:
    atr_state, before, bands = state
    ranges, atr_state = atr_rows(high, low, close, window, atr_state)
    line = np.full(len(close), np.nan)
    direction = np.full(len(close), np.nan)
    for i in range(len(close)):
        if not np.isnan(ranges[i]):
            middle = (high[i] + low[i]) / 2.0
            bands = next_bands(middle, multiplier * ranges[i], close[i], before, bands)
            direction[i] = bands[2]
            line[i] = bands[1] if bands[2] > 0.0 else bands[0]
        before = close[i]
    return (line, direction), (atr_state, before, bands)


def atr(window: int = 14) -> Indicator:
    """Return the average true range: the plain mean, in the price's unit, as strategies' `atr`.

    The first value is in the row `window`, as that of `atr_wilder`, and is the same there. Later
    ones forget a candle after `window` rows, Wilder's never.

    Raises:
        ValueError: the window is no whole number of at least 1.
    """
    length = window_of("window", window)
    return windowed(
        f"atr({length})",
        ("high", "low", "close"),
        ("atr",),
        length + 1,
        lambda high, low, close: (mean_true_range(high, low, close, length),),
    )


def atr_wilder(window: int = 14) -> Indicator:
    """Return Wilder's average true range, in the price's unit, from the row `window` on.

    Raises:
        ValueError: the window is no whole number of at least 1.
    """
    length = window_of("window", window)
    return Indicator(
        f"atr_wilder({length})",
        ("high", "low", "close"),
        ("atr",),
        _atr_rows,
        (length,),
        lambda: (math.nan, MEAN_STATE),
    )


def adx(window: int = 14) -> Indicator:
    """Return Wilder's average directional index and its two directional indicators, 0 to 100.

    The indicators begin in the row `window`, the index in the row `2 * window - 1`, as in
    TA-Lib. Where nothing moves all are 0.

    Raises:
        ValueError: the window is no whole number of at least 2.
    """
    length = window_of("window", window, 2)
    none = (math.nan, math.nan, math.nan)
    return Indicator(
        f"adx({length})",
        ("high", "low", "close"),
        ("adx", "plus", "minus"),
        _adx_rows,
        (length,),
        lambda: (none, MEAN_STATE, MEAN_STATE, MEAN_STATE, MEAN_STATE),
    )


def supertrend(window: int = 10, multiplier: float = 3.0) -> Indicator:
    """Return Supertrend's line and its direction, 1 up and -1 down.

    Bands lie `multiplier` of Wilder's average true ranges above and below the middle of each
    candle. The line is the lower band while the direction is up and the upper one while it is
    down; the first row is down. Source: O. Seban's indicator, as TradingView's `ta.supertrend`
    defines it (whose direction has the opposite sign).

    Raises:
        ValueError: the window is no whole number of at least 1, or the factor not above 0.
    """
    length = window_of("window", window)
    factor = factor_of("multiplier", multiplier)
    return Indicator(
        f"supertrend({length}, {factor:g})",
        ("high", "low", "close"),
        ("line", "direction"),
        _supertrend_rows,
        (length, factor),
        lambda: ((math.nan, MEAN_STATE), math.nan, NO_BANDS),
    )
