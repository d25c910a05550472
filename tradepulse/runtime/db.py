"""PostgreSQL: pools, migrations, and time conversion."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from typing import Any, TypeAlias

import asyncpg

from tradepulse.runtime.database_url import said_of
from tradepulse.runtime.meters import PoolMeters
from tradepulse.runtime.migrating import MIGRATION_LOCK, LockHeldError, apply
from tradepulse.runtime.rights import grant_rights

Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)
"""A connection of its own, or one borrowed from a pool."""

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What asyncpg itself raises when the server ends a session, restarts, or is gone in a call."""
UNREACHABLE = (OSError, *LOST)
"""The same, with what the system says of a connection."""

_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}
"""A server whose machine is gone is noticed after a minute, not after two hours."""
_SESSION = {
    # the server's side of the same
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "60000",
    # a client that stands still in a transaction holds its locks no longer than this
    "idle_in_transaction_session_timeout": "60000",
}


def is_refused_value(error: BaseException) -> bool:
    """Tell whether an error is one of what the database was given: it will come back for ever."""
    if isinstance(error, asyncpg.DataError | asyncpg.IntegrityConstraintViolationError):
        return True
    # asyncpg refuses some of it before it is sent
    return isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError)


_RETURN_SECONDS = 5.0
"""So long may connections that are still lent take to come back when a pool is closed."""


class DatabaseUnavailableError(RuntimeError):
    """The database cannot be reached or refuses us; the message says what to do."""


def at(ms: int) -> datetime:
    """Return the aware UTC time of epoch milliseconds."""
    return datetime.fromtimestamp(ms / 1000, tz=UTC)


def ms(time: datetime) -> int:
    """Return epoch milliseconds of an aware time."""
    return round(time.timestamp() * 1000)


async def _set_codecs(connection: asyncpg.Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )


