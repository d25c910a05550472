"""The table of trades: what becomes of each entry signal, as if its configuration were flat there.

When and at which raw price a position is left does not depend on its size: its stop, target,
trail, time and limit follow from its signal and the candles alone. So each entry is walked
through once, by the rules of `fills.py`, and any number of accounts then only look it up. What
does depend on an account (whether it accepts an entry, the impact of a quantity, its ruin) is
asked in `filling.py` and `entering.py`.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.arrays import FinerArrays, FloatArray, IntArray
from tradepulse.research.levels import target_in, write_steps
from tradepulse.research.positions import (
    END_OF_DATA,
    NEVER,
    decided_exit,
    prices_at,
    quiet_prices,
    row_of_expiry,
)
from tradepulse.research.virtual.ticks import can_write, on_tick, tick_beside
from tradepulse.strategies.answers import ENTER_LONG, EXIT, MAX_STEPS, MOVE
from tradepulse.strategies.compiled import row_by_row, step
from tradepulse.strategies.market import Market
from tradepulse.trading.fills import (
    AT_LIMIT,
    AT_OPEN,
    LONG,
    NO_EXIT,
    SHORT,
    TAKE_PROFIT,
    candle_exit,
    limit_fill,
    to_digits,
    trailed_stop,
)
from tradepulse.trading.levels import moved_stop

LAPSES = 0
"""An entry that never fills: its limit is not reached, or the tick cannot write the open."""
MARKET = 1
TAKES = 2
"""A limit entry that the open is already beyond."""
RESTS = 3
"""A limit entry that fills inside its candle."""

TRADE = np.dtype(
    [
        ("signalled", np.int64),
        ("configuration", np.int64),
        ("enters", np.int64),
        ("leaves", np.int64),
        ("side", np.int64),
        ("entry", np.int64),
        ("exit", np.int64),
        ("raw_entry", np.float64),
        ("limit", np.float64),
        ("entry_volume", np.float64),
        ("entry_tick", np.float64),
        ("expected", np.float64),
        ("confidence", np.float64),
        ("stop", np.float64),
        ("raw_exit", np.float64),
        ("bound", np.float64),
        ("exit_volume", np.float64),
        ("exit_tick", np.float64),
    ]
)
"""One trade: the closes (numbers of `Market.close_time`) at which it is signalled, entered and
left, its configuration's number, `LONG` or `SHORT`, how it is entered (`LAPSES` and so on) and left
(a key of `REASONS`). Then prices before costs: of the entry; the limit, NaN at market; the volume
of its candle and the tick that binds there; the price by which its risk is judged, its confidence
and first stop; of the exit, the target that it takes at no worse (NaN for none), volume and
tick."""

TradeArray = Any
"""`TRADE` `(m,)`, or one of them; mypy knows no fields of records."""


class Listed(NamedTuple):
    """A traded series.

    Attributes:
        candles: its columns.
        finer: lower-timeframe candles in it, if any.
        closes: int64 `(n,)`, the number of each candle's close among those of the market.
        tick: of its instrument, 0 for none.
        tick_is_of_now: see `InstrumentRules`.
        allows_margin: whether it may be sold short.
    """

    candles: Market
    finer: FinerArrays
    closes: IntArray
    tick: float
    tick_is_of_now: bool
    allows_margin: bool


class Answers(NamedTuple):
    """What a configuration says of its series, `(n,)` each, NaN for no level.

    Attributes:
        action: as of `Evaluations`; so are the levels.
        stop: see `action`.
        take_profit: see `action`.
        limit: see `action`.
        trail: see `action`.
        moves: whether any moves a stop.
        leaves: row of the next signal to leave at or after each, `NEVER` for none.
        held_ms: how long after its first close a position may be held, below 0 for no such end.
        steps: float64 `(n, 8)`, of falling targets; `(0, 8)` for none.
        confidence: float64 `(n,)`, NaN for 1.
    """

    action: NDArray[np.int8]
    stop: FloatArray
    take_profit: FloatArray
    limit: FloatArray
    trail: FloatArray
    moves: bool
    leaves: IntArray
    held_ms: int
    steps: FloatArray
    confidence: FloatArray


class Ordered(NamedTuple):
    """An entry order, as of `sizing.entry_levels`."""

    side: int
    stop: float
    target: float
    trail: float
    limit: float
    expected: float


class Way(NamedTuple):
    """How a position is left: in which row, why, at which raw price and no worse than what."""

    row: int
    reason: int
    raw: float
    bound: float


def next_exits(action: NDArray[np.int8], is_said: NDArray[np.bool_]) -> IntArray:
    """Return for each row that of the next signal to leave, its own included, `NEVER` for none."""
    rows = np.where((action == EXIT) & is_said, np.arange(len(action)), NEVER)
    return np.asarray(np.minimum.accumulate(rows[::-1])[::-1], dtype=np.int64)


@step
def _level(price: float) -> float:
    # one at or below zero can never be touched
    return price if price > 0.0 else math.nan


@step
def _ordered(answers: Answers, row: int, close: float, tick: float) -> Ordered:
    side = LONG if answers.action[row] == ENTER_LONG else SHORT
    stop, trail = _level(answers.stop[row]), _level(answers.trail[row])
    if not math.isnan(trail):
        stop = trailed_stop(side, stop, trail, close, close)
    limit = on_tick(_level(answers.limit[row]), tick)
    expected = to_digits(close) if math.isnan(limit) else limit
    target = on_tick(_level(answers.take_profit[row]), tick)
    return Ordered(side, on_tick(stop, tick), target, trail, limit, expected)


@step
def _stop_on_tick(side: int, stop: float, moved: float, tick: float) -> float:
    if math.isnan(moved) or moved == stop:
        return stop
    moved = on_tick(moved, tick)
    if math.isnan(stop):
        return moved
    # nor does rounding move it back
    return max(moved, stop) if side == LONG else min(moved, stop)


@step
def _stop_after(
    ordered: Ordered,
    stop: float,
    is_inside: bool,  # noqa: FBT001 - numba takes no keyword-only arguments
    row: int,
    answers: Answers,
    listed: Listed,
) -> float:
    """Return where the stop stands after a row that the position was held to."""
    candles, side = listed.candles, ordered.side
    close = candles.close[row]
    tick = tick_beside(close, listed.tick, listed.tick_is_of_now)
    if ordered.trail > 0.0:
        # high and low may be from before the entry
        top, bottom = (close, close) if is_inside else (candles.high[row], candles.low[row])
        trailed = trailed_stop(side, stop, ordered.trail, top, bottom)
        stop = _stop_on_tick(side, stop, trailed, tick)
    if answers.action[row] == MOVE:
        stop = _stop_on_tick(side, stop, moved_stop(side, stop, answers.stop[row], close), tick)
    return stop


@step
def _way_out(
    ordered: Ordered,
    steps: FloatArray,
    inside_at: float,
    entered: int,
    answers: Answers,
    listed: Listed,
) -> Way:
    """Walk from the entry's candle to the one in which the position is left."""
    side, stop, target, candles = ordered.side, ordered.stop, ordered.target, listed.candles
    changes = NEVER
    if len(answers.steps) > 0:
        target, changes = target_in(steps, target, candles.open_time, entered, entered)
    row, last = entered, len(candles.close) - 1
    leaves = answers.leaves[entered]
    expires = row_of_expiry(candles.open_time, entered, answers.held_ms)
    below, above = quiet_prices(side, stop, target, ordered.trail)
    if math.isnan(below) and math.isnan(above) and not answers.moves:
        # no candle before can touch anything
        row, inside_at = max(row, min(leaves, expires, last, changes)), math.nan
    while 0 <= row <= last:
        if row >= changes:
            target, changes = target_in(steps, target, candles.open_time, entered, row)
            below, above = quiet_prices(side, stop, target, ordered.trail)
        is_inside = not math.isnan(inside_at)
        may_happen = is_inside or candles.low[row] <= below or candles.high[row] >= above
        if may_happen:
            finer = listed.finer
            begin, end = (finer.begin[row], finer.end[row]) if len(finer.begin) > 0 else (0, 0)
            reason, price = candle_exit(
                side, stop, target, inside_at, prices_at(candles, row), finer.prices, begin, end
            )
            if reason != NO_EXIT:
                takes = reason == TAKE_PROFIT and price != target
                return Way(row, reason, price, target if takes else math.nan)
        if row == last:
            break
        if may_happen or answers.action[row] == MOVE:
            stop = _stop_after(ordered, stop, is_inside, row, answers, listed)
            below, above = quiet_prices(side, stop, target, ordered.trail)
        reason = decided_exit(row, leaves, expires)
        row += 1
        if reason != NO_EXIT:
            return Way(row, reason, candles.open[row], math.nan)
        inside_at = math.nan
    return Way(last, END_OF_DATA, candles.close[last], math.nan)


