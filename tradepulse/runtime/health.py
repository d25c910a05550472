"""What a service answers over HTTP: /livez, /readyz, /version, /metrics, and pages of its own."""

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Protocol

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from tradepulse.runtime.settings import DatabaseSettings
from tradepulse.version import __version__

log = logging.getLogger(__name__)
ASGIApp = Callable[..., Awaitable[None]]


PATIENCE_S = 60.0


class Pulse:
    """Whether something that goes round and round still does.

    Args:
        patience_s: how long one round may take.
        clock: seconds.
    """

    def __init__(
        self, patience_s: float = PATIENCE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._patience_s = patience_s
        self._clock = clock
        self._last: float | None = None

    def beat(self) -> None:
        """Say that it goes on."""
        self._last = self._clock()

    def rest(self) -> None:
        """Say that there is nothing to go on with; until the next beat nothing is missed."""
        self._last = None

    def is_beating(self) -> bool:
        """Tell whether the last beat was not too long ago; what never began does not hang."""
        return self._last is None or self._clock() - self._last <= self._patience_s


class Answering(Protocol):
    """What is answered for; see `tradepulse.runtime.service.Service`."""

    registry: CollectorRegistry
    pages: ASGIApp | None

    def unready(self) -> list[str]: ...  # noqa: D102 - see class

    def unready_as_standby(self) -> list[str]: ...  # noqa: D102 - see class

    def version(self) -> dict[str, str]: ...  # noqa: D102 - see class

    def hanging(self) -> list[str]: ...  # noqa: D102 - see class


_JSON = b"application/json"
_TICK_S = 1.0
_TICKS = 10
"""Of uvicorn's in a second; it looks after its date once in so many."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve, and say where: with port 0 nobody else knows."""
        await super().startup(sockets)
        for server in self.servers:
            for one in server.sockets:
                host, port = one.getsockname()[:2]
                shown = f"[{host}]" if ":" in host else host
                log.info("answers over HTTP", extra={"address": f"http://{shown}:{port}"})

    def end(self) -> None:
        """Serve no more."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        """Keep the date of the answers; uvicorn looks ten times a second whether it is to end."""
        while not await self.on_tick(_TICKS):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._ending.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the frame."""
        yield


@contextlib.asynccontextmanager
async def http_server(settings: DatabaseSettings, app: ASGIApp) -> AsyncIterator[None]:
    """Serve an ASGI application meanwhile."""
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.http_host,
            port=settings.http_port,
            log_config=None,
            # queries may hold a token
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
    )
    serving = asyncio.create_task(server.serve(), name="http")
    try:
        yield
    finally:
        server.end()
        await serving


def told_version(service: str, commit: str) -> dict[str, str]:
    """Return which code runs, as /version tells it."""
    return {"service": service, "version": __version__, "commit": commit}


def endpoints(service: Answering) -> ASGIApp:
    """Return the application that answers for a service."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path")
        if scope["type"] == "http" and path == "/metrics":
            await _respond(
                send, 200, generate_latest(service.registry), b"text/plain; version=0.0.4"
            )
        elif scope["type"] == "http" and path == "/livez":
            await _tell(scope, send, "live", "does not go on", service.hanging())
        elif scope["type"] == "http" and path == "/readyz":
            as_standby = b"standby=ok" in scope.get("query_string", b"").split(b"&")
            lacking = service.unready_as_standby() if as_standby else service.unready()
            await _tell(scope, send, "ready", "waiting for", lacking)
        elif scope["type"] == "http" and path == "/version":
            await _respond(send, 200, json.dumps(service.version()).encode(), _JSON)
        elif service.pages is not None:
            await service.pages(scope, receive, send)
        elif scope["type"] == "http":
            await _respond(send, 404, b"no such page\n")

    return answer


async def _tell(scope: Any, send: Any, well: str, lacks: str, lacking: list[str]) -> None:
    """Answer 200 where nothing is lacking, else 503 with what is: a line, or JSON if asked for."""
    status = 503 if lacking else 200
    headers = dict(scope.get("headers", ()))
    if b"application/json" in headers.get(b"accept", b""):
        told = {well: not lacking, lacks.replace(" ", "_"): lacking}
        await _respond(send, status, json.dumps(told).encode(), _JSON)
        return
    between = " " if lacks == "waiting for" else ": "
    line = f"{lacks}{between}{', '.join(lacking)}" if lacking else well
    await _respond(send, status, f"{line}\n".encode())


async def _respond(
    send: Any, status: int, body: bytes, content_type: bytes = b"text/plain"
) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
