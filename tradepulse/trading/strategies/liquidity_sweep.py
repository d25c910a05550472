"""Reversal after a sweep of resting orders."""

import numpy as np

from tradepulse.trading.compiled import compiled
from tradepulse.trading.strategies._registry import (
    ENTER_LONG,
    ENTER_SHORT,
    ActionArray,
    FloatArray,
    Param,
    Params,
    strategy,
)
from tradepulse.trading.strategies._windows import average_true_range, window_min, window_sum


def _lookback(params: Params) -> int:
    # the candle itself, and before it the swept candles and the range's, with one more close
    return 1 + max(int(params["window"]), int(params["atr_window"]) + 1)


@strategy(
    name="liquidity_sweep",
    space=(
        Param("window", 5, 200, integer=True, log=True),
        Param("sweep_atr", 0, 3),
        Param("volume_factor", 0, 5),
        Param("stop_atr", 0.1, 10, log=True),
        Param("target_atr", 0.2, 20, log=True),
        Param("atr_window", 2, 100, integer=True, log=True, searched=False),
        Param("allow_short", 0, 1, integer=True, searched=False),
    ),
    defaults={
        "window": 20,
        "sweep_atr": 0.1,
        "volume_factor": 1,
        "stop_atr": 0.5,
        "target_atr": 2,
        "atr_window": 14,
        "allow_short": 0,
    },
    lookback=_lookback,
)
@compiled
def liquidity_sweep(
    open_: FloatArray,  # noqa: ARG001 - every kernel has the same arguments
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    params: FloatArray,
) -> tuple[ActionArray, FloatArray, FloatArray]:
    """Buy a candle that takes out the recent low and closes back above it, on volume.

    Idea: stop orders rest below a visible low. A candle that runs them and is bought back has
    shown that sellers were forced, not convinced. Source: the "Turtle Soup" pattern of
    L. Connors and L. Raschke, "Street Smarts" (1995), and the clustering of stop orders at
    visible levels found by C. Osler, "Stop-loss orders and price cascades in currency markets",
    Journal of International Money and Finance 24 (2005).

    The low of the `window` candles before must be undercut by at least `sweep_atr` average true
    ranges of the candles before, the close must lie above that low, and the volume must reach
    `volume_factor` times the window's mean. The stop lies `stop_atr` ranges below the sweep's
    extreme, the target `target_atr` ranges above the close. With `allow_short` 1 the mirror
    sells a swept high; a candle that sweeps both sides says nothing.
    """
    window = int(params[0])
    sweep_atr = params[1]
    volume_factor = params[2]
    stop_atr = params[3]
    target_atr = params[4]
    atr_window = int(params[5])
    allow_short = params[6] > 0.0
    n = len(close)
    action = np.zeros(n, dtype=np.int8)
    stop = np.full(n, np.nan)
    take_profit = np.full(n, np.nan)
    first = max(window, atr_window + 1)
    if n <= first:
        return action, stop, take_profit

    floor = window_min(low, window)
    ceiling = -window_min(-high, window) if allow_short else floor
    usual_volume = window_sum(volume, window)
    atr = average_true_range(high, low, close, atr_window)
    for i in range(first, n):
        # the yardsticks end one candle before: the sweep must not stretch what measures it
        if volume[i] < volume_factor * (usual_volume[i - 1] / window):
            continue
        unit = atr[i - 1]
        depth = sweep_atr * unit
        swept_low = low[i] < floor[i - 1] and low[i] <= floor[i - 1] - depth
        long = swept_low and close[i] > floor[i - 1]
        short = False
        if allow_short:
            swept_high = high[i] > ceiling[i - 1] and high[i] >= ceiling[i - 1] + depth
            short = swept_high and close[i] < ceiling[i - 1]
        # a level at or below zero could never be touched, so it is none
        if long and not short:
            action[i] = ENTER_LONG
            level = low[i] - stop_atr * unit
            if level > 0.0:
                stop[i] = level
            take_profit[i] = close[i] + target_atr * unit
        elif short and not long:
            action[i] = ENTER_SHORT
            stop[i] = high[i] + stop_atr * unit
            level = close[i] - target_atr * unit
            if level > 0.0:
                take_profit[i] = level
    return action, stop, take_profit
