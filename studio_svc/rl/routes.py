"""The routes of the portfolio's weights and models.

Whatever is changed is changed by the functions that the command line uses too; this service decides
nothing.
"""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from studio_svc.rl.store import WeightStore, view_of
from studio_svc.rl.views import (
    AllocationsView,
    ModelDetailView,
    ModelView,
    PromotedView,
    WeightsView,
)
from studio_svc.web_app.types import Body, EpochMs, Limit, Text
from tradepulse.research.model_lifecycle import promote, retire


class Promotion(Body):
    """Where a model goes."""

    to: Literal["SHADOW", "ACTIVE"]
    reason: Text | None = None
    """Why; needed where a rule is set aside, and shown with the model from then on."""


class Retirement(Body):
    """Why a model is taken out of service."""

    reason: Text


def weight_routes(store: WeightStore) -> APIRouter:
    """Return the routes that tell how the portfolio is weighed."""
    router = APIRouter(prefix="/api", tags=["account"])

    @router.get("/weights")
    async def weights() -> WeightsView | None:
        """Return the last portfolio weights; null before the first."""
        return await store.weights()

    @router.get("/rl/allocations")
    async def allocations(
        start: EpochMs = None,
        end: EpochMs = None,
        points: Annotated[int, Query(ge=1, le=2_000, description="vectors at most")] = 500,
        shadow: UUID | None = None,
    ) -> AllocationsView:
        """Return the weights over time, from `start` on and before `end`.

        Those that a model decided in shadow, where `shadow` is its id.
        """
        return await store.allocations(start, end, points, shadow)

    return router


def model_routes(store: WeightStore) -> APIRouter:
    """Return the routes of the portfolio's models."""
    router = APIRouter(prefix="/api/rl/models", tags=["research"])

    @router.get("")
    async def models(limit: Limit = 100) -> list[ModelView]:
        """Return the models: the active one, those in shadow, then the newest."""
        return await store.models(limit)

    @router.get("/{model_id}")
    async def model(model_id: UUID) -> ModelDetailView:
        """Return one model with what it came of, what it decided, and its history."""
        return await store.model(model_id)

    @router.post("/{model_id}/promote")
    async def promoted(model_id: UUID, promotion: Promotion) -> PromotedView:
        """Move a model to SHADOW or ACTIVE; what comes to ACTIVE retires the one that was."""
        await store.model(model_id)
        reason = (promotion.reason or "").strip()
        done = await promote(store.pool, model_id, promotion.to, reason)
        replaced = None if done.replaced is None else view_of(done.replaced)
        return PromotedView(model=await store.model(model_id), replaced=replaced)

    @router.post("/{model_id}/retire")
    async def retired(model_id: UUID, retirement: Retirement) -> ModelDetailView:
        """Take a model out of service; where it was active, inverse volatility decides."""
        await store.model(model_id)
        await retire(store.pool, model_id, retirement.reason.strip())
        return await store.model(model_id)

    return router
