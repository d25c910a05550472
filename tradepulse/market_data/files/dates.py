"""Dates written as text: in the order of year, month, day or another, with an offset or none."""

from typing import NamedTuple

import polars as pl

from tradepulse.market_data.files.rows import CandleFileError

_OFFSET = r"(:\d\d(?:\.\d+)?) ?(?:UTC|GMT)? ?([+-])(\d\d)(?::?(\d\d))?$"
"""After a time of day, as `2024-01-31` ends in what looks like one."""
_ZULU = r" ?(?:Z|UTC|GMT)$"
_SHORT = r"^(\d{1,2})[./-](\d{1,2})[./-](\d{4})"
"""Day and month, in the one order or the other."""
_JOINED = r"^(\d{4})(\d\d)(\d\d)(?:[ T]?(\d\d):?(\d\d)(?::?(\d\d))?)?$"
NUMERALS = (
    r"^(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:(?:[01]\d|2[0-3])(?:[0-5]\d){1,2})?$"
)
"""A date as one number, `20240131` or `202401311530`."""
_FORMS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y-%m-%d %I:%M-%p",
    "%Y-%m-%d %I:%M:%S %p",
    "%Y-%m-%d %I:%M %p",
    *(f"{date}{time}" for date in ("%b %d, %Y", "%d %b %Y", "%d-%b-%Y") for time in ("", " %H:%M")),
)
_MONTHS = 12


class Dates(NamedTuple):
    """A column of dates as it was read."""

    values: pl.Series
    """Int64, epoch ms; null where there is no date that can be read."""
    zone: str
    """Which zone they are in, in words."""
    order: str
    """How it is known whether the day or the month is first; empty where the year is."""


def read_dates(column: pl.Series, name: str) -> Dates:
    """Read texts, as `2019-10-17 09-AM`, `2019-10-17T09:00:00+02:00`, `17.10.2019`, `20191017`.

    Args:
        column: of texts.
        name: what to call it.

    Raises:
        CandleFileError: days and months cannot be told apart.
    """
    text = column.str.strip_chars().str.replace(r"^(\S+\d)T(\d)", "${1} $2")
    frame = pl.DataFrame({"text": text}).with_columns(
        offset=pl.col("text").str.extract_groups(_OFFSET)
    )
    sign, hours, minutes = (pl.col("offset").struct[i] for i in range(1, 4))
    offset = (hours.cast(pl.Int64) * 60 + minutes.fill_null("0").cast(pl.Int64)) * 60_000
    frame = frame.select(
        pl.col("text")
        .str.replace(_OFFSET, "${1}")
        .str.replace(_ZULU, "")
        .str.replace(r"\.0+$", ""),
        offset=pl.when(sign == "-").then(-offset).otherwise(offset).fill_null(0),
        zoned=sign.is_not_null() | pl.col("text").str.contains(_ZULU),
    )
    texts, order = _in_order(frame["text"], name)
    local = _parsed(texts)
    known = frame.filter(local.is_not_null())
    return Dates(local - frame["offset"], _zone(known), order)


def _zone(known: pl.DataFrame) -> str:
    zoned = int(known["zoned"].sum())
    if not zoned:
        return "say no zone and are taken as UTC"
    if zoned < len(known):
        return f"say no zone in {len(known) - zoned:,} rows, which are taken as UTC"
    return "say their zone" if (known["offset"] != 0).any() else "are UTC"


def _in_order(text: pl.Series, name: str) -> tuple[pl.Series, str]:
    """Return the dates with the year first, and how it is known what was first.

    Raises:
        CandleFileError: it is not.
    """
    joined = text.str.contains(_JOINED)
    if joined.any():
        parts = pl.DataFrame({"t": text}).select(pl.col("t").str.extract_groups(_JOINED))["t"]
        year, month, day, hour, minute, second = (parts.struct.field(str(i)) for i in range(1, 7))
        made = pl.select(
            pl.format(
                "{}-{}-{} {}:{}:{}",
                *(year, month, day),
                *(one.fill_null("00") for one in (hour, minute, second)),
            )
        ).to_series()
        text = pl.select(pl.when(joined).then(made).otherwise(text)).to_series()
    text = text.str.replace(r"^(\d{4})[./](\d{1,2})[./](\d{1,2})", "${1}-${2}-$3")
    parts = text.str.extract_groups(_SHORT)
    first, second = (parts.struct.field(str(i)).cast(pl.Int64) for i in (1, 2))
    if not first.count():
        return _padded(text), ""
    day_first, month_first = (one > _MONTHS for one in (first, second))
    if day_first.any() == month_first.any():
        example = text.filter(first.is_not_null())[0]
        why = "no date of the file says which"
        if day_first.any():
            why = f"'{text.filter(day_first)[0]}' and '{text.filter(month_first)[0]}' differ"
        raise CandleFileError(
            f"{name} '{example}' may be day.month or month.day, and {why}: write dates as "
            "2024-01-31"
        )
    is_day = bool(day_first.any())
    example = text.filter(day_first if is_day else month_first)[0]
    text = _padded(text).str.replace(
        r"^(\d\d)[./-](\d\d)[./-](\d{4})", "${3}-${2}-$1" if is_day else "${3}-${1}-$2"
    )
    return text, f"{'day' if is_day else 'month'} first, as {example} shows"


def _padded(text: pl.Series) -> pl.Series:
    if not text.str.contains(r"\b\d\b").any():
        return text
    return text.str.replace_all(r"\b(\d)\b", "0${1}")


def _parsed(text: pl.Series) -> pl.Series:
    """Return epoch ms of dates with the year first, or with the month's name."""
    text = text.str.replace(r" (\d\d)-([AaPp][Mm])$", " ${1}:00-$2").str.replace(r",$", "")
    found = pl.Series("", [None] * len(text), pl.Int64)
    for form in _FORMS:
        rest = found.is_null() & text.is_not_null()
        if not rest.any():
            break
        read = text.filter(rest).str.to_datetime(form, time_unit="ms", strict=False)
        if read.count():
            found = found.scatter(rest.arg_true(), read.dt.epoch("ms"))
    return found
