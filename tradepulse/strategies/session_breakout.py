"""A breakout in the hours of a session."""

from tradepulse.strategies._names import Features, Values
from tradepulse.strategies._params import Param
from tradepulse.strategies._registry import strategy
from tradepulse.strategies.answers import Answer, enter_long, enter_short, hold, leave, times
from tradepulse.strategies.features import atr, highest, lowest
from tradepulse.strategies.market import HOURS, Market


@strategy(
    space=(
        Param("open_hour", 0, 23, integer=True),
        Param("hours", 1, 23, integer=True),
        Param("window", 2, 100, integer=True, log=True),
        Param("stop_atr", 0, 20),
        Param("atr_window", 2, 100, integer=True, log=True, searched=False),
        Param("allow_short", 0, 1, integer=True, searched=False),
    ),
    defaults={
        "open_hour": 13,
        "hours": 8,
        "window": 12,
        "stop_atr": 2,
        "atr_window": 14,
        "allow_short": 0,
    },
    features={
        "ceiling": highest("window"),
        "floor": lowest("window"),
        "unit": atr("atr_window", only_if=("stop_atr",)),
    },
)
def session_breakout(i: int, c: Market, f: Features, p: Values) -> Answer:
    """Buy a close above the range of the candles before, in a session's hours; leave at its end.

    Idea: those who trade by the clock of a stock exchange come with its opening, and a move that
    they begin goes on while they are there. Source: the opening range breakout of T. Crabel, "Day
    Trading with Short Term Price Patterns and Opening Range Breakout" (1990).

    A candle is in the session if it opens in the `hours` hours from `open_hour` on, UTC (13 to 21:
    New York's). There a close above the highest high of the `window` candles before enters, and
    the first candle that opens after the session leaves. The stop lies `stop_atr` average true
    ranges below the close of the entry's candle (0: none). With `allow_short` 1 the mirror sells a
    close below the lowest low.
    """
    is_in = (c.hour[i] - p.open_hour) % HOURS < p.hours
    was_in = (c.hour[i - 1] - p.open_hour) % HOURS < p.hours
    if was_in and not is_in:
        return leave()
    distance = times(p.stop_atr, f.unit[i])
    if is_in and c.close[i] > f.ceiling[i - 1]:
        return enter_long(stop=c.close[i] - distance)
    if is_in and p.allow_short > 0.0 and c.close[i] < f.floor[i - 1]:
        return enter_short(stop=c.close[i] + distance)
    return hold()
