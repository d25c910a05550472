"""The fake exchange: one HTTP and WebSocket server for all venues, on localhost."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from heapq import merge
from typing import Any, Self

from aiohttp import web

from tests.fakes.exchange.clock import Clock
from tests.fakes.exchange.core import Event, VenueCore
from tests.fakes.exchange.faults import (
    HTTP_FAULTS,
    Disconnect,
    Faults,
    NoAnswer,
    RateLimited,
    Refuse,
    RefuseSocket,
    ServerError,
    SlowAnswer,
    TruncatedBody,
)
from tests.fakes.exchange.orders import Refusal, RefusedError
from tests.fakes.exchange.sockets import Socket
from tests.fakes.exchange.tape import Tape
from tests.fakes.exchange.venues import VENUES
from tests.fakes.exchange.wire import API_KEY, SECRET, Call, Reply, Route, Venue

PROXY_PAGE = "<html><body><h1>{status} Service Temporarily Unavailable</h1></body></html>"
# turns of the event loop in which a client in this process handles a message
TURNS = 5
TICK_SECONDS = 0.02
PATIENCE_SECONDS = 120


class FakeExchange:
    """Venues that speak their own wire formats over one recorded market.

    Args:
        now: market time at the start, epoch ms; what traded up to then is history.
        tapes: by venue (binanceus, coinbase, kraken, bitstamp), what is listed there.
        balances: by venue, totals by currency in unified names.
        seed: of the fault plan.

    Use it as an async context manager; give `config(venue)` to the ccxt client.
    """

    def __init__(
        self,
        now: int,
        tapes: Mapping[str, Sequence[Tape]],
        balances: Mapping[str, Mapping[str, Decimal | int]] | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.clock = Clock(now)
        self.faults = Faults(self.clock, seed)
        self.calls: list[tuple[str, str]] = []
        self._sockets: list[tuple[str, Socket]] = []
        self._venues: dict[str, Venue] = {}
        funds = balances or {}
        for name, listed in tapes.items():
            venue = VENUES[name]
            core = VenueCore(
                name,
                self.clock,
                self.faults,
                [
                    tape.at_venue(fills_quiet=venue.FILLS_QUIET, anchor=venue.WEEK_ANCHOR)
                    for tape in listed
                ],
                {currency: Decimal(total) for currency, total in funds.get(name, {}).items()},
                venue.FEES,
                venue.name_order,
            )
            self._venues[name] = venue(core)
        self._port = 0

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 20)
        for name, venue in self._venues.items():
            for route in venue.routes():
                app.router.add_route(
                    route.verb, f"/{name}{route.path}", self._http_handler(venue, route)
                )
            for path in venue.sockets():
                app.router.add_get(f"/{name}{path}", self._socket_handler(venue, path))
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(socket.close() for _, socket in self._sockets))
        await self._runner.cleanup()

    @property
    def address(self) -> str:
        """Where the server listens; a venue's paths follow its name."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def venues(self) -> list[str]:
        """Names of the venues that are served."""
        return list(self._venues)

    def core(self, venue: str) -> VenueCore:
        """Market and account of a venue, to look at or to change from a test."""
        return self._venues[venue].core

    def config(self, venue: str, **more: Any) -> dict[str, Any]:
        """Configuration for the venue's ccxt client, REST or pro."""
        http = f"{self.address}/{venue}"
        ws = f"ws://127.0.0.1:{self._port}/{venue}"
        return {
            "apiKey": API_KEY,
            "secret": SECRET,
            "enableRateLimit": False,
            "timeout_on_exit": 0,
            "urls": self._venues[venue].urls(http, ws),
            **more,
        }

    async def advance(self, ms: int) -> None:
        """Move the market's clock so many ms, print what traded meanwhile, deliver every message.

        After each trade a client in this process gets the time to handle it: of a burst, ccxt keeps
        the last 1,000 trades only, and `watch_..._for_symbols` tells of one symbol.
        """
        until = self.clock.now + ms
        for time in merge(*(venue.core.replay(until) for venue in self._venues.values())):
            self.clock.move_to(time)
            await self._settle()
        self.clock.move_to(until)
        for venue in self._venues.values():
            venue.core.tick()
        await self._settle()
        for _, socket in tuple(self._sockets):
            await socket.release_overdue()

    @asynccontextmanager
    async def running(self, factor: float = 1.0) -> AsyncIterator[Self]:
        """Let the market's clock run by itself, so many times as fast as the wall's."""
        stop = asyncio.Event()
        task = asyncio.create_task(self._run(factor, stop))
        try:
            yield self
        finally:
            stop.set()
            await task

    async def subscribed(self, venue: str, count: int = 1) -> None:
        """Wait until the sockets that a venue has open have asked for so many subscriptions.

        What answers them has left then: a fault added next strikes nothing of it.

        TimeoutError when that does not come about.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self._subscriptions(venue) < count:  # noqa: ASYNC110 - three parties change it
                await asyncio.sleep(TICK_SECONDS / 4)
            await self._settle()

    def _subscriptions(self, venue: str) -> int:
        mine = (socket for name, socket in self._sockets if name == venue)
        return sum(socket.subscriptions for socket in mine if socket.lives)

    def open_sockets(self, venue: str) -> int:
        """How many sockets a venue has open."""
        return sum(name == venue and not socket.ws.closed for name, socket in self._sockets)

    async def _run(self, factor: float, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        began, start = loop.time(), self.clock.now
        while not stop.is_set():
            await asyncio.sleep(TICK_SECONDS)
            due = start + int((loop.time() - began) * 1000 * factor)
            await self.advance(due - self.clock.now)

    async def _settle(self) -> None:
        for _, socket in tuple(self._sockets):
            await socket.drain()
        for _ in range(TURNS if self._sockets else 0):
            await asyncio.sleep(0)

    def _http_handler(self, venue: Venue, route: Route) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            call = await _decode(request, venue.core.name)
            name = venue.core.name
            self.calls.append((name, route.method))
            symbol = venue.symbol_of(call)
            fault = self.faults.strike(HTTP_FAULTS, name, route.method, symbol)
            instead = await _instead(fault, venue, request)
            if instead is not None:
                return instead
            return await _spoiled(fault, _answer(venue, route, call), request)

        return handle

    def _socket_handler(self, venue: Venue, path: str) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            name = venue.core.name
            refused = self.faults.take(name, "connect", None, RefuseSocket)
            if refused is not None:
                return web.Response(status=refused.status)
            socket = Socket(name, venue.sockets()[path](), self.faults, request)
            entry = (name, socket)
            self._sockets.append(entry)

            def listener(event: Event) -> None:
                socket.on(event)

            stop = venue.core.listen(listener)
            try:
                await socket.serve()
            finally:
                stop()
                self._sockets.remove(entry)
            return socket.ws

        return handle


async def _instead(
    fault: object | None, venue: Venue, request: web.Request
) -> web.StreamResponse | None:
    """Faults that strike before the request is handled; none: let it be handled."""
    match fault:
        case NoAnswer(after=False):
            await asyncio.Event().wait()
        case Disconnect(after=False):
            return _cut(request)
        case ServerError():
            page = PROXY_PAGE.format(status=fault.status)
            return web.Response(status=fault.status, text=page, content_type="text/html")
        case RateLimited():
            reply = venue.refuse(RefusedError(Refusal.RATE_LIMIT))
            return _json(Reply(reply.body, 429, {"Retry-After": str(fault.retry_after)}))
        case Refuse():
            return _json(venue.refuse(RefusedError(fault.refusal, fault.detail)))
    return None


async def _spoiled(fault: object | None, reply: Reply, request: web.Request) -> web.StreamResponse:
    """Faults that strike after the request was handled."""
    match fault:
        case NoAnswer():
            await asyncio.Event().wait()
        case Disconnect():
            return _cut(request)
        case SlowAnswer():
            await asyncio.sleep(fault.seconds)
        case TruncatedBody():
            text = json.dumps(reply.body)
            return web.Response(text=text[: len(text) // 2], content_type="application/json")
    return _json(reply)


def _answer(venue: Venue, route: Route, call: Call) -> Reply:
    try:
        if route.private:
            venue.check(call)
        body = route.handler(call)
    except RefusedError as error:
        return venue.refuse(error)
    return body if isinstance(body, Reply) else Reply(body)


def _json(reply: Reply) -> web.Response:
    return web.json_response(reply.body, status=reply.status, headers=dict(reply.headers))


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _decode(request: web.Request, venue: str) -> Call:
    body = await request.text()
    args: dict[str, Any] = dict(request.query)
    if body.startswith("{"):
        args |= json.loads(body)
    elif body:
        args |= dict(await request.post())
    args |= dict(request.match_info)
    return Call(
        request.method,
        str(request.url),
        request.path.removeprefix(f"/{venue}"),
        args,
        request.headers,
        body,
        request.rel_url.raw_query_string,
    )
