"""What makes a series of candles impossible, and where. The one list of these rules."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms

LAST_TIME = 4_102_444_800_000
"""2100-01-01: later times are a wrong unit."""
FIRST_TIME = 100_000_000_000
"""As milliseconds this is 1973; as seconds, the year 5138."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing wrong with a series.

    Attributes:
        row: index of the candle in the series.
        reason: what is wrong with it, with its values.
    """

    row: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One rule, and the candles of a series that break it.

    Attributes:
        about: `time` (no epoch ms), `grid`, `order` (against the row before) or `figures`.
        broken: bool `(n,)`.
        reason: what is wrong with a row that breaks it, with its values.
    """

    about: Literal["time", "grid", "order", "figures"]
    broken: NDArray[np.bool_]
    reason: Callable[[int], str]


def time_text(open_time: int) -> str:
    """Return epoch ms as `2017-10-01T00:00Z`, or as the number where that is no time of ours."""
    if not 0 <= open_time < LAST_TIME:
        return str(open_time)
    return datetime.fromtimestamp(open_time / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%MZ")


def first_problem(candles: Candles) -> Problem | None:
    """Return the first row that breaks a rule, with the rule it breaks, or None.

    The rules: open times are epoch ms between 1970 and 2100, on the timeframe's grid and strictly
    increasing; every figure is finite; prices are above zero and volume is not below it; high is
    the highest of the four prices, low the lowest. Holes are no problem.

    Raises:
        ValueError: the timeframe is unknown.
    """
    found: Problem | None = None
    for rule in rules(candles):
        # of two rules that one row breaks, the earlier in the list is told
        row = int(rule.broken.argmax()) if rule.broken.any() else None
        if row is not None and (found is None or row < found.row):
            found = Problem(row, rule.reason(row))
    return found


def rules(candles: Candles) -> list[Rule]:
    """Return every rule of `first_problem` with the rows that break it.

    Raises:
        ValueError: the timeframe is unknown.
    """
    return [*_time_rules(candles), *_value_rules(candles), *_extreme_rules(candles)]


def _time_rules(c: Candles) -> list[Rule]:
    step = timeframe_ms(c.timeframe)
    times = c.open_time
    repeated = np.zeros(len(c), dtype=np.bool_)
    repeated[1:] = times[1:] == times[:-1]
    unsorted = np.zeros(len(c), dtype=np.bool_)
    unsorted[1:] = times[1:] < times[:-1]

    def time_range(row: int) -> str:
        hint = "; it looks like seconds" if 0 < times[row] < FIRST_TIME else ""
        return f"open_time {times[row]} is not in epoch milliseconds{hint}"

    def order(row: int) -> str:
        return (
            f"times are not sorted: {time_text(int(times[row]))} comes after "
            f"{time_text(int(times[row - 1]))}"
        )

    return [
        Rule("time", (times < FIRST_TIME) | (times >= LAST_TIME), time_range),
        Rule(
            "grid",
            times % step != 0,
            lambda i: f"open_time {times[i]} is off the grid of {c.timeframe}",
        ),
        Rule("order", repeated, lambda i: f"the time {time_text(int(times[i]))} is there twice"),
        Rule("order", unsorted, order),
    ]


def _value_rules(c: Candles) -> list[Rule]:
    prices = (("open", c.open), ("high", c.high), ("low", c.low), ("close", c.close))
    listed = [
        Rule("figures", ~np.isfinite(values), lambda i, n=name, v=values: f"{n} is {v[i]}")  # type: ignore[misc]  # mypy cannot infer a lambda's defaults
        for name, values in (*prices, ("volume", c.volume))
    ]
    listed += [
        Rule("figures", values <= 0, lambda i, n=name, v=values: f"{n} {v[i]} is not above zero")  # type: ignore[misc]  # as above
        for name, values in prices
    ]
    listed.append(Rule("figures", c.volume < 0, lambda i: f"volume {c.volume[i]} is below zero"))
    return listed


def _extreme_rules(c: Candles) -> list[Rule]:
    listed = [
        Rule(
            "figures",
            c.high < values,
            lambda i, n=name, v=values: f"high {c.high[i]} is below {n} {v[i]}",  # type: ignore[misc]  # as above
        )
        for name, values in (("low", c.low), ("open", c.open), ("close", c.close))
    ]
    listed += [
        Rule(
            "figures",
            c.low > values,
            lambda i, n=name, v=values: f"low {c.low[i]} is above {n} {v[i]}",  # type: ignore[misc]  # as above
        )
        for name, values in (("open", c.open), ("close", c.close))
    ]
    return listed
