"""Coinbase Advanced Trade over WebSocket: every message of a socket has a sequence number."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.fakes.exchange.core import Event, OrderChanged, Ticked, Traded, VenueCore
from tests.fakes.exchange.orders import Order
from tests.fakes.exchange.signing import sha256
from tests.fakes.exchange.tape import Tape, Trade
from tests.fakes.exchange.venues.coinbase_rows import STATUS, order_row, wire_id
from tests.fakes.exchange.wire import API_KEY, Outgoing, iso

SNAPSHOT_TRADES = 50
METHODS = {"market_trades": "watch_trades", "user": "watch_orders", "heartbeats": "heartbeat"}


def trade_row(symbol: str, trade: Trade, tape: Tape) -> dict[str, Any]:
    """Return a public trade, as HTTP and WebSocket write it."""
    return {
        "trade_id": str(trade.id),
        "product_id": wire_id(symbol),
        "price": str(tape.instrument.price(trade.price)),
        "size": f"{trade.amount:.8f}",
        "time": iso(trade.time),
        "side": trade.side.upper(),
    }


class CoinbaseStream:
    """Channels market_trades, user and heartbeats; a snapshot comes first, the newest first."""

    def __init__(self, core: VenueCore, symbols: Mapping[str, str]) -> None:
        self._core = core
        self._symbols = symbols
        self._channels: dict[str, set[str]] = {}
        self._sequence = -1

    def opening(self) -> Iterable[Outgoing]:
        """Nothing is said first."""
        return ()

    def receive(self, message: Any) -> Iterable[Outgoing]:
        """Subscribe or unsubscribe."""
        channel, products = message["channel"], message.get("product_ids", [])
        if channel == "user" and not _signed(message):
            yield Outgoing({"type": "error", "message": "authentication failure"})
            return
        wanted = self._channels.setdefault(channel, set())
        if message["type"] == "subscribe":
            wanted |= set(products) if products else set(self._symbols)
        else:
            wanted -= set(products)
        if not wanted:
            del self._channels[channel]
        channels = {name: sorted(ids) for name, ids in self._channels.items()}
        yield self._message("subscriptions", [{"subscriptions": channels}], None)
        if message["type"] == "subscribe":
            yield from self._snapshot(channel, products)

    def on(self, event: Event) -> Iterable[Outgoing]:
        """Tell trades, orders and heartbeats."""
        if isinstance(event, Ticked) and "heartbeats" in self._channels:
            counter = {"current_time": iso(event.time), "heartbeat_counter": str(self._sequence)}
            yield self._message("heartbeats", [counter], None)
        if isinstance(event, Traded):
            if wire_id(event.symbol) in self._channels.get("market_trades", ()):
                row = trade_row(event.symbol, event.trade, self._core.tape(event.symbol))
                events = [{"type": "update", "trades": [row]}]
                yield self._message("market_trades", events, event.symbol)
        elif isinstance(event, OrderChanged):
            symbol = event.order.symbol
            if wire_id(symbol) in self._channels.get("user", ()):
                events = [{"type": "update", "orders": [_order(event.order)]}]
                yield self._message("user", events, symbol)

    def _snapshot(self, channel: str, products: list[str]) -> Iterable[Outgoing]:
        if channel == "user":
            orders = [_order(order) for order in self._core.open_orders()]
            yield self._message("user", [{"type": "snapshot", "orders": orders}], None)
        if channel == "market_trades":
            for product in products:
                symbol = self._symbols[product]
                tape = self._core.tape(symbol)
                trades = tape.last_trades(self._core.clock.now, SNAPSHOT_TRADES)
                rows = [trade_row(symbol, trade, tape) for trade in reversed(trades)]
                if rows:
                    events = [{"type": "snapshot", "trades": rows}]
                    yield self._message("market_trades", events, symbol)

    def _message(self, channel: str, events: list[dict[str, Any]], symbol: str | None) -> Outgoing:
        self._sequence += 1
        payload = {
            "channel": channel,
            "client_id": "",
            "timestamp": iso(self._core.clock.now),
            "sequence_num": self._sequence,
            "events": events,
        }
        return Outgoing(payload, METHODS.get(channel), symbol)


def _signed(message: Any) -> bool:
    text = f"{message.get('timestamp')}{message['channel']}{','.join(message['product_ids'])}"
    return bool(message.get("api_key") == API_KEY and message.get("signature") == sha256(text))


def _order(order: Order) -> dict[str, Any]:
    row = order_row(order)
    return {
        "order_id": order.id,
        "client_order_id": row["client_order_id"],
        "cumulative_quantity": row["filled_size"],
        "leaves_quantity": str(order.remaining),
        "avg_price": row["average_filled_price"],
        "total_fees": row["total_fees"],
        "status": STATUS[order.status],
        "product_id": row["product_id"],
        "creation_time": row["created_time"],
        "order_side": row["side"],
        "order_type": order.request.type.capitalize(),
        "limit_price": str(order.request.price or ""),
        "filled_value": row["filled_value"],
        "number_of_fills": row["number_of_fills"],
    }
