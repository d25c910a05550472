"""The roles of a deployment in the databases of tests: each service has no more rights."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from tradepulse.runtime.db import connect
from tradepulse.runtime.rights import grant_rights

_ROLES = Path(__file__).parents[1] / "deploy" / "postgres" / "roles.sql"


async def make_roles(database_url: str) -> None:
    """Make the roles, which then belong to the whole server, and give this database to them."""
    connection = await connect(database_url)
    try:
        # two tests of one server may come at once
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(hashtextextended('roles', 0))")
            await connection.execute(_ROLES.read_text())
    finally:
        await connection.close()


def has_roles() -> bool:
    """Tell whether roles are used: a server that is not ours may ask them for passwords."""
    return "DATABASE_URL" not in os.environ


def as_role(database_url: str, role: str) -> str:
    """Return the address by which a role reaches a database."""
    parts = urlsplit(database_url)
    return parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}").geturl()


async def address_of(role: str, database_url: str) -> str:
    """Return the address by which a role reaches a migrated database, with its rights there."""
    if not has_roles():
        return database_url
    await make_roles(database_url)
    connection = await connect(database_url)
    try:
        await grant_rights(connection, print)
    finally:
        await connection.close()
    return as_role(database_url, role)
