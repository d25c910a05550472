"""`import` and `export`: candles between files and the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradepulse.cli.connections import STATE, State, database_url
from tradepulse.cli.errors import CliError
from tradepulse.cli.options import Symbols, TimeRange, grouped, names_of, time_text

if TYPE_CHECKING:
    from tradepulse.market_data.files import Given
    from tradepulse.market_data.files.accounts import FileAccount
    from tradepulse.market_data.files.importing import Source, Wanted
    from tradepulse.market_data.store import KnownSeries

_LAYOUTS = (
    *("auto", "tradepulse", "freqtrade", "cryptodatadownload", "kraken", "binance", "legacy"),
    "plain",
)
_REPORTS = (".csv", ".json")


@dataclass(frozen=True, slots=True)
class ReadAs:
    """How files are read, and what they do not say themselves."""

    layout: Annotated[
        str,
        typer.Option("--format", help=f"Layout: {', '.join(_LAYOUTS)}. Auto tells by the columns."),
    ] = "auto"
    exchange: Annotated[
        str | None, typer.Option(help="Exchange, where neither file nor name says it.")
    ] = None
    symbol_name: Annotated[
        str | None, typer.Option(help="Symbol, as BTC/USD, where neither file nor name says it.")
    ] = None
    timeframe: Annotated[
        str | None, typer.Option(help="Timeframe, as 1h, where neither file nor name says it.")
    ] = None


@dataclass(frozen=True, slots=True)
class BadRows:
    """What becomes of rows that are refused."""

    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Store the good rows of a file with bad ones.")
    ] = False
    report: Annotated[
        Path | None,
        typer.Option(help="Write every refused row and its reason to this .csv or .json file."),
    ] = None


@dataclass(frozen=True, slots=True)
class LegacyTable:
    """Where the legacy table is, if that is imported."""

    legacy_table: Annotated[
        str | None,
        typer.Option(help="Read the legacy table of this database, as postgresql://user@host/db."),
    ] = None
    table: Annotated[str, typer.Option(help="Name of the legacy table.")] = "market_data"


@dataclass(frozen=True, slots=True)
class Exported:
    """Which stored candles."""

    symbol: Symbols = None
    exchange: Annotated[str | None, typer.Option(help="Only of this exchange.")] = None
    timeframe: Annotated[str | None, typer.Option(help="Only of this timeframe, as 30m.")] = None


@grouped
def import_candles(
    *,
    file: Annotated[
        Path | None,
        typer.Argument(help="File of candles, or a folder of such files."),
    ] = None,
    symbol: Symbols = None,
    times: TimeRange,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and say what would change.")
    ] = False,
    read_as: ReadAs,
    bad_rows: BadRows,
    legacy: LegacyTable,
    state: State = STATE,
) -> None:
    """Store the candles of a file, all or none.

    The whole file is checked before anything is kept. Candles that came from the venue itself are
    never overwritten; those that differ are counted. Layouts of freqtrade, CryptoDataDownload,
    Binance's archive, Kraken's dump and the legacy market_data table are read, and of others
    whatever has a time, prices and a volume. A symbol that neither the file nor its name says is
    that of --symbol.
    """
    from tradepulse.cli.data.import_report import lines_of, warnings_of, write_report
    from tradepulse.market_data.files.importing import RowsRefusedError, Wanted

    report = bad_rows.report
    symbols = names_of(symbol)
    path, sources = _asked_for(file, legacy, read_as, report, symbols)
    wanted = Wanted(symbols, *times.read())
    work = _import(
        database_url(state),
        path,
        sources,
        wanted,
        skip_bad_rows=bad_rows.skip_bad_rows,
        dry_run=dry_run,
    )
    try:
        accounts = asyncio.run(work)
    except RowsRefusedError as error:
        write_report(report, error.accounts)
        raise
    write_report(report, accounts)
    for line in lines_of(path, accounts, dry_run=dry_run):
        typer.echo(line)
    for line in warnings_of(accounts):
        typer.echo(line, err=True)
    refused = sum(len(account.refused) for account in accounts)
    if refused and not bad_rows.skip_bad_rows:
        raise CliError(
            f"{path}: {refused:,} rows are refused, so nothing would be stored; mend them, or give "
            "--skip-bad-rows to store the others"
        )


@grouped
def export_candles(
    *,
    file: Annotated[
        Path, typer.Argument(help="The .parquet or .csv file to write, or a folder for partitions.")
    ],
    exported: Exported,
    times: TimeRange,
    partitioned: Annotated[
        bool,
        typer.Option(
            "--partitioned", help="Write a folder: a parquet file for each month of a series."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what exists of the file or the partitions.")
    ] = False,
    state: State = STATE,
) -> None:
    """Write stored candles to a parquet or CSV file.

    With --partitioned, to a folder in the hive layout
    exchange=…/symbol=…/timeframe=…/year=…/month=…, with the column source.
    """
    if partitioned:
        if file.exists() and not file.is_dir():
            raise CliError(f"{file} is no folder; partitions are written to a folder")
        if file.is_dir() and any(file.iterdir()) and not force:
            raise CliError(
                f"{file} is not empty; give another folder, or --force to replace the partitions "
                "that are exported"
            )
    elif file.suffix not in {".parquet", ".csv"}:
        raise CliError(f"{file}: candles are written to .parquet or .csv")
    elif file.exists() and not force:
        raise CliError(f"{file} exists; give another name, or --force to replace it")
    url = database_url(state)
    told = asyncio.run(_export(url, file, exported, times.read(), partitioned=partitioned))
    typer.echo(f"{file}: {told}")


def _asked_for(
    file: Path | None,
    legacy: LegacyTable,
    read_as: ReadAs,
    report: Path | None,
    symbols: list[str] | None,
) -> "tuple[Path, list[Source]]":
    """Return what is imported, by its name and as sources.

    Raises:
        CliError: the options do not fit together.
    """
    from tradepulse.market_data.files import Given, otherwise

    if read_as.layout not in _LAYOUTS:
        raise CliError(f"--format {read_as.layout}: unknown; layouts are {', '.join(_LAYOUTS)}")
    if report is not None and report.suffix not in _REPORTS:
        raise CliError(f"--report {report}: write it to a .csv or .json file")
    lacking = otherwise(None, symbols, None)
    given = Given(read_as.exchange, read_as.symbol_name, read_as.timeframe, lacking)
    if file is not None and legacy.legacy_table is None:
        return file, _sources(file, read_as.layout, given)
    if legacy.legacy_table is not None and file is None:
        source = _legacy_source(legacy.legacy_table, legacy.table, given)
        return Path(legacy.table), [source]
    raise CliError("give a file or folder to import, or --legacy-table with an address")


def _sources(path: Path, layout: str, given: "Given") -> "list[Source]":
    from tradepulse.market_data.files import (
        CandleFileError,
        files_in,
        is_candle_file,
        read_rows,
    )
    from tradepulse.market_data.files.importing import Source

    def source(file: Path) -> Source:
        return Source(file, lambda: read_rows(file, layout, given))

    def inside(outer: Path) -> list[Path]:
        # a zip without candles is told when its turn comes, as any other file
        try:
            return files_in(outer)
        except CandleFileError:
            return [outer]

    if path.is_dir():
        found = sorted(one for one in path.rglob("*") if one.is_file() and is_candle_file(one))
        if not found:
            raise CliError(f"{path}: the folder holds no .parquet, .feather, .csv or .json file")
        return [source(one) for outer in found for one in inside(outer)]
    files = files_in(path)
    if len(files) > 1:
        return [source(one) for one in files]
    # a file that cannot be one is told without a database, too
    rows = read_rows(files[0], layout, given)
    return [Source(files[0], lambda: rows)]


def _legacy_source(address: str, table: str, given: "Given") -> "Source":
    from tradepulse.market_data.files import rows_of_table
    from tradepulse.market_data.files.importing import Source
    from tradepulse.market_data.files.legacy_table import read_legacy_table

    read = asyncio.run(read_legacy_table(address, table))
    return Source(Path(table), lambda: rows_of_table(read, "legacy", given))


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Any]:
    """Lend a connection to a database that has all migrations."""
    from tradepulse.runtime.db import opened_pool

    async with opened_pool(url, max_size=1) as pool, pool.acquire() as connection:
        yield connection


async def _import(
    url: str,
    path: Path,
    sources: "list[Source]",
    wanted: "Wanted",
    *,
    skip_bad_rows: bool,
    dry_run: bool,
) -> "list[FileAccount]":
    from tradepulse.library.progress import progress_bar
    from tradepulse.market_data.files.importing import import_candles as store
    from tradepulse.runtime.clock import wall_clock

    async with _database(url) as connection:
        with progress_bar() as progress:
            task = progress.add_task("Storing", total=None)
            return await store(
                connection,
                path,
                sources,
                wanted,
                now=wall_clock(),
                skip_bad_rows=skip_bad_rows,
                dry_run=dry_run,
                on_progress=lambda done, read: progress.update(task, completed=done, total=read),
            )


async def _export(
    url: str,
    file: Path,
    exported: Exported,
    times: tuple[int | None, int | None],
    *,
    partitioned: bool,
) -> str:
    from tradepulse.library.progress import progress_bar
    from tradepulse.market_data.files.exporting import export_file, export_partitions
    from tradepulse.market_data.store import candle_counts

    async with _database(url) as connection:
        chosen = await _chosen(connection, exported)
        counts = await candle_counts(connection)
        total = sum(counts[one.exchange, one.symbol, one.timeframe] for one in chosen)
        with progress_bar() as progress:
            task = progress.add_task("Exporting", total=total)
            write = export_partitions if partitioned else export_file
            done = await write(
                connection,
                file,
                chosen,
                *times,
                on_written=lambda count: progress.advance(task, count),
            )
    if not done.candles:
        first = time_text(min(one.first_open_time for one in chosen))
        last = time_text(max(one.last_open_time for one in chosen))
        raise CliError(f"no stored candles in this range; there are some from {first} to {last}")
    files = f" in {done.files:,} files" if partitioned else ""
    return f"{done.candles:,} candles of {done.series:,} series{files}"


async def _chosen(connection: Any, exported: Exported) -> "list[KnownSeries]":
    from tradepulse.candles.series import SeriesFilter
    from tradepulse.market_data.store import known_series

    known = await known_series(connection)
    symbols = names_of(exported.symbol)
    wanted = SeriesFilter(exported.exchange, None, exported.timeframe)
    chosen = [
        one for one in known if wanted.takes(one) and (symbols is None or one.symbol in symbols)
    ]
    lost = [name for name in symbols or () if name not in {one.symbol for one in chosen}]
    if lost or not chosen:
        there = ", ".join(one.series for one in known)
        raise CliError(
            f"no stored candles of {', '.join(lost) or 'what is asked for'}; "
            f"there are {there or 'none at all: import a file first'}"
        )
    return chosen
