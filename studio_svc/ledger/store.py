"""Reads the ledger page by page."""

from typing import Any

import asyncpg

from studio_svc.ledger.views import Asked, AskedByConfiguration, AskedBySymbol
from tradepulse.ledger.reading import Wanted, configuration_beginning, read_page
from tradepulse.ledger.tables import Table


class LedgerStore:
    """The ledger of one account, and the weights of one portfolio."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", account: str, portfolio: str) -> None:
        self._pool = pool
        self._owners = {"account": account, "portfolio": portfolio}

    async def page(self, table: Table, asked: Asked) -> dict[str, Any]:
        """Return one page of a table: its `rows`, and the `cursor` of the next one.

        Raises:
            NotFoundError: there is no such configuration.
            RefusedError: several configurations are meant.
        """
        configuration, symbols = None, None
        if isinstance(asked, AskedByConfiguration) and asked.configuration is not None:
            configuration = await configuration_beginning(self._pool, asked.configuration)
        if isinstance(asked, AskedBySymbol) and asked.symbol is not None:
            symbols = asked.symbol.split(",")
        owner = "" if table.of is None else self._owners[table.of[0]]
        wanted = Wanted(owner, configuration, symbols, asked.start, asked.end)
        async with self._pool.acquire() as connection:
            page = await read_page(connection, table, wanted, asked.limit, asked.after)
        names = list(table.row.model_fields)
        rows = [dict(zip(names, row, strict=True)) for row in page.rows]
        return {"rows": rows, "cursor": page.cursor}
