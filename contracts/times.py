"""The times of candles: timeframes, their grids, and what no clock tells."""

from typing import Annotated, Literal, get_args

from pydantic import Field

Timeframe = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"]
_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
TIMEFRAME_MS = {name: int(name[:-1]) * _UNIT_MS[name[-1]] for name in get_args(Timeframe)}
"""Length of a candle by timeframe; every grid starts at the epoch."""
LAST_TIME = 4_102_444_800_000
"""2100-01-01: what closes later was not made by a clock."""
Time = Annotated[int, Field(strict=True)]
"""Epoch ms of a candle, 1970 to 2100."""


def check_time(time: int, name: str, timeframe: str | None = None) -> None:
    """Refuse what no clock tells, and what is off a timeframe's grid.

    Raises:
        ValueError: it is refused.
    """
    if not 0 <= time <= LAST_TIME:
        raise ValueError(f"{name} is not in epoch milliseconds from 1970 to 2100")
    if timeframe is not None and time % TIMEFRAME_MS[timeframe]:
        raise ValueError(f"{name} is off the grid of {timeframe}")
