"""Kraken over HTTP: times in s, answers wrapped in error and result, errors with status 200."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

from tests.fakes.exchange.core import VenueCore
from tests.fakes.exchange.instruments import DAY, HOUR, MINUTE, WEEK
from tests.fakes.exchange.orders import Fees, Order, OrderRequest, Refusal, RefusedError
from tests.fakes.exchange.signing import check_key, check_signature, kraken_signature
from tests.fakes.exchange.venues.kraken_rows import (
    altname,
    asset_id,
    described,
    fill_row,
    listing,
    nanoseconds,
    order_row,
    pair_id,
    pair_name,
    wire_code,
)
from tests.fakes.exchange.venues.kraken_ws import TOKEN, KrakenStream
from tests.fakes.exchange.wire import Call, Reply, Route, Stream, iso, plain

INTERVALS = {
    1: MINUTE,
    5: 5 * MINUTE,
    15: 15 * MINUTE,
    30: 30 * MINUTE,
    60: HOUR,
    240: 4 * HOUR,
    1440: DAY,
    10080: WEEK,
    21600: 15 * DAY,
}
# 720 finished candles and the forming one, whatever `since` says
ROWS = 721
TRADES = 1000
# `since` of trades is in s or in ns
NANOSECONDS_FROM = 10**12
REFUSALS = {
    Refusal.INSUFFICIENT_FUNDS: "EOrder:Insufficient funds",
    Refusal.AMOUNT_TOO_SMALL: "EOrder:Order minimum not met",
    Refusal.COST_TOO_SMALL: "EOrder:Cost minimum not met",
    Refusal.BAD_PRECISION: "EOrder:Invalid price",
    Refusal.BAD_REQUEST: "EGeneral:Invalid arguments",
    Refusal.UNKNOWN_SYMBOL: "EQuery:Unknown asset pair",
    Refusal.UNKNOWN_ORDER: "EOrder:Unknown order",
    Refusal.DUPLICATE_CLIENT_ID: "EGeneral:Invalid arguments:cl_ord_id",
    Refusal.WOULD_TAKE: "EOrder:Post only order",
    Refusal.MARKET_HALTED: "EService:Market in cancel_only mode",
    Refusal.BAD_KEY: "EAPI:Invalid key",
    Refusal.BAD_SIGNATURE: "EAPI:Invalid signature",
    Refusal.BAD_TIME: "EAPI:Invalid nonce",
    Refusal.RATE_LIMIT: "EAPI:Rate limit exceeded",
    Refusal.UNAVAILABLE: "EService:Unavailable",
}


class Kraken:
    """Routes and formats of Kraken."""

    FEES: ClassVar[Fees] = Fees(Decimal("0.0016"), Decimal("0.0026"))
    FILLS_QUIET: ClassVar[bool] = True
    WEEK_ANCHOR: ClassVar[int] = 0  # Thursday

    def __init__(self, core: VenueCore) -> None:
        self.core = core
        self._symbols: dict[str, str] = {}
        for item in core.instruments:
            names = (pair_id(item.symbol), pair_name(item.symbol))
            self._symbols |= dict.fromkeys(names, item.symbol)
        self._nonce = 0

    @staticmethod
    def name_order(number: int) -> str:
        """Return the id of the account's n-th order."""
        return wire_code("O", number)

    def routes(self) -> list[Route]:
        """Every endpoint."""
        public = [
            ("Time", "fetch_time", self._time),
            ("SystemStatus", "fetch_status", self._status),
            ("Assets", "load_markets", self._assets),
            ("AssetPairs", "load_markets", self._pairs),
            ("OHLC", "fetch_ohlcv", self._ohlc),
            ("Trades", "fetch_trades", self._trades),
            ("Ticker", "fetch_ticker", self._ticker),
            ("Depth", "fetch_order_book", self._depth),
        ]
        private = [
            ("BalanceEx", "fetch_balance", self._balance),
            ("AddOrder", "create_order", self._add),
            ("CancelOrder", "cancel_order", self._cancel),
            ("CancelAll", "cancel_all_orders", self._cancel_all),
            ("QueryOrders", "fetch_order", self._query),
            ("OpenOrders", "fetch_open_orders", self._open),
            ("ClosedOrders", "fetch_closed_orders", self._closed),
            ("TradesHistory", "fetch_my_trades", self._history),
            ("TradeVolume", "fetch_trading_fee", self._volume),
            ("GetWebSocketsToken", "authenticate", lambda _: {"token": TOKEN, "expires": 900}),
        ]
        return [
            *(Route("GET", f"/0/public/{p}", m, _wrapped(h)) for p, m, h in public),
            *(
                Route("POST", f"/0/private/{p}", m, _wrapped(h), private=True)
                for p, m, h in private
            ),
        ]

    def sockets(self) -> dict[str, Callable[[], Stream]]:
        """Version 2, public and private."""
        return {
            "/ws/v2": lambda: KrakenStream(self.core),
            "/ws-auth/v2": lambda: KrakenStream(self.core),
        }

    def urls(self, http: str, ws: str) -> dict[str, Any]:
        """Return ccxt's urls."""
        sockets = {
            "public": f"{ws}/ws",
            "private": f"{ws}/ws-auth",
            "publicV2": f"{ws}/ws/v2",
            "privateV2": f"{ws}/ws-auth/v2",
        }
        return {"api": {"public": http, "private": http, "ws": sockets}}

    def symbol_of(self, call: Call) -> str | None:
        """Unified symbol of a call."""
        return self._symbols.get(call.text("pair") or "")

    def check(self, call: Call) -> None:
        """Check key, signature and the nonce, which must not fall."""
        check_key(call.headers.get("API-Key"))
        nonce = call.text("nonce") or "0"
        check_signature(call.headers.get("API-Sign"), kraken_signature(call.path, nonce, call.body))
        if int(nonce) < self._nonce:
            raise RefusedError(Refusal.BAD_TIME)
        self._nonce = int(nonce)

    def refuse(self, error: RefusedError) -> Reply:
        """Say no in the list of errors; the status stays 200."""
        text = REFUSALS[error.refusal]
        if error.refusal is Refusal.BAD_REQUEST and error.detail.startswith("E"):
            text = error.detail
        return Reply({"error": [text]})

    def _time(self, _: Call) -> Any:
        now = self.core.clock.now + self.core.faults.skew(self.core.name)
        return {"unixtime": now // 1000, "rfc1123": iso(now)}

    def _status(self, _: Call) -> Any:
        return {"status": "online", "timestamp": iso(self.core.clock.now)}

    def _assets(self, _: Call) -> Any:
        names = {n for item in self.core.instruments for n in (item.base, item.quote)}
        return {
            asset_id(name): {
                "aclass": "currency",
                "altname": altname(name),
                "decimals": 10,
                "display_decimals": 5,
                "status": "enabled",
            }
            for name in sorted(names)
        }

    def _pairs(self, _: Call) -> Any:
        fees = self.core.fees
        return {
            pair_id(item.symbol): listing(item, fees.maker, fees.taker)
            for item in self.core.instruments
        }

    def _ohlc(self, call: Call) -> Any:
        symbol, interval = self._symbol(call), call.number("interval") or 1
        if interval not in INTERVALS:
            raise RefusedError(Refusal.BAD_REQUEST)
        tape, since = self.core.tape(symbol), (call.number("since") or 0) * 1000
        candles = tape.candles(INTERVALS[interval], self.core.clock.now, last=ROWS)
        price = tape.instrument.price
        rows = [
            [
                candle.open_time // 1000,
                *(str(price(p)) for p in (candle.open, candle.high, candle.low, candle.close)),
                str(price((candle.high + candle.low) / 2)) if candle.volume else "0.0",
                f"{candle.volume:.8f}",
                candle.trades,
            ]
            for candle in candles
            if candle.open_time > since
        ]
        committed = candles[-2].open_time // 1000 if len(candles) > 1 else 0
        return {pair_id(symbol): rows, "last": committed}

    def _trades(self, call: Call) -> Any:
        symbol, now = self._symbol(call), self.core.clock.now
        tape, count = self.core.tape(symbol), min(call.number("count") or TRADES, TRADES)
        since = call.number("since")
        if since is None:
            trades = tape.last_trades(now, count)
        else:
            after = since if since >= NANOSECONDS_FROM else since * 10**9
            found = tape.trades(after // 10**6 - 1, now, count + TRADES)
            trades = [trade for trade in found if nanoseconds(trade) > after][:count]
        last = nanoseconds(trades[-1]) if trades else since or 0
        rows = [
            [
                str(tape.instrument.price(trade.price)),
                f"{trade.amount:.8f}",
                nanoseconds(trade) / 1e9,
                trade.side[0],
                "l",
                "",
                trade.id,
            ]
            for trade in trades
        ]
        return {pair_id(symbol): rows, "last": str(last)}

    def _ticker(self, call: Call) -> Any:
        symbol = self._symbol(call)
        tape, (bids, asks) = self.core.tape(symbol), self.core.book(symbol)
        if not bids:
            raise RefusedError(Refusal.UNAVAILABLE)
        day, price = tape.day(self.core.clock.now), tape.instrument.price
        high, low = str(price(day.high)), str(price(day.low))
        last, volume = str(price(day.close)), f"{day.volume:.8f}"
        row = {
            "a": [str(asks[0][0]), "1", plain(asks[0][1])],
            "b": [str(bids[0][0]), "1", plain(bids[0][1])],
            "c": [last, "0.00000001"],
            "v": [volume, volume],
            "p": [last, last],
            "t": [day.trades, day.trades],
            "l": [low, low],
            "h": [high, high],
            "o": str(price(day.open)),
        }
        return {pair_id(symbol): row}

    def _depth(self, call: Call) -> Any:
        symbol, count = self._symbol(call), call.number("count") or 100
        second = self.core.clock.now // 1000
        bids, asks = (
            [[str(price), plain(amount), second] for price, amount in side[:count]]
            for side in self.core.book(symbol)
        )
        return {pair_id(symbol): {"bids": bids, "asks": asks}}

    def _balance(self, _: Call) -> Any:
        wallet = self.core.wallet
        return {
            asset_id(name): {
                "balance": plain(wallet.total(name), 10),
                "hold_trade": plain(wallet.held(name), 10),
            }
            for name in wallet.currencies()
        }

    def _add(self, call: Call) -> Any:
        kind, flags = call.text("ordertype") or "", call.text("oflags") or ""
        if kind not in {"market", "limit"}:
            raise RefusedError(Refusal.BAD_REQUEST, "EGeneral:Invalid arguments:ordertype")
        by_cost = "viqc" in flags
        volume = call.decimal("volume")
        order = self.core.place(
            OrderRequest(
                symbol=self._symbol(call),
                side=call.text("type") or "",
                type=kind,
                amount=None if by_cost else volume,
                price=call.decimal("price"),
                cost=volume if by_cost else None,
                client_id=call.text("cl_ord_id"),
                time_in_force=call.text("timeinforce") or "GTC",
                post_only="post" in flags,
            )
        )
        return {"txid": [order.id], "descr": {"order": described(order)}}

    def _cancel(self, call: Call) -> Any:
        client_id = call.text("cl_ord_id")
        order = self.core.find(id=call.text("txid"), client_id=client_id)
        self.core.cancel(order)
        return {"count": 1}

    def _cancel_all(self, _: Call) -> Any:
        orders = self.core.open_orders()
        for order in orders:
            self.core.cancel(order)
        return {"count": len(orders)}

    def _query(self, call: Call) -> Any:
        reference = call.text("userref")
        if reference is not None and not reference.lstrip("-").isdigit():
            # a client order id is not a userref; only the lists of orders know it
            raise RefusedError(Refusal.BAD_REQUEST, "EGeneral:Invalid arguments:userref")
        names = (call.text("txid") or "").split(",")
        return {name: order_row(self.core.find(id=name)) for name in names}

    def _open(self, call: Call) -> Any:
        return {"open": self._listed(call, self.core.open_orders())}

    def _closed(self, call: Call) -> Any:
        ended = [order for order in self.core.orders.values() if order.status != "open"]
        found = self._listed(call, ended[::-1])
        return {"closed": found, "count": len(found)}

    def _listed(self, call: Call, orders: list[Order]) -> dict[str, Any]:
        wanted, start = call.text("cl_ord_id"), (call.number("start") or 0) * 1000
        return {
            order.id: order_row(order)
            for order in orders
            if wanted in (None, order.request.client_id) and order.created >= start
        }

    def _history(self, call: Call) -> Any:
        start = (call.number("start") or 0) * 1000
        fills = [fill for fill in reversed(self.core.fills) if fill.time >= start]
        rows = {wire_code("T", f.id): fill_row(f, self.core.orders[f.order_id]) for f in fills[:50]}
        return {"trades": rows, "count": len(fills)}

    def _volume(self, call: Call) -> Any:
        pair, fees = pair_id(self._symbol(call)), self.core.fees
        return {
            "currency": "ZUSD",
            "volume": "0.0000",
            "fees": {pair: {"fee": plain(fees.taker * 100, 4)}},
            "fees_maker": {pair: {"fee": plain(fees.maker * 100, 4)}},
        }

    def _symbol(self, call: Call) -> str:
        symbol = self.symbol_of(call)
        if symbol is None:
            raise RefusedError(Refusal.UNKNOWN_SYMBOL)
        return symbol


def _wrapped(handler: Callable[[Call], Any]) -> Callable[[Call], Any]:
    return lambda call: {"error": [], "result": handler(call)}
