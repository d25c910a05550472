"""Reads tables of the ledger: whole, the newest rows, or page by page. Nothing is cut silently."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from tradepulse.ledger.tables import Table, epoch_ms
from tradepulse.runtime.db import Connection, at
from tradepulse.runtime.refusals import NotFoundError, RefusedError

_BATCH = 20_000
_BEGINS_SO = """
select configuration_id from trained_configurations where starts_with(configuration_id::text, $1)
order by 1 limit 2
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows; None filters nothing, nor does what a table has not.

    Attributes:
        owner: whose rows, by the name of the account or the portfolio.
        configuration: only of this one.
        symbols: only of these, as in `BTC/USD`.
        start: only from this time on, epoch ms.
        end: only before this time, epoch ms.
    """

    owner: str = "main"
    configuration: UUID | None = None
    symbols: Sequence[str] | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, oldest first.

    Attributes:
        rows: values in the order of the table's columns.
        cursor: where the next page goes on; None where there is no more.
    """

    rows: list[tuple[Any, ...]]
    cursor: str | None


async def read_page(
    connection: Connection, table: Table, wanted: Wanted, limit: int, after: str | None = None
) -> Page:
    """Return at most `limit` rows, those that come after a cursor, oldest first.

    Raises:
        asyncpg.DataError: the cursor is not one of this table.
    """
    where = _Where(table, wanted)
    if after is not None:
        where.after(after)
    cursor = f"{epoch_ms(table.time)} || ':' || {table.key}"
    rows = await connection.fetch(
        f"select {table.columns_sql()}, {cursor} as cursor from {table.source} {where} "  # noqa: S608 - constants
        f"order by {table.time}, {table.key} limit {limit + 1}",
        *where.values,
    )
    shown = rows[:limit]
    more = len(rows) > limit
    return Page([tuple(row)[:-1] for row in shown], shown[-1]["cursor"] if more else None)


async def read_newest(
    connection: Connection, table: Table, wanted: Wanted, count: int
) -> tuple[list[tuple[Any, ...]], int]:
    """Return the newest rows, oldest of them first, and how many there are in all."""
    where = _Where(table, wanted)
    rows = await connection.fetch(
        f"select {table.columns_sql()} from {table.source} {where} "  # noqa: S608 - constants
        f"order by {table.time} desc, {table.key} desc limit {count}",
        *where.values,
    )
    total: int = await connection.fetchval(
        f"select count(*) from {table.source} {where}",  # noqa: S608 - constants
        *where.values,
    )
    return [tuple(row) for row in reversed(rows)], total


async def read_all(
    connection: Connection, table: Table, wanted: Wanted
) -> AsyncIterator[list[tuple[Any, ...]]]:
    """Yield all rows as of one moment, oldest first, in parts; not in a transaction."""
    where = _Where(table, wanted)
    sql = (
        f"select {table.columns_sql()} from {table.source} {where} "  # noqa: S608 - constants
        f"order by {table.time}, {table.key}"
    )
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        part: list[tuple[Any, ...]] = []
        async for row in connection.cursor(sql, *where.values, prefetch=_BATCH):
            part.append(tuple(row))
            if len(part) == _BATCH:
                yield part
                part = []
        if part:
            yield part


async def configuration_beginning(
    connection: "asyncpg.Pool[asyncpg.Record] | Connection", start: str
) -> UUID:
    """Return the one configuration whose id begins so.

    Raises:
        NotFoundError: there is none.
        RefusedError: there are several.
    """
    found = await connection.fetch(_BEGINS_SO, start.lower())
    told = f"of an id that begins with {start!r}; see `tradepulse configs`"
    if not found:
        raise NotFoundError(f"no configuration {told}")
    if len(found) > 1:
        raise RefusedError("ambiguous", f"several configurations {told}")
    configuration: UUID = found[0]["configuration_id"]
    return configuration


class _Where:
    """The condition of a query, with its values."""

    def __init__(self, table: Table, wanted: Wanted) -> None:
        self._table = table
        self._told: list[str] = [] if table.where is None else [table.where]
        self.values: list[Any] = []
        if table.of is not None:
            self._takes(f"{table.of[1]} = {{}}", wanted.owner)
        if wanted.configuration is not None and table.configuration is not None:
            self._takes(f"{table.configuration} = {{}}", wanted.configuration)
        if wanted.symbols is not None and table.symbol is not None:
            self._takes(f"{table.symbol} = any({{}})", list(wanted.symbols))
        if wanted.start is not None:
            self._takes(f"{table.time} >= {{}}", at(wanted.start))
        if wanted.end is not None:
            self._takes(f"{table.time} < {{}}", at(wanted.end))

    def after(self, cursor: str) -> None:
        """Take only what comes after a row."""
        time, _, key = cursor.partition(":")
        # said twice: an index by the time alone finds the first row by it
        self._takes(f"{self._table.time} >= {{}}", at(int(time)))
        number = len(self.values)
        self.values.append(key)
        self._told.append(
            f"({self._table.time}, {self._table.key}) > "
            f"(${number}, ${number + 1}::text::{self._table.key_type})"
        )

    def _takes(self, condition: str, value: Any) -> None:
        self.values.append(value)
        self._told.append(condition.format(f"${len(self.values)}"))

    def __str__(self) -> str:
        return f"where {' and '.join(self._told)}" if self._told else ""
