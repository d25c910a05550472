"""Writes stored candles to one file, or a month of a series at a time to a folder of partitions."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tradepulse.market_data.files import (
    CandleFileError,
    months,
    partition_path,
    write_candles,
    write_frame,
)
from tradepulse.market_data.store import KnownSeries, load_candles, load_frame
from tradepulse.runtime.db import Connection


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: candles, of how many series, into how many files."""

    candles: int
    series: int
    files: int


async def export_file(
    connection: Connection,
    file: Path,
    series: Iterable[KnownSeries],
    start: int | None = None,
    end: int | None = None,
    *,
    on_written: Callable[[int], None] = lambda _: None,
) -> Exported:
    """Write series to one parquet or CSV file; nothing where there are no candles.

    The arguments and errors are those of `export_partitions`.
    """
    parts = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for one in series:
            names = (one.exchange, one.symbol, one.timeframe)
            parts.append(await load_candles(connection, *names, start, end))
            on_written(len(parts[-1]))
    parts = [part for part in parts if len(part)]
    if parts:
        write_candles(file, parts)
    return Exported(sum(map(len, parts)), len(parts), min(len(parts), 1))


async def export_partitions(
    connection: Connection,
    folder: Path,
    series: Iterable[KnownSeries],
    start: int | None = None,
    end: int | None = None,
    *,
    on_written: Callable[[int], None] = lambda _: None,
) -> Exported:
    """Write every month of every series to a parquet file of its own, with the column `source`.

    A month is in memory at a time. A file that is there is replaced whole; other files are left.

    Args:
        connection: not in a transaction; all is read as of one moment.
        folder: where to; it is made.
        series: which, as `known_series` gives them.
        start: candles with `open_time >= start`, epoch ms.
        end: candles with `open_time < end`, epoch ms.
        on_written: told of every so many candles.

    Raises:
        CandleFileError: a file cannot be written. Those before it stay.
    """
    candles, files = 0, 0
    written: set[KnownSeries] = set()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for one in series:
            first = one.first_open_time if start is None else max(start, one.first_open_time)
            last = one.last_open_time + 1 if end is None else min(end, one.last_open_time + 1)
            for year, month, low, high in months(first, last):
                names = (one.exchange, one.symbol, one.timeframe)
                frame = await load_frame(connection, *names, low, high, with_source=True)
                if frame.is_empty():
                    continue
                path = partition_path(folder, *names, year, month)
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise CandleFileError(f"{path.parent}: {error.strerror}") from error
                write_frame(path, frame)
                candles, files = candles + len(frame), files + 1
                written.add(one)
                on_written(len(frame))
    return Exported(candles, len(written), files)
