"""Which of two columns of volume is in the base currency, row by row."""

import math

import polars as pl

_NEAR = math.log(1.1)
"""How far volume ÷ volume may be from the prices: rounded volumes are not exact."""


def in_base(
    values: dict[str, pl.Series], quote: pl.Series, names: tuple[str, str], notes: list[str]
) -> pl.Series:
    """Return the volume in the base currency of each row.

    Volume in the quote currency is volume in the base currency times a price between low and
    high. Where that holds the other way round, and only there, the two have changed sides.

    Args:
        values: the columns of figures as they were read, `volume` as the header says it.
        quote: the other volume, Float64.
        names: of the two columns.
        notes: a line is added for rows that changed sides, and one for those that fit neither way.
    """
    frame = pl.DataFrame({**values, "quote": quote})
    low, high = pl.col("low").log(), pl.col("high").log()
    said = (pl.col("quote") / pl.col("volume")).log()
    is_known = (pl.col("quote") > 0) & (pl.col("volume") > 0) & (pl.col("low") > 0)
    frame = frame.select(
        "volume",
        "quote",
        known=(is_known & said.is_finite()).fill_null(value=False),
        straight=pl.max_horizontal(low - said, said - high, 0.0),
        swapped=pl.max_horizontal(low + said, -said - high, 0.0),
    )
    near, far = pl.col("swapped") <= _NEAR, pl.col("straight") > _NEAR
    marked = frame.select(
        changed=(pl.col("known") & near & far).fill_null(value=False),
        neither=(pl.col("known") & ~near & far).fill_null(value=False),
    )
    changed, neither = int(marked["changed"].sum()), int(marked["neither"].sum())
    if changed:
        notes.append(
            f"{names[0]} and {names[1]} have changed sides in {changed:,} of {len(frame):,} rows, "
            "as quote = base * price tells; the one in the base currency is taken"
        )
    if neither:
        notes.append(
            f"{names[1]} is not {names[0]} * price in {neither:,} of {len(frame):,} rows: there "
            f"{names[0]} is taken as the header says"
        )
    if not changed:
        return values["volume"]
    swap = marked["changed"]
    return pl.select(pl.when(swap).then(quote).otherwise(values["volume"])).to_series()
