"""Kraken over WebSocket, version 2: numbers as numbers, times in ISO, unified symbols."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

from tests.fakes.exchange.core import Event, OrderChanged, Ticked, Traded, VenueCore
from tests.fakes.exchange.instruments import MINUTE
from tests.fakes.exchange.orders import Order
from tests.fakes.exchange.tape import Candle, Trade
from tests.fakes.exchange.venues.kraken_rows import wire_code
from tests.fakes.exchange.wire import SECRET, Outgoing, iso

TOKEN = sha256(f"token of {SECRET}".encode()).hexdigest()
SNAPSHOT_ROWS = 50
ORDER_STATUS = {"closed": "filled", "canceled": "canceled", "expired": "expired"}


class KrakenStream:
    """Channels trade, ohlc, executions and balances; a heartbeat whenever the clock is moved."""

    def __init__(self, core: VenueCore) -> None:
        self._core = core
        self._trades: set[str] = set()
        self._candles: set[tuple[str, int]] = set()
        self._executions = False
        self._balances = False
        self._sequence = 0

    def opening(self) -> Iterable[Outgoing]:
        """Return the venue's status."""
        data = [{"version": "2.0.9", "system": "online", "api_version": "v2", "connection_id": 1}]
        yield Outgoing({"channel": "status", "type": "update", "data": data})

    def receive(self, message: Any) -> Iterable[Outgoing]:
        """Answer a ping, or subscribe and unsubscribe."""
        if message["method"] == "ping":
            yield Outgoing({"method": "pong", "time_in": self._now(), "time_out": self._now()})
            return
        params, adds = message["params"], message["method"] == "subscribe"
        channel = params["channel"]
        if channel in {"executions", "balances"}:
            yield from self._subscribe_private(message, channel, adds=adds)
            return
        for symbol in params.get("symbol", []):
            if symbol not in {item.symbol for item in self._core.instruments}:
                text = f"Currency pair not supported {symbol}"
                yield self._answer(message, {}, error=text)
                continue
            result = {"channel": channel, "symbol": symbol}
            if channel == "trade":
                _switch(self._trades, symbol, adds=adds)
                yield self._answer(message, result)
            elif channel == "ohlc":
                interval = params.get("interval", 1)
                _switch(self._candles, (symbol, interval), adds=adds)
                yield self._answer(message, result | {"interval": interval})
                if adds and params.get("snapshot", True):
                    yield self._candle_snapshot(symbol, interval)
            else:
                yield self._answer(message, {}, error="Subscription name invalid")

    def on(self, event: Event) -> Iterable[Outgoing]:
        """Tell trades, candles, orders and balances."""
        if isinstance(event, Ticked) and (self._trades or self._candles or self._executions):
            yield Outgoing({"channel": "heartbeat"}, "heartbeat")
        if isinstance(event, Traded):
            if event.symbol in self._trades:
                data = [self._trade(event.symbol, event.trade)]
                payload = {"channel": "trade", "type": "update", "data": data}
                yield Outgoing(payload, "watch_trades", event.symbol)
            for symbol, interval in sorted(self._candles):
                if symbol == event.symbol:
                    yield self._candle_update(symbol, interval, event.time)
        if isinstance(event, OrderChanged):
            if self._executions:
                yield from self._execution_updates(event)
            if self._balances:
                names = event.order.symbol.split("/")
                yield self._balance("update", names)

    def _now(self) -> str:
        return iso(self._core.clock.now)

    def _answer(self, message: Any, result: dict[str, Any], error: str | None = None) -> Outgoing:
        payload = {
            "method": message["method"],
            "success": error is None,
            "time_in": self._now(),
            "time_out": self._now(),
        }
        payload |= {"result": result} if error is None else {"error": error}
        if "req_id" in message:
            payload["req_id"] = message["req_id"]
        return Outgoing(payload)

    def _subscribe_private(self, message: Any, channel: str, *, adds: bool) -> Iterator[Outgoing]:
        if message["params"].get("token") != TOKEN:
            yield self._answer(message, {}, error="ESession:Invalid session")
            return
        yield self._answer(message, {"channel": channel})
        if channel == "balances":
            self._balances = adds
            yield self._balance("snapshot", self._core.wallet.currencies())
            return
        self._executions = adds
        if message["params"].get("snap_orders", True):
            data = [self._order(order, "new") for order in self._core.open_orders()]
            yield self._execution("snapshot", data, None)

    def _trade(self, symbol: str, trade: Trade) -> dict[str, Any]:
        instrument = self._core.tape(symbol).instrument
        return {
            "symbol": symbol,
            "side": trade.side,
            "price": float(instrument.price(trade.price)),
            "qty": round(trade.amount, 8),
            "ord_type": "limit",
            "trade_id": trade.id,
            "timestamp": iso(trade.time),
        }

    def _candle_snapshot(self, symbol: str, interval: int) -> Outgoing:
        now = self._core.clock.now
        candles = self._core.tape(symbol).candles(interval * MINUTE, now, last=SNAPSHOT_ROWS)
        rows = [self._candle(symbol, interval, candle) for candle in candles]
        return self._candles_message("snapshot", symbol, rows)

    def _candle_update(self, symbol: str, interval: int, time: int) -> Outgoing:
        tape, timeframe = self._core.tape(symbol), interval * MINUTE
        candles = tape.candles(timeframe, time, start=tape.open_time(timeframe, time))
        rows = [self._candle(symbol, interval, candle) for candle in candles]
        return self._candles_message("update", symbol, rows)

    def _candles_message(self, kind: str, symbol: str, rows: list[dict[str, Any]]) -> Outgoing:
        payload = {"channel": "ohlc", "type": kind, "timestamp": self._now(), "data": rows}
        return Outgoing(payload, "watch_ohlcv", symbol)

    def _candle(self, symbol: str, interval: int, candle: Candle) -> dict[str, Any]:
        price = self._core.tape(symbol).instrument.price
        return {
            "symbol": symbol,
            "open": float(price(candle.open)),
            "high": float(price(candle.high)),
            "low": float(price(candle.low)),
            "close": float(price(candle.close)),
            "trades": candle.trades,
            "volume": round(candle.volume, 8),
            "vwap": float(price((candle.high + candle.low) / 2)),
            "interval_begin": iso(candle.open_time),
            "interval": interval,
            "timestamp": iso(candle.open_time + interval * MINUTE),
        }

    def _execution_updates(self, event: OrderChanged) -> Iterator[Outgoing]:
        order, fill = event.order, event.fill
        if fill is not None:
            trade = self._order(order, "trade") | {
                "exec_id": wire_code("T", fill.id),
                "trade_id": fill.id,
                "last_qty": float(fill.amount),
                "last_price": float(fill.price),
                "liquidity_ind": "m" if fill.maker else "t",
                "cost": float(fill.cost),
                "fees": [{"asset": fill.fee_currency, "qty": float(fill.fee)}],
                "order_status": "partially_filled" if order.status == "open" else "filled",
            }
            yield self._execution("update", [trade], order.symbol)
        if fill is None or order.status != "open":
            kind = ORDER_STATUS.get(order.status, "new")
            yield self._execution("update", [self._order(order, kind)], order.symbol)

    def _execution(self, kind: str, data: list[dict[str, Any]], symbol: str | None) -> Outgoing:
        self._sequence += 1
        payload = {"channel": "executions", "type": kind, "data": data, "sequence": self._sequence}
        return Outgoing(payload, "watch_orders", symbol)

    def _order(self, order: Order, kind: str) -> dict[str, Any]:
        request = order.request
        partly = "partially_filled" if order.fills else "new"
        row = {
            "order_id": order.id,
            "symbol": order.symbol,
            "side": request.side,
            "order_type": request.type,
            "order_qty": float(order.amount),
            "time_in_force": request.time_in_force,
            "exec_type": kind,
            "order_status": ORDER_STATUS.get(order.status, partly),
            "cum_qty": float(order.filled),
            "cum_cost": float(order.cost),
            "avg_price": float(order.average or 0),
            "fee_usd_equiv": float(order.fee),
            "fee_ccy_pref": "fciq",
            "timestamp": iso(order.updated),
        }
        if request.price is not None:
            row["limit_price"] = float(request.price)
        if request.client_id is not None:
            row["cl_ord_id"] = request.client_id
        return row

    def _balance(self, kind: str, names: list[str]) -> Outgoing:
        wallet = self._core.wallet
        data = [{"asset": name, "balance": float(wallet.total(name))} for name in names]
        return Outgoing({"channel": "balances", "type": kind, "data": data}, "watch_balance")


def _switch(chosen: set[Any], item: Any, *, adds: bool) -> None:
    if adds:
        chosen.add(item)
    else:
        chosen.discard(item)
