"""Reads the file itself: parquet, feather, CSV, JSON; also compressed, with a comment, a mark."""

import gzip
import json
import zlib
from pathlib import Path
from typing import BinaryIO

import polars as pl

from tradepulse.market_data.files.csv_text import read_csv
from tradepulse.market_data.files.rows import PROBLEM, ROW, CandleFileError, Table, numbered

SUFFIXES = (".parquet", ".feather", ".csv", ".csv.gz", ".json", ".json.gz")
LISTS = ("date", "open", "high", "low", "close", "volume")
"""Columns of a JSON file: a list of lists, as ccxt gives them and freqtrade stores them."""
_PARQUET, _FEATHER, _GZIP = b"PAR1", b"ARROW1", b"\x1f\x8b"


def line_of(error: BaseException) -> str:
    """Return the first line of an error: polars appends several of advice."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def is_candle_file(path: Path) -> bool:
    """Tell by its name whether a file may hold candles."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def read_table(path: Path) -> Table:
    """Read a file as it is; its kind is told by its content, of text files by the name.

    Raises:
        CandleFileError: it cannot be read, or is of no kind that is.
    """
    try:
        with path.open("rb") as file:
            return _read(path, file)
    except (OSError, EOFError, zlib.error, pl.exceptions.PolarsError) as error:
        raise CandleFileError(f"{path}: cannot be read: {line_of(error)}") from error


def _read(path: Path, file: BinaryIO) -> Table:
    head = file.read(len(_FEATHER))
    if not head:
        raise CandleFileError(f"{path}: the file is empty")
    if head.startswith(_PARQUET):
        return Table(path, pl.read_parquet(path, glob=False, hive_partitioning=False))
    if head.startswith(_FEATHER):
        file.seek(0)
        return Table(path, pl.read_ipc(file))
    suffixes = [suffix.lower() for suffix in path.suffixes]
    for suffix in ("parquet", "feather"):
        if suffixes[-1:] == [f".{suffix}"]:
            raise CandleFileError(f"{path}: not a {suffix} file")
    if not {".csv", ".json"}.isdisjoint(suffixes):
        file.seek(0)
        content = file.read()
        if head.startswith(_GZIP):
            content = gzip.decompress(content)
        return (read_csv if ".csv" in suffixes else _json)(path, content)
    raise CandleFileError(f"{path}: not a kind that is read; these are {', '.join(SUFFIXES)}")


def _json(path: Path, content: bytes) -> Table:
    try:
        rows = json.loads(content)
    except ValueError as error:
        raise CandleFileError(f"{path}: is no JSON: {line_of(error)}") from error
    shape = f"a list of [{', '.join(LISTS)}]"
    if not isinstance(rows, list):
        raise CandleFileError(f"{path}: is not {shape}")
    fit = [isinstance(row, list) and len(row) == len(LISTS) for row in rows]
    if rows and not any(fit):
        raise CandleFileError(f"{path}: row 1: the file must be {shape}")
    # as text, as of a CSV: so a wrong value is refused with its row
    texts = [
        [None if value is None else str(value) for value in row]
        for row, fits in zip(rows, fit, strict=True)
        if fits
    ]
    frame = pl.DataFrame(texts, schema=dict.fromkeys(LISTS, pl.String), orient="row")
    table = Table(path, frame, is_text=True)
    if all(fit):
        return table
    lines = pl.DataFrame({ROW: range(1, len(rows) + 1), "fits": fit})
    broken = lines.filter(~pl.col("fits")).with_columns(
        pl.lit(f"is no list of {len(LISTS)} values").alias(PROBLEM)
    )
    return numbered(table, lines.filter("fits")[ROW], broken)
