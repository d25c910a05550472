"""The routes of the portfolio's weights and models.

Whatever is changed is changed by the functions that the command line uses too; this service decides
nothing.
"""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from studio_svc.rl.jobs import TrainingStore
from studio_svc.rl.store import WeightStore, view_of
from studio_svc.rl.views import (
    AllocationsView,
    CurvesView,
    ModelDetailView,
    ModelView,
    PromotedView,
    StatusView,
    WeightsView,
)
from studio_svc.shared.jobs import JobView
from studio_svc.web_app.types import Body, EpochMs, Limit, NameQuery, Text
from tradepulse.research.model_lifecycle import promote, retire
from tradepulse.trading.policies.model_bytes import bytes_of


class ModelFile(Response):
    """A model's file."""

    media_type = "application/octet-stream"


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

    @router.get("/rl/status")
    async def status() -> StatusView:
        """Return who decides the weights, who beside, and how often the fallback did."""
        return await store.status()

    return router


def training_routes(store: TrainingStore) -> APIRouter:
    """Return the routes that tell of the trainings of policies."""
    router = APIRouter(prefix="/api/rl/jobs", tags=["research"])

    @router.get("")
    async def jobs(limit: Annotated[int, Query(ge=1, le=200)] = 20) -> list[JobView]:
        """Return the trainings with their progress, newest first."""
        return await store.jobs(limit)

    @router.get("/{job_id}")
    async def job(job_id: UUID) -> JobView:
        """Return one training."""
        return await store.job(job_id)

    @router.get("/{job_id}/points")
    async def points(
        job_id: UUID,
        metric: NameQuery = "validation_excess",
        points: Annotated[int, Query(ge=4, le=2_000, description="of a curve, at most")] = 1_000,
    ) -> CurvesView:
        """Return the curves of a metric: each seed's, their interquartile mean and its band."""
        return await store.curves(job_id, metric, points)

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

    @router.get("/{model_id}/artifact", response_class=ModelFile)
    async def artifact(model_id: UUID) -> ModelFile:
        """Return the file of a model, as `tradepulse policy export` writes it."""
        content = bytes_of(await store.file(model_id))
        name = f"model-{str(model_id)[:8]}.npz"
        return ModelFile(content, headers={"content-disposition": f'attachment; filename="{name}"'})

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
