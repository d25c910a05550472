"""The page's real service over a real database, in a thread, that can be broken on purpose."""

import asyncio
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import httpx
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from studio_svc.app import create_app
from studio_svc.stores import Stores
from studio_svc.stream.hub import Hub
from studio_svc.stream.watch import models_refresher
from studio_svc.system.health import HealthWatch
from studio_svc.system.views import HealthView
from studio_svc.web_app.problems import problem
from tests.component.studio_rows import seed
from tradepulse.embedded.children import Children
from tradepulse.embedded.ports import free_ports
from tradepulse.embedded.postgres import EmbeddedPostgres
from tradepulse.runtime.db import connect_pool, migrate
from tradepulse.runtime.health import http_server
from tradepulse.runtime.settings import RuntimeSettings

Rows = Callable[[asyncpg.Pool], Awaitable[object]]
TOKEN = "token-of-this-very-test-0123456789"
STARTED_S = 120


async def seeded(pool: asyncpg.Pool) -> None:
    """Rows of every table that the page of the account shows."""
    async with pool.acquire() as connection:
        await seed(connection)  # type: ignore[arg-type]  # a pooled connection is a proxy


class BrokenStudio:
    """The service, and what is wrong with it.

    Args:
        rows: what the database begins with; those of all pages by default.
    """

    def __init__(self, rows: Rows = seeded) -> None:
        self._rows = rows
        [self._port] = free_ports(1)
        self.hub = Hub()
        self.failing: set[str] = set()
        """Addresses that are answered with 503."""
        self.answers: dict[str, Any] = {}
        """What is answered in place of the service, by address."""
        self.is_frozen = False
        """Whether nothing is answered any more, though connections stay."""
        self.asked: Counter[str] = Counter()
        """Requests by address."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None

    @property
    def address(self) -> str:
        """Of the page, with its token."""
        return f"http://127.0.0.1:{self._port}/?token={TOKEN}"

    def candle(self, series: str, open_time: int, close_time: int) -> None:
        """Tell all pages of a candle."""
        assert self._loop is not None
        row = (open_time, 1.0, 1.0, 1.0, 1.0, 1.0)
        self._loop.call_soon_threadsafe(self.hub.candle, series, row, close_time, "replay")

    def row(self, query: str, *arguments: object) -> asyncpg.Record:
        """Return the first row that the database has."""
        assert self._loop is not None
        found = asyncio.run_coroutine_threadsafe(
            self._pool.fetchrow(query, *arguments), self._loop
        ).result(STARTED_S)
        assert found is not None
        return found

    def count(self, rows: str, *arguments: object) -> int:
        """Return how many rows the database has."""
        found: int = self.row(f"select count(*) {rows}", *arguments)[0]
        return found

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the service in a thread of its own."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            assert self._started.wait(STARTED_S)
            if self._failure is not None:
                raise self._failure
            yield
        finally:
            if self._loop is not None and self._end is not None:
                self._loop.call_soon_threadsafe(self._end.set)
            thread.join(STARTED_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with self._database() as url, httpx.AsyncClient() as client:
            await migrate(url)
            self._pool = pool = await connect_pool(url)
            await self._rows(pool)
            health = HealthWatch({}, client)
            health.now = [HealthView(service="executor_svc", up=True, ready=True, detail="ready")]
            stores = Stores.over(pool, "main", "main")
            self._app = create_app(stores, self.hub, health, TOKEN)
            models = asyncio.create_task(models_refresher(stores.rl, self.hub).run())
            settings = SimpleNamespace(http_host="127.0.0.1", http_port=self._port)
            async with http_server(cast(RuntimeSettings, settings), self):
                await _until_open(self._port)
                self._started.set()
                await self._end.wait()
                self.hub.close()
            models.cancel()
            pool.terminate()

    @asynccontextmanager
    async def _database(self) -> AsyncIterator[str]:
        with tempfile.TemporaryDirectory(prefix="tp-") as folder:
            async with Children() as children:
                server = EmbeddedPostgres(Path(folder), children, durable=False)
                await server.start()
                yield server.url()
                await server.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or do not."""
        self.asked[scope["path"]] += 1
        if scope["path"] in self.failing:
            refusal = problem(503, "database_away", "the database does not answer")
            await refusal(scope, receive, send)
            return
        if scope["path"] in self.answers:
            await JSONResponse(self.answers[scope["path"]])(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            while self.is_frozen:  # noqa: ASYNC110 - set by another thread
                await asyncio.sleep(0.05)
            await send(message)

        await self._app(scope, receive, sent)


async def _until_open(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
