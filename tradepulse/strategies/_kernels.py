"""Templates of the functions that are compiled once for each strategy.

`instance` (compiled.py) replaces the names in capitals and those with an underscore by the
strategy's own: its rule, the functions of its features, and where their parameters stand.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tradepulse.strategies._feature import MAX_ARGS, Args, Feature
from tradepulse.strategies._windows import FloatArray
from tradepulse.strategies.answers import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT,
    MAX_STEPS,
    MOVE,
    NO_STEPS,
    NONE,
    REFUSED_LIMIT,
    REFUSED_STOP,
    REFUSED_STOP_BEFORE_LIMIT,
    REFUSED_TARGET,
    Answer,
)
from tradepulse.strategies.compiled import compiled, row_by_row
from tradepulse.strategies.market import IntArray, Market

ActionArray = np.ndarray[tuple[int], np.dtype[np.int8]]
Columns = tuple[FloatArray, ...]

Wire = tuple[int, int, int, int, int, int, int, int]
"""Where a feature's parameters stand in the vector: three arguments, then five switches."""
MAX_SWITCHES = 5
ALWAYS = -1
NEVER = -2
UNUSED: Wire = (ALWAYS, ALWAYS, ALWAYS, NEVER, NEVER, NEVER, NEVER, NEVER)


def wire_of(feature: Feature, index: Mapping[str, int]) -> Wire:
    """Return where a feature's parameters stand in the vector."""
    args = [index[name] for name in feature.args]
    switches = [index[name] for name in feature.only_if] or [ALWAYS]
    args += [ALWAYS] * (MAX_ARGS - len(args))
    switches += [NEVER] * (MAX_SWITCHES - len(switches))
    a, b, c = args
    d, e, f, g, h = switches
    return a, b, c, d, e, f, g, h


TRAIL_ATR = LIMIT_ATR = ATR_COLUMN = 0
WIRES: tuple[Wire, ...] = (UNUSED,) * 8
MORE = False
"""Whether the strategy gives a confidence or falling targets: none of the others pays for them."""
LEVELS = 4
"""Rows of levels: stop, target, limit and trail."""
MORE_LEVELS = LEVELS + 1 + 2 * MAX_STEPS
"""And confidence, and the steps of the falling target."""


def _rule(i: int, c: Market, f: Any, p: Any) -> Answer:
    raise NotImplementedError


def _features(columns: Columns) -> Any:
    raise NotImplementedError


def _values(vector: FloatArray) -> Any:
    raise NotImplementedError


def decide(i: int, c: Market, f: Columns, p: FloatArray) -> Answer:
    """Ask a strategy's rule of row i, with its features and parameters by their names."""
    # taken apart and put together: a rule that may also answer otherwise does not compile
    return Answer(*_rule(i, c, _features(f), _values(p)))


_decide = decide


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


@row_by_row
def _check(said: Answer, more: bool) -> None:  # noqa: FBT001 - numba takes no keywords alone
    """Refuse what is no answer; `faults.py` tells it with its strategy and its candle."""
    if said.action not in (NONE, ENTER_LONG, ENTER_SHORT, EXIT, MOVE):
        raise ValueError("unknown action")
    for level in (said.stop, said.target, said.limit, said.trail):
        if math.isinf(level):
            raise ValueError("infinite level")
    if more:
        if said.confidence <= 0.0 or said.confidence > 1.0:
            raise ValueError("no confidence")
        for level in said.targets:
            if math.isinf(level):
                raise ValueError("infinite level")
    elif not (math.isnan(said.confidence) and math.isnan(said.targets[1])):
        # a strategy that gives them is known by these words in its code
        raise ValueError("confidence and targets are given by their names: confidence=0.5")


@row_by_row
def _level(price: float) -> float:
    """Return a level; one at or below zero could never be touched, so it is none."""
    return price if price > 0.0 else math.nan


@row_by_row
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


@row_by_row
def _alone(action: int, stop: float) -> Answer:
    return Answer(action, stop, math.nan, math.nan, math.nan, math.nan, NO_STEPS)


