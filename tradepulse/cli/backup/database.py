"""The database that a command backs up or restores: one that runs, or that of a state folder."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from decimal import localcontext
from pathlib import Path

from tradepulse.cli.connections import DATABASE, database_url
from tradepulse.cli.errors import CliError
from tradepulse.runtime.db import Connection, connect, migrations
from tradepulse.trading.orders import ARITHMETIC, movement

_TABLES = """
select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'S')
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
"""
_POSITIONS = """
select consumer, settled_time from event_time_positions order by consumer
"""
_ACCOUNTS = """
select account, cash, initial_cash, coalesce((select sum(profit) from positions p
    where p.account = a.account and exit_time is not null), 0) as earned
from accounts a order by account
"""
_OPEN = """
select account, side, quantity, entry_price, fees from positions where exit_time is null
"""
_NOTE = """
insert into backups (kind, ended_at, name, bytes) values ($1, now(), $2, $3)
on conflict (kind) do update set ended_at = excluded.ended_at, name = excluded.name,
    bytes = excluded.bytes
"""


@dataclass(frozen=True, slots=True)
class Holding:
    """What a database of ours holds.

    Attributes:
        tables: how many tables, with views and sequences.
        rows: of the tables of the ledger, by name.
        missing: migrations that it lacks.
        settled: consumer and last settled close, epoch ms.
    """

    tables: int
    rows: dict[str, int]
    missing: list[str]
    settled: list[tuple[str, int]]


def given() -> bool:
    """Tell whether the environment names a database."""
    return bool(os.environ.get(DATABASE, "").strip())


@asynccontextmanager
async def lent(state: Path) -> AsyncIterator[str]:
    """Lend the address of the environment's database, or of the state folder's.

    Where no `tradepulse up` runs in the folder, its server is started, and stopped at the end.

    Raises:
        CliError: there is none.
    """
    from tradepulse.embedded.state import lock_holder

    if given() or lock_holder(state) is not None:
        yield database_url(state)
        return
    if not (state / "postgres" / "data").exists():
        raise CliError(f"{DATABASE} is not set and {state} has no database: set it, or --state")
    async with server(state) as url:
        yield url


@asynccontextmanager
async def server(state: Path) -> AsyncIterator[str]:
    """Start the database server of a state folder in which no `tradepulse up` runs.

    Raises:
        CliError: it is in use, or the server does not start.
    """
    from tradepulse.embedded.children import Children, EmbeddedError
    from tradepulse.embedded.postgres import EmbeddedPostgres
    from tradepulse.embedded.state import StateFolder

    try:
        folder = StateFolder.open(state)
        try:
            async with Children(hold=(folder.lock,)) as children:
                log = folder.logs / "postgres.log"
                postgres = EmbeddedPostgres(folder.path / "postgres", children, log)
                await postgres.start()
                yield postgres.url()
                await postgres.stop()
        finally:
            folder.close()
    except EmbeddedError as error:
        raise CliError(str(error)) from error


@contextmanager
def data_folder(state: Path) -> Iterator[Path]:
    """Lend the place of a state folder's database, while no server runs on it.

    Raises:
        CliError: the folder is in use.
    """
    from tradepulse.embedded.children import EmbeddedError
    from tradepulse.embedded.postgres import service_user
    from tradepulse.embedded.state import StateFolder

    try:
        folder = StateFolder.open(state)
    except EmbeddedError as error:
        raise CliError(str(error)) from error
    try:
        data = folder.path / "postgres" / "data"
        data.parent.mkdir(mode=0o700, exist_ok=True)
        if (user := service_user()) is not None:
            os.chown(data.parent, *user)
        yield data
    finally:
        folder.close()


async def is_empty(connection: Connection) -> bool:
    """Tell whether there is nothing in a database."""
    return not await connection.fetchval(_TABLES)


async def holding(connection: Connection) -> Holding:
    """Look what is there.

    Raises:
        CliError: it is no database of ours, or of a newer version.
    """
    if not await connection.fetchval("select to_regclass('migrations') is not null"):
        raise CliError("the database has no table `migrations`: it is not one of TradePulse")
    done = {row["name"] for row in await connection.fetch("select name from migrations")}
    refuse_newer(done, "the database")
    tables = await connection.fetchval(_TABLES)
    missing = [name for name, _ in migrations() if name not in done]
    if missing and missing[0].startswith("0001"):
        return Holding(tables, {}, missing, [])
    rows = {
        name: await connection.fetchval(f"select count(*) from {name}")  # noqa: S608 - constants
        for name in ("orders", "fills", "positions", "equity", "signals", "portfolio_weights")
    }
    settled = [tuple(row) for row in await connection.fetch(_POSITIONS)]
    return Holding(tables, rows, missing, settled)


def refuse_newer(names: set[str], where: str) -> None:
    """Refuse migrations that this version does not know.

    Raises:
        CliError: there are such.
    """
    if unknown := sorted(names - {name for name, _ in migrations()}):
        raise CliError(
            f"{where} is of a newer version (migrations {', '.join(unknown)}): install that version"
        )


async def refuse_imbalance(connection: Connection) -> None:
    """Refuse a ledger whose cash is not what it began with, earned, and holds in positions.

    Raises:
        CliError: an account is out of balance.
    """
    rows = await connection.fetch(_ACCOUNTS)
    held = await connection.fetch(_OPEN)
    wrong = []
    with localcontext(ARITHMETIC):
        for row in rows:
            spent = sum(
                movement(one["side"], one["quantity"], one["entry_price"]) + one["fees"]
                for one in held
                if one["account"] == row["account"]
            )
            if difference := row["cash"] + spent - row["initial_cash"] - row["earned"]:
                wrong.append(f"{row['account']} by {difference:f}")
    if wrong:
        raise CliError(f"the ledger is out of balance: {', '.join(wrong)}; do not trade on it")


async def note(url: str, kind: str, backup: Path, size: int) -> None:
    """Keep that a backup or a drill has ended, for /metrics."""
    connection = await connect(url)
    try:
        # the last backup before an upgrade is of a database that may lack the table
        if await connection.fetchval("select to_regclass('backups') is not null"):
            await connection.execute(_NOTE, kind, backup.name, size)
    finally:
        await connection.close()