class _Kept(asyncpg.Connection):
    """A connection that notices when the other machine is gone."""

    def __init__(
        self, protocol: Any, transport: asyncio.Transport, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(protocol, transport, *args, **kwargs)
        keep_alive(transport.get_extra_info("socket"))


def keep_alive(line: socket.socket) -> None:
    """Let the system ask now and then whether the other side of a TCP connection is there."""
    if line.family not in (socket.AF_INET, socket.AF_INET6):
        return
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        # not every system has all of them
        if (option := getattr(socket, name, None)) is not None:
            line.setsockopt(socket.IPPROTO_TCP, option, value)


def _session(application: str, *, read_only: bool = False) -> dict[str, str]:
    told = {"default_transaction_read_only": "on"} if read_only else {}
    return _SESSION | told | {"application_name": application}


class _Pool(asyncpg.Pool):
    """A pool that tells how long its connections are waited for.

    asyncpg has no hook for that, so its minor version is pinned.
    """

    __slots__ = ("meters",)
    meters: PoolMeters | None

    async def _acquire(self, timeout: float | None) -> Any:  # noqa: ASYNC109 - asyncpg's
        if self.meters is None:
            return await super()._acquire(timeout)  # type: ignore[misc]  # not among the stubs
        begun = time.perf_counter()
        lent = await super()._acquire(timeout)  # type: ignore[misc]  # not among the stubs
        self.meters.wait.observe(time.perf_counter() - begun)
        return lent


def lazy_pool(
    database_url: str,
    *,
    min_size: int = 1,
    max_size: int = 4,
    application: str = "tradepulse",
    query_s: float | None = None,
    meters: PoolMeters | None = None,
    read_only: bool = False,
) -> "asyncpg.Pool[asyncpg.Record]":
    """Return a pool, not yet connected, whose `json` is Python values and `numeric` `Decimal`.

    Args:
        database_url: where the server is.
        min_size: connections that are kept.
        max_size: connections at most.
        application: how the server calls its sessions.
        query_s: how long an answer may take; None for any time.
        meters: told of the pool.
        read_only: whether the server is to refuse every write.
    """

    async def init(connection: asyncpg.Connection) -> None:
        await _set_codecs(connection)
        if meters is not None:
            connection.add_query_logger(meters.on_query)

    pool = _Pool(
        database_url,
        min_size=min_size,
        max_size=max_size,
        init=init,
        timeout=15,
        command_timeout=query_s,
        connection_class=_Kept,
        server_settings=_session(application, read_only=read_only),
        # what asyncpg.create_pool would say
        init_size=None,
        record_class=asyncpg.Record,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        loop=None,
        connect=None,
        setup=None,
        reset=None,
    )
    pool.meters = meters
    if meters is not None:
        meters.looks_at(pool)
    return pool


async def connect_pool(
    database_url: str, *, min_size: int = 1, max_size: int = 4
) -> "asyncpg.Pool[asyncpg.Record]":
    """Return a connected pool as `lazy_pool` makes it.

    Raises:
        DatabaseUnavailableError: the server does not answer or refuses the login.
    """
    pool = lazy_pool(database_url, min_size=min_size, max_size=max_size)
    await _connected(pool)
    return pool


async def _connected(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    try:
        await pool
    except (*UNREACHABLE, asyncpg.PostgresError, TimeoutError, ValueError) as error:
        raise _unavailable(error) from None


@contextlib.asynccontextmanager
async def opened(pool: "asyncpg.Pool[asyncpg.Record]") -> AsyncIterator[None]:
    """Connect a pool to a database that has all migrations, and close it at the end.

    A query that was cancelled gives its connection back a moment later, in a task of asyncpg's; a
    pool that is only terminated cuts that task off, and its traceback comes out after the last
    line of whoever was stopped.

    Raises:
        DatabaseUnavailableError: the server does not answer, refuses the login, or lacks a
            migration.
    """
    await _connected(pool)
    try:
        await check_migrated(pool)
        yield
    finally:
        # asyncpg terminates what is not closed in time
        with contextlib.suppress(TimeoutError, *UNREACHABLE):
            async with asyncio.timeout(_RETURN_SECONDS):
                await pool.close()


@contextlib.asynccontextmanager
async def opened_pool(
    database_url: str, *, max_size: int = 4, read_only: bool = False
) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    """Lend a pool that is `opened`.

    Raises:
        DatabaseUnavailableError: as `opened`.
    """
    pool = lazy_pool(database_url, max_size=max_size, read_only=read_only)
    async with opened(pool):
        yield pool


async def connect(
    database_url: str, *, application: str = "tradepulse"
) -> "asyncpg.Connection[asyncpg.Record]":
    """Open one connection with the codecs of `connect_pool`.

    Raises:
        DatabaseUnavailableError: the server does not answer or refuses the login.
    """
    try:
        connection = await asyncpg.connect(
            database_url,
            timeout=15,
            connection_class=_Kept,
            server_settings=_session(application),
        )
    except (*UNREACHABLE, asyncpg.PostgresError, TimeoutError, ValueError) as error:
        raise _unavailable(error) from None
    await _set_codecs(connection)
    return connection


def _unavailable(error: BaseException) -> DatabaseUnavailableError:
    return DatabaseUnavailableError(
        f"the database of DATABASE_URL cannot be used: {said_of(error)}; "
        "check that it runs and that the address, user and password are right"
    )


def migrations() -> list[tuple[str, str]]:
    """Return (name, SQL) of every migration in order."""
    folder = resources.files("tradepulse.migrations")
    files = sorted((f for f in folder.iterdir() if f.name[0].isdigit()), key=lambda f: f.name)
    return [(file.name, file.read_text()) for file in files]


async def migrate(database_url: str, tell: Callable[[str], None] = lambda _: None) -> list[str]:
    """Apply the migrations that are missing, see `migrating`; return their names.

    `tell` is told in one line who holds a lock that is waited for, and which role cannot be made.
    """
    connection = await connect(database_url)
    try:
        await connection.execute("select pg_advisory_lock($1)", MIGRATION_LOCK)
        await connection.execute(
            "create table if not exists migrations "
            "(name text primary key, applied_at timestamptz not null default now())"
        )
        done = {row["name"] for row in await connection.fetch("select name from migrations")}
        applied = []
        for name, sql in migrations():
            if name in done:
                continue
            try:
                await apply(connection, name, sql, partial(connect, database_url), tell)
            except LockHeldError as error:
                raise DatabaseUnavailableError(str(error)) from None
            applied.append(name)
        # a new table has none yet
        await grant_rights(connection, tell)
        return applied
    finally:
        await connection.close()


async def check_migrated(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """Refuse a database that lacks a migration this code needs.

    Raises:
        DatabaseUnavailableError: run `tradepulse migrate` first.
    """
    known: set[str] = set()
    if await pool.fetchval("select to_regclass('migrations') is not null"):
        known = {row["name"] for row in await pool.fetch("select name from migrations")}
    missing = [name for name, _ in migrations() if name not in known]
    if missing:
        raise DatabaseUnavailableError(
            f"the database lacks migrations {', '.join(missing)}; run `tradepulse migrate`"
        )


async def acquire_lock(
    database_url: str,
    name: str,
    *,
    poll_s: float = 0.5,
    when_held: Callable[[], None] = lambda: None,
) -> "asyncpg.Connection[Any]":
    """Wait until this process alone holds the named lock; it is held while the connection lives.

    `when_held` is called each time that another is seen to hold it.
    """
    connection = await connect(database_url)
    try:
        while not await connection.fetchval(
            "select pg_try_advisory_lock(hashtextextended($1, 0))", name
        ):
            when_held()
            await asyncio.sleep(poll_s)
    except BaseException:
        connection.terminate()
        raise
    return connection
