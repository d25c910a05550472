"""Rows of the ledger as frames: one column each, times in UTC."""

import json
from collections.abc import Iterable, Sequence
from typing import IO, Any, Literal

import polars as pl

from tradepulse.ledger.rows import Kind, Row

Form = Literal["csv", "json", "parquet"]
WRITTEN = "%Y-%m-%dT%H:%M:%SZ"
"""A time in a CSV file: those of the ledger are closes of candles."""
_STORED: dict[Kind, Any] = {
    "id": pl.String,
    "text": pl.String,
    "amount": pl.String,
    "time": pl.Int64,
    "number": pl.Float64,
    "count": pl.Int64,
    "flag": pl.Boolean,
}
_SHOWN: dict[Kind, Any] = {"amount": pl.Float64, "time": pl.Datetime("ms", "UTC")}


def exact_frame(row: type[Row], rows: Iterable[Sequence[Any]]) -> pl.DataFrame:
    """Return rows as they are stored: amounts and ids as text, times as epoch ms.

    Args:
        row: the columns.
        rows: values in their order, as the database or the API gives them.
    """
    kinds = row.kinds()
    ids = [number for number, kind in enumerate(kinds.values()) if kind == "id"]
    taken = [list(one) for one in rows]
    for values in taken:
        for number in ids:
            values[number] = None if values[number] is None else str(values[number])
    schema = {name: _STORED[kind] for name, kind in kinds.items()}
    return pl.DataFrame(taken, schema=schema, orient="row")


def shown_frame(row: type[Row], exact: pl.DataFrame) -> pl.DataFrame:
    """Return a frame to compute with: amounts as float64, times as datetimes in UTC."""
    return exact.cast({name: _SHOWN[kind] for name, kind in row.kinds().items() if kind in _SHOWN})


def write_frame(target: IO[bytes], form: Form, row: type[Row], exact: pl.DataFrame) -> None:
    """Write rows in one of three forms.

    CSV keeps every digit of an amount, its times are as 2018-10-01T12:30:00Z. JSON is a list of
    objects as the API gives them. Parquet has amounts as float64 and times as timestamps in UTC.

    Raises:
        OSError: it cannot be written.
    """
    if form == "parquet":
        shown_frame(row, exact).write_parquet(target)
    elif form == "json":
        text = json.dumps(exact.to_dicts(), indent=1, ensure_ascii=False) + "\n"
        target.write(text.encode())
    else:
        times = [name for name, kind in row.kinds().items() if kind == "time"]
        written = (pl.from_epoch(n, time_unit="ms").dt.strftime(WRITTEN) for n in times)
        exact.with_columns(written).write_csv(target)
