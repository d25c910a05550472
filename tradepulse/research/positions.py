"""Steps of the loop that concern a position: its order, its size and fill, its stop, its exit.

Same rules as the account (`trading/account.py`), in floats.
"""

import math
from typing import NamedTuple

from tradepulse.research.arrays import FinerArrays, IntArray
from tradepulse.strategies.compiled import row_by_row, step
from tradepulse.strategies.market import Market
from tradepulse.trading.fills import (
    LONG,
    NO_EXIT,
    SHORT,
    STOP,
    TAKE_PROFIT,
    Prices,
    candle_exit,
    market_price,
    quiet_range,
    to_digits,
    within_limit,
)

SIGNAL = 3
TIME = 4
END_OF_DATA = 5
LIQUIDATION = 6
REASONS = {
    STOP: "stop",
    TAKE_PROFIT: "take_profit",
    SIGNAL: "signal",
    TIME: "time",
    END_OF_DATA: "end_of_data",
    LIQUIDATION: "liquidation",
}
"""Names of the exit reasons, as in the events."""


NEVER = 2**53
"""A row that no series has, and that a float holds."""


class Rules(NamedTuple):
    """Costs and sizes, see `SimulationRules`."""

    initial_cash: float
    fee: float
    maker_fee: float
    slippage: float
    impact: float
    fraction: float
    risk_per_trade: float
    min_notional: float
    allows_margin: bool


class Position(NamedTuple):
    """What is held.

    Attributes:
        side: `LONG` or `SHORT`.
        quantity: base currency, 0 if nothing was entered.
        price: of the entry.
        fee: of the entry, quote currency.
        stop: where the stop stands, NaN for none.
        target: NaN for none.
        trail: how far behind the price the stop follows, NaN for a stop that stays.
        limit: in the candle of an entry inside it, the limit that filled it, else NaN.
        below: a candle that lies between this and `above` touches no level and moves no stop.
        above: see `below`.
        changes: row from which on another target is valid, `NEVER` for none.
    """

    side: int
    quantity: float
    price: float
    fee: float
    stop: float
    target: float
    trail: float
    limit: float
    below: float
    above: float
    changes: int


NOTHING = Position(0, 0.0, *(math.nan,) * 8, NEVER)


class Exit(NamedTuple):
    """How a position is left.

    Attributes:
        reason: a key of `REASONS`, or `NO_EXIT`.
        price: after slippage.
        rate: fee, fraction of the notional.
    """

    reason: int
    price: float
    rate: float


STAYS = Exit(NO_EXIT, math.nan, math.nan)


@step
def prices_at(candles: Market, i: int) -> Prices:
    """Return the figures of one candle."""
    return Prices(
        candles.open[i], candles.high[i], candles.low[i], candles.close[i], candles.volume[i]
    )


@step
def quiet_prices(side: int, stop: float, target: float, trail: float) -> tuple[float, float]:
    """Return `(below, above)`: a candle between touches no level and moves no stop."""
    below, above = quiet_range(side, stop, target)
    # false for NaN
    if trail > 0.0:
        if side == LONG:
            _, moving = quiet_range(side, stop, stop + trail)
            above = min(moving, above)
        else:
            moving, _ = quiet_range(side, stop, stop - trail)
            below = max(moving, below)
    return below, above


@step
def taken_price(
    price: float,
    limit: float,
    is_buy: bool,  # noqa: FBT001 - numba takes no keyword-only arguments
    quantity: float,
    volume: float,
    rules: Rules,
) -> float:
    """Return the price of a limit order that the market is already beyond."""
    worse = market_price(price, is_buy, rules.slippage, rules.impact, quantity, volume)
    return within_limit(worse, is_buy, limit)


@step
def market_exit(reason: int, position: Position, price: float, volume: float, rules: Rules) -> Exit:
    """Leave by a market order, or a stop, that meets the market at a price."""
    worse = market_price(
        price,
        position.side == SHORT,
        rules.slippage,
        rules.impact,
        position.quantity,
        volume,
    )
    return Exit(reason, worse, rules.fee)


