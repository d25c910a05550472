"""Breaks out of a market that has become quiet."""

import math

from tradepulse.strategies._kernels import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT,
    NONE,
    Columns,
    Decision,
)
from tradepulse.strategies._registry import strategy
from tradepulse.strategies._strategy import Param
from tradepulse.strategies._windows import FloatArray
from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.features import atr, sma, stdev

ROUNDING = 1e-12
"""What is nearer, relative, is equal: a flat market must not break out by rounding."""
ABOVE = 1.0 + ROUNDING
BELOW = 1.0 - ROUNDING


@strategy(
    name="bollinger_squeeze",
    space=(
        Param("window", 5, 200, integer=True, log=True),
        Param("deviations", 0.5, 4),
        Param("squeeze_atr", 0.2, 4, log=True),
        Param("stop_atr", 0, 20),
        Param("atr_window", 2, 100, integer=True, log=True, searched=False),
        Param("allow_short", 0, 1, integer=True, searched=False),
    ),
    defaults={
        "window": 20,
        "deviations": 2,
        "squeeze_atr": 1.5,
        "stop_atr": 2,
        "atr_window": 20,
        "allow_short": 0,
    },
    features=(sma("window"), stdev("window"), atr("atr_window")),
    # the average before is that of the candles before the one before
    shift=2,
)
@compiled
def bollinger_squeeze(
    i: int,
    open_: FloatArray,  # noqa: ARG001 - every strategy has the same arguments
    high: FloatArray,  # noqa: ARG001
    low: FloatArray,  # noqa: ARG001
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001
    f: Columns,
    p: FloatArray,
) -> Decision:
    """Buy a close above Bollinger's upper band out of narrow bands, leave at the average.

    Idea: volatility comes in clusters, and a quiet market ends in a move whose direction its
    first candle shows. Source: the squeeze of J. Bollinger, "Bollinger on Bollinger Bands"
    (2001), measured against the average true range as J. Carter, "Mastering the Trade" (2005).

    The market is quiet while a band lies nearer to the average than `squeeze_atr` average true
    ranges. A band lies `deviations` standard deviations of the last `window` closes away. A quiet
    candle must be followed by a close above its upper band. The position is left when a close
    falls to or below the average of the candles before. The stop lies `stop_atr` ranges below the
    close of the entry's candle (0: none). With `allow_short` 1 the mirror sells a close below the
    lower band; a candle that crosses the average then leaves first.
    """
    deviations, squeeze_atr, stop_atr = p[1], p[2], p[3]
    allow_short = p[5] > 0.0
    # the bands end one candle before: a candle must not widen what it breaks
    middle, band, unit = f[0][i - 1], deviations * f[1][i - 1], f[2][i - 1]
    is_above = close[i] > middle * ABOVE
    was_above = close[i - 1] > f[0][i - 2] * ABOVE
    if is_above != was_above and (allow_short or was_above):
        return EXIT, math.nan, math.nan
    if not band < squeeze_atr * unit:
        return NONE, math.nan, math.nan
    distance = stop_atr * f[2][i] if stop_atr > 0.0 else math.nan
    if close[i] > (middle + band) * ABOVE:
        return ENTER_LONG, close[i] - distance, math.nan
    if allow_short and close[i] < (middle - band) * BELOW:
        return ENTER_SHORT, close[i] + distance, math.nan
    return NONE, math.nan, math.nan
