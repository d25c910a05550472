"""Templates of the functions that are compiled once for each strategy.

`instance` (compiled.py) replaces the names in capitals and those with an underscore by the
strategy's own: its `decide`, the functions of its features, and where their parameters stand.
"""

import math

import numpy as np

from tradepulse.strategies._windows import FloatArray
from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.features import Args

ActionArray = np.ndarray[tuple[int], np.dtype[np.int8]]
Columns = tuple[FloatArray, ...]
Decision = tuple[int, float, float]
SignalOf = tuple[int, float, float, float, float]

NONE = 0
ENTER_LONG = 1
ENTER_SHORT = -1
EXIT = 2
MOVE = -2
"""Moves the stop of what is held, and nothing else."""
REFUSED_STOP = 3
REFUSED_TARGET = 4
REFUSED_LIMIT = 5
REFUSED_STOP_BEFORE_LIMIT = 6
"""An entry that is not made for its levels. Of `signal` and `evaluate` only: `Strategy.evaluate`
makes `NONE` of it and says so apart."""

Wire = tuple[int, int, int, int, int, int, int, int]
"""Where a feature's parameters stand in the vector: three arguments, then five switches."""
MAX_SWITCHES = 5
ALWAYS = -1
NEVER = -2
UNUSED: Wire = (ALWAYS, ALWAYS, ALWAYS, NEVER, NEVER, NEVER, NEVER, NEVER)

TRAIL_ATR = LIMIT_ATR = ATR_COLUMN = 0
WIRES: tuple[Wire, ...] = (UNUSED,) * 8


def _decide(
    i: int,
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    f: Columns,
    p: FloatArray,
) -> Decision:
    raise NotImplementedError


@compiled
def _no_column(
    open_: FloatArray,
    high: FloatArray,  # noqa: ARG001 - every feature has the same arguments
    low: FloatArray,  # noqa: ARG001
    close: FloatArray,  # noqa: ARG001
    volume: FloatArray,  # noqa: ARG001
    args: Args,  # noqa: ARG001
) -> FloatArray:
    return open_


@compiled
def _no_value(column: FloatArray) -> FloatArray:
    """Return as many NaN, to be read only: numba gives what may be one or the other one type."""
    return np.full(len(column), np.nan) if len(column) > 0 else column


_column_0 = _column_1 = _column_2 = _column_3 = _no_column
_column_4 = _column_5 = _column_6 = _column_7 = _no_column


@compiled
def _arg(p: FloatArray, index: int) -> float:
    return p[index] if index >= 0 else 0.0


@compiled
def _args(p: FloatArray, wire: Wire) -> Args:
    return _arg(p, wire[0]), _arg(p, wire[1]), _arg(p, wire[2])


@compiled
def _is_on(p: FloatArray, wire: Wire) -> bool:
    on = False
    for index in wire[3:]:
        if index == ALWAYS or (index >= 0 and p[index] > 0.0):
            on = True
    return on


@compiled
def _check(action: int, stop: float, target: float) -> None:
    """Refuse what is no answer; `faults.py` tells it with its strategy and its candle."""
    if action not in (NONE, ENTER_LONG, ENTER_SHORT, EXIT):
        raise ValueError("unknown action")
    if action in (ENTER_LONG, ENTER_SHORT) and (math.isinf(stop) or math.isinf(target)):
        raise ValueError("infinite level")


@compiled
def _refusal(side: int, close: float, stop: float, target: float, limit: float) -> int:
    """Return why an entry is not made for its levels, `NONE` where it is made."""
    # such a stop would sell at once, such a target was never to come: not what was meant
    if side * (stop - close) > 0.0:
        return REFUSED_STOP
    if side * (target - close) < 0.0:
        return REFUSED_TARGET
    # such an order could never fill, or its position would begin beyond its own stop
    if limit <= 0.0:
        return REFUSED_LIMIT
    if side * (limit - stop) <= 0.0:
        return REFUSED_STOP_BEFORE_LIMIT
    return NONE


