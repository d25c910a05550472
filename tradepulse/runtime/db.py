"""PostgreSQL: pools, migrations, and time conversion."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from importlib import resources
from typing import Any, TypeAlias

import asyncpg

Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)
"""A connection of its own, or one borrowed from a pool."""

MIGRATION_LOCK = 7_251_001
"""Advisory lock that keeps two migrations of one database apart."""

OUTSIDE = "-- outside a transaction"
"""First line of a migration that cannot run in one."""
_HOLDERS = """
select pid, application_name, state, extract(epoch from now() - state_change)::int as seconds
from pg_stat_activity where pid = any(pg_blocking_pids($1))
"""

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


def _session(application: str) -> dict[str, str]:
    return _SESSION | {"application_name": application}


def lazy_pool(
    database_url: str, *, min_size: int = 1, max_size: int = 4, application: str = "tradepulse"
) -> "asyncpg.Pool[asyncpg.Record]":
    """Return a pool, not yet connected, whose `json` is Python values and `numeric` `Decimal`.

    `application` is how the server calls its sessions.
    """
    return asyncpg.create_pool(
        database_url,
        min_size=min_size,
        max_size=max_size,
        init=_set_codecs,
        timeout=15,
        connection_class=_Kept,
        server_settings=_session(application),
    )


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
    database_url: str, *, max_size: int = 4
) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    """Lend a pool that is `opened`.

    Raises:
        DatabaseUnavailableError: as `opened`.
    """
    pool = lazy_pool(database_url, max_size=max_size)
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
    # the URL holds a password: name only what the server said
    said = "" if isinstance(error, ValueError) else " ".join(f": {error}".split())
    return DatabaseUnavailableError(
        f"the database of DATABASE_URL cannot be used: {type(error).__name__}{said}; "
        "check that it runs and that the address, user and password are right"
    )


def migrations() -> list[tuple[str, str]]:
    """Return (name, SQL) of every migration in order."""
    folder = resources.files("tradepulse.migrations")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [(file.name, file.read_text()) for file in files]


async def migrate(
    database_url: str, tell: Callable[[str], None] = lambda _: None, tries: int = 20
) -> list[str]:
    """Apply the migrations that are missing, each in a transaction; return their names.

    A migration that waits for a lock holds up whoever comes after it, so it waits for 3 s only, and
    is tried again. One whose first line is `OUTSIDE` runs statement by statement, without a
    transaction, as `create index concurrently` must; it is written so that it can be repeated.

    Args:
        database_url: of the owner.
        tell: told in one line who holds the lock.
        tries: of each migration.

    Raises:
        DatabaseUnavailableError: the server does not answer, refuses the login, or somebody holds
            a lock all the time.
    """
    connection = await connect(database_url)
    try:
        await connection.execute("select pg_advisory_lock($1)", MIGRATION_LOCK)
        await connection.execute(
            "create table if not exists migrations "
            "(name text primary key, applied_at timestamptz not null default now())"
        )
        rows = await connection.fetch("select name from migrations")
        done = {row["name"] for row in rows}
        applied = []
        for name, sql in migrations():
            if name in done:
                continue
            for left in reversed(range(tries)):
                holder = await _apply(connection, database_url, name, sql)
                if holder is None:
                    break
                line = f"{name} waits for a lock of {holder}"
                if not left:
                    raise DatabaseUnavailableError(f"{line}: end that, and migrate again")
                tell(f"{line}; it is tried again")
                await asyncio.sleep(1)
            applied.append(name)
        return applied
    finally:
        await connection.close()


async def _apply(
    connection: "asyncpg.Connection[asyncpg.Record]", database_url: str, name: str, sql: str
) -> str | None:
    """Apply one migration; return who held a lock that it waited for in vain, None where nobody."""
    note = "insert into migrations (name) values ($1)"
    if sql.startswith(OUTSIDE):
        for statement in sql.split(";\n"):
            if statement.strip():
                await connection.execute(statement)
        await connection.execute(note, name)
        return None
    holders: list[str] = []
    watching = asyncio.create_task(_watch(database_url, connection.get_server_pid(), holders))
    try:
        async with connection.transaction():
            await connection.execute("set local lock_timeout = '3s'")
            await connection.execute(sql)
            await connection.execute(note, name)
    except asyncpg.LockNotAvailableError:
        return holders[-1] if holders else "a session that has ended by now"
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return None


async def _watch(database_url: str, pid: int, holders: list[str]) -> None:
    """Note for ever who blocks a session: once it has given up, nobody knows any more."""
    connection = await connect(database_url)
    try:
        while True:
            await asyncio.sleep(1)
            holders += [
                f"{row['application_name'] or 'a session'} (pid {row['pid']}, {row['state']} for "
                f"{row['seconds']} s)"
                for row in await connection.fetch(_HOLDERS, pid)
            ]
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
