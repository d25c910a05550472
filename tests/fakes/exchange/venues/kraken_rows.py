"""Kraken: its names of currencies and pairs, and how orders and fills are written."""

from decimal import Decimal
from hashlib import sha256
from typing import Any

from tests.fakes.exchange.instruments import Instrument
from tests.fakes.exchange.orders import Fill, Order
from tests.fakes.exchange.tape import Trade
from tests.fakes.exchange.wire import plain

ALTNAMES = {"BTC": "XBT", "DOGE": "XDG"}
# only these old currencies carry the X of a coin or the Z of a state's money
OLD_COINS = {"BTC", "DOGE", "ETC", "ETH", "LTC", "XLM", "XMR", "XRP", "ZEC"}
OLD_MONEY = {"CAD", "EUR", "GBP", "JPY", "USD"}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # pragma: allowlist secret
STATUS = {"open": "open", "closed": "closed", "canceled": "canceled", "expired": "canceled"}


def altname(currency: str) -> str:
    """Return the short name: BTC is XBT."""
    return ALTNAMES.get(currency, currency)


def asset_id(currency: str) -> str:
    """Return the id: BTC is XXBT, USD is ZUSD, SOL is SOL."""
    letter = "X" if currency in OLD_COINS else "Z" if currency in OLD_MONEY else ""
    return letter + altname(currency)


def pair_name(symbol: str) -> str:
    """Return the short name of a pair: BTC/USD is XBTUSD."""
    base, quote = symbol.split("/")
    return altname(base) + altname(quote)


def pair_id(symbol: str) -> str:
    """Return the id of a pair: BTC/USD is XXBTZUSD, DOGE/USD is XDGUSD, SOL/USD is SOLUSD."""
    base, quote = symbol.split("/")
    old = base in OLD_COINS - {"DOGE"} and quote in OLD_COINS | OLD_MONEY
    return asset_id(base) + asset_id(quote) if old else pair_name(symbol)


def wire_code(first: str, number: int) -> str:
    """Return an id of the kind OXXXXX-XXXXX-XXXXXX, the same for the same number."""
    digest = sha256(f"{first}{number}".encode()).digest()
    text = first + "".join(LETTERS[byte % 32] for byte in digest[:16])
    return f"{text[:6]}-{text[6:11]}-{text[11:17]}"


def nanoseconds(trade: Trade) -> int:
    """Return a trade's time in ns, different for every trade of one ms."""
    return trade.time * 1_000_000 + 500_000 + trade.id % 400_000


def described(order: Order) -> str:
    """Return the order in Kraken's words: buy 0.10000000 XBTUSD @ limit 100.0."""
    request = order.request
    amount = plain(request.amount if request.amount is not None else request.cost or Decimal(0))
    price = f" {request.price}" if request.price is not None else ""
    return f"{request.side} {amount} {pair_name(order.symbol)} @ {request.type}{price}"


def order_row(order: Order) -> dict[str, Any]:
    """Return an order as QueryOrders, OpenOrders and ClosedOrders list it."""
    request = order.request
    price = plain(request.price or Decimal(0), 5)
    row = {
        "refid": None,
        "userref": None,
        "status": STATUS[order.status],
        "opentm": order.created / 1000,
        "starttm": 0,
        "expiretm": 0,
        "descr": {
            "pair": pair_name(order.symbol),
            "type": request.side,
            "ordertype": request.type,
            "price": price,
            "price2": "0",
            "leverage": "none",
            "order": described(order),
            "close": "",
        },
        "vol": plain(order.amount),
        "vol_exec": plain(order.filled),
        "cost": plain(order.cost, 5),
        "fee": plain(order.fee, 5),
        "price": plain(order.average or Decimal(0), 5),
        "stopprice": "0.00000",
        "limitprice": "0.00000",
        "misc": "",
        "oflags": "post,fciq" if request.post_only else "fciq",
        "trades": [wire_code("T", fill.id) for fill in order.fills],
    }
    if request.client_id is not None:
        row["cl_ord_id"] = request.client_id
    if order.status != "open":
        row |= {"closetm": order.updated / 1000, "reason": None}
    return row


def fill_row(fill: Fill, order: Order) -> dict[str, Any]:
    """Return a fill as TradesHistory lists it."""
    return {
        "ordertxid": fill.order_id,
        "postxid": "",
        "pair": pair_id(fill.symbol),
        "time": fill.time / 1000,
        "type": fill.side,
        "ordertype": order.request.type,
        "price": plain(fill.price, 5),
        "cost": plain(fill.cost, 5),
        "fee": plain(fill.fee, 5),
        "vol": plain(fill.amount),
        "margin": "0.00000",
        "misc": "",
        "maker": fill.maker,
        "trade_id": fill.id,
    }


def listing(item: Instrument, maker: Decimal, taker: Decimal) -> dict[str, Any]:
    """Return an instrument as AssetPairs lists it; fees in percent."""
    return {
        "altname": pair_name(item.symbol),
        "wsname": f"{altname(item.base)}/{altname(item.quote)}",
        "aclass_base": "currency",
        "base": asset_id(item.base),
        "aclass_quote": "currency",
        "quote": asset_id(item.quote),
        "lot": "unit",
        "cost_decimals": 5,
        "pair_decimals": item.price_decimals,
        "lot_decimals": item.amount_decimals,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, float(taker * 100)]],
        "fees_maker": [[0, float(maker * 100)]],
        "fee_volume_currency": "ZUSD",
        "margin_call": 80,
        "margin_stop": 40,
        "ordermin": plain(item.min_amount),
        "costmin": plain(item.min_cost),
        "tick_size": str(item.tick),
        "status": "online",
    }
