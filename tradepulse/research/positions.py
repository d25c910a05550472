"""Steps of the loop that concern a position: its order, its size and fill, its stop, its exit.

Same rules as the account (`trading/account.py`), in floats.
"""

import math
from typing import NamedTuple

import numpy as np

from tradepulse.research.arrays import CandleArrays, FinerArrays
from tradepulse.strategies import ENTER_LONG, ENTER_SHORT, EXIT
from tradepulse.strategies.compiled import row_by_row, step
from tradepulse.trading.fills import (
    AT_LIMIT,
    EXPIRED,
    LONG,
    NO_EXIT,
    SHORT,
    STOP,
    TAKE_PROFIT,
    Prices,
    candle_exit,
    entry_price,
    limit_fill,
    market_price,
    quiet_range,
    to_digits,
    trailed_stop,
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
NEVER = np.iinfo(np.int64).max


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


class EntryOrder(NamedTuple):
    """An entry that waits for the next candle.

    Attributes:
        side: `LONG` or `SHORT`, 0 for no entry.
        stop: the first stop, NaN for none; so are the target, the limit and the trail.
        target: see `stop`.
        limit: of a limit order.
        trail: how far behind the price the stop follows.
        expected: price by which its risk is judged: the limit, or the signal's close.
    """

    side: int
    stop: float
    target: float
    limit: float
    trail: float
    expected: float


NO_ENTRY = EntryOrder(0, math.nan, math.nan, math.nan, math.nan, math.nan)


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
        below: a candle that lies between this and `above` touches neither stop nor target.
        above: see `below`.
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


@step
def prices_at(candles: CandleArrays, i: int) -> Prices:
    """Return the figures of one candle."""
    return Prices(
        candles.open[i], candles.high[i], candles.low[i], candles.close[i], candles.volume[i]
    )


@step
def entry_side(action: int, rules: Rules) -> int:
    """Return the side that a flat account enters after a signal, 0 for none."""
    if action == ENTER_LONG:
        return LONG
    if action == ENTER_SHORT and rules.allows_margin:
        return SHORT
    return 0


@step
def entry_order(
    side: int, said: tuple[int, float, float, float, float], close: float
) -> EntryOrder:
    """Return the order of a flat account after a signal (action, stop, target, limit, trail)."""
    _, stop, target, limit, trail = said
    stop = trailed_stop(side, stop, trail, close, close)
    limit = to_digits(limit)
    expected = close if math.isnan(limit) else limit
    return EntryOrder(side, stop, to_digits(target), limit, trail, expected)


@step
def spend_of(order: EntryOrder, cash: float, rules: Rules) -> float:
    """Return what an entry may spend, costs included, for an account that is all cash."""
    spend = min(rules.fraction, 1.0) * cash
    distance = abs(order.expected - order.stop)
    # false for NaN
    if rules.risk_per_trade > 0.0 and distance > 0.0:
        spend = min(spend, rules.risk_per_trade * cash / distance * order.expected)
    return spend


@step
def fill_entry(order: EntryOrder, candle: Prices, cash: float, rules: Rules) -> Position:
    """Fill an entry in its candle, at a quantity of 0 if it is refused or expires."""
    side, limit = order.side, order.limit
    is_buy, rate = side == LONG, rules.fee
    spend = spend_of(order, cash, rules)
    if math.isnan(limit):
        price = entry_price(
            spend, candle.open, is_buy, rate, rules.slippage, rules.impact, candle.volume
        )
        notional = spend / (1.0 + rate)
        quantity = notional / price
    else:
        # whether it takes or makes its candle tells
        notional = spend / (1.0 + max(rules.fee, rules.maker_fee))
        quantity = notional / limit
        outcome, price = limit_fill(side, limit, candle.open, candle.high, candle.low)
        if outcome == AT_LIMIT:
            rate = rules.maker_fee
        else:
            price = taken_price(price, limit, is_buy, quantity, candle.volume, rules)
            limit = math.nan
        if outcome == EXPIRED:
            quantity = 0.0
    if notional < rules.min_notional:
        quantity = 0.0
    fee = quantity * price * rate
    stop, target, trail = order.stop, order.target, order.trail
    below, above = quiet_range(side, stop, target)
    return Position(side, quantity, price, fee, stop, target, trail, limit, below, above)


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
def trailed(position: Position, candles: CandleArrays, i: int) -> Position:
    """Return a position that was held to the close of candle i: its stop has followed the price."""
    stop, below, above = position.stop, position.below, position.above
    if position.trail > 0.0:
        # in the candle of an entry inside it, high and low may be from before the entry
        is_inside = not math.isnan(position.limit)
        top = candles.close[i] if is_inside else candles.high[i]
        bottom = candles.close[i] if is_inside else candles.low[i]
        stop = trailed_stop(position.side, stop, position.trail, top, bottom)
        below, above = quiet_range(position.side, stop, position.target)
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
    )


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
    position: Position, candles: CandleArrays, finer: FinerArrays, i: int, rules: Rules
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
def decided_exit(action: int, open_time: int, deadline: int) -> int:
    """Return the reason to leave at the next open that a close gives, or `NO_EXIT`."""
    if action == EXIT:
        return SIGNAL
    return TIME if open_time >= deadline else NO_EXIT


@step
def exit_at_close(position: Position, close: float, equity: float, rules: Rules) -> Exit:
    """Leave at a close: a ruined account by a market order, any other at the end of its data."""
    if equity <= 0.0:
        worse = market_price(close, position.side == SHORT, rules.slippage)
        return Exit(LIQUIDATION, worse, rules.fee)
    return Exit(END_OF_DATA, to_digits(close), rules.fee)
