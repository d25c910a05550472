"""Trend following by a line that trails the price."""

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
from tradepulse.strategies.features import supertrend as supertrend_line


@strategy(
    name="supertrend",
    space=(
        Param("window", 2, 100, integer=True, log=True),
        Param("multiplier", 0.5, 8, log=True),
        Param("line_stop", 0, 1, integer=True, searched=False),
        Param("allow_short", 0, 1, integer=True, searched=False),
    ),
    defaults={"window": 10, "multiplier": 3, "line_stop": 1, "allow_short": 0},
    features=(supertrend_line("window", "multiplier"),),
    # with shorts, the candle after a turn enters
    shift=2,
)
@compiled
def supertrend(
    i: int,
    open_: FloatArray,  # noqa: ARG001 - every strategy has the same arguments
    high: FloatArray,  # noqa: ARG001
    low: FloatArray,  # noqa: ARG001
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001
    f: Columns,
    p: FloatArray,
) -> Decision:
    """Buy when Supertrend turns up, leave when it turns down.

    Idea: a trend lasts until the price has gone back further than its usual range. Source: O.
    Seban's Supertrend indicator, as TradingView's `ta.supertrend` defines it, here with the plain
    mean of true ranges and a memory that ends (see `_recursions.py`).

    The line trails `multiplier` average true ranges of `window` candles behind the middle of the
    candles and never moves away from the price; a close beyond it turns the direction. With
    `line_stop` 1 the line at the entry is also a stop. With `allow_short` 1 a turn leaves the
    position held, and the candle after it enters the other side, if the direction still holds.
    """
    line_stop, allow_short = p[2] > 0.0, p[3] > 0.0
    line = f[0][i]
    up, was_up, had_been_up = line >= 0.0, f[0][i - 1] >= 0.0, f[0][i - 2] >= 0.0
    # after a jump the line can lie on the wrong side
    stop = abs(line) if line_stop and up == (close[i] >= abs(line)) else math.nan
    if not allow_short:
        if up and not was_up:
            return ENTER_LONG, stop, math.nan
        if was_up and not up:
            return EXIT, math.nan, math.nan
    elif up != was_up:
        return EXIT, math.nan, math.nan
    elif was_up != had_been_up:
        return ENTER_LONG if up else ENTER_SHORT, stop, math.nan
    return NONE, math.nan, math.nan