@step
def may_leave(position: Position, high: float, low: float) -> bool:
    """Tell whether a candle may touch the stop or the target."""
    return low <= position.below or high >= position.above


@row_by_row
def protective_exit(
    position: Position, candles: Market, finer: FinerArrays, i: int, rules: Rules
) -> Exit:
    """Leave by the stop or target if candle i takes the position out."""
    candle = prices_at(candles, i)
    begin, end = (finer.begin[i], finer.end[i]) if len(finer.begin) > 0 else (0, 0)
    reason, price = candle_exit(
        position.side,
        position.stop,
        position.target,
        position.limit,
        candle,
        finer.prices,
        begin,
        end,
    )
    if reason == STOP:
        return market_exit(STOP, position, price, candle.volume, rules)
    if reason == TAKE_PROFIT and price != position.target:
        taken = taken_price(
            price, position.target, position.side == SHORT, position.quantity, candle.volume, rules
        )
        return Exit(TAKE_PROFIT, taken, rules.fee)
    return Exit(reason, price, rules.maker_fee)


@step
def decided_exit(row: int, leaves: int, expires: int) -> int:
    """Return the reason to leave at the next open that the close of a row gives, or `NO_EXIT`.

    Args:
        row: of the close.
        leaves: row of the next signal to leave.
        expires: row from which on time is up.
    """
    if row == leaves:
        return SIGNAL
    return TIME if row >= expires else NO_EXIT


@step
def row_of_expiry(open_time: IntArray, entered: int, held_ms: int) -> int:
    """Return the row at whose close a position's time is up, `NEVER` if it has no end."""
    if held_ms < 0:
        return NEVER
    deadline = open_time[entered] + held_ms
    # halved, since a position may be left long before
    row, end = entered, len(open_time)
    while 0 <= row < end:
        middle = (row + end) // 2
        if open_time[middle] < deadline:
            row = middle + 1
        else:
            end = middle
    return row


@step
def quiet_end(position: Position, cash: float, candles: Market, begin: int, end: int) -> int:
    """Return the first row in which something may happen to a position, `end` if there is none.

    Args:
        position: held since row `begin` or before.
        cash: of the account, beside the position.
        candles: the series.
        begin: first row that is looked at.
        end: row that follows the last one.
    """
    if not math.isnan(position.limit):
        # high and low of this candle may be from before the entry
        return begin
    row, high, low = begin, candles.high, candles.low
    below, above = position.below, position.above
    if not (math.isnan(below) and math.isnan(above)):
        while 0 <= row < end and not (low[row] <= below or high[row] >= above):
            row += 1
        end = row
    if position.side == LONG and cash > 0.0:
        return end
    # what is owed may exceed what the account has
    row, close = begin, candles.close
    while 0 <= row < end and not cash + position.side * (position.quantity * close[row]) <= 0.0:
        row += 1
    return row


@step
def exit_in(
    position: Position,
    cash: float,
    candles: Market,
    finer: FinerArrays,
    row: int,
    rules: Rules,
) -> Exit:
    """Leave in a candle by the stop or target, or at its close if all is over.

    At its close a ruined account is liquidated by a market order, any other leaves at the end of
    its data.
    """
    if may_leave(position, candles.high[row], candles.low[row]):
        left = protective_exit(position, candles, finer, row, rules)
        if left.reason != NO_EXIT:
            return left
    close = candles.close[row]
    if cash + position.side * (position.quantity * close) <= 0.0:
        worse = market_price(close, position.side == SHORT, rules.slippage)
        return Exit(LIQUIDATION, worse, rules.fee)
    if row == len(candles.close) - 1:
        return Exit(END_OF_DATA, to_digits(close), rules.fee)
    return STAYS
