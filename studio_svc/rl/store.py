"""Reads the portfolio's weights and models."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from studio_svc.rl import queries
from studio_svc.rl.views import (
    AllocationsView,
    FallbackView,
    ModelDetailView,
    ModelEventView,
    ModelsStateView,
    ModelView,
    RecentView,
    StatusView,
    WeightsView,
)
from studio_svc.shared.rows import Record, fields_of
from tradepulse.research.model_lifecycle import SHADOW_DAYS
from tradepulse.research.model_registry import (
    StoredModel,
    list_models,
    model_events,
    model_row,
    no_model,
    stored_model,
)
from tradepulse.runtime.db import at, ms
from tradepulse.trading.policies.model import Model
from tradepulse.trading.policies.weighing import FALLBACKS

RECENT = timedelta(days=7)
"""Of event time, over which the share of the fallback is told."""


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

    async def file(self, model_id: UUID) -> Model:
        """Return a model's file, checked.

        Raises:
            NotFoundError: the portfolio has none of this id.
            RefusedError: what is stored is not what was.
        """
        if (await model_row(self.pool, model_id)).portfolio != self._portfolio:
            raise no_model(model_id)
        return await stored_model(self.pool, model_id)

    async def status(self) -> StatusView:
        """Return who decides now, who beside, and who did in the last days of event time."""
        models = await list_models(self.pool, self._portfolio)
        active = next((row for row in models if row.stage == "ACTIVE"), None)
        told = active and await self.pool.fetchrow(queries.PROMOTED, active.model_id)
        before = await self.pool.fetchval(queries.FORMER, self._portfolio)
        former = next((row for row in models if row.model_id == before), None)
        return StatusView(
            portfolio=self._portfolio,
            last=await self.weights(),
            recent=await self._recent(),
            active=active and view_of(active),
            promoted=ModelEventView(**fields_of(told)) if told else None,
            former=former and view_of(former),
            shadows=[view_of(row) for row in models if row.stage == "SHADOW"],
            shadow_days=SHADOW_DAYS,
        )

    async def _recent(self) -> RecentView | None:
        rows = await self.pool.fetch(queries.RECENT, self._portfolio, RECENT)
        if not rows:
            return None
        return RecentView(
            since=ms(rows[0]["since"]),
            until=ms(rows[0]["until"]),
            closes=sum(row["closes"] for row in rows),
            fallbacks=[
                FallbackView(
                    reason=row["fallback"],
                    sentence=FALLBACKS.get(row["fallback"], row["fallback"]),
                    closes=row["closes"],
                )
                for row in rows
                if row["fallback"]
            ],
        )

    async def state(self) -> ModelsStateView:
        """Return what changes with models and trainings."""
        return ModelsStateView(version=await self.pool.fetchval(queries.VERSION))


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
