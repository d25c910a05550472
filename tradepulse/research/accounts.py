"""Steps of the loop that concern the whole account, and how it is kept between two tiles."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.arrays import Span
from tradepulse.research.positions import (
    NOTHING,
    Exit,
    Position,
    Rules,
    decided_exit,
    row_of_expiry,
)
from tradepulse.research.results import (
    Days,
    Drawdown,
    Holding,
    Results,
    Tally,
    close_trade,
    deeper,
    deepest,
    fill_figures,
    hold,
    mark,
    next_day,
    stand,
)
from tradepulse.strategies.compiled import step
from tradepulse.trading.fills import NO_EXIT, STOP

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

KEPT = 34
"""Numbers that an account is kept as."""
STEPS = 26
"""The first of them that are the steps by which a position's target falls."""


class Account(NamedTuple):
    """What a configuration came to so far.

    Attributes:
        cash: what is not in a position.
        exposed: sum over the closes of the share of the equity that was held.
        drawdown: the deepest so far.
        days: those that ended.
        tally: the trades that ended.
        recorded: while nothing is held, the first row whose close is not yet recorded.
    """

    cash: float
    exposed: float
    drawdown: Drawdown
    days: Days
    tally: Tally
    recorded: int


class Held(NamedTuple):
    """A position with its times.

    Attributes:
        position: `NOTHING` while flat.
        entered: row of its entry.
        waiting: reason of the exit that waits for the next open, or `NO_EXIT`.
        expires: row at whose close its time is up; while flat, the first whose signal enters.
    """

    position: Position
    entered: int
    waiting: int
    expires: int


FLAT = Held(NOTHING, 0, NO_EXIT, 0)


@step
def entered(account: Account, position: Position, row: int, results: Results) -> Account:
    """Return an account that enters a position in a row; until then it was all cash."""
    cash, exposed, drawdown, days, tally, recorded = account
    days = stand(days.ended, recorded, row, cash, results)
    cash -= position.side * position.quantity * position.price + position.fee
    return Account(cash, exposed, drawdown, days, tally, row)


@step
def held_from(position: Position, row: int, open_time: IntArray, held_ms: int) -> Held:
    """Return a position that is entered in a row and may be held so long."""
    return Held(position, row, NO_EXIT, row_of_expiry(open_time, row, held_ms))


@step
def rested(left: Exit, row: int, open_time: IntArray, cooldown_ms: int) -> Held:
    """Return what is held once a position was left in a row: nothing, after a stop for a while."""
    if left.reason != STOP or cooldown_ms <= 0:
        return FLAT
    return Held(NOTHING, 0, NO_EXIT, row_of_expiry(open_time, row, cooldown_ms))


@step
def decided(held: Held, position: Position, row: int, leaves: int) -> Held:
    """Return what is held after the close of a row; the next signal to leave is at `leaves`."""
    waiting = decided_exit(row, leaves, held.expires)
    return Held(position, held.entered, waiting, held.expires)


@step
def held_through(
    account: Account,
    position: Position,
    close: FloatArray,
    rows: tuple[int, int],
    results: Results,
) -> Account:
    """Return an account that held a position at the closes of rows, the second not among them."""
    cash, exposed, drawdown, days, tally, recorded = account
    holding = Holding(cash, position.side, position.quantity)
    shares, drawdown = hold(holding, close, rows, drawdown)
    days = mark(days, holding, close, rows, results)
    return Account(cash, exposed + shares, drawdown, days, tally, recorded)


@step
def closed(account: Account, held: Held, left: Exit, row: int, results: Results) -> Account:
    """Return an account that is all cash from a row on, its trade counted and recorded."""
    cash, exposed, drawdown, days, tally, _ = account
    rows = (held.entered, row)
    cash, tally = close_trade(cash, held.position, left, rows, tally, results.record)
    return Account(cash, exposed, deeper(drawdown, cash), days, tally, row)


@step
def keep(kept: FloatArray, row: int, account: Account, held: Held) -> None:
    """Write an account that goes on at a row."""
    cash, exposed, drawdown, days, tally, recorded = account
    position = held.position
    kept[0], kept[1], kept[2], kept[3], kept[4] = row, cash, exposed, days.ended, recorded
    kept[5], kept[6], kept[7] = drawdown
    kept[8], kept[9], kept[10], kept[11] = tally
    kept[12], kept[13], kept[14] = held.entered, held.waiting, held.expires
    kept[15], kept[16], kept[17], kept[18] = (
        position.side, position.quantity, position.price, position.fee,
    )  # fmt: skip
    kept[19], kept[20], kept[21] = position.stop, position.target, position.trail
    kept[22], kept[23], kept[24] = position.limit, position.below, position.above
    kept[25] = position.changes


@step
def resumed(kept: FloatArray, span: Span) -> tuple[int, Account, Held]:
    """Return what `keep` wrote."""
    position = Position(
        int(kept[15]), kept[16], kept[17], kept[18], kept[19],
        kept[20], kept[21], kept[22], kept[23], kept[24], int(kept[25]),
    )  # fmt: skip
    account = Account(
        kept[1],
        kept[2],
        Drawdown(kept[5], kept[6], kept[7]),
        next_day(int(kept[3]), span),
        Tally(int(kept[8]), int(kept[9]), kept[10], kept[11]),
        int(kept[4]),
    )
    held = Held(position, int(kept[12]), int(kept[13]), int(kept[14]))
    return int(kept[0]), account, held


@step
def open_account(kept: FloatArray, asked: int, span: Span, rules: Rules) -> None:
    """Write an account that has not traded, whose strategy is asked from a row on."""
    cash = rules.initial_cash
    drawdown, tally = Drawdown(0.0, cash, cash), Tally(0, 0, 0.0, 0.0)
    account = Account(cash, 0.0, drawdown, Days(0, 0), tally, span.first)
    keep(kept, asked, account, FLAT)


@step
def close_account(kept: FloatArray, rows: int, rules: Rules, results: Results) -> int:
    """Fill the results of an account that traded all rows; return the number of trades."""
    span = results.span
    _, account, _ = resumed(kept, span)
    stand(account.days.ended, account.recorded, rows, account.cash, results)
    fill_figures(
        results,
        account.tally,
        deepest(account.drawdown),
        rules.initial_cash,
        account.cash,
        account.exposed,
        rows - span.first,
    )
    return account.tally.trades
