"""Candle files: parquet and CSV, read whole and checked before anything is made of them.

One row is one candle; the columns are `exchange, symbol, timeframe, open_time, open, high, low,
close, volume`, in any order, `ts` being another name of `open_time`. Times are epoch milliseconds
of the candle's open. Several series may be in one file, each in time order.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tradepulse.trading.candle_checks import first_problem, time_text
from tradepulse.trading.candles import Candles
from tradepulse.trading.timeframes import TIMEFRAMES_MS

NAMES = ("exchange", "symbol", "timeframe")
FIGURES = ("open", "high", "low", "close", "volume")
COLUMNS = (*NAMES, "open_time", *FIGURES)
_ALIASES = {"ts": "open_time"}
_NAME = re.compile(r"[^\s:]{1,64}")
_ROW = "row"
_PARQUET_MAGIC = b"PAR1"


class CandleFileError(ValueError):
    """A file of candles is refused; the message is one line for the user."""


def read_candles(
    path: Path | str,
    symbols: Sequence[str] | None = None,
    start: int | None = None,
    end: int | None = None,
) -> list[Candles]:
    """Read and check a parquet or CSV file, all of it, and return its series in their order.

    Args:
        path: a file in the layout of this module. The kind is told by its content and its name.
        symbols: keep these only, each `symbol` or `exchange:symbol`; None keeps all.
        start: keep candles with `open_time >= start`, epoch ms.
        end: keep candles with `open_time < end`, epoch ms.

    Raises:
        CandleFileError: the file, or what is asked of it, is refused. The line names the file, the
            first bad row (counted from 1, a CSV's header not counted), the symbol, and the reason.
    """
    path = Path(path)
    frame = _typed(path, _read(path))
    if frame.is_empty():
        raise CandleFileError(f"{path}: the file holds no candles")
    series = _series(path, frame)
    return _selected(path, series, symbols, start, end)


def write_candles(path: Path | str, candles: Sequence[Candles]) -> None:
    """Write series to a parquet (zstd) or CSV file, by the path's suffix, whole or not at all.

    Raises:
        CandleFileError: the suffix is neither, or the file cannot be written.
    """
    path = Path(path)
    frames = [_frame(series) for series in candles] or [_frame(_NO_CANDLES)]
    frame = pl.concat(frames)
    # beside the target, so that the rename cannot cross a file system
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        if path.suffix == ".parquet":
            frame.write_parquet(partial, compression="zstd", compression_level=9)
        elif path.suffix == ".csv":
            frame.write_csv(partial)
        else:
            raise CandleFileError(f"{path}: candles are written to .parquet or .csv")
        partial.replace(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CandleFileError(f"{path}: cannot be written: {_line(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _line(error: BaseException) -> str:
    """Return the first line of an error: polars appends several of advice."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _read(path: Path) -> pl.DataFrame:
    """Return the file as it is, in a CSV's case as text; refuse what is neither kind."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(_PARQUET_MAGIC))
        if not magic:
            raise CandleFileError(f"{path}: the file is empty")
        if magic == _PARQUET_MAGIC:
            return pl.read_parquet(path, glob=False, hive_partitioning=False)
        if path.suffix == ".parquet":
            raise CandleFileError(f"{path}: not a parquet file")
        if ".csv" not in path.suffixes:
            raise CandleFileError(f"{path}: neither a parquet nor a .csv file")
        # as text: a wrong value shall be refused with its row, not guess the column's type
        return pl.read_csv(path, infer_schema=False, glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise CandleFileError(f"{path}: cannot be read: {_line(error)}") from error


def _typed(path: Path, raw: pl.DataFrame) -> pl.DataFrame:
    """Return the columns in our types, with the row numbers; refuse others, and empty fields."""
    if "open_time" not in raw.columns:
        raw = raw.rename({old: new for old, new in _ALIASES.items() if old in raw.columns})
    missing = [name for name in COLUMNS if name not in raw.columns]
    unknown = [name for name in raw.columns if name not in COLUMNS]
    if missing or unknown:
        parts = [f"column {', '.join(missing)} is missing"] if missing else []
        parts += [f"column {', '.join(unknown)} is unknown"] if unknown else []
        raise CandleFileError(f"{path}: {' and '.join(parts)}; columns are {', '.join(COLUMNS)}")
    is_text = all(raw.schema[name] == pl.String for name in raw.columns)
    columns = [_column(path, raw[name], is_text=is_text) for name in COLUMNS]
    return pl.DataFrame(columns).with_row_index(_ROW)


def _column(path: Path, column: pl.Series, *, is_text: bool) -> pl.Series:
    name = column.name
    wanted: Any
    if name in NAMES:
        wanted, kind = pl.String, "text"
        fits = column.dtype == pl.String or column.dtype in (pl.Categorical, pl.Enum)
    elif name == "open_time":
        wanted, kind = pl.Int64, "whole numbers (epoch milliseconds)"
        fits = column.dtype.is_integer()
    else:
        wanted, kind = pl.Float64, "numbers"
        fits = column.dtype.is_numeric()
    if not fits and not is_text and not column.is_empty():
        raise CandleFileError(f"{path}: column {name} holds {column.dtype}, not {kind}")
    typed = column.cast(wanted, strict=False)
    if typed.null_count():
        row = int(typed.is_null().arg_max() or 0)
        value = column[row]
        what = f"{name} is empty" if value is None else f"{name} {value!r} is no {kind[:-1]}"
        if value is not None and name == "open_time":
            what = f"{name} {value!r} is no whole number of epoch milliseconds"
        raise CandleFileError(f"{path}: row {row + 1}: {what}")
    return typed


def _series(path: Path, frame: pl.DataFrame) -> list[Candles]:
    """Split by series and check each; of all that is wrong, tell what comes first in the file."""
    found: list[Candles] = []
    worst: tuple[int, str] | None = None
    for part in frame.partition_by(NAMES, maintain_order=True):
        names = [str(part[name][0]) for name in NAMES]
        row, reason = int(part[_ROW][0]), _bad_name(names)
        if reason is None:
            figures = [_array(part[name]) for name in FIGURES]
            candles = Candles(names[0], names[1], names[2], _array(part["open_time"]), *figures)
            problem = first_problem(candles)
            found.append(candles)
            if problem is None:
                continue
            row, reason = int(part[_ROW][problem.row]), problem.reason
        if worst is None or row < worst[0]:
            worst = row, f"row {row + 1}: {names[1]} {names[2]}: {reason}"
    if worst is not None:
        raise CandleFileError(f"{path}: {worst[1]}")
    return found


def _array(column: pl.Series) -> np.ndarray[Any, Any]:
    return column.to_numpy(writable=True)


def _bad_name(names: Iterable[str]) -> str | None:
    for column, name in zip(NAMES, names, strict=True):
        if not _NAME.fullmatch(name):
            return f"{column} {name!r} must be 1 to 64 characters without blanks or colons"
        if column == "timeframe" and name not in TIMEFRAMES_MS:
            return f"unknown timeframe {name!r}; known are {', '.join(TIMEFRAMES_MS)}"
    return None


def _selected(
    path: Path,
    series: list[Candles],
    symbols: Sequence[str] | None,
    start: int | None,
    end: int | None,
) -> list[Candles]:
    if symbols is not None:
        known = {s.symbol for s in series} | {s.instrument for s in series}
        unknown = [symbol for symbol in symbols if symbol not in known]
        if unknown:
            has = ", ".join(dict.fromkeys(s.symbol for s in series))
            raise CandleFileError(f"{path}: has no symbol {', '.join(unknown)}; it has {has}")
        series = [s for s in series if s.symbol in symbols or s.instrument in symbols]
    kept = [s.between(start, end) for s in series]
    # a symbol that was asked for by name must not vanish unseen
    lost = [s for s in kept if not len(s)]
    if lost and (symbols is not None or len(lost) == len(kept)):
        whole = next(s for s, part in zip(series, kept, strict=True) if not len(part))
        raise CandleFileError(
            f"{path}: no candles of {whole.symbol} in the range asked for; the file has "
            f"{time_text(int(whole.open_time[0]))} to {time_text(int(whole.open_time[-1]))}"
        )
    return [s for s in kept if len(s)]


def _frame(candles: Candles) -> pl.DataFrame:
    names = {name: pl.repeat(getattr(candles, name), len(candles), eager=True) for name in NAMES}
    return pl.DataFrame(
        {**names, **{name: getattr(candles, name) for name in ("open_time", *FIGURES)}}
    ).select(COLUMNS)


_NO_FIGURES = np.empty(0)
_NO_CANDLES = Candles("", "", "", np.empty(0, np.int64), *[_NO_FIGURES] * 5)
