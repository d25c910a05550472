"""The commands of the ledger: the rows that are asked for, as a table or as a file."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from tradepulse.cli.connections import STATE, State
from tradepulse.cli.errors import values_refused
from tradepulse.cli.options import Symbols, TimeRange, grouped, names_of
from tradepulse.cli.tables import STDOUT, Wide, replaced

if TYPE_CHECKING:
    from tradepulse.ledger.frames import Form
    from tradepulse.ledger.reading import Wanted
    from tradepulse.ledger.tables import Table

Configuration = Annotated[
    str | None, typer.Option(help="Only of this configuration: its id, or how it begins.")
]
Account = Annotated[str, typer.Option(help="Name of the account.")]
Portfolio = Annotated[str, typer.Option(help="Name of the portfolio.")]


@dataclass(frozen=True, slots=True)
class Output:
    """What becomes of the rows: a table of the newest, or files of all."""

    last: Annotated[int, typer.Option(min=1, help="How many the table shows, the newest.")] = 20
    wide: Wide = False
    csv: Annotated[
        Path | None, typer.Option(help="Write all of them as CSV to this file; - is the output.")
    ] = None
    json: Annotated[
        Path | None, typer.Option(help="Write all of them as JSON to this file; - is the output.")
    ] = None
    parquet: Annotated[
        Path | None, typer.Option(help="Write all of them as parquet to this file.")
    ] = None

    def files(self) -> "Iterator[tuple[Form, Path]]":
        """Yield what is to be written, and where."""
        if self.csv is not None:
            yield "csv", self.csv
        if self.json is not None:
            yield "json", self.json
        if self.parquet is not None:
            yield "parquet", self.parquet


@grouped
def trades(
    *,
    configuration: Configuration = None,
    symbol: Symbols = None,
    times: TimeRange,
    output: Output,
    account: Account = "main",
    state: State = STATE,
) -> None:
    """Show the trades that were closed, or write them to a file.

    A range is of the times at which they were closed.
    """
    _tell("trades", state, times, output, account, configuration, symbol)


@grouped
def orders(
    *,
    configuration: Configuration = None,
    symbol: Symbols = None,
    times: TimeRange,
    output: Output,
    account: Account = "main",
    state: State = STATE,
) -> None:
    """Show the orders with their fills or refusals, or write them to a file."""
    _tell("orders", state, times, output, account, configuration, symbol)


@grouped
def equity(
    *,
    times: TimeRange,
    output: Output,
    account: Account = "main",
    state: State = STATE,
) -> None:
    """Show what the account was worth at each close, or write it to a file."""
    _tell("equity", state, times, output, account)


@grouped
def weights(
    *,
    symbol: Symbols = None,
    times: TimeRange,
    output: Output,
    portfolio: Portfolio = "main",
    state: State = STATE,
) -> None:
    """Show the portfolio's weights at each close, or write them to a file."""
    _tell("weights", state, times, output, portfolio, None, symbol)


@grouped
def signals(
    *,
    configuration: Configuration = None,
    symbol: Symbols = None,
    times: TimeRange,
    output: Output,
    state: State = STATE,
) -> None:
    """Show the signals of the strategies, or write them to a file."""
    _tell("signals", state, times, output, "", configuration, symbol)


def _tell(
    name: str,
    state: Path,
    times: TimeRange,
    output: Output,
    owner: str,
    configuration: str | None = None,
    symbol: list[str] | None = None,
) -> None:
    from tradepulse.ledger.reading import Wanted
    from tradepulse.ledger.tables import TABLES

    start, end = times.read()
    wanted = Wanted(owner, None, names_of(symbol), start, end)
    table = TABLES[name]
    work = _write if any(output.files()) else _show
    asyncio.run(work(state, table, wanted, configuration, output))


async def _show(
    state: Path, table: "Table", wanted: "Wanted", configuration: str | None, output: Output
) -> None:
    from tradepulse.cli.ledger.drawing import show
    from tradepulse.ledger.reading import read_newest

    async with _connected(state, wanted, configuration) as (connection, meant):
        rows, total = await read_newest(connection, table, meant, output.last)
    if not rows:
        typer.echo(f"no {table.name} of what is asked for")
        return
    show(table, rows, wide=output.wide)
    if total > len(rows):
        typer.echo(
            f"newest {len(rows):,} of {total:,}; --last N shows more, "
            "--csv/--json/--parquet FILE write all"
        )


async def _write(
    state: Path, table: "Table", wanted: "Wanted", configuration: str | None, output: Output
) -> None:
    import polars as pl

    from tradepulse.ledger.frames import exact_frame, write_frame
    from tradepulse.ledger.reading import read_all

    async with _connected(state, wanted, configuration) as (connection, meant):
        parts = [exact_frame(table.row, part) async for part in read_all(connection, table, meant)]
    frame = pl.concat([exact_frame(table.row, ()), *parts])
    files = list(output.files())
    # what is piped on is the rows alone
    is_piped = any(path == STDOUT for _, path in files)
    for form, path in files:
        with _opened(path) as target:
            write_frame(target, form, table.row, frame)
        if path != STDOUT:
            typer.echo(f"{len(frame):,} {table.name} written to {path}", err=is_piped)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    if path == STDOUT:
        yield sys.stdout.buffer
        return
    with replaced(path) as file:
        yield file


@asynccontextmanager
async def _connected(
    state: Path, wanted: "Wanted", configuration: str | None
) -> "AsyncIterator[tuple[Any, Wanted]]":
    """Lend a connection to the database, and what is wanted with the configuration that is meant.

    Where no `tradepulse up` runs in the state folder, its server is started for it.
    """
    from dataclasses import replace

    from tradepulse.cli.backup.database import lent
    from tradepulse.ledger.reading import configuration_beginning
    from tradepulse.runtime.db import opened_pool

    async with (
        lent(state) as url,
        opened_pool(url, max_size=1, read_only=True) as pool,
        pool.acquire() as connection,
    ):
        if configuration is None:
            yield connection, wanted
            return
        with values_refused():
            found = await configuration_beginning(connection, configuration)
        yield connection, replace(wanted, configuration=found)
