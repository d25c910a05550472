"""The tables of the database and what they mean, read of the database itself.

`python -m tradepulse.cli.schema docs/reference/database.md` writes the page, of a database that it
makes for that; a test holds that the page is what the migrations say.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tradepulse.runtime.db import Connection, connect, migrate

_COLUMNS = """
select c.relname as table, c.relkind = 'v' as is_view,
    coalesce(obj_description(c.oid, 'pg_class'), '') as of_table,
    a.attname as column, format_type(a.atttypid, a.atttypmod) as type,
    not a.attnotnull and c.relkind <> 'v' as may_be_null,
    coalesce(col_description(c.oid, a.attnum), '') as meaning,
    array_position(k.conkey, a.attnum) as place_in_key,
    (select f.confrelid::regclass::text from pg_constraint f
     where f.contype = 'f' and f.conrelid = c.oid and a.attnum = any(f.conkey)
     order by cardinality(f.conkey) limit 1) as refers_to
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_constraint k on k.conrelid = c.oid and k.contype = 'p'
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
    and not c.relispartition
order by c.relname, a.attnum
"""
_HEAD = """# Tables of the database

<!-- Made by `python -m tradepulse.cli.schema docs/reference/database.md`, of the migrations. -->

What every table and every column means, as the database itself tells it: these are its comments,
which `tradepulse db schema TABLE` shows in the terminal. [The database](../guides/database.md) says
which tables to begin with. *Event time* is the time of the market, not of the clock. Types are
PostgreSQL's.
What is here stays for at least one release after nothing uses it any more
([upgrading](../guides/operations/upgrade.md#what-may-change-in-the-schema)).

| table | what is in it |
|---|---|
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: of the column.
        type: of PostgreSQL.
        may_be_null: whether there may be nothing in it.
        meaning: its comment; empty where it has none.
        refers_to: the table that a foreign key names; None for none.
    """

    name: str
    type: str
    may_be_null: bool
    meaning: str
    refers_to: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table or a view.

    Attributes:
        name: of the table.
        is_view: whether it is a view.
        meaning: its comment; empty where it has none.
        key: the columns of its primary key.
        columns: in their order.
    """

    name: str
    is_view: bool
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]


async def tables(connection: Connection) -> list[Table]:
    """Return the tables and views of a database by name."""
    found = []
    for _, rows in groupby(await connection.fetch(_COLUMNS), key=lambda row: row["table"]):
        columns = list(rows)
        key = sorted((row["place_in_key"], row["column"]) for row in columns if row["place_in_key"])
        first = columns[0]
        found.append(
            Table(
                first["table"],
                first["is_view"],
                first["of_table"],
                tuple(name for _, name in key),
                tuple(
                    Column(
                        row["column"],
                        row["type"],
                        row["may_be_null"],
                        row["meaning"],
                        row["refers_to"],
                    )
                    for row in columns
                ),
            )
        )
    return found


def page(found: list[Table]) -> str:
    """Return the page of a database's tables, as Markdown."""
    index = "".join(f"| [`{one.name}`](#{one.name}) | {one.meaning} |\n" for one in found)
    return _HEAD + index + "".join(map(_section, found))


def _section(table: Table) -> str:
    return "\n".join(("", f"## {table.name}", "", *_lines(table), ""))


def _lines(table: Table) -> Iterator[str]:
    yield ("A view. " if table.is_view else "") + table.meaning
    yield ""
    if table.key:
        yield "Key: " + ", ".join(f"`{name}`" for name in table.key) + "."
        yield ""
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for one in table.columns:
        null = ", null" if one.may_be_null else ""
        refers = f" → [`{one.refers_to}`](#{one.refers_to})" if one.refers_to else ""
        meaning = one.meaning.replace("|", "\\|")
        yield f"| `{one.name}` | {one.type}{null} | {meaning}{refers} |"


async def _made() -> list[Table]:
    from tradepulse.embedded.children import Children
    from tradepulse.embedded.postgres import EmbeddedPostgres

    with tempfile.TemporaryDirectory(prefix="tp-") as folder:
        async with Children() as children:
            server = EmbeddedPostgres(Path(folder), children, durable=False)
            await server.start()
            try:
                await migrate(server.url())
                connection = await connect(server.url())
                try:
                    return await tables(connection)
                finally:
                    await connection.close()
            finally:
                await server.stop()


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(asyncio.run(_made())), encoding="utf-8")
