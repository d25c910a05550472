"""Trend following by two moving averages."""

import numpy as np

from tradepulse.trading.compiled import compiled
from tradepulse.trading.strategies._registry import (
    ENTER_LONG,
    EXIT,
    ActionArray,
    FloatArray,
    Param,
    Params,
    strategy,
)
from tradepulse.trading.strategies._windows import average_true_range, window_sum

ROUNDING = 1e-12
"""Averages closer than this, relative, are equal: a flat market must not cross by rounding."""


def _lookback(params: Params) -> int:
    rows = int(params["slow"]) + 1
    if params["stop_atr"] > 0 or params["target_atr"] > 0:
        rows = max(rows, int(params["atr_window"]) + 1)
    return rows


def _fast_is_faster(params: Params) -> str | None:
    if params["fast"] < params["slow"]:
        return None
    return f"fast ({params['fast']:g}) must be less than slow ({params['slow']:g})"


@compiled
def _side(fast: float, slow: float) -> int:
    if abs(fast - slow) <= ROUNDING * slow:
        return 0
    return 1 if fast > slow else -1


@strategy(
    name="sma_cross",
    space=(
        Param("fast", 2, 200, integer=True, log=True),
        Param("slow", 5, 400, integer=True, log=True),
        Param("stop_atr", 0, 20),
        Param("target_atr", 0, 40),
        Param("atr_window", 2, 100, integer=True, log=True, searched=False),
    ),
    defaults={"fast": 20, "slow": 50, "stop_atr": 0, "target_atr": 0, "atr_window": 14},
    lookback=_lookback,
    constraint=_fast_is_faster,
)
@compiled
def sma_cross(
    open_: FloatArray,  # noqa: ARG001 - every kernel has the same arguments
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001 - every kernel has the same arguments
    params: FloatArray,
) -> tuple[ActionArray, FloatArray, FloatArray]:
    """Buy when the fast simple average of closes crosses above the slow one, leave when below.

    Idea: prices trend, so a recent average above an older one tends to stay there long enough to
    pay for the false starts. Source: the moving-average rules of W. Brock, J. Lakonishok and
    B. LeBaron, "Simple Technical Trading Rules and the Stochastic Properties of Stock Returns",
    Journal of Finance 47 (1992), here with an optional stop and target in multiples of the
    average true range below and above the close of the signal's candle (0: none).
    """
    fast = int(params[0])
    slow = int(params[1])
    stop_atr = params[2]
    target_atr = params[3]
    atr_window = int(params[4])
    n = len(close)
    action = np.zeros(n, dtype=np.int8)
    stop = np.full(n, np.nan)
    take_profit = np.full(n, np.nan)
    with_levels = stop_atr > 0.0 or target_atr > 0.0
    first = max(slow, atr_window) if with_levels else slow
    if n <= first:
        return action, stop, take_profit

    fast_sum = window_sum(close, fast)
    slow_sum = window_sum(close, slow)
    before = _side(fast_sum[first - 1] / fast, slow_sum[first - 1] / slow)
    for i in range(first, n):
        now = _side(fast_sum[i] / fast, slow_sum[i] / slow)
        if now > 0 and before <= 0:
            action[i] = ENTER_LONG
        elif now < 0 and before >= 0:
            action[i] = EXIT
        before = now

    if with_levels:
        atr = average_true_range(high, low, close, atr_window)
        for entry in np.flatnonzero(action == ENTER_LONG):
            # a multiple of 0 means none; a stop at or below zero could never be touched
            level = close[entry] - stop_atr * atr[entry]
            if stop_atr > 0.0 and level > 0.0:
                stop[entry] = level
            if target_atr > 0.0:
                take_profit[entry] = close[entry] + target_atr * atr[entry]
    return action, stop, take_profit
