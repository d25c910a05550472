"""What a candle does to an order or a position, in the account's decimals.

Between `fills.py`, which knows prices only, and the account, which keeps the money.
"""

from decimal import Decimal
from math import isnan, nan

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from contracts.events import Signal
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.trading.decisions import exit_order
from tradepulse.trading.fills import (
    AT_LIMIT,
    EXPIRED,
    LONG,
    NO_EXIT,
    SHORT,
    STOP,
    FinerPrices,
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
from tradepulse.trading.levels import moved_stop
from tradepulse.trading.orders import SIGN, Order, Position, decimal, money
from tradepulse.trading.sizing import AccountRules, InstrumentRules, Refused, quantity_for

_NOTHING = FinerPrices(np.empty(0), np.empty(0), np.empty(0))


class Execution(Struct, frozen=True):
    """How an order is to fill.

    Attributes:
        order: as it was before.
        price: quote currency.
        fee: for the whole order, quote currency.
        filled_at: see `Fill`, epoch ms.
        inside_at: limit price of an entry that is filled inside its candle, else NaN.
    """

    order: Order
    price: Decimal
    fee: Decimal
    filled_at: int
    inside_at: float = nan


def market_execution(
    order: Order, price: float, candle: Prices, filled_at: int, rules: AccountRules
) -> Execution:
    """Fill a market order, or a stop, that meets the market at a price."""
    quantity = float(order.quantity)
    is_buy = order.side == "buy"
    worse = market_price(price, is_buy, rules.slippage, rules.impact, quantity, candle.volume)
    market = rules.market(order.instrument).beside(candle.open)
    return _execution(order, _on_tick(worse, price, market), filled_at, rules)


def entry_execution(
    order: Order, candle: Prices, close_time: int, cash: Decimal, rules: AccountRules
) -> Execution | Refused | None:
    """Fill an entry in its candle, or refuse it; None for a limit order that expires.

    An entry at market buys what its notional pays at the fill. What the cash does not pay is not
    bought: there is no leverage.

    Args:
        order: an entry that waits.
        candle: of its series.
        close_time: of the candle, epoch ms.
        cash: of the account, quote currency.
        rules: the account's.
    """
    market = rules.market(order.instrument).beside(candle.open)
    is_buy = order.side == "buy"
    if not market.can_write(candle.open):
        return Refused("a price cannot be written with the market's tick")
    if order.limit_price is not None:
        filled = _limit_execution(order, candle, close_time, rules)
        if (
            filled is not None
            and is_buy
            and money(order.quantity * filled.price) + (filled.fee) > cash
        ):
            return Refused("not enough cash at the fill")
        return filled
    wanted = order.notional or Decimal(0)
    spend = min(wanted, cash) if is_buy else wanted
    worse = entry_price(
        max(float(spend), 0.0),
        candle.open,
        is_buy,
        float(rules.fee),
        rules.slippage,
        rules.impact,
        candle.volume,
    )
    price = _on_tick(worse, candle.open, market)
    quantity = quantity_for(spend, price, rules.fee, market)
    if isinstance(quantity, Refused):
        return quantity if spend == wanted else Refused("not enough cash at the fill")
    opened_at = close_time - timeframe_ms(order.timeframe)
    return _execution(replace(order, quantity=quantity), price, opened_at, rules)


def _limit_execution(
    order: Order, candle: Prices, close_time: int, rules: AccountRules
) -> Execution | None:
    limit, is_buy = _or_nan(order.limit_price), order.side == "buy"
    side = LONG if is_buy else SHORT
    outcome, price = limit_fill(side, limit, candle.open, candle.high, candle.low)
    if outcome == EXPIRED:
        return None
    if outcome == AT_LIMIT:
        return _execution(order, decimal(price), close_time, rules, is_maker=True, inside_at=limit)
    opened_at = close_time - timeframe_ms(order.timeframe)
    return _taking(order, price, limit, candle, opened_at, rules)


def _taking(
    order: Order,
    price: float,
    limit: float,
    candle: Prices,
    filled_at: int,
    rules: AccountRules,
) -> Execution:
    """Fill a limit order that the market is already beyond."""
    is_buy, quantity = order.side == "buy", float(order.quantity)
    worse = market_price(price, is_buy, rules.slippage, rules.impact, quantity, candle.volume)
    market = rules.market(order.instrument).beside(candle.open)
    at = _on_tick(within_limit(worse, is_buy, limit), price, market)
    most = decimal(limit)
    return _execution(order, min(at, most) if is_buy else max(at, most), filled_at, rules)


def protective_execution(
    position: Position,
    candle: Prices,
    close_time: int,
    rules: AccountRules,
    *,
    inside_at: float = nan,
    finer: Candles | None = None,
) -> Execution | None:
    """Leave a position by its stop or target if the candle touches them, else return None.

    Args:
        position: held, or entered in this candle.
        candle: of its series.
        close_time: of the candle, epoch ms.
        rules: the account's.
        inside_at: limit price of an entry that was filled inside this candle.
        finer: lower-timeframe candles of the instrument.
    """
    side = SIGN[position.side]
    opened_at = close_time - timeframe_ms(position.timeframe)
    stop, target = _or_nan(position.stop_price), _or_nan(position.target_in(opened_at))
    below, above = quiet_range(side, stop, target)
    # comparisons with NaN are false
    if not (candle.low <= below or candle.high >= above):
        return None
    columns, begin, end = _NOTHING, 0, 0
    if finer is not None:
        columns = FinerPrices(finer.open, finer.high, finer.low)
        begin, end = np.searchsorted(finer.open_time, (opened_at, close_time)).tolist()
    outcome, price = candle_exit(side, stop, target, inside_at, candle, columns, begin, end)
    if outcome == NO_EXIT:
        return None
    price = float(price)
    if outcome == STOP:
        order = exit_order(position, "stop", price, close_time, order_type="stop")
        return market_execution(order, price, candle, close_time, rules)
    order = exit_order(position, "take_profit", price, close_time, order_type="take_profit")
    if price != target:
        return _taking(order, price, target, candle, close_time, rules)
    return _execution(order, decimal(price), close_time, rules, is_maker=True)


def last_execution(
    position: Position, close: float, close_time: int, rules: AccountRules
) -> Execution:
    """Leave a position at the last close of its series; there is no next open."""
    order = exit_order(position, "end_of_data", close, close_time)
    at = rules.market(position.instrument).beside(close).price(to_digits(close))
    return _execution(order, at, close_time, rules)


def liquidation(
    position: Position, close: float, close_time: int, rules: AccountRules
) -> Execution:
    """Leave a position of a ruined account at its last close, as a market order does."""
    order = exit_order(position, "liquidation", close, close_time)
    worse = market_price(close, order.side == "buy", rules.slippage)
    market = rules.market(position.instrument).beside(close)
    return _execution(order, _on_tick(worse, close, market), close_time, rules)


def followed_stop(
    position: Position, candle: Prices, rules: AccountRules, *, is_entered_inside: bool
) -> Decimal | None:
    """Return where the stop stands after a candle that the position was held to."""
    if position.trail is None:
        return position.stop_price
    high, low = candle.high, candle.low
    if is_entered_inside:
        # these may be from before the entry
        high = low = candle.close
    before, side = _or_nan(position.stop_price), SIGN[position.side]
    stop = trailed_stop(side, before, position.trail, high, low)
    return _stop_on_tick(position, stop, candle.close, rules)


def told_stop(position: Position, signal: Signal, rules: AccountRules) -> Decimal | None:
    """Return where the stop stands after a signal that moves it."""
    before, level = _or_nan(position.stop_price), signal.stop_price
    close = signal.reference_price
    stop = moved_stop(SIGN[position.side], before, nan if level is None else level, close)
    return _stop_on_tick(position, stop, close, rules)


def _stop_on_tick(
    position: Position, stop: float, close: float, rules: AccountRules
) -> Decimal | None:
    before = position.stop_price
    if isnan(stop) or stop == _or_nan(before):
        return before
    moved = rules.market(position.instrument).beside(close).price(stop)
    if before is None:
        return moved
    # nor does rounding move it back
    return max(moved, before) if position.side == "long" else min(moved, before)


def _execution(
    order: Order,
    at: Decimal,
    filled_at: int,
    rules: AccountRules,
    *,
    is_maker: bool = False,
    inside_at: float = nan,
) -> Execution:
    fee = money(order.quantity * at * rules.fee_of(is_maker=is_maker))
    return Execution(order, at, fee, filled_at, inside_at)


def _on_tick(worse: float, price: float, market: InstrumentRules) -> Decimal:
    """Round what a market order pays to the tick, unless that leaves nothing of the slippage."""
    at = market.price(worse)
    return decimal(worse) if at == decimal(to_digits(price)) else at


def _or_nan(price: Decimal | None) -> float:
    return nan if price is None else float(price)
