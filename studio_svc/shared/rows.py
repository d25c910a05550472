"""What rows of the database say in the API's terms."""

from datetime import datetime
from typing import Any

import asyncpg

from studio_svc.web_app.views import CandleRow
from tradepulse.candles.timeframes import TIMEFRAMES_MS
from tradepulse.runtime.db import ms

Record = asyncpg.Record
LENGTHS = (list(TIMEFRAMES_MS), list(TIMEFRAMES_MS.values()))
"""The names of all timeframes and their lengths, ms, as two arguments of a query."""


def series_of(row: Record) -> str:
    """Return the series that a row belongs to."""
    return f"{row['exchange']}:{row['symbol']}:{row['timeframe']}"


def candle_of(row: Record) -> CandleRow:
    """Return the candle that a row holds."""
    return (
        row["open_time"], row["open"], row["high"], row["low"], row["close"], row["volume"],
    )  # fmt: skip


def fields_of(row: Record) -> dict[str, Any]:
    """Return a row by column, its times as epoch ms."""
    return {
        name: ms(value) if isinstance(value, datetime) else value for name, value in row.items()
    }
