"""The routes of the portfolio's weights."""

from fastapi import APIRouter

from studio_svc.rl.store import WeightStore
from studio_svc.rl.views import WeightsView


def weight_routes(store: WeightStore) -> APIRouter:
    """Return the route that tells how the portfolio is weighed."""
    router = APIRouter(prefix="/api", tags=["account"])

    @router.get("/weights")
    async def weights() -> WeightsView | None:
        """Return the last portfolio weights; null before the first."""
        return await store.weights()

    return router
