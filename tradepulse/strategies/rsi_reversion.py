"""Reversion to the mean after a fall in a rising market."""

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
from tradepulse.strategies.features import atr, rsi, sma

MIDDLE = 50.0
"""Gains equal losses."""


@strategy(
    name="rsi_reversion",
    space=(
        Param("window", 2, 50, integer=True, log=True),
        Param("oversold", 2, 45),
        Param("trend_filter", 0, 1, integer=True),
        Param("trend_window", 20, 400, integer=True, log=True, only_if="trend_filter"),
        Param("stop_atr", 0, 20),
        Param("atr_window", 2, 100, integer=True, log=True, searched=False),
        Param("allow_short", 0, 1, integer=True, searched=False),
    ),
    defaults={
        "window": 4,
        "oversold": 20,
        "trend_filter": 1,
        "trend_window": 200,
        "stop_atr": 3,
        "atr_window": 14,
        "allow_short": 0,
    },
    features=(
        rsi("window"),
        sma("trend_window", only_if=("trend_filter",)),
        atr("atr_window", only_if=("stop_atr",)),
    ),
    # with shorts, an entry may come one candle late
    shift=2,
)
@compiled
def rsi_reversion(
    i: int,
    open_: FloatArray,  # noqa: ARG001 - every strategy has the same arguments
    high: FloatArray,  # noqa: ARG001
    low: FloatArray,  # noqa: ARG001
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001
    f: Columns,
    p: FloatArray,
) -> Decision:
    """Buy when the relative strength falls below a level in a rising market, leave at its middle.

    Idea: in a market that rises, a few candles of forced selling are bought back. Source: J. W.
    Wilder, "New Concepts in Technical Trading Systems" (1978) for the index, and L. Connors and
    C. Alvarez, "Short Term Trading Strategies That Work" (2008) for short windows and the filter
    by a long average.

    The index of `window` candles must fall below `oversold` from at or above it, while the close
    lies above the average of `trend_window` closes (or anywhere, with `trend_filter` 0). The
    position is left when the index comes back to 50. The stop lies `stop_atr` average true ranges
    below the close of the entry's candle (0: none). With `allow_short` 1 the mirror sells a rise
    above 100 - `oversold` in a falling market; a candle that passes 50 as well then leaves first,
    and the next one enters if the index is still beyond the level.
    """
    oversold, overbought, stop_atr = p[1], 100.0 - p[1], p[4]
    filtered, allow_short = p[2] > 0.0, p[6] > 0.0
    now, before, earlier, trend = f[0][i], f[0][i - 1], f[0][i - 2], f[1][i]
    if now >= MIDDLE > before or (allow_short and now <= MIDDLE < before):
        return EXIT, math.nan, math.nan
    distance = stop_atr * f[2][i] if stop_atr > 0.0 else math.nan
    # with shorts, the candle before may have passed the level and only left
    long = before >= oversold or (allow_short and earlier > MIDDLE)
    short = allow_short and (before <= overbought or earlier < MIDDLE)
    if long and now < oversold and (close[i] > trend or not filtered):
        return ENTER_LONG, close[i] - distance, math.nan
    if short and now > overbought and (close[i] < trend or not filtered):
        return ENTER_SHORT, close[i] + distance, math.nan
    return NONE, math.nan, math.nan
