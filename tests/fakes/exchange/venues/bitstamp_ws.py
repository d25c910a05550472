"""Bitstamp over WebSocket: one channel per market and kind; no candles."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from tests.fakes.exchange.core import Event, OrderChanged, Traded, VenueCore
from tests.fakes.exchange.orders import Fill
from tests.fakes.exchange.venues.bitstamp_rows import side_code
from tests.fakes.exchange.wire import SECRET, Outgoing, plain

TOKEN = sha256(f"token of {SECRET}".encode()).hexdigest()[:32]
USER = 4848701
ORDERS = "private-my_orders_"
OWN_TRADES = "private-my_trades_"


class BitstampStream:
    """Public trades by market; the own orders and trades by market and user."""

    def __init__(self, core: VenueCore, symbols: Mapping[str, str]) -> None:
        self._core = core
        self._symbols = symbols
        self._ids = {symbol: market for market, symbol in symbols.items()}
        self._channels: set[str] = set()

    def opening(self) -> Iterable[Outgoing]:
        """Nothing is said first."""
        return ()

    def receive(self, message: Any) -> Iterable[Outgoing]:
        """Answer a heartbeat, or subscribe and unsubscribe."""
        event = message["event"]
        if event == "bts:heartbeat":
            yield Outgoing({"event": event, "channel": "", "data": {"status": "success"}})
            return
        channel = message["data"]["channel"]
        if channel.startswith((ORDERS, OWN_TRADES)) and message["data"].get("auth") != TOKEN:
            error = {"code": 4009, "message": "Connection is unauthorized."}
            yield Outgoing({"event": "bts:error", "channel": "", "data": error})
            return
        if event == "bts:subscribe":
            self._channels.add(channel)
            done = "bts:subscription_succeeded"
        else:
            self._channels.discard(channel)
            done = "bts:unsubscription_succeeded"
        yield Outgoing({"event": done, "channel": channel, "data": {}})

    def on(self, event: Event) -> Iterable[Outgoing]:
        """Tell trades and the account's orders."""
        if isinstance(event, Traded):
            channel = f"live_trades_{self._ids[event.symbol]}"
            if channel in self._channels:
                payload = {"event": "trade", "channel": channel, "data": self._trade(event)}
                yield Outgoing(payload, "watch_trades", event.symbol)
        elif isinstance(event, OrderChanged):
            account = f"{self._ids[event.order.symbol]}-{USER}"
            if f"{ORDERS}{account}" in self._channels:
                payload = _order(event) | {"channel": f"{ORDERS}{account}"}
                yield Outgoing(payload, "watch_orders", event.order.symbol)
            if event.fill is not None and f"{OWN_TRADES}{account}" in self._channels:
                data = _own_trade(event.fill)
                payload = {"event": "trade", "channel": f"{OWN_TRADES}{account}", "data": data}
                yield Outgoing(payload, "watch_my_trades", event.order.symbol)

    def _trade(self, event: Traded) -> dict[str, Any]:
        trade, price = (
            event.trade,
            self._core.tape(event.symbol).instrument.price(event.trade.price),
        )
        return {
            "id": trade.id,
            "timestamp": str(trade.time // 1000),
            "microtimestamp": str(trade.time * 1000),
            "amount": round(trade.amount, 8),
            "amount_str": f"{trade.amount:.8f}",
            "price": float(price),
            "price_str": str(price),
            "type": int(side_code(trade.side)),
            "buy_order_id": 1_000_000 + 2 * trade.id,
            "sell_order_id": 1_000_001 + 2 * trade.id,
        }


def _order(event: OrderChanged) -> dict[str, Any]:
    order, request = event.order, event.order.request
    changed = "order_changed" if order.fills else "order_created"
    limit = request.price or order.average
    data = {
        "id": int(order.id),
        "id_str": order.id,
        "order_type": int(side_code(request.side)),
        "order_subtype": 0 if request.type == "limit" else 2,
        "datetime": str(event.time // 1000),
        "microtimestamp": str(event.time * 1000),
        # what remains: a filled order is told as deleted, with nothing left
        "amount": float(order.remaining),
        "amount_str": plain(order.remaining),
        "amount_traded": plain(order.filled),
        "amount_at_create": plain(order.amount),
        "price": float(limit or 0),
        "price_str": str(limit or 0),
        "is_liquidation": False,
        "trade_account_id": 0,
    }
    if request.client_id is not None:
        data["client_order_id"] = request.client_id
    return {"event": changed if order.status == "open" else "order_deleted", "data": data}


def _own_trade(fill: Fill) -> dict[str, Any]:
    return {
        "id": fill.id,
        "amount": plain(fill.amount),
        "price": str(fill.price),
        "microtimestamp": str(fill.time * 1000),
        "fee": plain(fill.fee, 5),
        "order_id": fill.order_id,
        "trade_account_id": 0,
        "side": fill.side,
    }
