"""A dip in a market that rises on a higher timeframe."""

from tradepulse.strategies._names import Features, Values
from tradepulse.strategies._params import Param
from tradepulse.strategies._registry import strategy
from tradepulse.strategies.answers import Answer, enter_long, enter_short, hold, leave, times
from tradepulse.strategies.features import atr, sma
from tradepulse.strategies.market import Market


@strategy(
    space=(
        Param("window", 5, 100, integer=True, log=True),
        Param("trend_window", 5, 100, integer=True, log=True),
        Param("stop_atr", 0, 20),
        Param("target_atr", 0, 40),
        Param("atr_window", 2, 100, integer=True, log=True, searched=False),
        Param("allow_short", 0, 1, integer=True, searched=False),
    ),
    defaults={
        "window": 20,
        "trend_window": 30,
        "stop_atr": 2,
        "target_atr": 4,
        "atr_window": 14,
        "allow_short": 0,
    },
    features={
        "mean": sma("window"),
        "trend": sma("trend_window", on="4h"),
        "unit": atr("atr_window", only_if=("stop_atr", "target_atr")),
    },
)
def trend_pullback(i: int, c: Market, f: Features, p: Values) -> Answer:
    """Buy a dip in a market that rises on candles of four hours, leave when it no longer does.

    Idea: the longer timeframe tells the direction, the shorter one a good price against it.
    Source: the first two screens of A. Elder, "Trading for a Living" (1993).

    The close must fall below the mean of `window` closes while it lies above the mean of
    `trend_window` closes of four hours. A close below that mean leaves. The stop and the target
    lie `stop_atr` and `target_atr` average true ranges from the close of the entry's candle (0:
    none). With `allow_short` 1 the mirror sells a rally in a falling market; a candle in which the
    trend turns only leaves. Candles of up to four hours fit, of which four hours are a multiple.
    """
    close, before = c.close[i], c.close[i - 1]
    trend = f.trend[i]
    if (close < trend and before >= f.trend[i - 1]) or (
        p.allow_short > 0.0 and close > trend and before <= f.trend[i - 1]
    ):
        return leave()
    stop, target = times(p.stop_atr, f.unit[i]), times(p.target_atr, f.unit[i])
    if close > trend and close < f.mean[i] and before >= f.mean[i - 1]:
        return enter_long(stop=close - stop, target=close + target)
    if p.allow_short > 0.0 and close < trend and close > f.mean[i] and before <= f.mean[i - 1]:
        return enter_short(stop=close + stop, target=close - target)
    return hold()
