"""Reads candles."""

import asyncpg

from studio_svc.markets import queries
from studio_svc.markets.views import CandlesView
from studio_svc.shared.rows import Record, candle_of
from studio_svc.shared.series import SeriesView, stored_series
from tradepulse.candles.timeframes import timeframe_ms


class CandleStore:
    """All stored candles."""

    def __init__(self, pool: "asyncpg.Pool[Record]") -> None:
        self.pool = pool

    async def series(self, visible_until: int | None) -> list[SeriesView]:
        """Return every series with its last candle that closed at or before `visible_until`."""
        return await stored_series(self.pool, visible_until)

    async def candles(
        self, series: str, limit: int, before: int | None, visible_until: int | None
    ) -> CandlesView:
        """Return the last `limit` candles that opened before `before`, oldest first.

        Raises:
            ValueError: the series' timeframe is not known.
        """
        exchange, symbol, timeframe = series.split(":")
        length = timeframe_ms(timeframe)
        rows = await self.pool.fetch(
            queries.CANDLES, exchange, symbol, timeframe, before, visible_until, length, limit
        )
        return CandlesView(
            series=series, timeframe_ms=length, rows=[candle_of(row) for row in reversed(rows)]
        )
