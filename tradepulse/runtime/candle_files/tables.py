"""Reads the file itself: parquet, feather, CSV, JSON; also compressed, with a comment, a mark."""

import gzip
import io
import json
from pathlib import Path
from typing import BinaryIO

import polars as pl

from tradepulse.runtime.candle_files.rows import CandleFileError, Table

SUFFIXES = (".parquet", ".feather", ".csv", ".csv.gz", ".json", ".json.gz")
HEADERLESS = ("time", "open", "high", "low", "close", "volume", "trades")
"""Columns of a CSV without a header: only Kraken's dumps have none."""
LISTS = ("date", "open", "high", "low", "close", "volume")
"""Columns of a JSON file: a list of lists, as ccxt gives them and freqtrade stores them."""
_PARQUET, _FEATHER, _GZIP, _MARK = b"PAR1", b"ARROW1", b"\x1f\x8b", b"\xef\xbb\xbf"
_HEAD = 65_536


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
    except (OSError, EOFError, pl.exceptions.PolarsError) as error:
        raise CandleFileError(f"{path}: cannot be read: {line_of(error)}") from error


def _read(path: Path, file: BinaryIO) -> Table:
    head = file.read(_HEAD)
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
    content: bytes | None = None
    if head.startswith(_GZIP):
        file.seek(0)
        content = gzip.decompress(file.read())
        head = content[:_HEAD]
    if ".csv" in suffixes:
        return _csv(path, head, content)
    if ".json" in suffixes:
        return _json(path, content if content is not None else head + file.read())
    raise CandleFileError(f"{path}: not a kind that is read; these are {', '.join(SUFFIXES)}")


def _csv(path: Path, head: bytes, content: bytes | None) -> Table:
    if not head:
        raise CandleFileError(f"{path}: the file is empty")
    lines = head.removeprefix(_MARK).splitlines()
    # CryptoDataDownload's files begin with a line about their origin
    comments = 1 if len(lines) > 1 and _is_comment(lines[0]) else 0
    first = lines[comments].split(b",")
    is_headerless = len(first) > 1 and all(_is_number(value) for value in first)
    if is_headerless and len(first) != len(HEADERLESS):
        raise CandleFileError(
            f"{path}: has no header, and {len(first)} columns where Kraken's dump has "
            f"{len(HEADERLESS)}: {', '.join(HEADERLESS)}"
        )
    frame = pl.read_csv(
        path if content is None else io.BytesIO(content),
        glob=False,
        # as text: a wrong value shall be refused with its row, not guess the column's type
        infer_schema=False,
        has_header=not is_headerless,
        new_columns=list(HEADERLESS) if is_headerless else None,
        skip_rows=comments,
    )
    return Table(path, frame, is_text=True, has_header=not is_headerless)


def _is_comment(line: bytes) -> bool:
    return b"cryptodatadownload" in line.lower() or b"://" in line or line.startswith(b"#")


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _json(path: Path, content: bytes) -> Table:
    try:
        rows = json.loads(content)
    except ValueError as error:
        raise CandleFileError(f"{path}: is no JSON: {line_of(error)}") from error
    shape = f"a list of [{', '.join(LISTS)}]"
    if not isinstance(rows, list):
        raise CandleFileError(f"{path}: is not {shape}")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != len(LISTS):
            raise CandleFileError(f"{path}: row {number}: the file must be {shape}")
    # as text, as of a CSV: so a wrong value is refused with its row
    texts = [[None if value is None else str(value) for value in row] for row in rows]
    frame = pl.DataFrame(texts, schema=dict.fromkeys(LISTS, pl.String), orient="row")
    return Table(path, frame, is_text=True)
