"""Bitstamp: how instruments, orders and fills are written."""

from datetime import UTC, datetime
from typing import Any

from tests.fakes.exchange.instruments import Instrument
from tests.fakes.exchange.orders import Fill, Order
from tests.fakes.exchange.wire import plain


def side_code(side: str) -> str:
    """Return 0 for a buy, 1 for a sell."""
    return "1" if side == "sell" else "0"


def wire_id(instrument: Instrument) -> str:
    """Return the venue's name of an instrument: BTC/USD is btcusd."""
    return (instrument.base + instrument.quote).lower()


def stamp(time: int) -> str:
    """Return a time as the venue writes it, UTC without a zone."""
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def order_fields(order: Order) -> dict[str, Any]:
    """Return what every answer about an order holds."""
    request = order.request
    return {
        "id": order.id,
        "type": side_code(request.side),
        "price": str(request.price or order.average or 0),
        "amount": plain(order.amount),
        "client_order_id": request.client_id or "",
    }


def execution(fill: Fill) -> dict[str, Any]:
    """Return a fill as the status of an order lists it."""
    base, quote = fill.symbol.lower().split("/")
    return {
        "tid": fill.id,
        "price": str(fill.price),
        "fee": plain(fill.fee, 5),
        "datetime": stamp(fill.time),
        "type": 2,
        base: plain(fill.amount),
        quote: plain(fill.cost),
    }


def transaction(fill: Fill) -> dict[str, Any]:
    """Return a fill as the account's transactions list it; what is given away is negative."""
    base, quote = fill.symbol.lower().split("/")
    sign = 1 if fill.side == "buy" else -1
    return {
        "id": fill.id,
        "order_id": int(fill.order_id),
        "datetime": stamp(fill.time),
        "type": "2",
        "fee": plain(fill.fee, 5),
        f"{base}_{quote}": float(fill.price),
        base: plain(sign * fill.amount),
        quote: plain(-sign * fill.cost),
    }


def listing(item: Instrument) -> dict[str, Any]:
    """Return an instrument as the list of markets holds it."""
    return {
        "name": item.symbol,
        "market_symbol": wire_id(item),
        "base_currency": item.base,
        "base_decimals": item.amount_decimals,
        "counter_currency": item.quote,
        "counter_decimals": item.price_decimals,
        "minimum_order_value": plain(item.min_cost, 2),
        "minimum_order_amount": plain(item.min_amount),
        "trading": "Enabled",
        "instant_order_counter_decimals": 2,
        "instant_and_market_orders": "Enabled",
        "description": f"{item.base} / {item.quote}",
        "market_type": "SPOT",
    }
