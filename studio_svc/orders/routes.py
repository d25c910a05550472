"""The routes of orders: signals, orders, open positions and closed trades."""

from fastapi import APIRouter

from studio_svc.orders.store import OrderStore
from studio_svc.orders.views import OrderView, PositionView, SignalView, TradeView
from studio_svc.web_app.types import Limit, OptionalSeries


def order_routes(store: OrderStore) -> APIRouter:
    """Return the routes that tell what was decided and what came of it."""
    router = APIRouter(prefix="/api", tags=["account"])

    @router.get("/trades")
    async def trades(limit: Limit = 100, series: OptionalSeries = None) -> list[TradeView]:
        """Return closed positions."""
        return await store.trades(limit, series)

    @router.get("/positions")
    async def positions() -> list[PositionView]:
        """Return open positions, valued at the last settled closes."""
        return await store.positions()

    @router.get("/signals")
    async def signals(limit: Limit = 100) -> list[SignalView]:
        """Return the strategies' signals."""
        return await store.signals(limit)

    @router.get("/orders")
    async def orders(limit: Limit = 100) -> list[OrderView]:
        """Return orders with their fills, or with the reason of their refusal."""
        return await store.orders(limit)

    return router
