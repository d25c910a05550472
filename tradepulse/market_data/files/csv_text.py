"""Reads a CSV as text, and tells of each line that has no place in its table why.

polars refuses a whole file for one line with a field too many, takes a line with a field too few
as if the last were empty, and reads on behind a quote that is not closed. So where it fails, or
what it made is not one row a line, the lines are looked at one by one.
"""

import io
import re
from pathlib import Path
from statistics import mode

import polars as pl

from tradepulse.market_data.files.rows import (
    PROBLEM,
    ROW,
    CandleFileError,
    Table,
    numbered,
)

HEADERLESS = ("time", "open", "high", "low", "close", "volume", "trades")
"""Columns of a CSV without a header: only Kraken's dumps have none."""
_MARK = "\ufeff"
_HEAD = 65_536
_FIELD = re.compile(r'"(?:[^"]|"")*"')
_WHOLE = r'^(?:"(?:[^"]|"")*"|[^",]*)(?:,(?:"(?:[^"]|"")*"|[^",]*))*$'
"""A line whose quotes, if there are any, are around whole fields."""
_SEPARATOR = "\x1f"
"""In no line that is looked at."""


def read_csv(path: Path, content: bytes) -> Table:
    """Read a CSV, the values as text.

    Args:
        path: what to call it.
        content: the file, not compressed; it may begin with a mark, blank lines and a comment.

    Raises:
        CandleFileError: it has no lines, or a header that cannot be one.
        PolarsError: it cannot be read.
    """
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    head = content[:_HEAD].decode("utf-8", "replace").removeprefix(_MARK).split("\n")
    if head == [""]:
        raise CandleFileError(f"{path}: the file is empty")
    if head[0].strip():
        start, has_header = _top(path, [line for line in head[:-1] if line.strip()] or head)
        frame = _whole(content, start, has_header=has_header)
        if frame is not None:
            return Table(path, frame, is_text=True, has_header=has_header)
    return _by_line(path, content)


def _top(path: Path, lines: list[str]) -> tuple[int, bool]:
    """Return how many lines are a comment, and whether there is a header.

    Args:
        path: what to call the file.
        lines: the first that are not blank.
    """
    # CryptoDataDownload's files begin with a line about their origin
    comments = 1 if len(lines) > 1 and _is_comment(lines[0]) else 0
    first = [value.strip(' \r"') for value in lines[comments].split(",")]
    # so a first candle that is broken is not taken for a header
    if len(first) == 1 or sum(map(_is_number, first)) * 2 <= len(first):
        return comments, True
    columns = mode(_FIELD.sub("", line).count(",") + 1 for line in lines[comments:])
    if columns != len(HEADERLESS):
        raise CandleFileError(
            f"{path}: has no header, and {columns} columns where Kraken's dump has "
            f"{len(HEADERLESS)}: {', '.join(HEADERLESS)}"
        )
    return comments, False


def _is_comment(line: str) -> bool:
    return "cryptodatadownload" in line.lower() or "://" in line or line.startswith("#")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _table(content: bytes, skipped: int = 0, *, has_header: bool) -> pl.DataFrame:
    return pl.read_csv(
        io.BytesIO(content),
        # as text: a wrong value shall be refused with its row, not guess the column's type
        infer_schema=False,
        has_header=has_header,
        schema=None if has_header else dict.fromkeys(HEADERLESS, pl.String),
        skip_rows=skipped,
    )


def _whole(content: bytes, skipped: int, *, has_header: bool) -> pl.DataFrame | None:
    """Read all at once; None where a row may be no line, or a line no row of all fields."""
    try:
        frame = _table(content, skipped, has_header=has_header)
    except pl.exceptions.PolarsError:
        return None
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    if len(frame) + skipped + has_header != lines:
        return None
    if frame.width and frame.to_series(-1).null_count():
        # none has too many, so all have enough if there are as many commas as there should be
        top = sum(line.count(b",") for line in content.split(b"\n", skipped)[:skipped])
        commas = (len(frame) + has_header) * (frame.width - 1)
        if b'"' in content or content.count(b",") - top != commas:
            return None
    return frame


def _by_line(path: Path, content: bytes) -> Table:
    if _SEPARATOR.encode() in content:
        raise CandleFileError(f"{path}: cannot be read: it holds a control character")
    text = pl.col("text")
    lines = (
        pl.read_csv(
            io.BytesIO(content),
            has_header=False,
            schema={"text": pl.String},
            separator=_SEPARATOR,
            quote_char=None,
            encoding="utf8-lossy",
        )
        .with_row_index("line", offset=1)
        .filter(text.str.strip_chars(" \t\r\ufeff") != "")
    )
    if lines.is_empty():
        raise CandleFileError(f"{path}: the file is empty")
    comments, has_header = _top(path, lines["text"].head(100).to_list())
    comment = lines["text"][0] if comments else ""
    # files that were put together: each brings its comment
    lines = lines.slice(comments).filter(text.str.strip_prefix(_MARK) != comment)
    is_quoted = text.str.contains('"', literal=True)
    bare = pl.when(is_quoted).then(text.str.replace_all(_FIELD.pattern, "")).otherwise(text)
    lines = lines.with_columns(
        fields=bare.str.count_matches(",", literal=True) + 1,
        wrong=pl.when(text.str.contains("\ufffd", literal=True))
        .then(pl.lit("is no UTF-8 text"))
        .when(is_quoted & ~text.str.contains(_WHOLE))
        .then(pl.lit("has a quote that is not around a whole field")),
    )
    first, _, columns, wrong = lines.row(0)
    if not has_header:
        columns = len(HEADERLESS)
    elif wrong is not None:
        raise CandleFileError(f"{path}: cannot be read: its header {wrong}")
    problem = pl.coalesce(
        "wrong",
        pl.when(pl.col("fields") != columns).then(
            pl.format("has {} fields, {} are expected", "fields", pl.lit(columns))
        ),
    )
    lines = lines.with_columns(
        (pl.col("line").cast(pl.Int64) - first + int(not has_header)).alias(ROW),
        pl.format("line {} {}", "line", problem).alias(PROBLEM),
    )
    good = lines.filter(pl.col(PROBLEM).is_null())
    joined = good["text"].str.join("\n").item() if len(good) else ""
    frame = _table(joined.encode(), has_header=has_header) if joined else pl.DataFrame()
    if len(frame) != len(good) - has_header:
        raise CandleFileError(f"{path}: cannot be read: its lines cannot be told apart")
    table = Table(path, frame, is_text=True, has_header=has_header)
    return numbered(
        table, good[ROW].slice(int(has_header)), lines.filter(~pl.col(PROBLEM).is_null())
    )
