"""Binance US over HTTP: times in ms, numbers as strings, rows as lists."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

from tests.fakes.exchange.core import VenueCore
from tests.fakes.exchange.instruments import DAY, HOUR, MINUTE, WEEK
from tests.fakes.exchange.orders import Fees, Order, OrderRequest, Refusal, RefusedError
from tests.fakes.exchange.signing import check_key, check_signature, check_time, sha256
from tests.fakes.exchange.venues.binanceus_rows import (
    kline_row,
    listing,
    order_fields,
    own_trade,
    stored_order,
    wire_id,
)
from tests.fakes.exchange.venues.binanceus_ws import AccountStream, MarketStream
from tests.fakes.exchange.wire import Call, Reply, Route, Stream, plain

INTERVALS = {
    "1m": MINUTE,
    "3m": 3 * MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "4h": 4 * HOUR,
    "6h": 6 * HOUR,
    "8h": 8 * HOUR,
    "12h": 12 * HOUR,
    "1d": DAY,
    "1w": WEEK,
}
ROWS = 1000
DEFAULT_ROWS = 500
REFUSALS = {
    Refusal.INSUFFICIENT_FUNDS: (
        400,
        -2010,
        "Account has insufficient balance for requested action.",
    ),
    Refusal.AMOUNT_TOO_SMALL: (400, -1013, "Filter failure: LOT_SIZE"),
    Refusal.COST_TOO_SMALL: (400, -1013, "Filter failure: NOTIONAL"),
    Refusal.BAD_PRECISION: (400, -1111, "Precision is over the maximum defined for this asset."),
    Refusal.BAD_REQUEST: (400, -1102, "Mandatory parameter was not sent or malformed."),
    Refusal.UNKNOWN_SYMBOL: (400, -1121, "Invalid symbol."),
    Refusal.UNKNOWN_ORDER: (400, -2013, "Order does not exist."),
    Refusal.DUPLICATE_CLIENT_ID: (400, -2010, "Duplicate order sent."),
    Refusal.WOULD_TAKE: (400, -2010, "Order would immediately match and take."),
    Refusal.MARKET_HALTED: (400, -1013, "Market is closed."),
    Refusal.BAD_KEY: (401, -2015, "Invalid API-key, IP, or permissions for action."),
    Refusal.BAD_SIGNATURE: (400, -1022, "Signature for this request is not valid."),
    Refusal.BAD_TIME: (400, -1021, "Timestamp for this request is outside of the recvWindow."),
    Refusal.RATE_LIMIT: (429, -1003, "Too much request weight used; please use the websocket."),
    Refusal.UNAVAILABLE: (503, -1001, "Internal error; unable to process your request."),
}


class BinanceUS:
    """Routes and formats of Binance US."""

    FEES: ClassVar[Fees] = Fees(Decimal("0.001"), Decimal("0.001"), in_received=True)
    FILLS_QUIET: ClassVar[bool] = True
    WEEK_ANCHOR: ClassVar[int] = 4 * DAY  # Monday

    def __init__(self, core: VenueCore) -> None:
        self.core = core
        self._symbols = {wire_id(item): item.symbol for item in core.instruments}

    @staticmethod
    def name_order(number: int) -> str:
        """Return the id of the account's n-th order."""
        return str(1_000_000 + number)

    def routes(self) -> list[Route]:
        """Every endpoint."""
        api = "/api/v3"
        return [
            Route("GET", f"{api}/ping", "fetch_status", lambda _: {}),
            Route("GET", f"{api}/time", "fetch_time", self._time),
            Route("GET", f"{api}/exchangeInfo", "load_markets", self._exchange_info),
            Route("GET", f"{api}/klines", "fetch_ohlcv", self._klines),
            Route("GET", f"{api}/aggTrades", "fetch_trades", self._agg_trades),
            Route("GET", f"{api}/depth", "fetch_order_book", self._depth),
            Route("GET", f"{api}/ticker/24hr", "fetch_ticker", self._ticker),
            Route("GET", f"{api}/account", "fetch_balance", self._account, private=True),
            Route("POST", f"{api}/order", "create_order", self._create, private=True),
            Route("GET", f"{api}/order", "fetch_order", self._order, private=True),
            Route("DELETE", f"{api}/order", "cancel_order", self._cancel, private=True),
            Route("GET", f"{api}/openOrders", "fetch_open_orders", self._open, private=True),
            Route("DELETE", f"{api}/openOrders", "cancel_all_orders", self._clear, private=True),
            Route("GET", f"{api}/allOrders", "fetch_orders", self._all_orders, private=True),
            Route("GET", f"{api}/myTrades", "fetch_my_trades", self._my_trades, private=True),
        ]

    def sockets(self) -> dict[str, Callable[[], Stream]]:
        """Market streams, and the API that carries the account's events."""
        return {
            "/stream/ws/{number}": lambda: MarketStream(self.core, self._symbols, INTERVALS),
            "/ws-api/v3": lambda: AccountStream(self.core),
        }

    def urls(self, http: str, ws: str) -> dict[str, Any]:
        """Return ccxt's urls."""
        api = f"{http}/api/v3"
        sockets = {"spot": f"{ws}/stream/ws", "ws-api": {"spot": f"{ws}/ws-api/v3"}}
        return {"api": {"public": api, "private": api, "v3": api, "ws": sockets}}

    def symbol_of(self, call: Call) -> str | None:
        """Unified symbol of a call."""
        return self._symbols.get(call.text("symbol") or "")

    def check(self, call: Call) -> None:
        """Check key, time and signature."""
        check_key(call.headers.get("X-MBX-APIKEY"))
        signed, _, signature = (call.query + call.body).rpartition("&signature=")
        check_signature(signature, sha256(signed))
        check_time(self.core, call.text("timestamp"))

    def refuse(self, error: RefusedError) -> Reply:
        """Say no with a code and a message."""
        status, code, message = REFUSALS[error.refusal]
        if error.refusal is Refusal.UNKNOWN_ORDER and error.detail == "cancel":
            code, message = -2011, "Unknown order sent."
        return Reply({"code": code, "msg": message}, status)

    def _time(self, _: Call) -> Any:
        return {"serverTime": self.core.clock.now + self.core.faults.skew(self.core.name)}

    def _exchange_info(self, _: Call) -> Any:
        return {
            "timezone": "UTC",
            "serverTime": self.core.clock.now,
            "rateLimits": [],
            "exchangeFilters": [],
            "symbols": [listing(item) for item in self.core.instruments],
        }

    def _klines(self, call: Call) -> Any:
        interval = call.text("interval") or ""
        if interval not in INTERVALS:
            raise RefusedError(Refusal.BAD_REQUEST, f"interval {interval}")
        tape, start = self.core.tape(self._symbol(call)), call.number("startTime")
        limit = min(call.number("limit") or DEFAULT_ROWS, ROWS)
        candles = tape.candles(
            INTERVALS[interval],
            self.core.clock.now,
            start=start,
            end=call.number("endTime"),
            first=None if start is None else limit,
            last=limit if start is None else None,
        )
        return [kline_row(candle, tape.instrument, INTERVALS[interval]) for candle in candles]

    def _agg_trades(self, call: Call) -> Any:
        tape, now = self.core.tape(self._symbol(call)), self.core.clock.now
        limit = min(call.number("limit") or DEFAULT_ROWS, ROWS)
        start, end, first = call.number("startTime"), call.number("endTime"), call.number("fromId")
        if first is not None:
            trades = tape.trades_from_id(first, now, limit)
        elif start is not None:
            if end is not None and end - start > HOUR:
                raise RefusedError(Refusal.BAD_REQUEST, "More than 1 hours")
            trades = tape.trades(start - 1, min(end or now, now), limit)
        else:
            trades = tape.last_trades(min(end or now, now), limit)
        return [
            {
                "a": trade.id,
                "p": plain(tape.instrument.price(trade.price)),
                "q": f"{trade.amount:.8f}",
                "f": trade.id,
                "l": trade.id,
                "T": trade.time,
                "m": trade.side == "sell",
                "M": True,
            }
            for trade in trades
        ]

    def _depth(self, call: Call) -> Any:
        bids, asks = self.core.book(self._symbol(call))
        limit = call.number("limit") or 100
        return {
            "lastUpdateId": self.core.clock.now,
            "bids": [[plain(price), plain(amount)] for price, amount in bids[:limit]],
            "asks": [[plain(price), plain(amount)] for price, amount in asks[:limit]],
        }

    def _ticker(self, call: Call) -> Any:
        symbol, now = self._symbol(call), self.core.clock.now
        bids, asks = self.core.book(symbol)
        if not bids:
            raise RefusedError(Refusal.UNAVAILABLE)
        tape = self.core.tape(symbol)
        day = tape.day(now)
        price = tape.instrument.price
        return {
            "symbol": call.text("symbol"),
            "priceChange": plain(price(day.close - day.open)),
            "priceChangePercent": f"{(day.close / day.open - 1) * 100:.3f}",
            "weightedAvgPrice": plain(price(day.close)),
            "lastPrice": plain(price(day.close)),
            "bidPrice": plain(bids[0][0]),
            "bidQty": plain(bids[0][1]),
            "askPrice": plain(asks[0][0]),
            "askQty": plain(asks[0][1]),
            "openPrice": plain(price(day.open)),
            "highPrice": plain(price(day.high)),
            "lowPrice": plain(price(day.low)),
            "volume": f"{day.volume:.8f}",
            "quoteVolume": f"{day.volume * day.close:.8f}",
            "openTime": now - DAY,
            "closeTime": now,
            "count": day.trades,
        }

    def _account(self, _: Call) -> Any:
        wallet = self.core.wallet
        return {
            "canTrade": True,
            "accountType": "SPOT",
            "updateTime": self.core.clock.now,
            "balances": [
                {
                    "asset": name,
                    "free": plain(wallet.free(name)),
                    "locked": plain(wallet.held(name)),
                }
                for name in wallet.currencies()
            ],
        }

    def _create(self, call: Call) -> Any:
        kind = call.text("type") or ""
        if kind not in {"MARKET", "LIMIT", "LIMIT_MAKER"}:
            raise RefusedError(Refusal.BAD_REQUEST, f"type {kind}")
        order = self.core.place(
            OrderRequest(
                symbol=self._symbol(call),
                side=(call.text("side") or "").lower(),
                type="market" if kind == "MARKET" else "limit",
                amount=call.decimal("quantity"),
                price=call.decimal("price"),
                cost=call.decimal("quoteOrderQty"),
                client_id=call.text("newClientOrderId"),
                time_in_force=call.text("timeInForce") or "GTC",
                post_only=kind == "LIMIT_MAKER",
            )
        )
        fills = [
            {
                "price": plain(fill.price),
                "qty": plain(fill.amount),
                "commission": plain(fill.fee),
                "commissionAsset": fill.fee_currency,
                "tradeId": fill.id,
            }
            for fill in order.fills
        ]
        return order_fields(order) | {"transactTime": order.created, "fills": fills}

    def _find(self, call: Call) -> Order:
        return self.core.find(id=call.text("orderId"), client_id=call.text("origClientOrderId"))

    def _order(self, call: Call) -> Any:
        return stored_order(self._find(call))

    def _cancel(self, call: Call) -> Any:
        try:
            order = self._find(call)
            self.core.cancel(order)
        except RefusedError as error:
            raise RefusedError(error.refusal, "cancel") from error
        return order_fields(order) | {"transactTime": order.updated}

    def _clear(self, call: Call) -> Any:
        orders = self.core.open_orders(self._symbol(call))
        for order in orders:
            self.core.cancel(order)
        return [order_fields(order) for order in orders]

    def _open(self, call: Call) -> Any:
        symbol = self.symbol_of(call)
        return [stored_order(order) for order in self.core.open_orders(symbol)]

    def _all_orders(self, call: Call) -> Any:
        symbol, start = self._symbol(call), call.number("startTime") or 0
        orders = [o for o in self.core.orders.values() if o.symbol == symbol and o.created >= start]
        return [stored_order(order) for order in orders[: call.number("limit") or DEFAULT_ROWS]]

    def _my_trades(self, call: Call) -> Any:
        symbol, start = self._symbol(call), call.number("startTime") or 0
        fills = [f for f in self.core.fills if f.symbol == symbol and f.time >= start]
        return [own_trade(fill) for fill in fills[-(call.number("limit") or DEFAULT_ROWS) :]]

    def _symbol(self, call: Call) -> str:
        symbol = self.symbol_of(call)
        if symbol is None:
            raise RefusedError(Refusal.UNKNOWN_SYMBOL)
        return symbol
