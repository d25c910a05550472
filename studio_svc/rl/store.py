"""Reads the portfolio's weights and models."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

import asyncpg

from studio_svc.rl import queries
from studio_svc.rl.views import (
    AllocationsView,
    ModelDetailView,
    ModelEventView,
    ModelView,
    WeightsView,
)
from studio_svc.shared.rows import Record, fields_of
from tradepulse.research.model_registry import (
    StoredModel,
    list_models,
    model_events,
    model_row,
    no_model,
)
from tradepulse.runtime.db import at, ms


class WeightStore:
    """One portfolio's weight vectors, and its models."""

    def __init__(self, pool: "asyncpg.Pool[Record]", portfolio: str) -> None:
        self.pool = pool
        self._portfolio = portfolio

    async def weights(self) -> WeightsView | None:
        """Return the last published weight vector."""
        row = await self.pool.fetchrow(queries.WEIGHTS, self._portfolio)
        return WeightsView(**fields_of(row)) if row else None

    async def allocations(
        self, start: int | None, end: int | None, points: int, shadow: UUID | None = None
    ) -> AllocationsView:
        """Return the weight vectors of a range, epoch ms, thinned to some points at most.

        Those of a model in shadow, where one is named.
        """
        between = (None if one is None else at(one) for one in (start, end))
        asked = (self._portfolio, *between, points)
        if shadow is None:
            rows = await self.pool.fetch(queries.ALLOCATIONS, *asked)
        else:
            rows = await self.pool.fetch(queries.IN_SHADOW, *asked, shadow)
        found = [fields_of(row) for row in rows]
        closes = [(one.pop("closes"), one.pop("every")) for one in found]
        total, every = closes[0] if closes else (0, 1)
        vectors = [WeightsView(**one) for one in found]
        return AllocationsView(closes=total, every=every, vectors=vectors)

    async def models(self, limit: int) -> list[ModelView]:
        """Return the portfolio's models, the active one first, then the newest."""
        return [view_of(row) for row in await list_models(self.pool, self._portfolio, limit)]

    async def model(self, model_id: UUID) -> ModelDetailView:
        """Return one model.

        Raises:
            NotFoundError: the portfolio has none of this id.
        """
        row = await model_row(self.pool, model_id)
        if row.portfolio != self._portfolio:
            raise no_model(model_id)
        decided = await self.pool.fetch(queries.FOLLOWED, self._portfolio, model_id)
        events = await model_events(self.pool, model_id)
        return ModelDetailView(
            **_fields(row, ModelDetailView),
            closes=sum(one["closes"] for one in decided),
            fallbacks={one["fallback"]: one["closes"] for one in decided if one["fallback"]},
            shadow_closes=await self.pool.fetchval(queries.SHADOWED, self._portfolio, model_id),
            events=[ModelEventView(**{**asdict(one), "at": ms(one.at)}) for one in events],
        )


def view_of(row: StoredModel) -> ModelView:
    """Return a model as a list shows it."""
    return ModelView(**_fields(row, ModelView))


def _fields(row: StoredModel, view: type[ModelView]) -> dict[str, Any]:
    told = asdict(row) | {
        "created_at": ms(row.created_at),
        "stage_since": ms(row.stage_since),
        "verdict": row.verdict,
    }
    return {name: told[name] for name in view.model_fields if name in told}
