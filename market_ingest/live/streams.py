"""One WebSocket stream of one symbol through ccxt.pro: watched, and renewed when it breaks.

Each stream has a client, and so a socket, of its own. ccxt mixes up what shares one: Kraken's
candles of two timeframes wake the same waiter, and a frame that cannot be read ends the reading of
all. A broken client is thrown away whole: after a closed socket ccxt may subscribe twice.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

log = logging.getLogger(__name__)

TRADES_KEPT = 5_000
"""ccxt keeps so many trades of a burst; its default of 1,000 loses some on a busy day."""
GARBAGE_BORNE = 10
"""Unreadable frames in a row after which the connection itself is not trusted."""
STALL_LIMIT = 64
"""A quiet market is reconnected at most so many times more rarely than `stall_after_ms`."""


@dataclass(frozen=True, slots=True)
class StreamKey:
    """What a stream tells.

    Attributes:
        symbol: as in `BTC/USD`.
        timeframe: of its candles, or None for trades.
    """

    symbol: str
    timeframe: str | None


class Listener(Protocol):
    """Who is told; see `market_ingest.live.symbol_feed.SymbolFeed`."""

    def on_connected(self, key: StreamKey) -> None:
        """Everything is told from now on."""

    def on_broken(self, key: StreamKey, reason: str) -> None:
        """Anything may be missed until the stream is connected again."""

    def on_refused(self, key: StreamKey, reason: str) -> None:
        """It does not connect; told once until it is connected."""

    def on_missed(self, key: StreamKey) -> None:
        """Something was lost; the stream goes on."""

    def on_rows(self, key: StreamKey, rows: list[Any]) -> None:
        """Take in ccxt's candles or trades."""


@dataclass(slots=True)
class Backoff:
    """Pauses between attempts, each about twice as long as the one before, and never in step.

    Attributes:
        first_s: the first pause, s.
        last_s: the longest, s.
    """

    first_s: float = 1.0
    last_s: float = 60.0
    _attempts: int = 0
    # not for secrets: only so that a thousand clients do not come back in the same moment
    _random: random.Random = field(default_factory=random.Random)

    def reset(self) -> None:
        """Begin anew with the first pause."""
        self._attempts = 0

    def next_s(self, lived_s: float = 0.0) -> float:
        """Return the next pause; what lived ten first pauses long begins anew."""
        if lived_s >= 10 * self.first_s:
            self._attempts = 0
        longest = min(self.last_s, self.first_s * 2.0**self._attempts)
        self._attempts = min(self._attempts + 1, 30)
        return longest * self._random.uniform(0.5, 1.0)


class StreamBrokenError(RuntimeError):
    """The stream cannot go on; the message says why."""


