"""Writes candles to files, each whole or not at all."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import polars as pl

from tradepulse.candles.arrays import Candles
from tradepulse.market_data.files.rows import COLUMNS, FIGURES, NAMES, CandleFileError
from tradepulse.market_data.files.tables import line_of

_NO_FIGURES = np.empty(0)
_NO_CANDLES = Candles("", "", "", np.empty(0, np.int64), *[_NO_FIGURES] * 5)
PARTITION_FILE = "candles.parquet"


def write_candles(path: Path | str, candles: Sequence[Candles]) -> None:
    """Write series to a parquet (zstd) or CSV file, by the path's suffix, whole or not at all.

    Raises:
        CandleFileError: the suffix is neither, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in {".parquet", ".csv"}:
        raise CandleFileError(f"{path}: candles are written to .parquet or .csv")
    frames = [_frame(series) for series in candles] or [_frame(_NO_CANDLES)]
    write_frame(path, pl.concat(frames))


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """Write a table to a parquet or, by any other suffix, a CSV file, whole or not at all.

    Raises:
        CandleFileError: it cannot be written.
    """
    # beside the target, so that the rename cannot cross a file system
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        if path.suffix == ".parquet":
            frame.write_parquet(partial, compression="zstd", compression_level=9)
        elif path.suffix == ".json":
            frame.write_json(partial)
        else:
            frame.write_csv(partial)
        partial.replace(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CandleFileError(f"{path}: cannot be written: {line_of(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def partition_path(
    folder: Path, exchange: str, symbol: str, timeframe: str, year: int, month: int
) -> Path:
    """Return where a month of a series lies in a folder of partitions.

    The names are percent-encoded, as polars, DuckDB and Arrow do: `symbol=BTC%2FUSD`.
    """
    parts = {"exchange": exchange, "symbol": symbol, "timeframe": timeframe}
    names = [f"{key}={quote(value, safe='')}" for key, value in parts.items()]
    return folder.joinpath(*names, f"year={year}", f"month={month:02}", PARTITION_FILE)


def months(start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield year, month, and its part of `[start, end)`, epoch ms, for every month in it."""
    first = datetime.fromtimestamp(start / 1000, tz=UTC)
    year, month = first.year, first.month
    low = start
    while low < end:
        following = (year + month // 12, month % 12 + 1)
        high = min(int(datetime(*following, 1, tzinfo=UTC).timestamp() * 1000), end)
        yield year, month, low, high
        low, (year, month) = high, following


def _frame(candles: Candles) -> pl.DataFrame:
    names: dict[str, Any] = {
        name: pl.repeat(getattr(candles, name), len(candles), eager=True) for name in NAMES
    }
    return pl.DataFrame(
        {**names, **{name: getattr(candles, name) for name in ("open_time", *FIGURES)}}
    ).select(COLUMNS)
