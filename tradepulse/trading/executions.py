"""What a candle does to an order or a position, in the account's decimals.

Between `fills.py`, which knows prices only, and the account, which keeps the money.
"""

from dataclasses import dataclass
from decimal import Decimal
from math import nan

import numpy as np

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
    limit_fill,
    market_price,
    to_tick,
    trailed_stop,
)
from tradepulse.trading.orders import SIGN, Order, Position, money
from tradepulse.trading.sizing import AccountRules

_NOTHING = FinerPrices(np.empty(0), np.empty(0), np.empty(0))


@dataclass(frozen=True, slots=True)
class Execution:
    """How an order is to fill.

    Attributes:
        order: as it was before.
        price: quote currency, on the market's tick.
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
    return _execution(order, worse, filled_at, rules)


def limit_execution(
    order: Order, candle: Prices, close_time: int, rules: AccountRules
) -> Execution | None:
    """Fill an entry by a limit order, or return None: it expires."""
    limit = _or_nan(order.limit_price)
    side = LONG if order.side == "buy" else SHORT
    outcome, price = limit_fill(side, limit, candle.open, candle.high, candle.low)
    if outcome == EXPIRED:
        return None
    if outcome == AT_LIMIT:
        return _execution(order, price, close_time, rules, is_maker=True, inside_at=limit)
    return _execution(order, price, close_time - timeframe_ms(order.timeframe), rules)


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
    columns, begin, end = _NOTHING, 0, 0
    if finer is not None:
        columns = FinerPrices(finer.open, finer.high, finer.low)
        inside = (close_time - timeframe_ms(position.timeframe), close_time)
        begin, end = np.searchsorted(finer.open_time, inside).tolist()
    stop, target = _or_nan(position.stop_price), _or_nan(position.take_profit_price)
    outcome, price = candle_exit(
        SIGN[position.side], stop, target, inside_at, candle, columns, begin, end
    )
    if outcome == NO_EXIT:
        return None
    price = float(price)
    if outcome == STOP:
        order = exit_order(position, "stop", price, close_time, order_type="stop")
        return market_execution(order, price, candle, close_time, rules)
    order = exit_order(position, "take_profit", price, close_time, order_type="take_profit")
    return _execution(order, price, close_time, rules, is_maker=True)


def last_execution(
    position: Position, close: float, close_time: int, rules: AccountRules
) -> Execution:
    """Leave a position at the last close of its series; there is no next open."""
    order = exit_order(position, "end_of_data", close, close_time)
    return _execution(order, to_tick(close), close_time, rules)


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
    stop = trailed_stop(
        SIGN[position.side], _or_nan(position.stop_price), position.trail, high, low
    )
    return rules.market(position.instrument).price(stop)


def _execution(
    order: Order,
    price: float,
    filled_at: int,
    rules: AccountRules,
    *,
    is_maker: bool = False,
    inside_at: float = nan,
) -> Execution:
    at = rules.market(order.instrument).price(price)
    fee = money(order.quantity * at * rules.fee_of(is_maker=is_maker))
    return Execution(order, at, fee, filled_at, inside_at)


def _or_nan(price: Decimal | None) -> float:
    return nan if price is None else float(price)
