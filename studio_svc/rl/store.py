"""Reads the portfolio's weights."""

import asyncpg

from studio_svc.rl import queries
from studio_svc.rl.views import WeightsView
from studio_svc.shared.rows import Record, fields_of


class WeightStore:
    """One portfolio's weight vectors."""

    def __init__(self, pool: "asyncpg.Pool[Record]", portfolio: str) -> None:
        self.pool = pool
        self._portfolio = portfolio

    async def weights(self) -> WeightsView | None:
        """Return the last published weight vector."""
        row = await self.pool.fetchrow(queries.WEIGHTS, self._portfolio)
        return WeightsView(**fields_of(row)) if row else None
