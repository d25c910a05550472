"""`Market.hour` and `Market.weekday` in compiled code: worked out row by row, for who reads them.

As columns they would be made for every window that is evaluated, and by strategies that never ask.
Imported before the first compilation, for it imports numba.
"""

import operator
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload, overload_attribute

from tradepulse.strategies.market import (
    DAY_MS,
    HOUR_MS,
    HOURS,
    THURSDAY,
    WEEKDAYS,
    IntArray,
    Market,
)

OPTIONS: Any = {"inline": "always"}


class Clock(NamedTuple):
    """A column that is not there: row i is `(open_time[i] // unit + offset) % period`."""

    open_time: IntArray
    unit: int
    offset: int
    period: int


@overload_attribute(types.NamedTuple, "hour", **OPTIONS)
def _hour(market: Any) -> Any:
    def clock(market: Any) -> Any:
        return Clock(market.open_time, HOUR_MS, 0, HOURS)

    return clock if market.instance_class is Market else None


@overload_attribute(types.NamedTuple, "weekday", **OPTIONS)
def _weekday(market: Any) -> Any:
    def clock(market: Any) -> Any:
        return Clock(market.open_time, DAY_MS, THURSDAY, WEEKDAYS)

    return clock if market.instance_class is Market else None


@overload(operator.getitem, **OPTIONS)
def _row(clock: Any, i: Any) -> Any:
    def row(clock: Any, i: Any) -> Any:
        return (clock.open_time[i] // clock.unit + clock.offset) % clock.period

    is_clock = isinstance(clock, types.NamedTuple) and clock.instance_class is Clock
    return row if is_clock and isinstance(i, types.Integer) else None
