"""Steps of the loop that change a position's levels while it is held.

Its stop follows the price or is moved, its target falls with time.

Same rules as the account (`trading/account.py`), in floats.
"""

import math

import numpy as np

from tradepulse.research.arrays import FloatArray, IntArray
from tradepulse.research.positions import (
    Position,
    quiet_prices,
    row_of_expiry,
)
from tradepulse.strategies import MAX_STEPS, MOVE, Answer, Evaluations, step_ms
from tradepulse.strategies.answers import Steps
from tradepulse.strategies.compiled import step
from tradepulse.strategies.market import Market
from tradepulse.trading.fills import to_digits, trailed_stop
from tradepulse.trading.levels import moved_stop

NO_ROWS = np.empty((0, 2 * MAX_STEPS))


@step
def _held(position: Position, stop: float, below: float, above: float) -> Position:
    """Return a position that was held to a close: its stop, and the prices that touch nothing."""
    return Position(
        position.side,
        position.quantity,
        position.price,
        position.fee,
        stop,
        position.target,
        position.trail,
        math.nan,
        below,
        above,
        position.changes,
    )


@step
def _with_stop(position: Position, stop: float) -> Position:
    """Return a position that was held to a close, with its stop elsewhere."""
    below, above = quiet_prices(position.side, stop, position.target, position.trail)
    return _held(position, stop, below, above)


@step
def trailed(position: Position, candles: Market, i: int) -> Position:
    """Return a position that was held to the close of candle i: its stop has followed the price."""
    stop, below, above = position.stop, position.below, position.above
    if position.trail > 0.0:
        # in the candle of an entry inside it, high and low may be from before the entry
        is_inside = not math.isnan(position.limit)
        top = candles.close[i] if is_inside else candles.high[i]
        bottom = candles.close[i] if is_inside else candles.low[i]
        stop = trailed_stop(position.side, stop, position.trail, top, bottom)
        below, above = quiet_prices(position.side, stop, position.target, position.trail)
    return _held(position, stop, below, above)


@step
def moved(position: Position, said: Answer, close: float) -> Position:
    """Return a position whose stop the strategy has moved at a close, if that is what it said."""
    if said.action != MOVE:
        return position
    return _with_stop(position, moved_stop(position.side, position.stop, said.stop, close))


def steps_of(found: Evaluations) -> FloatArray:
    """Return the steps of falling targets row by row, float64 `(n, 8)`, `(0, 8)` for none."""
    return NO_ROWS if found.targets is None else np.ascontiguousarray(found.targets.T)


@step
def write_steps(steps: FloatArray, said: Steps | FloatArray) -> None:
    """Write what was said of a falling target as times in ms, -1 for no step, and prices."""
    for k in range(MAX_STEPS):
        minutes, price = said[2 * k], said[2 * k + 1]
        steps[2 * k], steps[2 * k + 1] = step_ms(minutes, price), price


@step
def target_in(
    steps: FloatArray, before: float, open_time: IntArray, entered: int, row: int
) -> tuple[float, int]:
    """Return the target that is valid in a row, and from which row on another one is.

    Args:
        steps: of `write_steps`, float64 `(8,)`.
        before: the target as long as no step has begun.
        open_time: of the candles.
        entered: row of the entry.
        row: at or after it.
    """
    held = open_time[row] - open_time[entered]
    target, since, then = before, -1.0, -1.0
    for k in range(MAX_STEPS):
        begins, price = steps[2 * k], steps[2 * k + 1]
        if begins > held:
            then = begins if then < 0.0 else min(then, begins)
        elif begins >= 0.0 and begins >= since:
            target, since = price, begins
    return target, row_of_expiry(open_time, entered, int(then))


@step
def fallen(
    position: Position, steps: FloatArray, open_time: IntArray, entered: int, row: int
) -> Position:
    """Return a position with the target that is valid in a row; arguments of `target_in`."""
    if row < position.changes:
        return position
    return _with_target(position, steps, open_time, entered, row)


@step
def _with_target(
    position: Position, steps: FloatArray, open_time: IntArray, entered: int, row: int
) -> Position:
    target, changes = target_in(steps, position.target, open_time, entered, row)
    target = to_digits(target)
    below, above = quiet_prices(position.side, position.stop, target, position.trail)
    return Position(
        position.side,
        position.quantity,
        position.price,
        position.fee,
        position.stop,
        target,
        position.trail,
        position.limit,
        below,
        above,
        changes,
    )


@step
def falling(
    position: Position, said: Steps, steps: FloatArray, open_time: IntArray, row: int
) -> Position:
    """Return a position that was entered in a row, and keep the steps that its target falls by.

    Args:
        position: as it was entered.
        said: of the entry's answer.
        steps: room for them, float64 `(8,)`; written to where there are any.
        open_time: of the candles.
        row: of the entry.
    """
    # NaN where there is no step
    if math.isnan(said[1]) and math.isnan(said[3]) and math.isnan(said[5]) and math.isnan(said[7]):
        return position
    write_steps(steps, said)
    return _with_target(position, steps, open_time, row, row)
