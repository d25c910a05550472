"""Rows as they lie in a file: files put together, lines that are no row, rows of nothing."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from tradepulse.market_data.files.rows import FIGURES, NAMES, PROBLEM, ROW, Rows, Table, lower

_PRICES = frozenset(FIGURES[:4])
_NOTHING = ("", "nan", "null", "none", "na", "n/a", "#n/a", "nat", "-")
"""How a text says that there is no figure."""


def without_headers(rows: Rows, table: Table) -> Rows:
    """Pass over the file's header where it comes again; refuse what follows another header.

    So it is where files were put together. Under another header the columns may have another
    order, and a value would be taken for what it is not.

    Args:
        rows: what a layout made of the table, row for row.
        table: as it was read.
    """
    unread = rows.frame.filter(pl.col(PROBLEM).is_not_null())[ROW]
    expected = lower(table.frame.columns)
    same, other = [], []
    suspects = table.frame[(unread - 1).to_list()]
    has_close = suspects.select(pl.any_horizontal(pl.all().str.contains("(?i)close"))).to_series()
    has_close = has_close.fill_null(value=False)
    for row, values in zip(
        unread.filter(has_close), suspects.filter(has_close).iter_rows(), strict=True
    ):
        names = lower([value or "" for value in values])
        if names == expected:
            same.append(row)
        elif set(names) >= _PRICES:
            other.append(row)
    if not same and not other:
        return rows
    frame, notes = rows.frame, list(rows.notes)
    if other:
        headers = pl.DataFrame({"header": sorted(same + other)}, schema={"header": pl.Int64})
        under = frame.join_asof(headers, left_on=ROW, right_on="header")["header"]
        is_header, is_under = frame[ROW] == under, under.is_in(other)
        after = pl.format("comes after another header, in row {}", _in_file(table, under))
        reason = pl.when(is_header).then(pl.lit("is another header")).otherwise(after)
        has_names = ~(is_header & is_under).fill_null(value=False)
        problem = pl.when(is_under).then(reason).otherwise(pl.col(PROBLEM))
        frame = frame.with_columns(pl.when(has_names).then(pl.col(*NAMES)), problem.alias(PROBLEM))
    if same:
        first = _in_file(table, pl.Series(same))[0]
        where = f"row {first}" if len(same) == 1 else f"{len(same):,} rows, the first {first},"
        notes.append(f"the header comes again in {where} and is passed over")
    return replace(rows, frame=frame.filter(~pl.col(ROW).is_in(same)), notes=notes)


def without_holes(
    frame: pl.DataFrame, table: Table, raw: pl.DataFrame, columns: Sequence[str], notes: list[str]
) -> pl.DataFrame:
    """Pass over rows that have no price at all: there was no candle, and someone wrote so.

    Args:
        frame: the rows, as of `Rows`, one for each of the table.
        table: as it was read.
        raw: its columns.
        columns: of these, for the four prices and the volume.
        notes: a line is added where there are such rows.
    """
    suspects = frame.select(
        pl.col("open").is_null() | pl.col("open").is_nan(),
    ).to_series()
    if not suspects.any():
        return frame
    nothing = []
    for name in columns:
        text = raw[name].cast(pl.String).fill_null("").str.strip_chars().str.to_lowercase()
        nothing.append(text.is_in(_NOTHING))
    traded = frame["volume"].fill_nan(0).fill_null(0) != 0
    whole = pl.select(pl.all_horizontal(nothing[:-1])).to_series()
    is_hole = suspects & whole & (nothing[-1] | ~traded)
    if not is_hole.any():
        return frame
    first = _in_file(table, frame.filter(is_hole)[ROW])[0]
    count = int(is_hole.sum())
    told = f"{count:,} rows without prices are holes, the first is" if count > 1 else "a hole is"
    notes.append(f"{told} row {first:,}{'' if count > 1 else ', which has no price'}")
    return frame.filter(~is_hole)


def as_in_the_file(rows: Rows, table: Table) -> Rows:
    """Number the rows as they are in the file, and add those that could not be read at all."""
    if table.numbers is None or table.broken is None:
        return rows
    numbers = _in_file(table, rows.frame[ROW]).alias(ROW)
    frame = pl.concat([rows.frame.with_columns(numbers), table.broken], how="diagonal")
    return replace(rows, frame=frame.sort(ROW))


def _in_file(table: Table, rows: pl.Series) -> pl.Series:
    """Return the numbers in the file of rows of the table, counted from 1."""
    return rows if table.numbers is None else table.numbers.gather(rows - 1)