@step
def _write_entry(trade: TradeArray, ordered: Ordered, row: int, listed: Listed) -> float:
    """Write how an order fills in a row; return the limit that it fills at inside, else NaN."""
    candles = listed.candles
    open_ = candles.open[row]
    tick = tick_beside(open_, listed.tick, listed.tick_is_of_now)
    trade.entry, trade.raw_entry, trade.entry_tick = LAPSES, open_, tick
    trade.enters, trade.leaves = listed.closes[row], listed.closes[row]
    trade.entry_volume, trade.limit = candles.volume[row], ordered.limit
    if not can_write(open_, tick):
        return math.nan
    if math.isnan(ordered.limit):
        trade.entry = MARKET
        return math.nan
    found, price = limit_fill(
        ordered.side, ordered.limit, open_, candles.high[row], candles.low[row]
    )
    trade.raw_entry = price
    if found == AT_OPEN:
        trade.entry = TAKES
    elif found == AT_LIMIT:
        trade.entry = RESTS
        return ordered.limit
    return math.nan


@step
def _write_steps(steps: FloatArray, said: FloatArray, tick: float) -> None:
    write_steps(steps, said)
    for k in range(1, 2 * MAX_STEPS, 2):
        steps[k] = on_tick(steps[k], tick)


@step
def _write_exit(trade: TradeArray, way: Way, listed: Listed) -> None:
    candles, row = listed.candles, way.row
    is_end = way.reason == END_OF_DATA
    beside = candles.close[row] if is_end else candles.open[row]
    tick = tick_beside(beside, listed.tick, listed.tick_is_of_now)
    trade.exit, trade.leaves, trade.bound = way.reason, listed.closes[row], way.bound
    trade.raw_exit = on_tick(way.raw, tick) if is_end else way.raw
    trade.exit_volume, trade.exit_tick = candles.volume[row], tick


