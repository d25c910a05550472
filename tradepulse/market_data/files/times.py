"""Times of files: numbers since the epoch in one of several units, and texts."""

from typing import Any, NamedTuple

import polars as pl

from tradepulse.market_data.files.rows import CandleFileError, unread

UNITS = {
    "seconds": (1_000, 1),
    "milliseconds": (1, 1),
    "microseconds": (1, 1_000),
    "nanoseconds": (1, 1_000_000),
}
"""What makes milliseconds of each unit: multiply, then divide."""
_EARLIEST = 100_000_000
"""In seconds, 1973. From there to 5138 no unit's times can be taken for another's."""
_LATEST = 9e18
"""More does not fit into 64 bits."""
_TEXTS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %I:%M-%p", "%Y-%m-%d %I:%M:%S %p")
_ZONED = ("%Y-%m-%d %H:%M:%S%:z", "%Y-%m-%d %H:%M:%S%z")


class Times(NamedTuple):
    """A column of times as it was read."""

    values: pl.Series
    """Int64, epoch ms; null where there is a problem."""
    problems: pl.Series
    """What is wrong with each value, else null."""
    units: dict[str, int]
    """How many values are in each unit, most first; `text` for dates."""


def read_times(column: pl.Series, name: str, *, mixed: bool = False) -> Times:
    """Read times in UTC: numbers since the epoch in any unit, texts of numbers, dates.

    Args:
        column: numbers, texts or dates.
        name: what to call it.
        mixed: whether each value may have a unit of its own; else those not in the unit of most
            are refused.

    Raises:
        CandleFileError: the column holds something else.
    """
    dtype = column.dtype
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        values = _epoch_ms(column)
        return Times(values, unread(column, values, name, "no time"), {"text": len(values)})
    if dtype.is_numeric():
        return _numbers(column, column.cast(pl.Float64), name, mixed=mixed)
    if dtype != pl.String:
        raise CandleFileError(f"column {name} holds {dtype}, not times")
    as_numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
    # of most: one number among dates, or one text among numbers, is one bad row
    if 2 * as_numbers.count() >= column.count():
        return _numbers(column, as_numbers, name, mixed=mixed)
    values = _dates(column)
    problems = unread(column, values, name, "no time, as 2019-10-17 09:00")
    return Times(values, problems, {"text": len(values)})


def _numbers(column: pl.Series, read: pl.Series, name: str, *, mixed: bool) -> Times:
    frame = pl.DataFrame({"text": column.cast(pl.String), "number": read})
    number = pl.col("number")
    odd = number.is_null() | number.is_nan() | (number != number.floor()) | (number >= _LATEST)
    unit: Any = pl.when(odd).then(None)
    for step, known in enumerate(UNITS):
        least = _EARLIEST * 1000.0**step
        unit = unit.when((number >= least) & (number < least * 1000)).then(pl.lit(known))
    frame = frame.with_columns(unit.otherwise(None).alias("unit"))
    counts = frame["unit"].drop_nulls().value_counts(sort=True)
    units = dict(counts.iter_rows())
    values = pl.lit(None, pl.Int64)
    whole = number.fill_nan(None).cast(pl.Int64, strict=False)
    for known, (times, over) in UNITS.items():
        values = pl.when(pl.col("unit") == known).then(whole * times // over).otherwise(values)
    problem = (
        pl.when(pl.col("text").is_null())
        .then(pl.lit(f"{name} is empty"))
        .when(pl.col("unit").is_null())
        .then(pl.format(f"{name} '{{}}' is no time since the epoch", "text"))
    )
    most = next(iter(units), "")
    if not mixed:
        other = pl.col("unit") != most
        told = pl.format(f"{name} {{}} is in {{}}, most of the file in {most}", "text", "unit")
        problem = problem.when(other).then(told)
        values = pl.when(other).then(None).otherwise(values)
    done = frame.select(values.alias("values"), problem.otherwise(None).alias("problem"))
    return Times(done["values"], done["problem"], units)


def _dates(column: pl.Series) -> pl.Series:
    """Read texts of dates, as `2019-10-17 09-AM`, `2019-10-17T09:00:00Z`, `2019-10-17`."""
    text = column.str.strip_chars().str.replace("T", " ", literal=True)
    text = text.str.replace(r"(?:Z|[+-]00:?00)$", "").str.replace(
        r" (\d\d)-([AP]M)$", " ${1}:00-$2"
    )
    text = text.str.replace(r"^(\d{4}-\d\d-\d\d)$", "$1 00:00").str.replace(r"\.0+$", "")
    found = [_epoch_ms(text.str.to_datetime(form, time_unit="ms", strict=False)) for form in _TEXTS]
    if all(one.null_count() for one in found):
        found += [
            _epoch_ms(text.str.to_datetime(form, time_unit="ms", time_zone="UTC", strict=False))
            for form in _ZONED
        ]
    return pl.select(pl.coalesce(found)).to_series()


def _epoch_ms(column: pl.Series) -> pl.Series:
    return column.cast(pl.Datetime("ms", getattr(column.dtype, "time_zone", None))).dt.epoch("ms")