def signal(
    i: int,
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    f: Columns,
    p: FloatArray,
) -> SignalOf:
    """Return action, stop, target, limit and trail of row i, by the strategy and common rules.

    Raises:
        ValueError: the strategy returned no action that there is, or an infinite level.
    """
    action, stop, target = _decide(i, open_, high, low, close, volume, f, p)
    limit = math.nan
    trail = math.nan
    if action == NONE:
        return action, math.nan, math.nan, limit, trail
    _check(action, stop, target)
    if action == EXIT:
        return action, math.nan, math.nan, limit, trail
    if p[LIMIT_ATR] > 0.0:
        limit = close[i] - action * p[LIMIT_ATR] * f[ATR_COLUMN][i]
    refusal = _refusal(action, close[i], stop, target, limit)
    if refusal != NONE:
        return refusal, math.nan, math.nan, math.nan, math.nan
    # a level at or below zero could never be touched, so it is none
    if stop <= 0.0:
        stop = math.nan
    if target <= 0.0:
        target = math.nan
    if p[TRAIL_ATR] > 0.0:
        distance = p[TRAIL_ATR] * f[ATR_COLUMN][i]
        if distance > 0.0:
            trail = distance
    return action, stop, target, limit, trail


_signal = signal


def evaluate(
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    p: FloatArray,
    first: int,
) -> tuple[ActionArray, FloatArray]:
    """Return actions and levels (stop, target, limit, trail), from row `first` on.

    The candles must be arrays that can only be read: then neither the strategy nor its features
    compile if they write into them, or into the features.
    """
    n = len(close)
    action = np.zeros(n, dtype=np.int8)
    levels = np.full((4, n), np.nan)
    if first < n:
        x = (open_, high, low, close, volume)
        # one branch can only be read, so numba has all of them only be read
        none = _no_value(open_)
        f = (
            _column_0(*x, _args(p, WIRES[0])) if _is_on(p, WIRES[0]) else none,
            _column_1(*x, _args(p, WIRES[1])) if _is_on(p, WIRES[1]) else none,
            _column_2(*x, _args(p, WIRES[2])) if _is_on(p, WIRES[2]) else none,
            _column_3(*x, _args(p, WIRES[3])) if _is_on(p, WIRES[3]) else none,
            _column_4(*x, _args(p, WIRES[4])) if _is_on(p, WIRES[4]) else none,
            _column_5(*x, _args(p, WIRES[5])) if _is_on(p, WIRES[5]) else none,
            _column_6(*x, _args(p, WIRES[6])) if _is_on(p, WIRES[6]) else none,
            _column_7(*x, _args(p, WIRES[7])) if _is_on(p, WIRES[7]) else none,
        )
        for i in range(first, n):
            found = _signal(i, open_, high, low, close, volume, f, p)
            if found[0] != NONE:
                action[i], levels[0, i], levels[1, i], levels[2, i], levels[3, i] = found
    return action, levels


def _evaluate(
    open_: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    p: FloatArray,
    first: int,
) -> tuple[ActionArray, FloatArray]:
    raise NotImplementedError


def last(market: FloatArray, end: int, lookback: int, p: FloatArray) -> SignalOf:
    """Return action, stop, target, limit and trail of the candle before `end`, by `evaluate`.

    Live, one candle is asked for at a time: to show Python arrays for each would take longer than
    the work.

    Args:
        market: the five columns of candles, float64 `(5, n)`, to be read only.
        end: one past the candle that is asked for.
        lookback: how many candles its answer depends on; with fewer it says nothing.
        p: the parameters.
    """
    start = end - lookback
    if start < 0:
        return NONE, math.nan, math.nan, math.nan, math.nan
    row = lookback - 1
    action, levels = _evaluate(
        market[0, start:end],
        market[1, start:end],
        market[2, start:end],
        market[3, start:end],
        market[4, start:end],
        p,
        row,
    )
    return action[row], levels[0, row], levels[1, row], levels[2, row], levels[3, row]
