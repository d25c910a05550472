"""Reversal after a sweep of resting orders."""

from tradepulse.strategies._names import Features, Values
from tradepulse.strategies._params import Param
from tradepulse.strategies._registry import strategy
from tradepulse.strategies.answers import Answer, enter_long, enter_short, hold
from tradepulse.strategies.features import atr, highest, lowest, mean_volume
from tradepulse.strategies.market import Market


@strategy(
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
    features={
        "floor": lowest("window"),
        "ceiling": highest("window"),
        "volume": mean_volume("window"),
        "unit": atr("atr_window"),
    },
)
def liquidity_sweep(i: int, c: Market, f: Features, p: Values) -> Answer:
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
    # the yardsticks end one candle before: the sweep must not stretch what measures it
    floor, ceiling, unit = f.floor[i - 1], f.ceiling[i - 1], f.unit[i - 1]
    close, depth = c.close[i], p.sweep_atr * unit
    # & asks all at once: the parts are true at random, and a wrong guess of a branch costs more
    long = (c.low[i] < floor) & (c.low[i] <= floor - depth) & (close > floor)
    short = False
    if p.allow_short > 0.0:
        short = (c.high[i] > ceiling) & (c.high[i] >= ceiling + depth) & (close < ceiling)
    if long == short or c.volume[i] < p.volume_factor * f.volume[i - 1]:
        return hold()
    distance = p.target_atr * unit
    if long:
        # a close above the window's high has that liquidity behind it
        target = close + distance if p.target_atr > 0.0 else max(ceiling, close)
        return enter_long(stop=c.low[i] - p.stop_atr * unit, target=target)
    target = close - distance if p.target_atr > 0.0 else min(floor, close)
    return enter_short(stop=c.high[i] + p.stop_atr * unit, target=target)
