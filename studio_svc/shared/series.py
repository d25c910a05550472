"""The stored series: the markets page lists them, others ask which candle is the newest."""

import asyncpg

from studio_svc.shared.rows import LENGTHS, Record, candle_of, series_of
from studio_svc.web_app.views import CandleRow, View

_SERIES = """
select s.exchange, s.symbol, s.timeframe, t.length, c.*
from candle_series s
join unnest($2::text[], $3::bigint[]) as t(timeframe, length) using (timeframe)
cross join lateral (
    select open_time, open, high, low, close, volume, source from candles m
    where m.series = s.series and ($1::bigint is null or m.open_time + t.length <= $1)
    order by open_time desc limit 1
) c
order by 1, 2, 3
"""


class SeriesView(View):
    """One series that has stored candles, up to the visible event time."""

    series: str
    exchange: str
    symbol: str
    timeframe: str
    timeframe_ms: int
    last: CandleRow
    source: str


async def stored_series(
    pool: "asyncpg.Pool[Record]", visible_until: int | None
) -> list[SeriesView]:
    """Return every series with its last candle that closed at or before `visible_until`."""
    rows = await pool.fetch(_SERIES, visible_until, *LENGTHS)
    return [
        SeriesView(
            series=series_of(row),
            exchange=row["exchange"],
            symbol=row["symbol"],
            timeframe=row["timeframe"],
            timeframe_ms=row["length"],
            last=candle_of(row),
            source=row["source"],
        )
        for row in rows
    ]
