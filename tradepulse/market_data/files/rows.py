"""What a layout makes of a file: rows of candles, each with what is wrong with it, if anything."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

NAMES = ("exchange", "symbol", "timeframe")
FIGURES = ("open", "high", "low", "close", "volume")
COLUMNS = (*NAMES, "open_time", *FIGURES)
ROW, PROBLEM = "row", "problem"
NAME = re.compile(r"[^\s:]{1,64}")


class CandleFileError(ValueError):
    """A file of candles is refused; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the user says of a file that does not say it itself.

    Attributes:
        exchange: venue, as in `kraken`.
        symbol: as in `BTC/USD`.
        timeframe: as in `1h`.
        otherwise: what counts only where neither the file nor its name says it.
    """

    exchange: str | None = None
    symbol: str | None = None
    timeframe: str | None = None
    otherwise: "Given | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A file as it is.

    Attributes:
        path: where it is, or what to call it.
        frame: its columns; those of a text file as text.
        is_text: whether the values are texts of numbers and times.
        has_header: whether the columns have names of the file's own.
        uses_comma: whether a comma parts the fields of a text, so that none is in a number.
        numbers: the number of each row in the file, Int64; None where they are 1, 2, 3, …
        broken: what else the file has: `row`, its number, and `problem`, why it is no row of the
            frame; None for nothing.
    """

    path: Path
    frame: pl.DataFrame
    is_text: bool = False
    has_header: bool = True
    uses_comma: bool = True
    numbers: pl.Series | None = None
    broken: pl.DataFrame | None = None

    def lower(self) -> pl.DataFrame:
        """Return the columns named in lower letters with `_` for what is no letter or digit."""
        names = lower(self.frame.columns)
        if len(set(names)) != len(names):
            raise CandleFileError(f"{self.path}: a column is there twice: {', '.join(names)}")
        return self.frame.rename(dict(zip(self.frame.columns, names, strict=True)))


def lower(names: Sequence[str]) -> list[str]:
    """Return names in lower letters, without a mark, and with `_` for blanks and points."""
    return ["_".join(name.lower().strip("\ufeff").replace(".", " ").split()) for name in names]


def numbered(table: Table, numbers: pl.Series, broken: pl.DataFrame) -> Table:
    """Return a table with the numbers of its rows in the file, and the rows that are none."""
    return replace(table, numbers=numbers, broken=broken.select(pl.col(ROW), PROBLEM))


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of a file in our terms.

    Attributes:
        path: of the file.
        layout: the name of its layout.
        frame: the columns `row` (from 1; headers are not counted), `exchange`, `symbol`,
            `timeframe`, `open_time` (Int64, epoch ms), the figures (Float64), and `problem`: what
            could not be read in the row, else null. Where there is a problem the others may be
            null.
        any_order: whether the layout is known to have its rows in another order than time's.
        notes: what was inferred or passed over, each a line for the user.
    """

    path: Path
    layout: str
    frame: pl.DataFrame
    any_order: bool = False
    notes: list[str] = field(default_factory=list)


def rows_of(
    columns: dict[str, pl.Series | str], problems: Sequence[pl.Series], count: int
) -> pl.DataFrame:
    """Put the frame of `Rows` together.

    Args:
        columns: by name; a text stands for a column that holds it everywhere.
        problems: texts or null; of several in a row the first is told.
        count: number of rows.
    """
    made: dict[str, Any] = {
        name: pl.repeat(value, count, dtype=pl.String, eager=True)
        if isinstance(value, str)
        else value
        for name, value in columns.items()
    }
    problem = pl.repeat(None, count, dtype=pl.String, eager=True)
    if problems:
        problem = pl.select(pl.coalesce(list(problems))).to_series()
    return (
        pl.DataFrame({**{name: made[name] for name in COLUMNS}, PROBLEM: problem})
        .with_row_index(ROW, offset=1)
        .with_columns(pl.col(ROW).cast(pl.Int64))
    )


def no_rows() -> pl.DataFrame:
    """Return the frame of `Rows` of a file that has none."""
    types: dict[str, pl.DataType] = {name: pl.String() for name in (*NAMES, PROBLEM)}
    types |= {ROW: pl.Int64(), "open_time": pl.Int64()}
    types |= {name: pl.Float64() for name in FIGURES}
    return pl.DataFrame(schema=types)


def numbers(column: pl.Series, name: str) -> tuple[pl.Series, pl.Series]:
    """Read a column as Float64: the values, and what is wrong where there is none."""
    values = column.cast(pl.Float64, strict=False)
    return values, unread(column, values, name, "no number")


def unread(column: pl.Series, values: pl.Series, name: str, what: str) -> pl.Series:
    """Return for each value that could not be read what it is instead, else null."""
    if not values.null_count():
        return pl.repeat(None, len(values), dtype=pl.String, eager=True)
    text = column.cast(pl.String)
    return pl.select(
        pl.when(values.is_not_null())
        .then(None)
        .when(text.is_null())
        .then(pl.lit(f"{name} is empty"))
        .otherwise(pl.format(f"{name} '{{}}' is {what}", text))
    ).to_series()


def figures(frame: pl.DataFrame, names: Sequence[str]) -> tuple[dict[str, Any], list[pl.Series]]:
    """Read the five figures from columns of any name, in the order of `FIGURES`."""
    read = [numbers(frame[name], name) for name in names]
    values = {name: one for name, (one, _) in zip(FIGURES, read, strict=True)}
    return values, [problem for _, problem in read]
