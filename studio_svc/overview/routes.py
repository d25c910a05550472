"""The routes of the overview: the account's figures and its equity curve."""

from typing import Annotated

from fastapi import APIRouter, Query

from studio_svc.overview.store import OverviewStore
from studio_svc.overview.views import EquityView, OverviewView
from studio_svc.shared.series import stored_series
from studio_svc.stream.hub import Hub
from studio_svc.stream.visible import Visible


def overview_routes(store: OverviewStore, hub: Hub, visible: Visible) -> APIRouter:
    """Return the routes that tell how the account stands."""
    router = APIRouter(prefix="/api", tags=["account"])

    @router.get("/overview")
    async def overview() -> OverviewView:
        """Return the account's figures at the last settled close."""
        until, source = hub.event_time, hub.source
        if until is None or source is None:
            newest = max(
                await stored_series(store.pool, await visible()),
                key=lambda series: series.last[0] + series.timeframe_ms,
                default=None,
            )
            if newest is not None:
                until, source = newest.last[0] + newest.timeframe_ms, newest.source
        return await store.overview(until, source)

    @router.get("/equity")
    async def equity(limit: Annotated[int, Query(ge=10, le=2_000)] = 2_000) -> EquityView:
        """Return the equity curve, thinned so that no peak and no drawdown is hidden."""
        return await store.equity(limit)

    return router
