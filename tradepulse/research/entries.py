"""Steps of the loop that concern an entry: its order, its size and its fill.

Same rules as the account (`trading/account.py`), in floats.
"""

import math
from typing import NamedTuple

from tradepulse.research.positions import (
    NEVER,
    NOTHING,
    Position,
    Rules,
    prices_at,
    quiet_prices,
    taken_price,
)
from tradepulse.strategies import ENTER_LONG, ENTER_SHORT, Answer
from tradepulse.strategies.compiled import step
from tradepulse.strategies.market import Market
from tradepulse.trading.fills import (
    AT_LIMIT,
    EXPIRED,
    LONG,
    SHORT,
    Prices,
    entry_price,
    limit_fill,
    to_digits,
    trailed_stop,
)


class EntryOrder(NamedTuple):
    """An entry that waits for the next candle.

    Attributes:
        side: `LONG` or `SHORT`, 0 for no entry.
        stop: the first stop, NaN for none; so are the target, the limit and the trail.
        target: see `stop`.
        limit: of a limit order.
        trail: how far behind the price the stop follows.
        expected: price by which its risk is judged: the limit, or the signal's close.
        confidence: part of the usual size, above 0, at most 1.
    """

    side: int
    stop: float
    target: float
    limit: float
    trail: float
    expected: float
    confidence: float


@step
def entry_side(action: int, rules: Rules) -> int:
    """Return the side that a flat account enters after a signal, 0 for none."""
    if action == ENTER_LONG:
        return LONG
    if action == ENTER_SHORT and rules.allows_margin:
        return SHORT
    return 0


@step
def entry_order(side: int, said: Answer, close: float) -> EntryOrder:
    """Return the order of a flat account after an answer."""
    stop = trailed_stop(side, said.stop, said.trail, close, close)
    limit = to_digits(said.limit)
    expected = close if math.isnan(limit) else limit
    confidence = 1.0 if math.isnan(said.confidence) else said.confidence
    target = to_digits(said.target)
    return EntryOrder(side, stop, target, limit, said.trail, expected, confidence)


@step
def spend_of(order: EntryOrder, cash: float, rules: Rules) -> float:
    """Return what an entry may spend, costs included, for an account that is all cash."""
    spend = min(rules.fraction, order.confidence) * cash
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
    below, above = quiet_prices(side, stop, target, trail)
    return Position(side, quantity, price, fee, stop, target, trail, limit, below, above, NEVER)


@step
def enter(
    said: Answer,
    candles: Market,
    row: int,
    cash: float,
    rules: Rules,
) -> Position:
    """Return the position that a flat account has in a row after what was said at the one before.

    Its quantity is 0 where nothing is entered.
    """
    side = entry_side(said.action, rules)
    if side == 0:
        return NOTHING
    order = entry_order(side, said, candles.close[row - 1])
    return fill_entry(order, prices_at(candles, row), cash, rules)
