"""Parameters that more than one route takes, with their bounds."""

from typing import Annotated

from fastapi import Query

from tradepulse.candles.timeframes import TIMEFRAMES_MS

LAST_TIME = 253_402_300_799_000
"""The end of the year 9999, epoch ms: later times are typing errors."""

SERIES = r"^[^\s:]{1,64}:[^\s:]{1,64}:(" + "|".join(TIMEFRAMES_MS) + ")$"
Series = Annotated[
    str, Query(pattern=SERIES, description="exchange:symbol:timeframe, as binanceus:BTC/USD:30m")
]
OptionalSeries = Annotated[str | None, Query(pattern=SERIES)]
Limit = Annotated[int, Query(ge=1, le=1_000, description="how many rows, newest first")]