@row_by_row
def trades_of(
    rows: IntArray,
    answers: Answers,
    listed: Listed,
    configuration: int,
    steps: FloatArray,
    trades: TradeArray,
) -> int:
    """Write the trades of one configuration and return their number.

    An entry that every account refuses has no row: at the last candle, a short where there is no
    margin, a price that the tick cannot write.

    Args:
        rows: of the entry signals.
        answers: what the configuration says.
        listed: its series.
        configuration: its number.
        steps: room for the steps of one target, float64 `(8,)`.
        trades: of `TRADE`, at least as many as rows; written to.
    """
    count, candles = 0, listed.candles
    for row in rows:
        close = candles.close[row]
        tick = tick_beside(close, listed.tick, listed.tick_is_of_now)
        ordered = _ordered(answers, row, close, tick)
        forbidden = ordered.side == SHORT and not listed.allows_margin
        if forbidden or not can_write(close, tick) or not ordered.expected > 0.0:
            continue
        if row + 1 >= len(candles.close):
            continue
        trade = trades[count]
        count += 1
        trade.signalled, trade.configuration = listed.closes[row], configuration
        trade.side, trade.stop, trade.expected = ordered.side, ordered.stop, ordered.expected
        confidence = answers.confidence[row]
        trade.confidence = 1.0 if math.isnan(confidence) else confidence
        trade.exit, trade.raw_exit, trade.bound = NO_EXIT, math.nan, math.nan
        trade.exit_volume, trade.exit_tick = math.nan, 0.0
        if len(answers.steps) > 0:
            _write_steps(steps, answers.steps[row], tick)
        inside_at = _write_entry(trade, ordered, row + 1, listed)
        if trade.entry != LAPSES:
            way = _way_out(ordered, steps, inside_at, row + 1, answers, listed)
            _write_exit(trade, way, listed)
    return count
