"""What the watch found about a model: its route and its answer."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from studio_svc.rl.store import WeightStore
from studio_svc.web_app.views import View
from tradepulse.research.drift import ModelDay
from tradepulse.research.model_days import watched
from tradepulse.research.model_registry import model_row


class DriftDayView(View):
    """One UTC day of a model in service."""

    day: int
    """Its midnight, epoch ms."""
    clipped: float | None
    """Share of the figures it saw that were beyond their bound; null where it saw none."""
    psi: dict[str, float]
    """Stability index of each figure over the last 14 days; empty before there are so many."""
    excess: float | None
    """Log growth of its virtual account less that of equal weights; null where none could trade."""
    evidence: float | None
    """What speaks for harm after the day: what a bettor has made of 1 by betting on it."""
    bound: float
    """At which the model is retired."""


class DriftView(View):
    """What the watch found about a model, oldest day first."""

    model_id: UUID
    as_of: int | None
    """End of the last day that was looked at, epoch ms."""
    days: list[DriftDayView]
    configurations: int
    """How many it was trained on."""
    still_active: int
    """How many of them trade now."""
    warnings: list[str]


def drift_routes(store: WeightStore) -> APIRouter:
    """Return the route that tells what the watch found."""
    router = APIRouter(prefix="/api/rl/models", tags=["research"])

    @router.get("/{model_id}/drift")
    async def drift(
        model_id: UUID,
        days: Annotated[int, Query(ge=1, le=1_000, description="days at most")] = 30,
    ) -> DriftView:
        """Return what the watch found about a model on its last days."""
        await store.model(model_id)
        found = await watched(store.pool, await model_row(store.pool, model_id), days)
        return DriftView(
            model_id=model_id,
            as_of=found.days[-1].end if found.days else None,
            days=[_view(one) for one in found.days],
            configurations=len(found.trained),
            still_active=len(found.active.intersection(found.trained)),
            warnings=found.warnings,
        )

    return router


def _view(one: ModelDay) -> DriftDayView:
    return DriftDayView(
        day=one.day,
        clipped=one.clipped,
        psi=dict(one.psi),
        excess=one.excess,
        evidence=one.evidence,
        bound=one.bound,
    )
