"""What each role of the database may do; see `deploy/postgres/roles.sql`.

`tradepulse_read` reads every table and writes none. Every database has it: where no roles were made
by hand, `migrate` makes it.
"""

from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from tradepulse.runtime.db import Connection

GRANTS = resources.files("tradepulse.migrations").joinpath("grants.sql")
READER = "tradepulse_read"
_HAS_ROLES = "select to_regrole('tradepulse_owner') is not null"
_HAS_READER = "select to_regrole($1) is not null"
_UNREAD = """
select exists (
    select from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v')
    and not has_table_privilege($1, oid, 'select'))
"""


async def grant_rights(connection: "Connection", tell: Callable[[str], None]) -> None:
    """Give the roles their rights; those that a table had are gone where a deployment's are there.

    Args:
        connection: of the owner of the tables.
        tell: told in one line where there can be no role that only reads.
    """
    if not await connection.fetchval(_HAS_ROLES):
        await let_read(connection, READER, tell)
        return
    async with connection.transaction():
        await connection.execute(GRANTS.read_text())


async def let_read(connection: "Connection", reader: str, tell: Callable[[str], None]) -> None:
    """Let a role read every table; make it where it is not there.

    Args:
        connection: of the owner of the tables.
        reader: name of the role.
        tell: told in one line where it cannot be.
    """
    try:
        if not await connection.fetchval(_HAS_READER, reader):
            # who makes it may put it on: a superuser may anyway, others only as its members
            await connection.execute(f"create role {reader} login role current_user")
        if await connection.fetchval(_UNREAD, reader):
            await connection.execute(f"grant select on all tables in schema public to {reader}")
    except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        # a migration of another database of this server was faster
        await let_read(connection, reader, tell)
    except asyncpg.InsufficientPrivilegeError as error:
        tell(
            f"nobody can only read here, as `tradepulse db` does: {error.args[0]}. A "
            f"superuser mends it: `create role {reader} login` if it is not there, and `grant "
            f"select on all tables in schema public to {reader}`"
        )
