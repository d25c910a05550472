"""Times of files: numbers since the epoch in one of several units, and texts."""

from collections.abc import Callable
from typing import Any, NamedTuple

import polars as pl

from tradepulse.market_data.files.dates import NUMERALS, read_dates
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
_DAY = 86_400_000
_SAMPLE = 1_000


class Times(NamedTuple):
    """A column of times as it was read."""

    values: pl.Series
    """Int64, epoch ms; null where there is a problem."""
    problems: pl.Series
    """What is wrong with each value, else null."""
    units: dict[str, int]
    """How many values are in each unit, most first; `text` for dates."""
    about: str = ""
    """Of dates: their zone and their order, in words; of numbers, which column confirms them."""

    def told(self) -> str:
        """Return in words what was inferred; nothing where there is no time."""
        if "text" in self.units:
            return f"times are dates, {self.about}"
        if len(self.units) > 1:
            counts = [f"{count:,} rows in {unit}" for unit, count in self.units.items()]
            by = f", and {self.about} says the same" if self.about else ""
            return f"times: {', '.join(counts)}, each by its size{by}"
        return "".join(f"times are {unit}" for unit in self.units)


class Witness(NamedTuple):
    """Another column that says the times, too."""

    values: pl.Series
    """Int64, epoch ms; midnight also where only the day is said."""
    name: str


def read_times(
    column: pl.Series,
    name: str,
    *,
    mixed: bool = False,
    witness: Callable[[], Witness | None] = lambda: None,
) -> Times:
    """Read times in UTC: numbers since the epoch in any unit, texts of numbers, dates.

    Args:
        column: numbers, texts or dates.
        name: what to call it.
        mixed: whether each value may have a unit of its own; else those not in the unit of most
            are refused.
        witness: read where units are mixed: values that are not in the unit of most, and not
            confirmed by it, are refused.

    Raises:
        CandleFileError: the column holds something else, or dates that may be read in two ways.
    """
    dtype = column.dtype
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        values = _epoch_ms(column)
        zone = getattr(dtype, "time_zone", None)
        about = "with their zone" if zone else "which say no zone and are taken as UTC"
        problems = unread(column, values, name, "no time")
        return Times(values, problems, {"text": len(values)}, about)
    if dtype.is_numeric() and not _are_numerals(column.cast(pl.String)):
        return _numbers(column, column.cast(pl.Float64), name, mixed=mixed, witness=witness)
    if dtype.is_numeric():
        column = column.cast(pl.String)
    if dtype != pl.String and not dtype.is_numeric():
        raise CandleFileError(f"column {name} holds {dtype}, not times")
    as_numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
    # of most: one number among dates, or one text among numbers, is one bad row
    if 2 * as_numbers.count() >= column.count() and not _are_numerals(column):
        return _numbers(column, as_numbers, name, mixed=mixed, witness=witness)
    dates = read_dates(column, name)
    problems = unread(column, dates.values, name, "no time, as 2019-10-17 09:00")
    about = "; ".join(filter(None, [f"which {dates.zone}", dates.order]))
    return Times(dates.values, problems, {"text": len(dates.values)}, about)


def _are_numerals(column: pl.Series) -> bool:
    """Tell whether all are dates that look like a number."""
    known = column.drop_nulls()
    return (
        bool(len(known))
        and known.head(1).str.contains(NUMERALS)[0]
        and bool(known.str.strip_chars().str.contains(NUMERALS).all())
    )


def _numbers(
    column: pl.Series,
    read: pl.Series,
    name: str,
    *,
    mixed: bool,
    witness: Callable[[], Witness | None],
) -> Times:
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
    seen = witness() if mixed and len(units) > 1 else None
    if not mixed or seen is not None:
        most = next(iter(units), "")
        other = pl.col("unit") != most
        told = pl.format(f"{name} {{}} is in {{}}, most of the file in {most}", "text", "unit")
        if seen is not None:
            other = other & ~_agree(values, pl.lit(seen.values))
            told = pl.format("{}, and {} does not say the same time", told, pl.lit(seen.name))
        problem = problem.when(other).then(told)
        values = pl.when(other).then(None).otherwise(values)
    done = frame.select(values.alias("values"), problem.otherwise(None).alias("problem"))
    return Times(done["values"], done["problem"], units, seen.name if seen is not None else "")


def differing(times: Times, name: str, other: pl.Series) -> str | None:
    """Return in words where another column of times says others than were read, if it does.

    Only the first rows are looked at: two columns that differ, differ there.
    """
    try:
        seen = read_times(other.head(_SAMPLE), other.name, mixed=True).values
    except CandleFileError:
        return None
    both = pl.DataFrame({"values": times.values.head(_SAMPLE), "seen": seen}).drop_nulls()
    count = int(both.select(~_agree(pl.col("values"), pl.col("seen"))).to_series().sum())
    if not count:
        return None
    return (
        f"{other.name} says another time than {name} in {count:,} of the first {len(both):,} rows: "
        f"{name} counts"
    )


def _agree(values: pl.Expr, seen: pl.Expr) -> pl.Expr:
    """Tell where a witness confirms a time, or the day of it where it says no more."""
    is_day = (seen % _DAY == 0) & (values - values % _DAY == seen)
    return ((values == seen) | is_day).fill_null(value=False)


def _epoch_ms(column: pl.Series) -> pl.Series:
    return column.cast(pl.Datetime("ms", getattr(column.dtype, "time_zone", None))).dt.epoch("ms")
