"""Reversal after a sweep of resting orders."""

import math

from tradepulse.strategies._kernels import (
    ENTER_LONG,
    ENTER_SHORT,
    NONE,
    Columns,
    Decision,
)
from tradepulse.strategies._registry import strategy
from tradepulse.strategies._strategy import Param
from tradepulse.strategies._windows import FloatArray
from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.features import atr, highest, lowest, mean_volume


@strategy(
    name="liquidity_sweep",
    space=(
        Param("window", 5, 200, integer=True, log=True),
        Param("sweep_atr", 0, 3),
        Param("volume_factor", 0, 5),
        Param("stop_atr", 0.1, 10, log=True),
        Param("target_atr", 0, 20),
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
    features=(lowest("window"), highest("window"), mean_volume("window"), atr("atr_window")),
)
@compiled
def liquidity_sweep(
    i: int,
    open_: FloatArray,  # noqa: ARG001 - every strategy has the same arguments
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    f: Columns,
    p: FloatArray,
) -> Decision:
    """Buy a candle that takes out the recent low and closes back above it, on volume.

    Idea: stop orders rest below a visible low. A candle that runs them and is bought back has
    shown that sellers were forced, not convinced. Source: the "Turtle Soup" pattern of
    L. Connors and L. Raschke, "Street Smarts" (1995), and the clustering of stop orders at
    visible levels found by C. Osler, "Stop-loss orders and price cascades in currency markets",
    Journal of International Money and Finance 24 (2005).

    The low of the `window` candles before must be undercut by at least `sweep_atr` average true
    ranges of the candles before, the close must lie above that low, and the volume must reach
    `volume_factor` times the window's mean. The stop lies `stop_atr` ranges below the sweep's
    extreme. The target lies `target_atr` ranges above the close; with 0 it is the liquidity on
    the other side, the highest high of the window. With `allow_short` 1 the mirror sells a swept
    high; a candle that sweeps both sides says nothing.
    """
    sweep_atr, volume_factor, stop_atr, target_atr = p[1], p[2], p[3], p[4]
    allow_short = p[6] > 0.0
    # the yardsticks end one candle before: the sweep must not stretch what measures it
    floor, ceiling, unit = f[0][i - 1], f[1][i - 1], f[3][i - 1]
    depth = sweep_atr * unit
    # & asks all at once: the parts are true at random, and a wrong guess of a branch costs more
    long = (low[i] < floor) & (low[i] <= floor - depth) & (close[i] > floor)
    short = False
    if allow_short:
        short = (high[i] > ceiling) & (high[i] >= ceiling + depth) & (close[i] < ceiling)
    if long == short or volume[i] < volume_factor * f[2][i - 1]:
        return NONE, math.nan, math.nan
    if long:
        # a close above the window's high has that liquidity behind it
        target = close[i] + target_atr * unit if target_atr > 0.0 else max(ceiling, close[i])
        return ENTER_LONG, low[i] - stop_atr * unit, target
    target = close[i] - target_atr * unit if target_atr > 0.0 else min(floor, close[i])
    return ENTER_SHORT, high[i] + stop_atr * unit, target
