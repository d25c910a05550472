"""One migration applied to a database at work.

What waits for a lock holds up whoever comes after it, so a migration waits for 3 s only. One whose
first line is `OUTSIDE` runs statement by statement, without a transaction, as `create index
concurrently` must: it is written so that it can be repeated.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg

MIGRATION_LOCK = 7_251_001
"""Advisory lock that keeps two migrations of one database apart."""
OUTSIDE = "-- outside a transaction"
"""First line of a migration that cannot run in one."""
TRIES = 20
_HOLDERS = """
select pid, application_name, state, extract(epoch from now() - state_change)::int as seconds
from pg_stat_activity where pid = any(pg_blocking_pids($1))
"""
_DONE = "insert into migrations (name) values ($1)"
_Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class LockHeldError(RuntimeError):
    """Somebody holds a lock all the time; the message is one readable line."""


async def apply(
    connection: _Session,
    name: str,
    sql: str,
    connect: Callable[[], Awaitable[_Session]],
    tell: Callable[[str], None],
) -> None:
    """Apply a migration, `TRIES` times where it waits for a lock.

    Args:
        connection: of the owner.
        name: of the migration.
        sql: its statements.
        connect: opens another connection, which looks who holds the lock.
        tell: told in one line who does.

    Raises:
        LockHeldError: it was always held.
    """
    for left in reversed(range(TRIES)):
        holder = await _applied_or_held(connection, name, sql, connect)
        if holder is None:
            return
        line = f"{name} waits for a lock of {holder}"
        if not left:
            raise LockHeldError(f"{line}: end that, and migrate again")
        tell(f"{line}; it is tried again")
        await asyncio.sleep(1)


async def _applied_or_held(
    connection: _Session, name: str, sql: str, connect: Callable[[], Awaitable[_Session]]
) -> str | None:
    """Apply a migration; return who held a lock that it waited for in vain, None where nobody."""
    if sql.startswith(OUTSIDE):
        for statement in sql.split(";\n"):
            if statement.strip():
                await connection.execute(statement)
        await connection.execute(_DONE, name)
        return None
    holders: list[str] = []
    watching = asyncio.create_task(_watch(connect, connection.get_server_pid(), holders))
    try:
        async with connection.transaction():
            await connection.execute("set local lock_timeout = '3s'")
            await connection.execute(sql)
            await connection.execute(_DONE, name)
    except asyncpg.LockNotAvailableError:
        return holders[-1] if holders else "a session that has ended by now"
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return None


async def _watch(connect: Callable[[], Awaitable[_Session]], pid: int, holders: list[str]) -> None:
    """Note for ever who blocks a session: once it has given up, nobody knows any more."""
    # most migrations are done before that
    await asyncio.sleep(1)
    connection = await connect()
    try:
        while True:
            holders += [
                f"{row['application_name'] or 'a session'} (pid {row['pid']}, {row['state']} for "
                f"{row['seconds']} s)"
                for row in await connection.fetch(_HOLDERS, pid)
            ]
            await asyncio.sleep(0.5)
    finally:
        await connection.close()
