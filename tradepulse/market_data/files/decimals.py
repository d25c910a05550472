"""Figures written as text, with a point or a comma, with marks between thousands or none."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from tradepulse.market_data.files.rows import CandleFileError, Table, numbers, unread

_SPACES = r"[\s\u00a0\u202f'\u2019]"
"""What else parts thousands: blanks, narrow ones, apostrophes."""
_SCALES = {"K": 1e3, "M": 1e6, "B": 1e9}
_SCALED = r"^([+-]?[\d.,]*\d[\d.,]*) ?([KMB])$"
"""`12.3K`, as Investing.com writes volumes."""
_GROUPED = r"^[+-]?[1-9]\d{0,2}(?:MARK\d{3})+$"
"""Thousands, or three decimals: one mark does not tell, several do."""


def read_figures(
    table: Table, frame: pl.DataFrame, columns: Sequence[str], notes: list[str]
) -> list[tuple[pl.Series, pl.Series]]:
    """Read columns of figures as Float64: the values of each, and what is wrong where is none.

    One decimal mark is taken for all, the one that the file itself shows.

    Args:
        table: of the file.
        frame: its columns.
        columns: which of them.
        notes: a line is added where the mark is not a point.

    Raises:
        CandleFileError: it cannot be told which mark is the decimal one.
    """
    texts = [frame[name] for name in columns if frame[name].dtype == pl.String]
    if not table.is_text or not texts or not _needs_look(table, texts):
        return [numbers(frame[name], name) for name in columns]
    known = pl.concat([one.drop_nulls().str.strip_chars() for one in texts])
    rounded = known.filter(known.str.contains(_SCALED))
    if len(rounded):
        notes.append(f"some figures are rounded, as {rounded[0]}")
        known = known.str.replace(_SCALED, "${1}")
    known = known.str.replace_all(_SPACES, "").unique()
    known = known.filter(known.str.contains(r"^[+-]?[\d.,]*\d[\d.,]*$"))
    mark = _decimal_mark(table, known)
    if mark == ",":
        notes.append("numbers have a decimal comma")
    group = r"\." if mark == "," else ","
    shown = known.str.contains(group)
    if shown.any():
        notes.append(f"thousands are parted by {'points' if mark == ',' else 'commas'}")
    return [_read(frame[name], name, mark) for name in columns]


def _needs_look(table: Table, texts: Sequence[pl.Series]) -> bool:
    """Tell whether any value is not just digits and one point."""
    if not table.uses_comma:
        return True
    return any(one.cast(pl.Float64, strict=False).null_count() > one.null_count() for one in texts)


def _decimal_mark(table: Table, known: pl.Series) -> str:
    """Return `.` or `,`.

    Raises:
        CandleFileError: both are shown, or neither where it matters.
    """
    decimal = {}
    doubtful = {}
    for mark, other in ((".", ","), (",", ".")):
        one, two = rf"\{mark}", rf"\{other}"
        grouped = known.str.contains(_GROUPED.replace("MARK", one))
        once = known.str.count_matches(one) == 1
        has_other = known.str.contains(two)
        # after the last mark of the other kind, or not in a place where thousands are parted
        last = known.str.contains(rf"^[^{mark}]*{two}[^{mark}]*{one}\d+$")
        decimal[mark] = known.filter(once & (last | (~grouped & ~has_other)))
        doubtful[mark] = known.filter(grouped & once)
        # `1.234.567` shows that the point is not the decimal mark
        if known.filter(grouped & ~once).len():
            decimal[mark + "?"] = known.filter(grouped & ~once)
    point, comma = decimal["."], decimal[","]
    if len(point) and len(comma):
        raise CandleFileError(
            f"{table.path}: '{point[0]}' and '{comma[0]}' have different decimal marks"
        )
    if len(comma) or ".?" in decimal:
        return ","
    if len(point) or ",?" in decimal:
        return "."
    # beside commas between fields a point is the decimal mark, unless something says otherwise
    for mark in (",",) if table.uses_comma else (".", ","):
        if len(doubtful[mark]):
            raise CandleFileError(
                f"{table.path}: '{doubtful[mark][0]}' may be thousands or have three decimals, "
                "and no figure of the file says which: write figures as 1234.5"
            )
    return "."


def _read(column: pl.Series, name: str, mark: str) -> tuple[pl.Series, pl.Series]:
    if column.dtype != pl.String:
        return numbers(column, name)
    text = column.str.strip_chars()
    scale = text.str.extract(_SCALED, 2)
    if scale.count():
        text = text.str.replace(_SCALED, "${1}")
    text = text.str.replace_all(rf"(\d){_SPACES}(\d\d\d)", "${1}$2")
    group, point = (",", r"\.") if mark == "." else (r"\.", ",")
    is_grouped = text.str.contains(rf"^[+-]?\d{{1,3}}(?:{group}\d{{3}})+(?:{point}\d*)?$")
    bare = pl.when(is_grouped).then(text.str.replace_all(group, "")).otherwise(text)
    text = pl.select(bare).to_series()
    if mark == ",":
        # a point that parts no thousands is no decimal mark here
        wrong = text.str.contains(r"\.")
        text = text.str.replace(",", ".", literal=True)
        text = pl.select(pl.when(wrong).then(None).otherwise(text)).to_series()
    values: Any = text.cast(pl.Float64, strict=False)
    if scale.count():
        values = values * scale.replace_strict(_SCALES, default=1.0)
    return values, unread(column, values, name, "no number")
