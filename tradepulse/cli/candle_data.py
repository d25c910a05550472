"""`import` and `export`: candles between files and `market_data`."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from tradepulse.cli.connections import STATE, State, database_url
from tradepulse.cli.errors import CliError
from tradepulse.cli.options import From, Symbols, To, names_of, range_of, time_text

_CHUNK = 10_000


def import_candles(
    file: Annotated[Path, typer.Argument(help="Parquet or CSV file of candles.")],
    symbol: Symbols = None,
    start: From = None,
    end: To = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and say what would change.")
    ] = False,
    state: State = STATE,
) -> None:
    """Store the candles of a file, all or none.

    The whole file is checked before anything is written. Candles that came from the venue itself
    are never overwritten; those that differ are counted.
    """
    from tradepulse.runtime.candle_files import read_candles

    series = read_candles(file, names_of(symbol), *range_of(start, end))
    stored = asyncio.run(_import(database_url(state), series, dry_run=dry_run))
    count = sum(len(one) for one in series)
    for one in series:
        first, last = int(one.open_time[0]), int(one.open_time[-1])
        typer.echo(f"{one.series}: {len(one):,} candles, {time_text(first)} to {time_text(last)}")
    same = count - stored.written - stored.kept
    typer.echo(
        f"{'would change' if dry_run else 'stored'} {stored.written:,} of {count:,} candles; "
        f"{same:,} were there already"
    )
    if stored.kept:
        typer.echo(
            f"{stored.kept:,} stored candles of a better source differ and were kept, the first is "
            f"{stored.example}",
            err=True,
        )


def export_candles(
    file: Annotated[Path, typer.Argument(help="The .parquet or .csv file to write.")],
    symbol: Symbols = None,
    exchange: Annotated[str | None, typer.Option(help="Only of this exchange.")] = None,
    timeframe: Annotated[str | None, typer.Option(help="Only of this timeframe, as 30m.")] = None,
    start: From = None,
    end: To = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    state: State = STATE,
) -> None:
    """Write stored candles to a parquet or CSV file."""
    from tradepulse.runtime.candle_files import write_candles

    if file.suffix not in {".parquet", ".csv"}:
        raise CliError(f"{file}: candles are written to .parquet or .csv")
    if file.exists() and not force:
        raise CliError(f"{file} exists; give another name, or --force to replace it")
    first, last = range_of(start, end)
    wanted = names_of(symbol)
    series = asyncio.run(_export(database_url(state), wanted, exchange, timeframe, first, last))
    write_candles(file, series)
    typer.echo(f"{file}: {sum(len(s) for s in series):,} candles of {len(series)} series")


async def _import(url: str, series: list[Any], *, dry_run: bool) -> Any:
    from tradepulse.cli.progress import progress_bar
    from tradepulse.runtime.candles_db import Stored, upsert_candles
    from tradepulse.runtime.db import check_migrated, connect_pool

    pool = await connect_pool(url, max_size=1)
    written, kept, example = 0, 0, ""
    try:
        await check_migrated(pool)
        async with pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                with progress_bar() as progress:
                    task = progress.add_task("Storing", total=sum(len(one) for one in series))
                    for one in series:
                        for lo in range(0, len(one), _CHUNK):
                            part = one.rows(lo, lo + _CHUNK)
                            stored = await upsert_candles(connection, [part], "import")
                            written += stored.written
                            kept += stored.kept
                            example = example or stored.example
                            progress.advance(task, len(part))
            except BaseException:
                await transaction.rollback()
                raise
            await (transaction.rollback() if dry_run else transaction.commit())
    finally:
        pool.terminate()
    return Stored(written, kept, example)


async def _export(
    url: str,
    symbols: list[str] | None,
    exchange: str | None,
    timeframe: str | None,
    start: int | None,
    end: int | None,
) -> list[Any]:
    from tradepulse.runtime.candles_db import known_series, load_candles
    from tradepulse.runtime.db import check_migrated, connect_pool

    pool = await connect_pool(url, max_size=1)
    try:
        await check_migrated(pool)
        async with pool.acquire() as connection:
            known = await known_series(connection)
            chosen = [
                one
                for one in known
                if (symbols is None or one.symbol in symbols)
                and exchange in {None, one.exchange}
                and timeframe in {None, one.timeframe}
            ]
            lost = [name for name in symbols or () if name not in {one.symbol for one in chosen}]
            if lost or not chosen:
                there = ", ".join(f"{k.exchange}:{k.symbol}:{k.timeframe}" for k in known)
                raise CliError(
                    f"no stored candles of {', '.join(lost) or 'what is asked for'}; "
                    f"there are {there or 'none at all: import a file first'}"
                )
            series = [
                await load_candles(connection, one.exchange, one.symbol, one.timeframe, start, end)
                for one in chosen
            ]
    finally:
        pool.terminate()
    if not any(len(one) for one in series):
        first = time_text(min(one.first_open_time for one in chosen))
        last = time_text(max(one.last_open_time for one in chosen))
        raise CliError(f"no stored candles in this range; there are some from {first} to {last}")
    return [one for one in series if len(one)]