class Stream:
    """Follows one stream for ever.

    Args:
        key: what it tells.
        open_client: returns a new ccxt.pro client that knows the venue's markets.
        listener: is told.
        clock: market time, epoch ms.
        stall_after_ms: market time without a sign of life after which the connection is renewed.
        backoff: pauses between connections.
    """

    def __init__(
        self,
        key: StreamKey,
        open_client: Callable[[], Any],
        listener: Listener,
        clock: Callable[[], int],
        *,
        stall_after_ms: int,
        backoff: Backoff,
    ) -> None:
        self.key = key
        self.is_connected = False
        self._is_refused = False
        self._open_client = open_client
        self._listener = listener
        self._clock = clock
        self._stall_after_ms = stall_after_ms
        self._patience = 1
        self._backoff = backoff
        self._heard = clock()
        self._garbage = 0
        self._watching: asyncio.Task[None] | None = None
        self._ended_because = ""

    async def run(self) -> None:
        """Follow the stream until cancelled."""
        while True:
            began = time.monotonic()
            client = self._open_client()
            client.options["tradesLimit"] = TRADES_KEPT
            guard(client, self._on_message, self._on_garbage)
            self._heard, self._garbage = self._clock(), 0
            try:
                reason = await self._session(client)
            finally:
                if self.is_connected:
                    self.is_connected = False
                    self._listener.on_broken(self.key, self._ended_because or "stopped")
                elif not self._is_refused:
                    self._is_refused = True
                    self._listener.on_refused(self.key, self._ended_because or "stopped")
                await client.close()
            pause_s = self._backoff.next_s(time.monotonic() - began)
            log.debug("stream ended", extra={"reason": reason, "pause_s": pause_s})
            await asyncio.sleep(pause_s)

    def renew(self, reason: str) -> None:
        """Give the connection up and take a new one."""
        self._ended_because = reason
        if self._watching is not None:
            self._watching.cancel()

    def look_after(self) -> bool:
        """Renew the connection if it has been silent for too long, and tell; call this often."""
        silent_ms = self._clock() - self._heard
        if self._watching is None or silent_ms <= self._stall_after_ms * self._patience:
            return False
        # perhaps nothing trades: a quiet market must not be reconnected for ever
        self._patience = min(2 * self._patience, STALL_LIMIT)
        self._heard = self._clock()
        self.renew(f"silent for {silent_ms // 1000} s")
        return True

    async def _session(self, client: Any) -> str:
        self._ended_because = ""
        self._watching = asyncio.create_task(self._watch(client))
        try:
            await asyncio.wait({self._watching})
            if not self._watching.cancelled() and (error := self._watching.exception()):
                if not isinstance(error, StreamBrokenError):
                    raise error
                self._ended_because = str(error)
            return self._ended_because
        finally:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None

    async def _watch(self, client: Any) -> None:
        symbol, timeframe = self.key.symbol, self.key.timeframe
        while True:
            try:
                # no await between one call and the next: what comes meanwhile would wait for
                # the message after it
                if timeframe is None:
                    rows = await client.watch_trades(symbol)
                else:
                    rows = await client.watch_ohlcv(symbol, timeframe)
            except Exception as error:  # whatever ccxt raises, the stream has broken
                raise StreamBrokenError(_words(error)) from error
            self._garbage, self._patience = 0, 1
            self._confirm()
            if timeframe is None and len(rows) >= TRADES_KEPT:
                self._listener.on_missed(self.key)
            self._listener.on_rows(self.key, rows)

    def _confirm(self) -> None:
        self._heard = self._clock()
        if not self.is_connected:
            self.is_connected, self._is_refused = True, False
            self._listener.on_connected(self.key)

    def _on_message(self, message: Any) -> None:
        if is_confirmation(message):
            self._confirm()
        elif not is_reply(message):
            self._heard = self._clock()

    def _on_garbage(self, text: str) -> None:
        self._garbage += 1
        log.debug("unreadable frame", extra={"symbol": self.key.symbol, "frame": text[:200]})
        self._listener.on_missed(self.key)
        if self._garbage >= GARBAGE_BORNE:
            self.renew("nothing but unreadable frames")


def guard(
    client: Any, on_message: Callable[[Any], None], on_garbage: Callable[[str], None]
) -> None:
    """Look at every frame before ccxt does, so that none that it cannot read goes unnoticed.

    ccxt's reading loop ends without a word at a frame that raises; the socket is deaf then.
    """
    handle, make = client.handle_message, client.client
    sequence: dict[Any, int] = {}

    def handle_message(socket: Any, message: Any) -> None:
        if not isinstance(message, dict | list):
            on_garbage(str(message))
            return
        number = message.get("sequence_num") if isinstance(message, dict) else None
        if isinstance(number, int):
            last = sequence.get(socket.url)
            if last is not None and number > last + 1:
                on_garbage(f"messages {last + 1} to {number - 1} are missing")
            sequence[socket.url] = max(number, last or 0)
        on_message(message)
        handle(socket, message)

    def open_socket(url: str) -> Any:
        socket = make(url)
        if "handle_message" not in vars(socket):
            read = socket.handle_message

            def careful(frame: Any) -> None:
                try:
                    read(frame)
                except Exception as error:  # noqa: BLE001 - any: it would end the reading loop
                    on_garbage(_words(error))

            socket.handle_message = careful
        return socket

    client.handle_message, client.client = handle_message, open_socket


def is_confirmation(message: Any) -> bool:
    """Tell whether a message says that a subscription has begun, at any of the venues."""
    if not isinstance(message, dict):
        return False
    return (
        ("result" in message and message["result"] is None and "id" in message)
        or (message.get("method") == "subscribe" and message.get("success") is True)
        or message.get("channel") == "subscriptions"
        or message.get("event") == "bts:subscription_succeeded"
    )


def is_reply(message: Any) -> bool:
    """Tell whether a message only answers a ping; a stream that stalls may well give those."""
    return isinstance(message, dict) and (
        message.get("method") == "pong" or message.get("event") == "bts:heartbeat"
    )


def _words(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__} {error}".split())[:200]
