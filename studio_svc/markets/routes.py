"""The routes of the markets: which series have candles, and the candles."""

from typing import Annotated

from fastapi import APIRouter, Query

from studio_svc.markets.store import CandleStore
from studio_svc.markets.views import CandlesView
from studio_svc.shared.series import SeriesView
from studio_svc.stream.visible import Visible
from studio_svc.web_app.types import Series
from tradepulse.research.jobs import LAST_TIME


def market_routes(store: CandleStore, visible: Visible) -> APIRouter:
    """Return the routes that tell of candles."""
    router = APIRouter(prefix="/api", tags=["market"])

    @router.get("/series")
    async def series() -> list[SeriesView]:
        """Return the series that have candles."""
        return await store.series(await visible())

    @router.get("/candles")
    async def candles(
        series: Series,
        limit: Annotated[int, Query(ge=1, le=5_000)] = 500,
        before: Annotated[
            int | None, Query(ge=0, le=LAST_TIME, description="open time, epoch ms, exclusive")
        ] = None,
    ) -> CandlesView:
        """Return candles of one series, oldest first: the last ones, or those before a time."""
        return await store.candles(series, limit, before, await visible())

    return router
