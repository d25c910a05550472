"""What makes a series of candles impossible, and where. The one list of these rules."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from tradepulse.trading.candles import Candles
from tradepulse.trading.timeframes import timeframe_ms

LAST_TIME = 4_102_444_800_000
"""2100-01-01: later times are a wrong unit."""
_SECONDS_BELOW = 100_000_000_000
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
    for bad, reason in _rules(candles):
        # of two rules that one row breaks, the earlier in the list is told
        row = int(bad.argmax()) if bad.any() else None
        if row is not None and (found is None or row < found.row):
            found = Problem(row, reason(row))
    return found


def _rules(c: Candles) -> list[tuple[NDArray[np.bool_], Callable[[int], str]]]:
    step = timeframe_ms(c.timeframe)
    times = c.open_time
    repeated = np.zeros(len(c), dtype=np.bool_)
    repeated[1:] = times[1:] == times[:-1]
    unsorted = np.zeros(len(c), dtype=np.bool_)
    unsorted[1:] = times[1:] < times[:-1]
    prices = (("open", c.open), ("high", c.high), ("low", c.low), ("close", c.close))
    figures = (*prices, ("volume", c.volume))

    def time_range(row: int) -> str:
        hint = "; it looks like seconds" if 0 < times[row] < _SECONDS_BELOW else ""
        return f"open_time {times[row]} is not in epoch milliseconds{hint}"

    def order(row: int) -> str:
        return (
            f"times are not sorted: {time_text(int(times[row]))} comes after "
            f"{time_text(int(times[row - 1]))}"
        )

    rules: list[tuple[NDArray[np.bool_], Callable[[int], str]]] = [
        ((times < _SECONDS_BELOW) | (times >= LAST_TIME), time_range),
        (
            times % step != 0,
            lambda i: f"open_time {times[i]} is off the grid of {c.timeframe}",
        ),
        (repeated, lambda i: f"the time {time_text(int(times[i]))} is there twice"),
        (unsorted, order),
    ]
    rules += [
        (~np.isfinite(values), lambda i, n=name, v=values: f"{n} is {v[i]}")  # type: ignore[misc]  # mypy cannot infer a lambda's defaults
        for name, values in figures
    ]
    rules += [
        (values <= 0, lambda i, n=name, v=values: f"{n} {v[i]} is not above zero")  # type: ignore[misc]  # as above
        for name, values in prices
    ]
    rules.append((c.volume < 0, lambda i: f"volume {c.volume[i]} is below zero"))
    for name, values in (("low", c.low), ("open", c.open), ("close", c.close)):
        rules.append(
            (
                c.high < values,
                lambda i, n=name, v=values: f"high {c.high[i]} is below {n} {v[i]}",  # type: ignore[misc]  # as above
            )
        )
    for name, values in (("open", c.open), ("close", c.close)):
        rules.append(
            (
                c.low > values,
                lambda i, n=name, v=values: f"low {c.low[i]} is above {n} {v[i]}",  # type: ignore[misc]  # as above
            )
        )
    return rules
