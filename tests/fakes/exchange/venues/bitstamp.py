"""Bitstamp over HTTP: times in s as strings, newest trade first, signatures in headers."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tests.fakes.exchange.core import VenueCore
from tests.fakes.exchange.instruments import DAY, HOUR, MINUTE
from tests.fakes.exchange.orders import Fees, Order, OrderRequest, Refusal, RefusedError
from tests.fakes.exchange.signing import check_key, check_signature, check_time, sha256
from tests.fakes.exchange.venues.bitstamp_rows import (
    execution,
    listing,
    order_fields,
    side_code,
    stamp,
    transaction,
    wire_id,
)
from tests.fakes.exchange.venues.bitstamp_ws import TOKEN, USER, BitstampStream
from tests.fakes.exchange.wire import API_KEY, Call, Reply, Route, Stream, plain

# in s; ccxt's 1w is 259200 here, which is three days
STEPS = {60, 180, 300, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 259200}
ROWS = 1000
SPANS = {"minute": MINUTE, "hour": HOUR, "day": DAY}
STATUS = {"open": "Open", "closed": "Finished", "canceled": "Canceled", "expired": "Canceled"}
NO_FUNDS = "You have not enough funds to open that order. Check your account balance for details."
REFUSALS: dict[Refusal, tuple[int, Any]] = {
    Refusal.INSUFFICIENT_FUNDS: (400, {"__all__": [NO_FUNDS]}),
    Refusal.AMOUNT_TOO_SMALL: (400, {"__all__": ["Minimum order size is 10.00 USD."]}),
    Refusal.COST_TOO_SMALL: (400, {"__all__": ["Minimum order size is 10.00 USD."]}),
    Refusal.BAD_PRECISION: (400, {"amount": ["Ensure that there are no more than 8 decimals."]}),
    Refusal.BAD_REQUEST: (400, "Invalid request"),
    Refusal.UNKNOWN_SYMBOL: (404, "Invalid currency pair"),
    Refusal.UNKNOWN_ORDER: (404, "Order not found."),
    Refusal.DUPLICATE_CLIENT_ID: (400, {"client_order_id": ["Client order id already used."]}),
    Refusal.WOULD_TAKE: (400, {"__all__": ["Post-only order would be executed immediately."]}),
    Refusal.MARKET_HALTED: (400, "Order could not be placed."),
    Refusal.BAD_KEY: (403, "API key not found"),
    Refusal.BAD_SIGNATURE: (403, "Invalid signature"),
    Refusal.BAD_TIME: (403, "Invalid nonce"),
    Refusal.RATE_LIMIT: (429, "Request rate limit exceeded."),
    Refusal.UNAVAILABLE: (503, "Order could not be placed."),
}
CODES = {
    Refusal.BAD_KEY: "API0001",
    Refusal.BAD_SIGNATURE: "API0005",
    Refusal.BAD_TIME: "API0017",
}


class Bitstamp:
    """Routes and formats of Bitstamp."""

    FEES: ClassVar[Fees] = Fees(Decimal("0.004"), Decimal("0.004"))
    FILLS_QUIET: ClassVar[bool] = True
    WEEK_ANCHOR: ClassVar[int] = 0

    def __init__(self, core: VenueCore) -> None:
        self.core = core
        self._symbols = {wire_id(item): item.symbol for item in core.instruments}

    @staticmethod
    def name_order(number: int) -> str:
        """Return the id of the account's n-th order."""
        return str(1_894_876_776_000_000 + number)

    def routes(self) -> list[Route]:
        """Every endpoint."""
        public = [
            ("markets/", "load_markets", self._markets),
            ("ohlc/{pair}/", "fetch_ohlcv", self._ohlc),
            ("transactions/{pair}/", "fetch_trades", self._transactions),
            ("ticker/{pair}/", "fetch_ticker", self._ticker),
            ("order_book/{pair}/", "fetch_order_book", self._book),
        ]
        private = [
            ("account_balances/", "fetch_balance", self._balances),
            ("buy/{pair}/", "create_order", self._placing("buy", "limit")),
            ("sell/{pair}/", "create_order", self._placing("sell", "limit")),
            ("buy/market/{pair}/", "create_order", self._placing("buy", "market")),
            ("sell/market/{pair}/", "create_order", self._placing("sell", "market")),
            ("buy/instant/{pair}/", "create_order", self._placing("buy", "instant")),
            ("cancel_order/", "cancel_order", self._cancel),
            ("cancel_all_orders/", "cancel_all_orders", self._cancel_all),
            ("cancel_all_orders/{pair}/", "cancel_all_orders", self._cancel_all),
            ("order_status/", "fetch_order", self._status),
            ("open_orders/all/", "fetch_open_orders", self._open),
            ("user_transactions/", "fetch_my_trades", self._own_trades),
            ("user_transactions/{pair}/", "fetch_my_trades", self._own_trades),
            ("fees/trading/", "fetch_trading_fees", self._fees),
            ("websockets_token/", "authenticate", self._token),
        ]
        return [
            *(Route("GET", f"/api/v2/{path}", name, h) for path, name, h in public),
            *(Route("POST", f"/api/v2/{path}", name, h, private=True) for path, name, h in private),
        ]

    def sockets(self) -> dict[str, Callable[[], Stream]]:
        """One socket for everything."""
        return {"/ws": lambda: BitstampStream(self.core, self._symbols)}

    def urls(self, http: str, ws: str) -> dict[str, Any]:
        """Return ccxt's urls."""
        return {"api": {"public": f"{http}/api", "private": f"{http}/api", "ws": f"{ws}/ws"}}

    def symbol_of(self, call: Call) -> str | None:
        """Unified symbol of a call."""
        return self._symbols.get(call.text("pair") or "")

    def check(self, call: Call) -> None:
        """Check key, signature and time in the X-Auth headers."""
        auth = call.headers.get("X-Auth", "")
        check_key(auth.removeprefix("BITSTAMP "))
        sent, nonce = call.headers.get("X-Auth-Timestamp"), call.headers.get("X-Auth-Nonce")
        kind = call.headers.get("Content-Type", "")
        place = urlsplit(call.url)
        rest = f"{place.netloc}{place.path}{kind}{nonce}{sent}v2{call.body}"
        # ccxt strips https:// and nothing else from what it signs
        expected = (sha256(f"BITSTAMP {API_KEY}POST{s}{rest}") for s in ("", f"{place.scheme}://"))
        check_signature(call.headers.get("X-Auth-Signature"), *expected)
        check_time(self.core, sent)

    def refuse(self, error: RefusedError) -> Reply:
        """Say no with a reason."""
        status, reason = REFUSALS[error.refusal]
        if error.refusal is Refusal.RATE_LIMIT:
            return Reply({"code": "400.002", "reason": reason}, status)
        body = {"status": "error", "reason": reason}
        if error.refusal in CODES:
            body["code"] = CODES[error.refusal]
        return Reply(body, status)

    def _markets(self, _: Call) -> Any:
        return [listing(item) for item in self.core.instruments]

    def _ohlc(self, call: Call) -> Any:
        symbol = self._symbol(call)
        step, limit = call.number("step") or 0, call.number("limit") or 0
        if step not in STEPS or not 1 <= limit <= ROWS:
            errors = [{"field": "limit", "message": f"Must be between 1 and {ROWS}"}]
            return Reply({"code": "validation-error", "errors": errors}, 400)
        tape, start, end = self.core.tape(symbol), call.number("start"), call.number("end")
        candles = tape.candles(
            step * 1000,
            self.core.clock.now,
            start=None if start is None else start * 1000,
            end=None if end is None else end * 1000,
            first=None if start is None else limit,
            last=limit if start is None else None,
        )
        price = tape.instrument.price
        rows = [
            {
                "timestamp": str(candle.open_time // 1000),
                "open": str(price(candle.open)),
                "high": str(price(candle.high)),
                "low": str(price(candle.low)),
                "close": str(price(candle.close)),
                "volume": f"{candle.volume:.8f}",
            }
            for candle in candles
        ]
        return {"data": {"pair": symbol, "ohlc": rows}}

    def _transactions(self, call: Call) -> Any:
        span = SPANS.get(call.text("time") or "hour")
        if span is None:
            raise RefusedError(Refusal.BAD_REQUEST)
        tape, now = self.core.tape(self._symbol(call)), self.core.clock.now
        return [
            {
                "date": str(trade.time // 1000),
                "tid": str(trade.id),
                "amount": f"{trade.amount:.8f}",
                "type": side_code(trade.side),
                "price": str(tape.instrument.price(trade.price)),
            }
            for trade in reversed(tape.trades(now - span, now))
        ]

    def _ticker(self, call: Call) -> Any:
        symbol, now = self._symbol(call), self.core.clock.now
        bids, asks = self.core.book(symbol)
        if not bids:
            raise RefusedError(Refusal.UNAVAILABLE)
        tape = self.core.tape(symbol)
        day, price = tape.day(now), tape.instrument.price
        return {
            "timestamp": str(now // 1000),
            "open": str(price(day.open)),
            "high": str(price(day.high)),
            "low": str(price(day.low)),
            "last": str(price(day.close)),
            "volume": f"{day.volume:.8f}",
            "vwap": str(price(day.close)),
            "bid": str(bids[0][0]),
            "ask": str(asks[0][0]),
            "side": "0",
            "open_24": str(price(day.open)),
            "percent_change_24": f"{(day.close / day.open - 1) * 100:.2f}",
        }

    def _book(self, call: Call) -> Any:
        now = self.core.clock.now
        bids, asks = (
            [[str(price), plain(amount)] for price, amount in side]
            for side in self.core.book(self._symbol(call))
        )
        times = {"timestamp": str(now // 1000), "microtimestamp": str(now * 1000)}
        return {**times, "bids": bids, "asks": asks}

    def _balances(self, _: Call) -> Any:
        wallet = self.core.wallet
        return [
            {
                "currency": name.lower(),
                "total": plain(wallet.total(name)),
                "available": plain(wallet.free(name)),
                "reserved": plain(wallet.held(name)),
            }
            for name in wallet.currencies()
        ]

    def _placing(self, side: str, kind: str) -> Callable[[Call], Any]:
        def place(call: Call) -> Any:
            amount = call.decimal("amount")
            in_force = (
                "IOC" if call.text("ioc_order") else "FOK" if call.text("fok_order") else "GTC"
            )
            order = self.core.place(
                OrderRequest(
                    symbol=self._symbol(call),
                    side=side,
                    type="limit" if kind == "limit" else "market",
                    amount=None if kind == "instant" else amount,
                    price=call.decimal("price"),
                    cost=amount if kind == "instant" else None,
                    client_id=call.text("client_order_id"),
                    time_in_force=in_force,
                    post_only=call.text("moc_order") is not None,
                )
            )
            return order_fields(order) | {
                "market": order.symbol,
                "datetime": stamp(order.created),
            }

        return place

    def _find(self, call: Call) -> Order:
        return self.core.find(id=call.text("id"), client_id=call.text("client_order_id"))

    def _cancel(self, call: Call) -> Any:
        order = self._find(call)
        self.core.cancel(order)
        return order_fields(order) | {"market": order.symbol, "status": "Canceled"}

    def _cancel_all(self, call: Call) -> Any:
        orders = self.core.open_orders(self.symbol_of(call))
        for order in orders:
            self.core.cancel(order)
        return {"canceled": [order_fields(order) for order in orders], "success": True}

    def _status(self, call: Call) -> Any:
        order = self._find(call)
        return {
            "id": int(order.id),
            "datetime": stamp(order.created),
            "type": side_code(order.request.side),
            "status": STATUS[order.status],
            "market": order.symbol,
            "transactions": [execution(fill) for fill in order.fills],
            "amount_remaining": plain(order.remaining),
            "client_order_id": order.request.client_id or "",
        }

    def _open(self, _: Call) -> Any:
        return [
            order_fields(order)
            | {
                "datetime": stamp(order.created),
                "currency_pair": order.symbol,
                "market": order.symbol,
                "amount": plain(order.remaining),
                "amount_at_create": plain(order.amount),
            }
            for order in self.core.open_orders()
        ]

    def _own_trades(self, call: Call) -> Any:
        symbol, limit = self.symbol_of(call), call.number("limit") or 100
        fills = [fill for fill in reversed(self.core.fills) if symbol in (None, fill.symbol)]
        return [transaction(fill) for fill in fills[:limit]]

    def _fees(self, _: Call) -> Any:
        rates = {
            "maker": plain(self.core.fees.maker * 100, 3),
            "taker": plain(self.core.fees.taker * 100, 3),
        }
        return [{"market": market, "fees": rates} for market in self._symbols]

    def _token(self, _: Call) -> Any:
        return {"valid_sec": 60, "token": TOKEN, "user_id": USER}

    def _symbol(self, call: Call) -> str:
        symbol = self.symbol_of(call)
        if symbol is None:
            raise RefusedError(Refusal.UNKNOWN_SYMBOL)
        return symbol
