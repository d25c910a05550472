"""Trend following by a line that trails the price."""

import math

from tradepulse.strategies._names import Features, Values
from tradepulse.strategies._params import Param
from tradepulse.strategies._registry import strategy
from tradepulse.strategies.answers import Answer, enter_long, enter_short, hold, leave
from tradepulse.strategies.features import supertrend as supertrend_line
from tradepulse.strategies.market import Market


@strategy(
    space=(
        Param("window", 2, 100, integer=True, log=True),
        Param("multiplier", 0.5, 8, log=True),
        Param("line_stop", 0, 1, integer=True, searched=False),
        Param("allow_short", 0, 1, integer=True, searched=False),
    ),
    defaults={"window": 10, "multiplier": 3, "line_stop": 1, "allow_short": 0},
    features={
        "line": supertrend_line("window", "multiplier"),
    },
    # with shorts, the candle after a turn enters
    shift=2,
)
def supertrend(i: int, c: Market, f: Features, p: Values) -> Answer:
    """Buy when Supertrend turns up, leave when it turns down.

    Idea: a trend lasts until the price has gone back further than its usual range. Source: O.
    Seban's Supertrend indicator, as TradingView's `ta.supertrend` defines it, here with the plain
    mean of true ranges and a memory that ends (see `_recursions.py`).

    The line trails `multiplier` average true ranges of `window` candles behind the middle of the
    candles and never moves away from the price; a close beyond it turns the direction. With
    `line_stop` 1 the line at the entry is also a stop. With `allow_short` 1 a turn leaves the
    position held, and the candle after it enters the other side, if the direction still holds.
    """
    line = f.line[i]
    up, was_up, had_been_up = line >= 0.0, f.line[i - 1] >= 0.0, f.line[i - 2] >= 0.0
    # after a jump the line can lie on the wrong side
    is_stop = p.line_stop > 0.0 and up == (c.close[i] >= abs(line))
    stop = abs(line) if is_stop else math.nan
    if not p.allow_short > 0.0:
        if up and not was_up:
            return enter_long(stop=stop)
        if was_up and not up:
            return leave()
    elif up != was_up:
        return leave()
    elif was_up != had_been_up:
        return enter_long(stop=stop) if up else enter_short(stop=stop)
    return hold()
