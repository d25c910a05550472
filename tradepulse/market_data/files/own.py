"""The layout of our own files, and of our own folders of partitions.

One row is one candle; the columns are `exchange, symbol, timeframe, open_time, open, high, low,
close, volume`, in any order, `ts` being another name of `open_time`. Times are epoch milliseconds
of the candle's open. Several series may be in one file, each in time order. A column `source` may
be there too; it says where the candles came from when they were exported. In a folder of
partitions the names are in the path, as `exchange=kraken/symbol=BTC%2FUSD/timeframe=1h`.
"""

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from tradepulse.market_data.files.rows import (
    COLUMNS,
    FIGURES,
    NAMES,
    CandleFileError,
    Given,
    Rows,
    Table,
    numbers,
    rows_of,
    unread,
)

_ALIASES = {"ts": "open_time"}
_SOURCE = "source"


def fits(table: Table) -> bool:
    """Tell whether the columns are ours, or nearly: others call a time `open_time`, too."""
    columns = {*table.frame.columns, *_names_in(table.path)}
    says_names = len(columns.intersection(NAMES)) > 1
    return says_names and bool({"open_time", "timeframe"} & columns)


def convert(table: Table, given: Given) -> Rows:
    """Return the rows of a file in our layout.

    Raises:
        CandleFileError: a column is missing, unknown, or holds something else than it should; or
            a name is given that the file says itself.
    """
    path, raw = table.path, table.frame
    if "open_time" not in raw.columns:
        raw = raw.rename({old: new for old, new in _ALIASES.items() if old in raw.columns})
    in_path = _names_in(path)
    names = {name: in_path[name] for name in NAMES if name in in_path and name not in raw.columns}
    said = [name for name in NAMES if getattr(given, name) is not None]
    if said:
        raise CandleFileError(
            f"{path}: says the {', '.join(said)} of each candle itself; leave out "
            f"{', '.join('--symbol-name' if name == 'symbol' else f'--{name}' for name in said)}"
        )
    missing = [name for name in COLUMNS if name not in raw.columns and name not in names]
    unknown = [name for name in raw.columns if name not in {*COLUMNS, _SOURCE}]
    if missing or unknown:
        parts = [f"column {', '.join(missing)} is missing"] if missing else []
        parts += [f"column {', '.join(unknown)} is unknown"] if unknown else []
        raise CandleFileError(f"{path}: {' and '.join(parts)}; columns are {', '.join(COLUMNS)}")
    columns: dict[str, Any] = dict(names)
    problems = []
    for name in COLUMNS:
        if name not in names:
            columns[name], problem = _column(table, raw[name])
            problems.append(problem)
    notes = ["the column source is left out: what is imported has the source import"]
    return Rows(
        path,
        "tradepulse",
        rows_of(columns, problems, len(raw)),
        notes=notes if _SOURCE in raw.columns else [],
    )


def _names_in(path: Path) -> dict[str, str]:
    parts = [part.partition("=") for part in path.parent.parts]
    return {key: unquote(value) for key, equals, value in parts if equals}


def _column(table: Table, column: pl.Series) -> tuple[pl.Series, pl.Series]:
    name = column.name
    if name in NAMES:
        kind = "text"
        is_right = column.dtype == pl.String or column.dtype in (pl.Categorical, pl.Enum)
    elif name == "open_time":
        kind, is_right = "whole numbers (epoch milliseconds)", column.dtype.is_integer()
    else:
        kind, is_right = "numbers", column.dtype.is_numeric()
    if not is_right and not table.is_text and not column.is_empty():
        raise CandleFileError(f"{table.path}: column {name} holds {column.dtype}, not {kind}")
    if name in NAMES:
        texts = column.cast(pl.String)
        return texts, unread(texts, texts, name, "no text")
    if name in FIGURES:
        return numbers(column, name)
    times = column.cast(pl.Int64, strict=False)
    return times, unread(column, times, name, "no whole number of epoch milliseconds")
