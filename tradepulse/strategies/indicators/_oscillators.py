"""Oscillators: RSI and MACD."""

import math

import numpy as np

from tradepulse.strategies._recursions import strength
from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.indicators._averages import (
    MEAN_STATE,
    MeanState,
    endless_ema,
    endless_wilder,
)
from tradepulse.strategies.indicators._indicator import FloatArray, Indicator, window_of

RsiState = tuple[float, MeanState, MeanState]
MacdState = tuple[int, MeanState, MeanState, MeanState]


@compiled
def _rsi_rows(
    close: FloatArray, window: int, state: RsiState
) -> tuple[tuple[FloatArray], RsiState]:
    before, gain_state, loss_state = state
    gains = np.empty(len(close))
    losses = np.empty(len(close))
    for i in range(len(close)):
        # NaN in the first row, which has none before it
        change = close[i] - before
        gains[i] = change if not change < 0.0 else 0.0
        losses[i] = -change if not change > 0.0 else 0.0
        before = close[i]
    gain, gain_state = endless_wilder(gains, window, gain_state)
    loss, loss_state = endless_wilder(losses, window, loss_state)
    out = np.full(len(close), np.nan)
    for i in range(len(close)):
        if not np.isnan(gain[i]):
            out[i] = strength(gain[i], loss[i])
    return (out,), (before, gain_state, loss_state)


@compiled
def _macd_rows(
    close: FloatArray, fast: int, slow: int, signal: int, state: MacdState
) -> tuple[tuple[FloatArray, FloatArray, FloatArray], MacdState]:
    late, fast_state, slow_state, signal_state = state
    recent = close.copy()
    for i in range(len(close)):
        if late == slow - fast:
            break
        recent[i] = np.nan
        late += 1
    quick, fast_state = endless_ema(recent, fast, fast_state)
    sluggish, slow_state = endless_ema(close, slow, slow_state)
    line = quick - sluggish
    smooth, signal_state = endless_ema(line, signal, signal_state)
    return (line, smooth, line - smooth), (late, fast_state, slow_state, signal_state)


def rsi(window: int = 14) -> Indicator:
    """Return Wilder's relative strength index, 0 to 100.

    The averages of gains and losses begin with the mean of the first `window` changes. Where
    nothing has moved it is 50 (TA-Lib gives 0, which reads as falling).

    Raises:
        ValueError: the window is no whole number of at least 1.
    """
    length = window_of("window", window)
    return Indicator(
        f"rsi({length})",
        ("close",),
        ("rsi",),
        _rsi_rows,
        (length,),
        lambda: (math.nan, MEAN_STATE, MEAN_STATE),
    )


def macd(fast: int = 12, slow: int = 26, signal: int = 9) -> Indicator:
    """Return the difference of two exponential averages, its own average, and their difference.

    Both averages have their first value in the row `slow - 1`, as in TA-Lib: the fast one is
    seeded by the mean of the `fast` rows that end there.

    Raises:
        ValueError: a window is no whole number of at least 1, or fast is not less than slow.
    """
    lengths = (window_of("fast", fast), window_of("slow", slow), window_of("signal", signal))
    if fast >= slow:
        raise ValueError(f"fast ({fast}) must be less than slow ({slow})")
    return Indicator(
        f"macd({fast}, {slow}, {signal})",
        ("close",),
        ("macd", "signal", "histogram"),
        _macd_rows,
        lengths,
        lambda: (0, MEAN_STATE, MEAN_STATE, MEAN_STATE),
    )
