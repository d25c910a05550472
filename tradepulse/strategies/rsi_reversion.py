"""Reversion to the mean after a fall in a rising market."""

from tradepulse.strategies._names import Features, Values
from tradepulse.strategies._params import Param
from tradepulse.strategies._registry import strategy
from tradepulse.strategies.answers import Answer, enter_long, enter_short, hold, leave, times
from tradepulse.strategies.features import atr, rsi, sma
from tradepulse.strategies.market import Market

MIDDLE = 50.0
"""Gains equal losses."""


@strategy(
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
    features={
        "index": rsi("window"),
        "trend": sma("trend_window", only_if=("trend_filter",)),
        "unit": atr("atr_window", only_if=("stop_atr",)),
    },
    # with shorts, an entry may come one candle late
    shift=2,
)
def rsi_reversion(i: int, c: Market, f: Features, p: Values) -> Answer:
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
    overbought = 100.0 - p.oversold
    filtered, allow_short = p.trend_filter > 0.0, p.allow_short > 0.0
    now, before, earlier = f.index[i], f.index[i - 1], f.index[i - 2]
    if now >= MIDDLE > before or (allow_short and now <= MIDDLE < before):
        return leave()
    distance = times(p.stop_atr, f.unit[i])
    # with shorts, the candle before may have passed the level and only left
    long = before >= p.oversold or (allow_short and earlier > MIDDLE)
    short = allow_short and (before <= overbought or earlier < MIDDLE)
    if long and now < p.oversold and (c.close[i] > f.trend[i] or not filtered):
        return enter_long(stop=c.close[i] - distance)
    if short and now > overbought and (c.close[i] < f.trend[i] or not filtered):
        return enter_short(stop=c.close[i] + distance)
    return hold()
