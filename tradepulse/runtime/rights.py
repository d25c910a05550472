"""What each role of the database may write; see `deploy/postgres/roles.sql`."""

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tradepulse.runtime.db import Connection

GRANTS = resources.files("tradepulse.migrations").joinpath("grants.sql")


async def grant_rights(connection: "Connection") -> None:
    """Give the roles their rights, where the server has them; those that a table had are gone."""
    if await connection.fetchval("select to_regrole('tradepulse_read') is null"):
        return
    async with connection.transaction():
        await connection.execute(GRANTS.read_text())
