"""What a rule may answer to a candle."""

import math
from typing import NamedTuple

from tradepulse.strategies.compiled import step

NONE = 0
ENTER_LONG = 1
ENTER_SHORT = -1
EXIT = 2
REFUSED_STOP = 3
REFUSED_TARGET = 4
REFUSED_LIMIT = 5
REFUSED_STOP_BEFORE_LIMIT = 6
"""An entry that is not made for its levels. Of `signal` and `evaluate` only: `Strategy.evaluate`
makes `NONE` of it and says so apart."""
MOVE = -2
"""The stop of what is held moves."""

Steps = tuple[float, float, float, float, float, float, float, float]
"""The steps of a falling target: minutes since the entry and price in turn, NaN for none."""
MAX_STEPS = 4
NO_STEPS: Steps = (math.nan,) * 8


class Answer(NamedTuple):
    """The answer to one candle; levels are NaN where there are none.

    Attributes:
        action: `NONE`, `ENTER_LONG`, `ENTER_SHORT`, `EXIT` or `MOVE`.
        stop: stop price of an entry, or that what is held moves to.
        target: target price of an entry.
        limit: limit price of an entry; NaN for an entry at market.
        trail: how far the stop of an entry trails, in the price's unit.
        confidence: of an entry, above 0, at most 1; NaN where it is left out, which is 1.
        targets: the falling target of an entry.
    """

    action: int
    stop: float
    target: float
    limit: float
    trail: float
    confidence: float
    targets: Steps


@step
def _padded(targets: tuple[tuple[float, float], ...]) -> Steps:
    """Fill up to `MAX_STEPS`; how many there are is known when this is compiled."""
    if len(targets) > MAX_STEPS:
        # of another type than the steps of others, so that it does not compile
        return targets  # type: ignore[return-value]  # as the line above says
    second = third = fourth = (math.nan, math.nan)
    first = float(targets[0][0]), float(targets[0][1])
    if len(targets) > 1:
        second = float(targets[1][0]), float(targets[1][1])
    if len(targets) > 2:  # noqa: PLR2004 - the third step
        third = float(targets[2][0]), float(targets[2][1])
    if len(targets) > 3:  # noqa: PLR2004 - the fourth step
        fourth = float(targets[3][0]), float(targets[3][1])
    return (*first, *second, *third, *fourth)


@step
def _entry(
    action: int,
    stop: float,
    target: float,
    limit: float,
    trail: float,
    confidence: float,
    targets: tuple[tuple[float, float], ...] | None,
) -> Answer:
    steps = NO_STEPS
    if targets is not None:
        steps = _padded(targets)
    return Answer(
        action,
        float(stop),
        float(target),
        float(limit),
        float(trail),
        float(confidence),
        steps,
    )


@step
def enter_long(
    stop: float = math.nan,
    target: float = math.nan,
    limit: float = math.nan,
    trail: float = math.nan,
    confidence: float = math.nan,
    targets: tuple[tuple[float, float], ...] | None = None,
) -> Answer:
    """Buy at the next open, or at a limit.

    Args:
        stop: price at which a loss is cut, below the close.
        target: price at which a profit is taken, above the close.
        limit: most that is paid; the order waits for it. The parameter `limit_atr`, where it is
            on, comes before it.
        trail: how far behind the highest price the stop follows, in the price's unit. The
            parameter `trail_atr`, where it is on, comes before it.
        confidence: part of the usual size, above 0, at most 1, by its name. 1 where left out.
        targets: a falling target, by its name: one to four pairs of minutes since the entry and
            the price that is the target from then on, as `((0, a), (120, b))`.
    """
    return _entry(ENTER_LONG, stop, target, limit, trail, confidence, targets)


@step
def enter_short(
    stop: float = math.nan,
    target: float = math.nan,
    limit: float = math.nan,
    trail: float = math.nan,
    confidence: float = math.nan,
    targets: tuple[tuple[float, float], ...] | None = None,
) -> Answer:
    """Sell short at the next open, or at a limit: the mirror of `enter_long`."""
    return _entry(ENTER_SHORT, stop, target, limit, trail, confidence, targets)


@step
def leave() -> Answer:
    """Leave what is held, long or short."""
    return Answer(EXIT, math.nan, math.nan, math.nan, math.nan, math.nan, NO_STEPS)


@step
def hold(stop: float = math.nan) -> Answer:
    """Do nothing, or move the stop of what is held.

    Args:
        stop: a level below the close is that of a long, one above it of a short. The stop only
            ever moves towards the price. NaN: it stays.
    """
    level = float(stop)
    action = NONE if math.isnan(level) else MOVE
    return Answer(action, level, math.nan, math.nan, math.nan, math.nan, NO_STEPS)


@step
def times(factor: float, unit: float) -> float:
    """Multiply, as a number of ranges by the range; NaN, which is no level, where it is 0."""
    return factor * unit if factor > 0.0 else math.nan
