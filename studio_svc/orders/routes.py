"""The routes of orders: signals, orders, open positions and closed trades."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from studio_svc.orders.store import OrderStore
from studio_svc.orders.views import OrderView, PositionView, SignalView, TradeView
from studio_svc.web_app.types import Limit, OptionalSeries

OfOne = Annotated[UUID | None, Query(description="of one configuration alone")]


def order_routes(store: OrderStore) -> APIRouter:
    """Return the routes that tell what was decided and what came of it."""
    router = APIRouter(prefix="/api", tags=["account"])

    @router.get("/trades")
    async def trades(
        limit: Limit = 100, series: OptionalSeries = None, configuration: OfOne = None
    ) -> list[TradeView]:
        """Return closed positions, newest first."""
        return await store.trades(limit, series, configuration)

    @router.get("/positions")
    async def positions() -> list[PositionView]:
        """Return open positions, valued at the last settled closes."""
        return await store.positions()

    @router.get("/signals")
    async def signals(limit: Limit = 100, configuration: OfOne = None) -> list[SignalView]:
        """Return the strategies' signals, newest first."""
        return await store.signals(limit, configuration)

    @router.get("/orders")
    async def orders(limit: Limit = 100, configuration: OfOne = None) -> list[OrderView]:
        """Return orders with their fills, or with the reason of their refusal, newest first."""
        return await store.orders(limit, configuration)

    return router
