"""Rows of a text file as they lie in it: files put together, lines that are no row."""

from dataclasses import replace

import polars as pl

from tradepulse.market_data.files.rows import FIGURES, NAMES, PROBLEM, ROW, Rows, Table, lower

_PRICES = frozenset(FIGURES[:4])


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
