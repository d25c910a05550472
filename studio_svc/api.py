"""The REST API and the stream; every figure is read from PostgreSQL."""

import html
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse

from studio_svc.store import StudioStore
from studio_svc.stream.hub import Hub
from studio_svc.stream.watch import HealthWatch
from studio_svc.views import (
    CandlesView,
    EquityView,
    HealthView,
    OrderView,
    OverviewView,
    PositionView,
    SeriesView,
    SignalView,
    TradeView,
    WeightsView,
)
from studio_svc.web_app.pages import plain_page
from tradepulse.candles.timeframes import TIMEFRAMES_MS

LAST_TIME = 253_402_300_799_000
"""The end of the year 9999, epoch ms: later times are typing errors."""

SERIES = r"^[^\s:]{1,64}:[^\s:]{1,64}:(" + "|".join(TIMEFRAMES_MS) + ")$"
Series = Annotated[
    str, Query(pattern=SERIES, description="exchange:symbol:timeframe, as binanceus:BTC/USD:30m")
]
OptionalSeries = Annotated[str | None, Query(pattern=SERIES)]
Limit = Annotated[int, Query(ge=1, le=1_000, description="how many rows, newest first")]


async def visible_until(store: StudioStore, hub: Hub) -> int | None:
    """Return the last close that the page may know of: published, or seen on the topic."""
    published = await store.published_until()
    seen = hub.event_time
    return max(published, seen) if published is not None and seen is not None else published


def market_routes(store: StudioStore, hub: Hub) -> APIRouter:
    """Return the routes that tell of candles."""
    router = APIRouter(prefix="/api", tags=["market"])

    @router.get("/series")
    async def series() -> list[SeriesView]:
        """Return the series that have candles."""
        return await store.series(await visible_until(store, hub))

    @router.get("/candles")
    async def candles(
        series: Series,
        limit: Annotated[int, Query(ge=1, le=5_000)] = 500,
        before: Annotated[
            int | None, Query(ge=0, le=LAST_TIME, description="open time, epoch ms, exclusive")
        ] = None,
    ) -> CandlesView:
        """Return candles of one series, oldest first: the last ones, or those before a time."""
        return await store.candles(series, limit, before, await visible_until(store, hub))

    return router


def account_routes(store: StudioStore, hub: Hub) -> APIRouter:
    """Return the routes that tell of the account and what moves it."""
    router = APIRouter(prefix="/api", tags=["account"])

    @router.get("/overview")
    async def overview() -> OverviewView:
        """Return the account's figures at the last settled close."""
        until, source = hub.event_time, hub.source
        if until is None or source is None:
            newest = max(
                await store.series(await visible_until(store, hub)),
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

    @router.get("/weights")
    async def weights() -> WeightsView | None:
        """Return the last portfolio weights; null before the first."""
        return await store.weights()

    return router


def system_routes(hub: Hub, health: HealthWatch) -> APIRouter:
    """Return the routes that tell of the system, and the stream."""
    router = APIRouter(prefix="/api", tags=["system"])

    @router.get("/health")
    async def health_now() -> list[HealthView]:
        """Return what each service's /readyz said at the last look, at most 2 s ago."""
        return health.now

    @router.get("/stream", response_class=StreamingResponse)
    async def stream(series: OptionalSeries = None) -> StreamingResponse:
        """Push what happens as server-sent events: `hello`, then `update` and `ping`.

        Every candle of `series` comes, of the other series the last one of each push.
        """
        return StreamingResponse(
            hub.stream(series),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )

    @router.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        """Return the list of the API, without scripts from elsewhere."""
        return _docs_page(request.app.openapi())

    return router


def _docs_page(schema: dict[str, Any]) -> HTMLResponse:
    rows = []
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            parameters = ", ".join(p["name"] for p in operation.get("parameters", []))
            rows.append(
                f"<tr><td><code>{method.upper()} {html.escape(path)}</code><td>"
                f"{html.escape(operation.get('description', ''))}<td>{html.escape(parameters)}"
            )
    return plain_page(
        "API",
        "<p>Send <code>Authorization: Bearer TOKEN</code>. The full description: "
        '<a href="/api/openapi.json">OpenAPI</a>.<table><tr><th>Path<th>What<th>Parameters'
        f"{''.join(rows)}</table>",
        200,
    )
