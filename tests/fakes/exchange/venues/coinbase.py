"""Coinbase Advanced Trade over HTTP: JSON posts, times in s or ISO, newest first."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

from tests.fakes.exchange.core import VenueCore
from tests.fakes.exchange.instruments import DAY, HOUR, MINUTE
from tests.fakes.exchange.orders import Fees, Order, OrderRequest, Refusal, RefusedError
from tests.fakes.exchange.signing import check_key, check_signature, check_time, sha256
from tests.fakes.exchange.tape import Tape, Trade
from tests.fakes.exchange.venues.coinbase_rows import (
    MONEY,
    configuration,
    fill_row,
    listing,
    order_row,
    uuid_of,
    wire_id,
)
from tests.fakes.exchange.venues.coinbase_ws import CoinbaseStream, trade_row
from tests.fakes.exchange.wire import Call, Reply, Route, Stream, iso, plain

GRANULARITIES = {
    "ONE_MINUTE": MINUTE,
    "FIVE_MINUTE": 5 * MINUTE,
    "FIFTEEN_MINUTE": 15 * MINUTE,
    "THIRTY_MINUTE": 30 * MINUTE,
    "ONE_HOUR": HOUR,
    "TWO_HOUR": 2 * HOUR,
    "FOUR_HOUR": 4 * HOUR,
    "SIX_HOUR": 6 * HOUR,
    "ONE_DAY": DAY,
}
# a span of this many candles or more is refused; ccxt asks for 300
ROWS = 350
TRADES = 1000
REFUSALS = {
    Refusal.INSUFFICIENT_FUNDS: ("INSUFFICIENT_FUND", "Insufficient balance in source account"),
    Refusal.AMOUNT_TOO_SMALL: ("INVALID_ARGUMENT", "Order size is too small"),
    Refusal.COST_TOO_SMALL: ("INVALID_ARGUMENT", "Order notional is too small"),
    Refusal.BAD_PRECISION: ("INVALID_PRICE_PRECISION", "Too many decimals in order price"),
    Refusal.BAD_REQUEST: ("INVALID_ARGUMENT", "Invalid argument"),
    Refusal.UNKNOWN_SYMBOL: ("INVALID_ARGUMENT", "ProductID is invalid"),
    Refusal.WOULD_TAKE: ("INVALID_LIMIT_PRICE_POST_ONLY", "Post-only order would take"),
    Refusal.MARKET_HALTED: ("INVALID_ARGUMENT", "orderbook is in cancel only mode"),
}


class Coinbase:
    """Routes and formats of Coinbase Advanced Trade."""

    FEES: ClassVar[Fees] = Fees(Decimal("0.006"), Decimal("0.012"))
    FILLS_QUIET: ClassVar[bool] = False
    WEEK_ANCHOR: ClassVar[int] = 0

    def __init__(self, core: VenueCore) -> None:
        self.core = core
        self._symbols = {wire_id(item.symbol): item.symbol for item in core.instruments}

    @staticmethod
    def name_order(number: int) -> str:
        """Return the id of the account's n-th order."""
        return uuid_of(f"order {number}")

    def routes(self) -> list[Route]:
        """Every endpoint."""
        api = "/api/v3/brokerage"
        orders = f"{api}/orders"
        public = [
            Route("GET", "/v2/time", "fetch_time", self._time),
            Route("GET", f"{api}/time", "fetch_time", self._time_v3),
            Route("GET", "/v2/currencies", "load_markets", self._money),
            Route("GET", "/v2/currencies/crypto", "load_markets", self._coins),
            Route("GET", "/v2/exchange-rates", "load_markets", self._rates),
        ]
        for part, private in ((f"{api}/market", False), (api, True)):
            product = f"{part}/products/{{product_id}}"
            public += [
                Route("GET", f"{part}/products", "load_markets", self._products, private),
                Route("GET", f"{product}/candles", "fetch_ohlcv", self._candles, private),
                Route("GET", f"{product}/ticker", "fetch_trades", self._trades, private),
                Route("GET", f"{part}/product_book", "fetch_order_book", self._book, private),
            ]
        private_ones = [
            ("GET", f"{api}/transaction_summary", "fetch_trading_fees", self._summary),
            ("GET", f"{api}/accounts", "fetch_balance", self._accounts),
            ("GET", "/v2/accounts", "fetch_balance", self._accounts_v2),
            ("POST", orders, "create_order", self._create),
            ("POST", f"{orders}/batch_cancel", "cancel_order", self._cancel),
            ("GET", f"{orders}/historical/batch", "fetch_open_orders", self._list),
            ("GET", f"{orders}/historical/fills", "fetch_my_trades", self._fills),
            ("GET", f"{orders}/historical/{{order_id}}", "fetch_order", self._order),
        ]
        return public + [Route(*row, private=True) for row in private_ones]

    def sockets(self) -> dict[str, Callable[[], Stream]]:
        """One socket for everything."""
        return {"/ws": lambda: CoinbaseStream(self.core, self._symbols)}

    def urls(self, http: str, ws: str) -> dict[str, Any]:
        """Return ccxt's urls."""
        return {"api": {"rest": http, "ws": f"{ws}/ws"}}

    def symbol_of(self, call: Call) -> str | None:
        """Unified symbol of a call."""
        return self._symbols.get(call.text("product_id") or "")

    def check(self, call: Call) -> None:
        """Check key, time and signature of the CB-ACCESS headers."""
        stamp = call.headers.get("CB-ACCESS-TIMESTAMP")
        check_key(call.headers.get("CB-ACCESS-KEY"))
        check_time(self.core, None if stamp is None else f"{stamp}000")
        # only version 2 signs the query
        query = f"?{call.query}" if call.path.startswith("/v2/") and call.query else ""
        signed = f"{stamp}{call.verb}{call.path}{query}{call.body}"
        check_signature(call.headers.get("CB-ACCESS-SIGN"), sha256(signed))

    def refuse(self, error: RefusedError) -> Reply:
        """Say no; errors of the API itself have another shape than those of a request."""
        match error.refusal:
            case Refusal.BAD_KEY | Refusal.BAD_SIGNATURE:
                return _unauthorized("invalid signature")
            case Refusal.BAD_TIME:
                return _unauthorized("request timestamp expired")
            case Refusal.RATE_LIMIT:
                message = "resource exhausted"
                return Reply({"error": "resource_exhausted", "message": message}, 429)
            case Refusal.UNAVAILABLE:
                return Reply({"error": "internal_server_error", "message": "unavailable"}, 503)
            case Refusal.UNKNOWN_ORDER:
                text = "order with this orderID was not found"
                return Reply({"error": "unknown", "error_details": text, "message": text}, 404)
            case _:
                name, message = REFUSALS[error.refusal]
                return Reply({"error": name, "error_details": message, "message": message}, 400)

    def _time(self, _: Call) -> Any:
        now = self._now()
        return {"data": {"iso": iso(now), "epoch": now // 1000}}

    def _time_v3(self, _: Call) -> Any:
        now = self._now()
        return {"iso": iso(now), "epochSeconds": str(now // 1000), "epochMillis": str(now)}

    def _now(self) -> int:
        return self.core.clock.now + self.core.faults.skew(self.core.name)

    def _names(self) -> list[str]:
        return sorted({n for item in self.core.instruments for n in (item.base, item.quote)})

    def _money(self, _: Call) -> Any:
        names = [name for name in self._names() if name in MONEY]
        return {"data": [{"id": n, "name": MONEY[n], "min_size": "0.01"} for n in names]}

    def _coins(self, _: Call) -> Any:
        names = [name for name in self._names() if name not in MONEY]
        return {"data": [{"asset_id": uuid_of(n), "code": n, "name": n} for n in names]}

    def _rates(self, _: Call) -> Any:
        return {"data": {"currency": "USD", "rates": dict.fromkeys(self._names(), "1.0")}}

    def _products(self, call: Call) -> Any:
        spot = call.text("product_type") in (None, "SPOT")
        products = [listing(item) for item in self.core.instruments] if spot else []
        return {"products": products, "num_products": len(products)}

    def _candles(self, call: Call) -> Any:
        timeframe = GRANULARITIES.get(call.text("granularity") or "")
        start, end = call.number("start"), call.number("end")
        if timeframe is None or start is None or end is None:
            raise RefusedError(Refusal.BAD_REQUEST)
        if (end - start) * 1000 >= ROWS * timeframe:
            text = "start and end argument is invalid - number of candles requested should be less "
            body = {"error": "INVALID_ARGUMENT", "error_details": f"{text}than {ROWS}"}
            return Reply(body, 400)
        tape, now = self.core.tape(self._symbol(call)), self.core.clock.now
        candles = tape.candles(timeframe, now, start=start * 1000, end=end * 1000)
        price = tape.instrument.price
        rows = [
            {
                "start": str(candle.open_time // 1000),
                "low": str(price(candle.low)),
                "high": str(price(candle.high)),
                "open": str(price(candle.open)),
                "close": str(price(candle.close)),
                "volume": f"{candle.volume:.8f}",
            }
            for candle in reversed(candles)
        ]
        return {"candles": rows}

    def _trades(self, call: Call) -> Any:
        symbol = self._symbol(call)
        tape, limit = self.core.tape(symbol), min(call.number("limit") or 100, TRADES)
        bids, asks = self.core.book(symbol)
        rows = [trade_row(symbol, trade, tape) for trade in self._between(call, tape, limit)]
        best = {"best_bid": str(bids[0][0]), "best_ask": str(asks[0][0])} if bids else {}
        return {"trades": rows, **best}

    def _between(self, call: Call, tape: Tape, limit: int) -> list[Trade]:
        start, end = call.number("start"), call.number("end")
        until = min(self.core.clock.now, self.core.clock.now if end is None else end * 1000)
        first = 0 if start is None else start * 1000
        newest_first = reversed(tape.last_trades(until, limit))
        return [trade for trade in newest_first if trade.time >= first]

    def _book(self, call: Call) -> Any:
        symbol, limit = self._symbol(call), call.number("limit") or 50
        bids, asks = (
            [{"price": str(price), "size": plain(amount)} for price, amount in side[:limit]]
            for side in self.core.book(symbol)
        )
        now = iso(self.core.clock.now)
        book = {"product_id": wire_id(symbol), "bids": bids, "asks": asks, "time": now}
        return {"pricebook": book}

    def _summary(self, _: Call) -> Any:
        fees = self.core.fees
        tier = {
            "pricing_tier": "Advanced 1",
            "taker_fee_rate": str(fees.taker),
            "maker_fee_rate": str(fees.maker),
        }
        return {"total_volume": 0, "total_fees": 0, "fee_tier": tier}

    def _accounts(self, _: Call) -> Any:
        wallet = self.core.wallet
        rows = [
            {
                "uuid": uuid_of(f"account {name}"),
                "name": f"{name} Wallet",
                "currency": name,
                "available_balance": {"value": plain(wallet.free(name)), "currency": name},
                "default": True,
                "active": True,
                "type": "ACCOUNT_TYPE_FIAT" if name in MONEY else "ACCOUNT_TYPE_CRYPTO",
                "ready": True,
                "hold": {"value": plain(wallet.held(name)), "currency": name},
            }
            for name in wallet.currencies()
        ]
        return {"accounts": rows, "has_next": False, "cursor": "", "size": len(rows)}

    def _accounts_v2(self, _: Call) -> Any:
        wallet = self.core.wallet
        rows = [
            {
                "id": uuid_of(f"account {name}"),
                "name": f"{name} Wallet",
                "primary": False,
                "type": "fiat" if name in MONEY else "wallet",
                "currency": {"code": name, "name": name},
                "balance": {"amount": plain(wallet.free(name)), "currency": name},
            }
            for name in wallet.currencies()
        ]
        return {"pagination": {"next_uri": None, "next_starting_after": None}, "data": rows}

    def _create(self, call: Call) -> Any:
        kind, size = next(iter(call.args["order_configuration"].items()))
        if kind.startswith("stop"):
            raise RefusedError(Refusal.BAD_REQUEST)
        request = OrderRequest(
            symbol=self._symbol(call),
            side=(call.text("side") or "").lower(),
            type="market" if kind == "market_market_ioc" else "limit",
            amount=_decimal(size.get("base_size")),
            price=_decimal(size.get("limit_price")),
            cost=_decimal(size.get("quote_size")),
            client_id=call.text("client_order_id"),
            time_in_force={"sor_limit_ioc": "IOC", "limit_limit_fok": "FOK"}.get(kind, "GTC"),
            post_only=bool(size.get("post_only")),
        )
        try:
            order = self.core.place(request)
        except RefusedError as error:
            if error.refusal is Refusal.DUPLICATE_CLIENT_ID:
                # the venue answers with the order that has this id
                return _accepted(self.core.find(client_id=request.client_id))
            if error.refusal not in REFUSALS:
                raise
            return _rejected(error)
        return _accepted(order)

    def _cancel(self, call: Call) -> Any:
        return {"results": [self._cancel_one(order_id) for order_id in call.args["order_ids"]]}

    def _cancel_one(self, order_id: str) -> dict[str, Any]:
        try:
            self.core.cancel(self.core.find(id=order_id))
        except RefusedError:
            return {
                "success": False,
                "failure_reason": "UNKNOWN_CANCEL_ORDER",
                "order_id": order_id,
            }
        reason = "UNKNOWN_CANCEL_FAILURE_REASON"
        return {"success": True, "failure_reason": reason, "order_id": order_id}

    def _list(self, call: Call) -> Any:
        symbol, limit = self.symbol_of(call), call.number("limit") or 100
        wanted, start = call.text("order_status"), call.text("start_date") or ""
        rows = [
            order_row(order)
            for order in reversed(self.core.orders.values())
            if symbol in (None, order.symbol) and iso(order.created) >= start
        ]
        rows = [row for row in rows if wanted in (None, row["status"])]
        return {"orders": rows[:limit], "sequence": "0", "has_next": False, "cursor": ""}

    def _fills(self, call: Call) -> Any:
        symbol, limit = self.symbol_of(call), call.number("limit") or 100
        fills = [f for f in reversed(self.core.fills) if symbol in (None, f.symbol)]
        return {"fills": [fill_row(fill) for fill in fills[:limit]], "cursor": ""}

    def _order(self, call: Call) -> Any:
        return {"order": order_row(self.core.find(id=call.text("order_id")))}

    def _symbol(self, call: Call) -> str:
        symbol = self.symbol_of(call)
        if symbol is None:
            raise RefusedError(Refusal.UNKNOWN_SYMBOL)
        return symbol


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _unauthorized(message: str) -> Reply:
    return Reply({"errors": [{"id": "authentication_error", "message": message}]}, 401)


def _accepted(order: Order) -> dict[str, Any]:
    success = {
        "order_id": order.id,
        "product_id": wire_id(order.symbol),
        "side": order.request.side.upper(),
        "client_order_id": order.request.client_id or "",
    }
    return {
        "success": True,
        "failure_reason": "UNKNOWN_FAILURE_REASON",
        "order_id": order.id,
        "success_response": success,
        "order_configuration": configuration(order),
    }


def _rejected(error: RefusedError) -> dict[str, Any]:
    name, message = REFUSALS[error.refusal]
    return {
        "success": False,
        "failure_reason": "UNKNOWN_FAILURE_REASON",
        "order_id": "",
        "error_response": {
            "error": name,
            "message": message,
            "error_details": "",
            "preview_failure_reason": f"PREVIEW_{name}",
        },
    }