def signal(i: int, c: Market, f: Columns, p: FloatArray) -> Answer:
    """Return the answer of row i, by the strategy and the common rules.

    Raises:
        ValueError: the strategy returned no action that there is, an infinite level, or a
            confidence that is none.
    """
    said = _decide(i, c, f, p)
    action, stop, target, limit, trail = said.action, said.stop, said.target, said.limit, said.trail
    if action == NONE:
        return said
    _check(said, MORE)
    if action == EXIT:
        return _alone(EXIT, math.nan)
    if action == MOVE:
        return _alone(MOVE if stop > 0.0 else NONE, _level(stop))
    if p[LIMIT_ATR] > 0.0:
        limit = c.close[i] - action * p[LIMIT_ATR] * f[ATR_COLUMN][i]
    refusal = _refusal(action, c.close[i], stop, target, limit)
    if refusal != NONE:
        return _alone(refusal, math.nan)
    if p[TRAIL_ATR] > 0.0:
        trail = p[TRAIL_ATR] * f[ATR_COLUMN][i]
    stop, target, trail = _level(stop), _level(target), _level(trail)
    return Answer(action, stop, target, limit, trail, said.confidence, said.targets)


def columns(c: Market, p: FloatArray) -> Columns:
    """Return the features, each float64 `(n,)`; NaN for those that are off."""
    x = (c.open, c.high, c.low, c.close, c.volume)
    # one branch can only be read, so numba has all of them only be read
    none = _no_value(c.open)
    return (
        _column_0(*x, _args(p, WIRES[0])) if _is_on(p, WIRES[0]) else none,
        _column_1(*x, _args(p, WIRES[1])) if _is_on(p, WIRES[1]) else none,
        _column_2(*x, _args(p, WIRES[2])) if _is_on(p, WIRES[2]) else none,
        _column_3(*x, _args(p, WIRES[3])) if _is_on(p, WIRES[3]) else none,
        _column_4(*x, _args(p, WIRES[4])) if _is_on(p, WIRES[4]) else none,
        _column_5(*x, _args(p, WIRES[5])) if _is_on(p, WIRES[5]) else none,
        _column_6(*x, _args(p, WIRES[6])) if _is_on(p, WIRES[6]) else none,
        _column_7(*x, _args(p, WIRES[7])) if _is_on(p, WIRES[7]) else none,
    )


_signal, _columns = signal, columns


def evaluate_given(
    c: Market, f: Columns, p: FloatArray, first: int
) -> tuple[ActionArray, FloatArray]:
    """Return what `evaluate` does, by features that are given; see `sources.py`."""
    n = len(c.close)
    action = np.zeros(n, dtype=np.int8)
    levels = np.full((MORE_LEVELS if MORE else LEVELS, n), np.nan)
    for i in range(first, n):
        said = _signal(i, c, f, p)
        if said.action != NONE:
            action[i] = said.action
            levels[0, i], levels[1, i] = said.stop, said.target
            levels[2, i], levels[3, i] = said.limit, said.trail
            if MORE:
                levels[LEVELS, i] = said.confidence
                for k in range(2 * MAX_STEPS):
                    levels[LEVELS + 1 + k, i] = said.targets[k]
    return action, levels


_evaluate_given = evaluate_given


def evaluate(c: Market, p: FloatArray, first: int) -> tuple[ActionArray, FloatArray]:
    """Return actions and levels, from row `first` on.

    The levels are stop, target, limit and trail, and where the strategy gives `MORE`, confidence,
    minutes and price of each step.

    The candles must be arrays that can only be read: then neither the strategy nor its features
    compile if they write into them, or into the features.
    """
    n = len(c.close)
    if first < n:
        return _evaluate_given(c, _columns(c, p), p, first)
    return np.zeros(n, dtype=np.int8), np.full((MORE_LEVELS if MORE else LEVELS, n), np.nan)


def last(
    market: FloatArray, open_time: IntArray, end: int, lookback: int, p: FloatArray
) -> tuple[float, ...]:
    """Return action and levels of the candle before `end`, as `evaluate` has them.

    Live, one candle is asked for at a time: to show Python arrays for each would take longer than
    the work.

    Args:
        market: the five columns of candles, float64 `(5, n)`, to be read only.
        open_time: of the candles, int64 `(n,)`, epoch ms, to be read only.
        end: one past the candle that is asked for.
        lookback: how many candles its answer depends on; with fewer it says nothing.
        p: the parameters.
    """
    start = end - lookback
    if start < 0:
        if MORE:
            return NONE, math.nan, math.nan, math.nan, math.nan, math.nan, *NO_STEPS
        return NONE, math.nan, math.nan, math.nan, math.nan
    row = lookback - 1
    c = Market(
        market[0, start:end],
        market[1, start:end],
        market[2, start:end],
        market[3, start:end],
        market[4, start:end],
        open_time[start:end],
    )
    said = _signal(row, c, _columns(c, p), p)
    levels = (said.stop, said.target, said.limit, said.trail)
    if MORE:
        return said.action, *levels, said.confidence, *said.targets
    return said.action, *levels
