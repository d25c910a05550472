"""Candles of a frame of the user's, judged as the rows of a file are."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from tradepulse.candles.arrays import Candles
from tradepulse.market_data.files import Given, Table, first_refused, judge, rows_of_table

if TYPE_CHECKING:
    import pandas as pd

_FRAME = Path("frame")


def of_frame(frame: Any, name: tuple[str, str, str]) -> Candles:
    """Return the candles of a polars or pandas frame; see `series.from_frame`.

    Raises:
        ValueError: it is no frame, or no candles.
    """
    judged = judge(rows_of_table(Table(_FRAME, _polars(frame)), "plain", Given(*name)))
    worst = first_refused(judged)
    if worst is not None:
        raise ValueError(f"{_FRAME}: {worst}")
    if not judged.series:
        raise ValueError(f"{_FRAME}: holds no candles")
    return judged.series[0]


def _polars(frame: Any) -> pl.DataFrame:
    if isinstance(frame, pl.DataFrame):
        return frame
    # asked by its name: whoever gives no frame of pandas need not have it
    if type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
        return _from_pandas(frame)
    raise ValueError(f"{type(frame).__name__} is no frame: give one of polars or pandas")


def _from_pandas(frame: "pd.DataFrame") -> pl.DataFrame:
    """Return the frame, its index first; by numpy, since `pl.from_pandas` asks for pyarrow."""
    import pandas as pd  # noqa: PLC0415 - whoever gives its frame has it

    if isinstance(frame.index, pd.DatetimeIndex) or frame.index.name is not None:
        frame = frame.reset_index()
    return pl.DataFrame({str(name): _column(frame[name]) for name in frame.columns})


def _column(column: Any) -> pl.Series:
    if getattr(column.dt, "tz", None) is not None if hasattr(column, "dt") else False:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    if column.dtype.kind in "biufM":
        return pl.Series(column.to_numpy())
    return pl.Series([None if text is None else str(text) for text in column.tolist()])
