"""Candle files as they are, for a scan: nothing is refused that can be read at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tradepulse.cli.errors import CliError

if TYPE_CHECKING:
    from tradepulse.candles.arrays import Candles
    from tradepulse.candles.series import SeriesFilter
    from tradepulse.market_data.files import Given


def series_of_files(files: Sequence[Path], lacking: "SeriesFilter") -> "list[Candles]":
    """Read the series of files, their rows in the order of the file, good and bad.

    What was inferred, and how many rows cannot be read, is told on standard error. The parts of a
    series that lie in several files of one zip are put together.

    Args:
        files: each a file, or a zip of files.
        lacking: what is taken for what neither a file nor its name says.

    Raises:
        CliError: a timeframe is unknown, or a series is in two files.
        CandleFileError: a file cannot be read, or a candle is in two files of a zip.
    """
    from tradepulse.candles.timeframes import TIMEFRAMES_MS
    from tradepulse.market_data.files import Given, files_in, joined

    given = Given(otherwise=Given(lacking.exchange, lacking.symbol, lacking.timeframe))
    found: list[Candles] = []
    for path in files:
        parts = files_in(path)
        series = [one for part in parts for one in _series(part, given)]
        for one in joined(path, series) if len(parts) > 1 else series:
            if one.timeframe not in TIMEFRAMES_MS:
                known = ", ".join(TIMEFRAMES_MS)
                raise CliError(f"{path}: unknown timeframe {one.timeframe!r}; known are {known}")
            if any(one.series == other.series for other in found):
                raise CliError(f"{path}: {one.series} is in another file, too; scan them apart")
            found.append(one)
    return found


def _series(path: Path, given: "Given") -> "list[Candles]":
    import polars as pl

    from tradepulse.candles.arrays import Candles
    from tradepulse.market_data.files import read_rows

    rows = read_rows(path, given=given)
    for note in rows.notes:
        typer.echo(f"{path}: {note}", err=True)
    figures = ("open", "high", "low", "close", "volume")
    names = ("exchange", "symbol", "timeframe")
    readable = rows.frame.drop_nulls([*names, "open_time", *figures])
    lost = len(rows.frame) - len(readable)
    if lost:
        problem = rows.frame.filter(pl.col("problem").is_not_null())
        first = f", the first: row {problem['row'][0]}: {problem['problem'][0]}" if lost else ""
        typer.echo(f"{path}: {lost:,} rows cannot be read{first}", err=True)
    if rows.any_order:
        # the layout is known to have the newest first, which is no fault of its candles
        readable = readable.sort("open_time", maintain_order=True)
    return [
        Candles(
            str(part["exchange"][0]),
            str(part["symbol"][0]),
            str(part["timeframe"][0]),
            _array(part, "open_time"),
            *(_array(part, name) for name in figures),
        )
        for part in readable.partition_by(names, maintain_order=True)
    ]


def _array(frame: Any, name: str) -> Any:
    return frame[name].to_numpy(writable=True)
