"""Whether the market is followed; market_ingest is ready where no venue answers, too."""

from collections.abc import Callable

import asyncpg

from tradepulse.market_data.subscriptions import list_subscriptions, not_followed, replicas
from tradepulse.runtime.clock import wall_clock
from tradepulse.runtime.db import UNREACHABLE

INGEST = "market_ingest"


async def market_troubles(
    pool: "asyncpg.Pool[asyncpg.Record]", clock: Callable[[], int] = wall_clock
) -> dict[str, str]:
    """Say, for market_ingest, which series are not followed; nothing where nobody follows any.

    Args:
        pool: of the database.
        clock: market time, epoch ms.
    """
    try:
        async with pool.acquire() as connection:
            if not await replicas(connection):
                return {}
            rows = await list_subscriptions(connection)
    except (*UNREACHABLE, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        # that the database is away is told by those who wait for it
        return {}
    said = not_followed(rows, clock())
    return {} if said is None else {INGEST: said}
