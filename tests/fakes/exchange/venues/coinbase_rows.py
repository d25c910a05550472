"""Coinbase Advanced Trade: how instruments, orders and fills are written."""

from typing import Any
from uuid import UUID, uuid5

from tests.fakes.exchange.instruments import Instrument
from tests.fakes.exchange.orders import Fill, Order
from tests.fakes.exchange.wire import iso, plain

NAMESPACE = UUID("6f0c1b9e-6a3f-4f0e-9a53-2d6c1f1f5b11")
STATUS = {"open": "OPEN", "closed": "FILLED", "canceled": "CANCELLED", "expired": "CANCELLED"}
TIME_IN_FORCE = {
    "GTC": "GOOD_UNTIL_CANCELLED",
    "IOC": "IMMEDIATE_OR_CANCEL",
    "FOK": "FILL_OR_KILL",
}
MONEY = {"USD": "US Dollar", "EUR": "Euro", "GBP": "British Pound"}


def wire_id(symbol: str) -> str:
    """Return the product of a symbol: BTC/USD is BTC-USD."""
    return symbol.replace("/", "-")


def uuid_of(name: str) -> str:
    """Return an id that is the same for the same name."""
    return str(uuid5(NAMESPACE, name))


def configuration(order: Order) -> dict[str, Any]:
    """Return the order as it was asked for."""
    request = order.request
    if request.type == "market":
        if request.cost is not None:
            return {"market_market_ioc": {"quote_size": str(request.cost)}}
        return {"market_market_ioc": {"base_size": str(request.amount)}}
    size = {"base_size": str(request.amount), "limit_price": str(request.price)}
    if request.time_in_force == "IOC":
        return {"sor_limit_ioc": size}
    if request.time_in_force == "FOK":
        return {"limit_limit_fok": size}
    return {"limit_limit_gtc": size | {"post_only": request.post_only}}


def order_row(order: Order) -> dict[str, Any]:
    """Return an order as the lists of orders hold it."""
    request = order.request
    share = order.filled / order.amount * 100 if order.amount else 0
    return {
        "order_id": order.id,
        "product_id": wire_id(order.symbol),
        "user_id": uuid_of("user"),
        "order_configuration": configuration(order),
        "side": request.side.upper(),
        "client_order_id": request.client_id or "",
        "status": STATUS[order.status],
        "time_in_force": TIME_IN_FORCE[request.time_in_force],
        "created_time": iso(order.created),
        "completion_percentage": f"{share:.2f}",
        "filled_size": str(order.filled),
        "average_filled_price": str(order.average or 0),
        "fee": "",
        "number_of_fills": str(len(order.fills)),
        "filled_value": str(order.cost),
        "pending_cancel": False,
        "size_in_quote": request.cost is not None,
        "total_fees": str(order.fee),
        "size_inclusive_of_fees": False,
        "total_value_after_fees": str(order.cost + order.fee),
        "trigger_status": "INVALID_ORDER_TYPE",
        "order_type": request.type.upper(),
        "reject_reason": "REJECT_REASON_UNSPECIFIED",
        "settled": order.status != "open",
        "product_type": "SPOT",
        "last_fill_time": iso(order.fills[-1].time) if order.fills else None,
    }


def fill_row(fill: Fill) -> dict[str, Any]:
    """Return a fill as the list of fills holds it."""
    return {
        "entry_id": uuid_of(f"entry {fill.id}"),
        "trade_id": uuid_of(f"trade {fill.id}"),
        "order_id": fill.order_id,
        "trade_time": iso(fill.time),
        "trade_type": "FILL",
        "price": str(fill.price),
        "size": str(fill.amount),
        "commission": str(fill.fee),
        "product_id": wire_id(fill.symbol),
        "sequence_timestamp": iso(fill.time),
        "liquidity_indicator": "MAKER" if fill.maker else "TAKER",
        "size_in_quote": False,
        "user_id": uuid_of("user"),
        "side": fill.side.upper(),
    }


def listing(item: Instrument) -> dict[str, Any]:
    """Return an instrument as the list of products holds it."""
    return {
        "product_id": wire_id(item.symbol),
        "base_name": item.base,
        "quote_name": item.quote,
        "base_currency_id": item.base,
        "quote_currency_id": item.quote,
        "base_increment": str(item.lot),
        "quote_increment": str(item.tick),
        "price_increment": str(item.tick),
        "base_min_size": plain(item.min_amount),
        "base_max_size": "3400",
        "quote_min_size": str(item.min_cost),
        "quote_max_size": "150000000",
        "watched": False,
        "is_disabled": False,
        "new": False,
        "status": "online",
        "cancel_only": False,
        "limit_only": False,
        "post_only": False,
        "trading_disabled": False,
        "auction_mode": False,
        "product_type": "SPOT",
        "alias": "",
        "alias_to": [],
        "view_only": False,
    }
