"""Binance US over WebSocket: market streams by name, the account's events over the API socket."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.fakes.exchange.core import Event, OrderChanged, Traded, VenueCore
from tests.fakes.exchange.signing import sha256
from tests.fakes.exchange.tape import Candle
from tests.fakes.exchange.venues.binanceus_rows import order_fields
from tests.fakes.exchange.wire import API_KEY, Outgoing, plain

# a forming candle is told at most so often (market time); a finished one always
KLINE_EVERY = 2_000


@dataclass(slots=True)
class _Klines:
    symbol: str
    interval: str
    timeframe: int
    open_time: int
    told: int
    changed: bool = False


class MarketStream:
    """Streams `<symbol>@trade`, `<symbol>@aggTrade` and `<symbol>@kline_<interval>`."""

    def __init__(
        self, core: VenueCore, symbols: Mapping[str, str], intervals: Mapping[str, int]
    ) -> None:
        self._core = core
        self._symbols = {wire.lower(): symbol for wire, symbol in symbols.items()}
        self._ids = {symbol: wire for wire, symbol in symbols.items()}
        self._intervals = intervals
        self._trades: set[tuple[str, str]] = set()
        self._klines: dict[str, _Klines] = {}

    def opening(self) -> Iterable[Outgoing]:
        """Nothing is said first."""
        return ()

    def receive(self, message: Any) -> Iterable[Outgoing]:
        """Subscribe or unsubscribe."""
        for name in message["params"]:
            if message["method"] == "SUBSCRIBE":
                self._subscribe(name)
            else:
                market, _, channel = name.partition("@")
                self._klines.pop(name, None)
                self._trades.discard((self._symbols.get(market, ""), channel))
        yield Outgoing({"result": None, "id": message["id"]})

    def on(self, event: Event) -> Iterable[Outgoing]:
        """Tell trades and candles."""
        for klines in self._klines.values():
            yield from self._finished(klines, event.time)
        if isinstance(event, Traded):
            for channel in ("trade", "aggTrade"):
                if (event.symbol, channel) in self._trades:
                    yield self._trade(event, channel)
        for klines in self._klines.values():
            yield from self._forming(klines, event)

    def _subscribe(self, name: str) -> None:
        market, _, channel = name.partition("@")
        symbol = self._symbols.get(market)
        if symbol is None:  # the venue accepts any name and stays silent
            return
        if channel.startswith("kline_"):
            interval = channel.removeprefix("kline_")
            timeframe, now = self._intervals[interval], self._core.clock.now
            opened = self._core.tape(symbol).open_time(timeframe, now)
            self._klines[name] = _Klines(symbol, interval, timeframe, opened, now)
        else:
            self._trades.add((symbol, channel))

    def _finished(self, klines: _Klines, time: int) -> Iterator[Outgoing]:
        tape = self._core.tape(klines.symbol)
        while time >= klines.open_time + klines.timeframe:
            opened = klines.open_time
            found = tape.candles(klines.timeframe, time, start=opened, end=opened)
            for candle in found:
                yield self._kline(klines, candle, opened + klines.timeframe, closed=True)
            klines.open_time += klines.timeframe
            klines.changed = False

    def _forming(self, klines: _Klines, event: Event) -> Iterator[Outgoing]:
        if isinstance(event, Traded) and event.symbol == klines.symbol:
            klines.changed = True
        if klines.changed and event.time >= klines.told + KLINE_EVERY:
            tape = self._core.tape(klines.symbol)
            found = tape.candles(klines.timeframe, event.time, start=klines.open_time)
            for candle in found:
                yield self._kline(klines, candle, event.time, closed=False)
            klines.told, klines.changed = event.time, False

    def _trade(self, event: Traded, channel: str) -> Outgoing:
        trade, instrument = event.trade, self._core.tape(event.symbol).instrument
        aggregate = channel == "aggTrade"
        ids: dict[str, Any] = {"a": trade.id, "f": trade.id, "l": trade.id}
        payload = {
            "e": channel,
            "E": event.time,
            "s": self._ids[event.symbol],
            **(ids if aggregate else {"t": trade.id}),
            "p": plain(instrument.price(trade.price)),
            "q": f"{trade.amount:.8f}",
            "T": trade.time,
            "m": trade.side == "sell",
            "M": True,
        }
        return Outgoing(payload, "watch_trades", event.symbol)

    def _kline(self, klines: _Klines, candle: Candle, time: int, *, closed: bool) -> Outgoing:
        price = self._core.tape(klines.symbol).instrument.price
        market = self._ids[klines.symbol]
        kline = {
            "t": candle.open_time,
            "T": candle.open_time + klines.timeframe - 1,
            "s": market,
            "i": klines.interval,
            "f": -1,
            "L": -1,
            "o": plain(price(candle.open)),
            "c": plain(price(candle.close)),
            "h": plain(price(candle.high)),
            "l": plain(price(candle.low)),
            "v": f"{candle.volume:.8f}",
            "n": candle.trades,
            "x": closed,
            "q": f"{candle.volume * candle.close:.8f}",
        }
        payload = {"e": "kline", "E": time, "s": market, "k": kline}
        return Outgoing(payload, "watch_ohlcv", klines.symbol)


class AccountStream:
    """The WebSocket API, of which only the subscription to the account's events is served."""

    def __init__(self, core: VenueCore) -> None:
        self._core = core
        self._subscribed = False

    def opening(self) -> Iterable[Outgoing]:
        """Nothing is said first."""
        return ()

    def receive(self, message: Any) -> Iterable[Outgoing]:
        """Subscribe, if signed."""
        params = dict(message.get("params", {}))
        signature = params.pop("signature", None)
        signed = "&".join(f"{key}={params[key]}" for key in sorted(params))
        if message["method"] != "userDataStream.subscribe.signature":
            error = {"code": -1020, "msg": "This operation is not supported."}
            yield Outgoing({"id": message["id"], "status": 400, "error": error})
        elif params.get("apiKey") != API_KEY or signature != sha256(signed):
            error = {"code": -1022, "msg": "Signature for this request is not valid."}
            yield Outgoing({"id": message["id"], "status": 400, "error": error})
        else:
            self._subscribed = True
            yield Outgoing({"id": message["id"], "status": 200, "result": {"subscriptionId": 0}})

    def on(self, event: Event) -> Iterable[Outgoing]:
        """Tell of orders, fills and balances."""
        if not self._subscribed or not isinstance(event, OrderChanged):
            return
        yield self._message(self._report(event), "watch_orders", event.order.symbol)
        yield self._message(self._position(event), "watch_balance", None)

    def _message(self, payload: dict[str, Any], method: str, symbol: str | None) -> Outgoing:
        return Outgoing({"subscriptionId": 0, "event": payload}, method, symbol)

    def _position(self, event: OrderChanged) -> dict[str, Any]:
        wallet = self._core.wallet
        return {
            "e": "outboundAccountPosition",
            "E": event.time,
            "u": event.time,
            "B": [
                {"a": name, "f": plain(wallet.free(name)), "l": plain(wallet.held(name))}
                for name in event.order.symbol.split("/")
            ],
        }

    def _report(self, event: OrderChanged) -> dict[str, Any]:
        order, fill = event.order, event.fill
        fields = order_fields(order)
        ended = order.status in {"canceled", "expired"}
        execution = fields["status"] if ended else "NEW"
        return {
            "e": "executionReport",
            "E": event.time,
            "s": fields["symbol"],
            "c": fields["clientOrderId"],
            "S": fields["side"],
            "o": fields["type"],
            "f": fields["timeInForce"],
            "q": fields["origQty"],
            "p": fields["price"],
            "P": "0.00000000",
            "C": "",
            "x": "TRADE" if fill else execution,
            "X": fields["status"],
            "r": "NONE",
            "i": fields["orderId"],
            "l": plain(fill.amount) if fill else "0.00000000",
            "z": fields["executedQty"],
            "L": plain(fill.price) if fill else "0.00000000",
            "n": plain(fill.fee) if fill else "0",
            "N": fill.fee_currency if fill else None,
            "T": event.time,
            "t": fill.id if fill else -1,
            "w": order.status == "open",
            "m": fill.maker if fill else False,
            "O": order.created,
            "Z": fields["cummulativeQuoteQty"],
            "Y": plain(fill.cost) if fill else "0.00000000",
            "Q": fields["origQuoteOrderQty"],
        }
