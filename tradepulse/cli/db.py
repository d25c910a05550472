"""`db`: the database's address, a shell that only reads, and what its tables mean."""

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.markup import escape

from tradepulse.cli.connections import DATABASE, STATE, State, database_url, with_database
from tradepulse.cli.errors import CliError
from tradepulse.cli.options import grouped
from tradepulse.cli.tables import Column, Output, show

if TYPE_CHECKING:
    from tradepulse.cli.schema import Column as TableColumn
    from tradepulse.cli.schema import Table
    from tradepulse.runtime.db import Connection

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Give the database's address, a shell that only reads, and what the tables mean.",
)
_TABLES: "list[Column[Table]]" = [
    Column("table", lambda one: one.name),
    Column("what is in it", lambda one: escape(one.meaning), least=40),
]
_COLUMNS: "list[Column[TableColumn]]" = [
    Column("column", lambda one: one.name),
    Column("type", lambda one: one.type + (", null" if one.may_be_null else "")),
    Column(
        "meaning",
        lambda one: escape(one.meaning) + (f" → {one.refers_to}" if one.refers_to else ""),
        least=25,
    ),
]
# of who has put the role on already, and of its members
_MAY_READ = """
select exists (select from pg_roles r where r.rolname = $1 and pg_has_role(r.oid, 'member'))
"""


@app.command()
def url(
    password: Annotated[
        bool,
        typer.Option("--password", help=f"With the password of {DATABASE}, which is left out."),
    ] = False,
    state: State = STATE,
) -> None:
    """Print the address, for psql, a notebook or a tool; of a running `up`, one that only reads."""
    from tradepulse.cli.backup.programs import as_client
    from tradepulse.runtime.database_url import with_password

    address, environment = as_client(_for_reading(state))
    if password and (secret := environment.get("PGPASSWORD")):
        address = with_password(address, secret)
    typer.echo(address)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context, state: State = STATE) -> None:
    """Open PostgreSQL's shell, reading only; what psql takes may follow, as -c "select 1"."""
    from tradepulse.cli.backup.programs import as_client, program, server_major
    from tradepulse.runtime.rights import READER

    async def look(connection: "Connection") -> tuple[int, bool]:
        return await server_major(connection), await connection.fetchval(_MAY_READ, READER)

    address = _for_reading(state)
    major, may_read = with_database(address, look)
    options = "-c default_transaction_read_only=on"
    if may_read:
        options += f" -c role={READER}"
    else:
        typer.echo(
            f"{_user(address)} is no member of {READER}: this session only reads until it says "
            f"otherwise itself; a superuser mends it: `grant {READER} to {_user(address)}`",
            err=True,
        )
    found = program("psql", major)
    client, environment = as_client(address)
    secret = {name: environment[name] for name in ("PGPASSWORD",) if name in environment}
    os.execve(  # noqa: S606 - PostgreSQL's own program
        found,
        [found, f"--dbname={client}", *context.args],
        os.environ | secret | {"PGOPTIONS": options},
    )


@app.command()
@grouped
def schema(
    table: Annotated[str | None, typer.Argument(help="One table, with its columns.")] = None,
    *,
    output: Output,
    state: State = STATE,
) -> None:
    """Show what the tables are for, or what each column of one means."""
    from rich.console import Console

    from tradepulse.cli.schema import tables

    found = with_database(database_url(state), tables)
    if not found:
        raise CliError("the database has no tables: run `tradepulse migrate`")
    if table is None:
        output.put(_TABLES, found, asdict, "")
        return
    one = _named(found, table)
    if not output.wrote(asdict(one)):
        key = f"\nkey: {', '.join(one.key)}" if one.key else ""
        Console().print(f"{one.meaning}{key}\n", markup=False, highlight=False)
        show(_COLUMNS, one.columns, wide=output.wide)


def _for_reading(state: "State") -> str:
    """Return the address; that of a running `up`, where nobody asks for passwords, as the reader's.

    Raises:
        CliError: there is none, or its database has no role that only reads.
    """
    from tradepulse.runtime.rights import READER

    found = database_url(state)
    if os.environ.get(DATABASE, "").strip():
        return found

    async def is_there(connection: "Connection") -> bool:
        return bool(await connection.fetchval(_MAY_READ, READER))

    if not with_database(found, is_there):
        raise CliError(f"the database of {state} has no role {READER}: run `tradepulse migrate`")
    parts = urlsplit(found)
    return parts._replace(netloc=f"{READER}@{parts.netloc.rpartition('@')[2]}").geturl()


def _user(address: str) -> str:
    return urlsplit(address).netloc.rpartition("@")[0].partition(":")[0] or "you"


def _named(found: list["Table"], name: str) -> "Table":
    from difflib import get_close_matches

    by_name = {one.name: one for one in found}
    if name in by_name:
        return by_name[name]
    near = get_close_matches(name, by_name, n=1)
    meant = f"; did you mean {near[0]}?" if near else ": `tradepulse db schema` lists them"
    raise CliError(f"there is no table {name}{meant}")
