"""Reads the file itself: parquet, feather, CSV, JSON; also compressed, in a zip, with a mark."""

import gzip
import io
import json
import zlib
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile

import polars as pl

from tradepulse.market_data.files.csv_text import read_csv
from tradepulse.market_data.files.rows import PROBLEM, ROW, CandleFileError, Table, numbered

SUFFIXES = (
    *(".parquet", ".feather", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".json", ".json.gz", ".zip"),
)
LISTS = ("date", "open", "high", "low", "close", "volume")
"""Columns of a JSON file: a list of lists, as ccxt gives them and freqtrade stores them."""
_PARQUET, _FEATHER, _GZIP, _ZIP = b"PAR1", b"ARROW1", b"\x1f\x8b", b"PK\x03\x04"
_TEXTS = {".csv", ".tsv"}


def line_of(error: BaseException) -> str:
    """Return the first line of an error: polars appends several of advice."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def is_candle_file(path: Path) -> bool:
    """Tell by its name whether a file may hold candles."""
    return path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")


def files_in(path: Path) -> list[Path]:
    """Return the files that a path stands for: those in a folder or zip, `a.zip/b.csv`, or itself.

    Raises:
        CandleFileError: a zip cannot be read, or it or a folder holds no candle file.
    """
    if path.is_dir():
        inside = sorted(one for one in path.rglob("*") if one.is_file() and is_candle_file(one))
        if not inside:
            raise CandleFileError(
                f"{path}: the folder holds no candle file; these are {', '.join(SUFFIXES)}"
            )
        return [file for one in inside for file in files_in(one)]
    try:
        if not _is_zip(path):
            return [path]
        with ZipFile(path) as archive:
            names = [one.filename for one in archive.infolist() if not one.is_dir()]
    except (OSError, BadZipFile) as error:
        raise CandleFileError(f"{path}: cannot be read: {line_of(error)}") from error
    # macOS puts a shadow beside each file
    real = [Path(name) for name in names if not name.startswith("__MACOSX/")]
    found = [path / name for name in real if is_candle_file(name) and name.suffix != ".zip"]
    if "xl/workbook.xml" in names:
        raise CandleFileError(f"{path}: is a workbook of Excel: save its sheet as CSV")
    if not found:
        raise CandleFileError(
            f"{path}: the zip holds no candle file; it has {', '.join(map(str, real)) or 'none'}"
        )
    return sorted(found)


def read_table(path: Path) -> Table:
    """Read a file as it is; its kind is told by its content, of text files by the name.

    Args:
        path: the file; one in a zip is `a.zip/b.csv`.

    Raises:
        CandleFileError: it cannot be read, or is of no kind that is.
    """
    try:
        archive = next((one for one in path.parents if one.is_file()), None)
        if archive is None:
            with path.open("rb") as file:
                return _read(path, file)
        with ZipFile(archive) as members:
            content = members.read(path.relative_to(archive).as_posix())
        return _read(path, io.BytesIO(content))
    except KeyError:
        raise CandleFileError(f"{path}: cannot be read: the zip has no such file") from None
    except (
        *(OSError, EOFError, zlib.error, BadZipFile, UnicodeError, NotImplementedError),
        # zipfile's of a file with a password
        RuntimeError,
        pl.exceptions.PolarsError,
    ) as error:
        raise CandleFileError(f"{path}: cannot be read: {line_of(error)}") from error


def _is_zip(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_ZIP)) == _ZIP


def _read(path: Path, file: BinaryIO) -> Table:
    head = file.read(len(_FEATHER))
    if not head:
        raise CandleFileError(f"{path}: the file is empty")
    file.seek(0)
    if head.startswith(_PARQUET):
        # by its path where it has one, as that is mapped and not copied
        source = file if isinstance(file, io.BytesIO) else path
        return Table(path, pl.read_parquet(source, glob=False, hive_partitioning=False))
    if head.startswith(_FEATHER):
        return Table(path, pl.read_ipc(file))
    suffixes = [suffix.lower() for suffix in path.suffixes]
    for suffix in ("parquet", "feather"):
        if suffixes[-1:] == [f".{suffix}"]:
            raise CandleFileError(f"{path}: not a {suffix} file")
    if not {*_TEXTS, ".json"}.isdisjoint(suffixes):
        content = file.read()
        if head.startswith(_GZIP):
            content = gzip.decompress(content)
        return (_json if _TEXTS.isdisjoint(suffixes) else read_csv)(path, content)
    raise CandleFileError(f"{path}: not a kind that is read; these are {', '.join(SUFFIXES)}")


def _json(path: Path, content: bytes) -> Table:
    try:
        rows = json.loads(content)
    except ValueError as error:
        raise CandleFileError(f"{path}: is no JSON: {line_of(error)}") from error
    shape = f"a list of [{', '.join(LISTS)}]"
    if not isinstance(rows, list):
        raise CandleFileError(f"{path}: is not {shape}, nor of objects")
    if rows and all(isinstance(row, dict) for row in rows):
        return _of_objects(path, rows)
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


def _of_objects(path: Path, rows: list[dict[str, Any]]) -> Table:
    """Return a table of objects, as `DataFrame.to_json(orient="records")` writes them."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    texts = [
        [None if row.get(name) is None else str(row[name]) for name in columns] for row in rows
    ]
    frame = pl.DataFrame(texts, schema=dict.fromkeys(columns, pl.String), orient="row")
    return Table(path, frame, is_text=True)
