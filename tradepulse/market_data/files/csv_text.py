"""Reads a CSV as text, and tells of each line that has no place in its table why.

polars refuses a whole file for one line with a field too many, takes a line with a field too few
as if the last were empty, and reads on behind a quote that is not closed. So where it fails, or
what it made is not one row a line, the lines are looked at one by one.
"""

import io
import re
from pathlib import Path
from statistics import mode
from typing import NamedTuple

import polars as pl

from tradepulse.market_data.files.rows import (
    PROBLEM,
    ROW,
    CandleFileError,
    Table,
    numbered,
)

_CANDLE = ("time", "open", "high", "low", "close", "volume")
KRAKEN = (*_CANDLE, "trades")
"""Columns of Kraken's dump, which has no header."""
BINANCE = (
    *("open_time", *_CANDLE[1:], "close_time", "quote_volume", "count"),
    *("taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
"""Columns of Binance's archive, whose files have no header, or this one."""
HEADERLESS = {len(names): names for names in (_CANDLE, KRAKEN, BINANCE)}
"""Columns of a CSV without a header, by their number."""
SEPARATORS = ("\t", ";", "|")
"""What may part fields beside a comma."""
_MARK = "\ufeff"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_HEAD = 65_536
_FIELD = re.compile(r'"(?:[^"]|"")*"')
_WHOLE = r'^(?:"(?:[^"]|"")*"|[^"S]*)(?:S(?:"(?:[^"]|"")*"|[^"S]*))*$'
"""A line whose quotes, if there are any, are around whole fields; `S` is the separator."""
_SEPARATOR = "\x1f"
"""In no line that is looked at."""
_EXCEL = re.compile(r"\ufeff?\"?sep=(.)\"?\s*", re.IGNORECASE)
"""The line by which Excel says the separator."""


_HEADER_OF_YFINANCE = re.compile(
    rb"\A(?:\xef\xbb\xbf)?Price(,[^\r\n]*)\r?\nTicker,[^\r\n]*\r?\n(Date|Datetime),[,\s]*?\r?\n"
)
"""Three lines, of which the first names the prices and the third the time."""


class _Top(NamedTuple):
    """What is above the first candle."""

    comments: int
    """How many lines are no part of the table."""
    columns: tuple[str, ...]
    """The names of the columns where there is no header; none where there is one."""
    separator: str

    @property
    def has_header(self) -> bool:
        return not self.columns


def read_csv(path: Path, content: bytes) -> Table:
    """Read a CSV, the values as text.

    Args:
        path: what to call it.
        content: the file, not compressed; it may begin with a mark, blank lines and a comment.

    Raises:
        CandleFileError: it has no lines, or a header that cannot be one.
        PolarsError: it cannot be read.
    """
    if content.startswith(_UTF_16):
        content = content.decode("utf-16").encode()
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    content = _HEADER_OF_YFINANCE.sub(rb"\n\n\2\1\n", content, count=1)
    head = content[:_HEAD].decode("utf-8", "replace").removeprefix(_MARK).split("\n")
    if head == [""]:
        raise CandleFileError(f"{path}: the file is empty")
    if head[0].strip():
        top = _top(path, [line for line in head[:-1] if line.strip()] or head)
        frame = _whole(content, top)
        if frame is not None:
            return _made(path, frame, top)
    return _by_line(path, content)


def _made(path: Path, frame: pl.DataFrame, top: _Top) -> Table:
    return Table(
        path, frame, is_text=True, has_header=top.has_header, uses_comma=top.separator == ","
    )


def _top(path: Path, lines: list[str]) -> _Top:
    """Return what is above the first candle.

    Args:
        path: what to call the file.
        lines: the first that are not blank.
    """
    # CryptoDataDownload's files begin with a line about their origin
    comments = 0
    while comments < len(lines) - 1 and _is_comment(lines[comments]):
        comments += 1
    said = _EXCEL.fullmatch(lines[0])
    separator = said[1] if said and said[1] in SEPARATORS else _separator_of(lines[comments])
    first = [value.strip(' \r"') for value in lines[comments].split(separator)]
    # so a first candle that is broken is not taken for a header
    if len(first) == 1 or sum(map(_is_number, first)) * 2 <= len(first):
        return _Top(comments, (), separator)
    columns = mode(_FIELD.sub("", line).count(separator) + 1 for line in lines[comments:])
    if columns not in HEADERLESS:
        known = "; ".join(f"{count}: {', '.join(names)}" for count, names in HEADERLESS.items())
        raise CandleFileError(
            f"{path}: has no header, and {columns} columns; without one are known {known}"
        )
    return _Top(comments, HEADERLESS[columns], separator)


def _separator_of(line: str) -> str:
    """Return what parts the fields of a line; a time and four prices are five at least."""
    bare = _FIELD.sub("", line)
    return next((one for one in SEPARATORS if bare.count(one) >= len(_CANDLE) - 2), ",")


def _is_comment(line: str) -> bool:
    is_told = "cryptodatadownload" in line.lower() or "://" in line or line.startswith("#")
    return is_told or _EXCEL.fullmatch(line) is not None


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _table(content: bytes, top: _Top, skipped: int) -> pl.DataFrame:
    return pl.read_csv(
        io.BytesIO(content),
        # as text: a wrong value shall be refused with its row, not guess the column's type
        infer_schema=False,
        has_header=top.has_header,
        schema=None if top.has_header else dict.fromkeys(top.columns, pl.String),
        skip_rows=skipped,
        separator=top.separator,
    )


def _whole(content: bytes, top: _Top) -> pl.DataFrame | None:
    """Read all at once; None where a row may be no line, or a line no row of all fields."""
    skipped, separator = top.comments, top.separator.encode()
    try:
        frame = _table(content, top, skipped)
    except pl.exceptions.PolarsError:
        return None
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    if len(frame) + skipped + top.has_header != lines:
        return None
    if frame.width and frame.to_series(-1).null_count():
        # none has too many, so all have enough if there are as many commas as there should be
        above = sum(line.count(separator) for line in content.split(b"\n", skipped)[:skipped])
        commas = (len(frame) + top.has_header) * (frame.width - 1)
        if b'"' in content or content.count(separator) - above != commas:
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
    top = _top(path, lines["text"].head(100).to_list())
    separator = top.separator
    comments = lines["text"].head(top.comments).str.strip_prefix(_MARK)
    # files that were put together: each brings its comment
    plain = text.str.strip_prefix(_MARK)
    lines = lines.slice(top.comments).filter(~plain.is_in(comments.implode()))
    is_quoted = text.str.contains('"', literal=True)
    bare = pl.when(is_quoted).then(text.str.replace_all(_FIELD.pattern, "")).otherwise(text)
    whole = _WHOLE.replace("S", re.escape(separator))
    lines = lines.with_columns(
        fields=bare.str.count_matches(separator, literal=True) + 1,
        wrong=pl.when(text.str.contains("\ufffd", literal=True))
        .then(pl.lit("is no UTF-8 text"))
        .when(is_quoted & ~text.str.contains(whole))
        .then(pl.lit("has a quote that is not around a whole field")),
    )
    first, _, columns, wrong = lines.row(0)
    if not top.has_header:
        columns = len(top.columns)
    elif wrong is not None:
        raise CandleFileError(f"{path}: cannot be read: its header {wrong}")
    problem = pl.coalesce(
        "wrong",
        pl.when(pl.col("fields") != columns).then(
            pl.format("has {} fields, {} are expected", "fields", pl.lit(columns))
        ),
    )
    lines = lines.with_columns(
        (pl.col("line").cast(pl.Int64) - first + int(not top.has_header)).alias(ROW),
        pl.format("line {} {}", "line", problem).alias(PROBLEM),
    )
    good = lines.filter(pl.col(PROBLEM).is_null())
    joined = good["text"].str.join("\n").item() if len(good) else ""
    frame = _table(joined.encode(), top, 0) if joined else pl.DataFrame()
    if len(frame) != len(good) - top.has_header:
        raise CandleFileError(f"{path}: cannot be read: its lines cannot be told apart")
    return numbered(
        _made(path, frame, top),
        good[ROW].slice(int(top.has_header)),
        lines.filter(~pl.col(PROBLEM).is_null()),
    )
