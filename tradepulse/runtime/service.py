"""The frame of every service: settings, logs, metrics, health, tasks, a clean end.

A service is crash-only: a background task that fails ends the process with its reason, and the
supervisor starts it again. Start-up is recovery, there is no other path.
"""

import asyncio
import contextlib
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

import asyncpg
import uvicorn
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from tradepulse.runtime.bus import BrokerUnavailableError, Bus, Publisher
from tradepulse.runtime.db import DatabaseUnavailableError, opened_pool
from tradepulse.runtime.outbox import Relay
from tradepulse.runtime.settings import RefusedError, RuntimeSettings, load_settings
from tradepulse.runtime.telemetry import configure_logging

S = TypeVar("S", bound=RuntimeSettings)
ASGIApp = Callable[..., Awaitable[None]]


class Service:
    """What a service's `compose` is given."""

    def __init__(
        self,
        name: str,
        settings: RuntimeSettings,
        pool: "asyncpg.Pool[asyncpg.Record]",
        publisher: Publisher,
        registry: CollectorRegistry,
    ) -> None:
        self.name = name
        self.settings = settings
        self.pool = pool
        self.publisher = publisher
        self.registry = registry
        self.bus = Bus(settings.kafka_bootstrap_servers, name, publisher, registry)
        self.log = logging.getLogger(name)
        self.composed = False
        self.readiness: dict[str, Callable[[], bool]] = {"start-up": lambda: self.composed}
        """Conditions of /readyz by name; all must hold."""
        self.app: ASGIApp | None = None
        """Serves every path that the frame does not."""
        self._tasks: dict[asyncio.Task[None], str] = {}

    def background(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run `work` for the life of the service; if it ends or fails, the process ends."""
        self._tasks[asyncio.create_task(work, name=name)] = name

    def relay_outbox(self) -> Relay:
        """Start publishing what the service adds to its outbox."""
        relay = Relay(self.pool, self.publisher, self.name)
        self.background(relay.run(), "outbox relay")
        return relay

    def unready(self) -> list[str]:
        """Return the names of the conditions that do not hold."""
        return [name for name, holds in self.readiness.items() if not holds()]

    async def wait(self, stop: asyncio.Event) -> None:
        """Wait for the stop signal or the first task that ends, then cancel the rest."""
        stopping = asyncio.create_task(stop.wait(), name="stop signal")
        done, _ = await asyncio.wait([stopping, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, *self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, stopping, return_exceptions=True)
        for task in done - {stopping}:
            if task.exception() is None:
                raise RuntimeError(f"background task {task.get_name()!r} ended")
            raise task.exception()  # type: ignore[misc]  # not None, as just seen


def run(
    name: str, settings_type: type[S], compose: Callable[[Service, S], Awaitable[None]]
) -> None:
    """Run a service until SIGTERM or SIGINT; exit with a status and, on trouble, one line."""
    settings = load_settings(settings_type)
    configure_logging(name, settings.log_level)
    try:
        settings.prepare()
        asyncio.run(_run(name, settings, compose))
    except (RefusedError, DatabaseUnavailableError, BrokerUnavailableError) as error:
        logging.getLogger(name).critical(str(error))
        sys.exit(1)
    except Exception:
        logging.getLogger(name).critical("service failed", exc_info=True)
        sys.exit(1)


async def _run(name: str, settings: S, compose: Callable[[Service, S], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    Gauge("tradepulse_start_time_seconds", "When this process started", registry=registry).set(
        time.time()
    )
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(opened_pool(settings.database_url))
        publisher = await Publisher(settings.kafka_bootstrap_servers, name).start()
        stack.push_async_callback(publisher.stop)
        service = Service(name, settings, pool, publisher, registry)
        stack.push_async_callback(service.bus.stop)
        server = _http_server(service)
        serving = asyncio.create_task(server.serve(), name="http")
        try:
            await _compose_unless(stop, compose(service, settings))
            service.composed = True
            service.log.info("service started")
            await service.wait(stop)
            service.log.info("service stopped")
        finally:
            server.should_exit = True
            await serving


async def _compose_unless(stop: asyncio.Event, composing: Awaitable[None]) -> None:
    """Compose, which may wait long (for a lock); a stop signal ends the wait."""
    task = asyncio.ensure_future(composing)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the frame."""
        yield


def _http_server(service: Service) -> _Server:
    return _Server(
        uvicorn.Config(
            _endpoints(service),
            host=service.settings.http_host,
            port=service.settings.http_port,
            log_config=None,
            # queries may hold a token
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
    )


def _endpoints(service: Service) -> ASGIApp:
    async def endpoints(scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path")
        if scope["type"] == "http" and path == "/metrics":
            await _respond(
                send, 200, generate_latest(service.registry), b"text/plain; version=0.0.4"
            )
        elif scope["type"] == "http" and path == "/livez":
            await _respond(send, 200, b"live\n")
        elif scope["type"] == "http" and path == "/readyz":
            unready = service.unready()
            line = ("waiting for " + ", ".join(unready) if unready else "ready") + "\n"
            await _respond(send, 503 if unready else 200, line.encode())
        elif service.app is not None:
            await service.app(scope, receive, send)
        elif scope["type"] == "http":
            await _respond(send, 404, b"no such page\n")

    return endpoints


async def _respond(
    send: Any, status: int, body: bytes, content_type: bytes = b"text/plain"
) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
