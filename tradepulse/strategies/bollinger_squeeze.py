"""Breaks out of a market that has become quiet."""

from tradepulse.strategies._names import Features, Values
from tradepulse.strategies._params import Param
from tradepulse.strategies._registry import strategy
from tradepulse.strategies.answers import Answer, enter_long, enter_short, hold, leave, times
from tradepulse.strategies.features import atr, sma, stdev
from tradepulse.strategies.market import Market

ROUNDING = 1e-12
"""What is nearer, relative, is equal: a flat market must not break out by rounding."""
ABOVE = 1.0 + ROUNDING
BELOW = 1.0 - ROUNDING


@strategy(
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
    features={
        "middle": sma("window"),
        "deviation": stdev("window"),
        "unit": atr("atr_window"),
    },
    # the average before is that of the candles before the one before
    shift=2,
)
def bollinger_squeeze(i: int, c: Market, f: Features, p: Values) -> Answer:
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
    allow_short = p.allow_short > 0.0
    # the bands end one candle before: a candle must not widen what it breaks
    middle, band = f.middle[i - 1], p.deviations * f.deviation[i - 1]
    is_above = c.close[i] > middle * ABOVE
    was_above = c.close[i - 1] > f.middle[i - 2] * ABOVE
    if is_above != was_above and (allow_short or was_above):
        return leave()
    if not band < p.squeeze_atr * f.unit[i - 1]:
        return hold()
    distance = times(p.stop_atr, f.unit[i])
    if c.close[i] > (middle + band) * ABOVE:
        return enter_long(stop=c.close[i] - distance)
    if allow_short and c.close[i] < (middle - band) * BELOW:
        return enter_short(stop=c.close[i] + distance)
    return hold()
