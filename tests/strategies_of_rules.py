"""Strategies of what a position can do, and of a venue beside: loaded by tests and by services."""

from tradepulse.strategies import Param, strategy
from tradepulse.strategies.answers import enter_long, enter_short, hold, leave
from tradepulse.strategies.features import atr, change, sma

SPACE = (
    Param("window", 2, 200, integer=True),
    Param("stop_atr", 0.1, 10),
    Param("allow_short", 0, 1, integer=True),
)
DEFAULTS = {"window": 12, "stop_atr": 2.5, "allow_short": 0}


@strategy(
    space=SPACE,
    defaults=DEFAULTS,
    features={"mean": sma("window"), "unit": atr("window")},
)
def chandelier(i, c, f, p):
    """Cross of the mean; the stop follows the close, some ranges behind, and gives way to none."""
    away = p.stop_atr * f.unit[i]
    if c.close[i] > f.mean[i] and c.close[i - 1] <= f.mean[i - 1]:
        return enter_long(stop=c.close[i] - 2.0 * away)
    if p.allow_short > 0.0 and c.close[i] < f.mean[i] and c.close[i - 1] >= f.mean[i - 1]:
        return enter_short(stop=c.close[i] + 2.0 * away)
    # a level below the close says nothing to a short, one above it nothing to a long
    return hold(stop=c.close[i] - away if c.close[i] > f.mean[i] else c.close[i] + away)


@strategy(
    space=SPACE,
    defaults=DEFAULTS,
    features={"mean": sma("window"), "unit": atr("window")},
)
def falling(i, c, f, p):
    """Cross of the mean; a target that falls below the entry, smaller where the price is far."""
    away, close = p.stop_atr * f.unit[i], c.close[i]
    if close > f.mean[i] and c.close[i - 1] <= f.mean[i - 1]:
        return enter_long(
            stop=close - 2.0 * away,
            targets=((0.0, close + away), (120.0, close + 0.3 * away), (360.0, close - away)),
            confidence=0.4 if close > f.mean[i] + 0.2 * f.unit[i] else 1.0,
        )
    if p.allow_short > 0.0 and close < f.mean[i] and c.close[i - 1] >= f.mean[i - 1]:
        return enter_short(target=close - away, targets=((90.0, close),))
    if f.unit[i] > 2.0 * f.unit[i - 1]:
        return leave()
    return hold()


@strategy(
    space=(Param("window", 2, 200, integer=True),),
    defaults={"window": 6},
    features={"kraken": change("window", of="kraken:BTC/USD")},
)
def beside_kraken(i, c, f, p):
    """Follow the Bitcoin of a venue; where its candle of the same close is not there, nothing."""
    if f.kraken_age[i] > 0.0:
        return hold()
    if f.kraken[i] > 0.004 and f.kraken[i - 1] <= 0.004:
        return enter_long(stop=c.close[i] * 0.98)
    return leave() if f.kraken[i] < 0.0 else hold()
