"""The routes of market data: which series are followed, what is stored of them, and what is not."""

from typing import Annotated

from fastapi import APIRouter, Query

from studio_svc.data.store import MarketDataStore
from studio_svc.data.views import (
    CoverageView,
    GapDetailView,
    GapsView,
    MarketStateView,
    ScanView,
    SeriesName,
    SubscriptionsView,
    VenueView,
)
from studio_svc.stream.visible import Visible
from studio_svc.web_app.types import EpochMs, Id, NameQuery, OptionalName, OptionalSeries
from tradepulse.candles.gaps.finding import DAY_MS, Kind
from tradepulse.candles.gaps.records import Status
from tradepulse.candles.series import EVERY_SERIES, SeriesFilter
from tradepulse.market_data.gaps.store import GapFilter
from tradepulse.market_data.subscriptions import subscribe, unsubscribe
from tradepulse.runtime.refusals import NotFoundError, RefusedError

DEFAULT_DAYS = 90


def subscription_routes(market: MarketDataStore) -> APIRouter:
    """Return the routes that tell and change what is followed live."""
    router = APIRouter(prefix="/api", tags=["market data"])

    @router.get("/venues")
    async def venues() -> list[VenueView]:
        """Return the venues that can be followed, with their timeframes."""
        return market.venues()

    @router.get("/subscriptions")
    async def subscriptions() -> SubscriptionsView:
        """Return the series to follow, and how many live market_ingest run."""
        return await market.subscriptions()

    @router.put("/subscriptions")
    async def put(series: SeriesName) -> SubscriptionsView:
        """Follow a series from now on; market_ingest begins within a second."""
        async with market.pool.acquire() as connection:
            await subscribe(connection, series.exchange, series.symbol, series.timeframe)
        return await market.subscriptions()

    @router.delete("/subscriptions")
    async def delete(
        exchange: NameQuery,
        symbol: NameQuery,
        timeframe: NameQuery,
        force: Annotated[bool, Query(description="even where something trades it")] = False,  # noqa: FBT002 - a query
    ) -> SubscriptionsView:
        """Give a series up; refused while something trades it, unless forced."""
        async with market.pool.acquire() as connection:
            was = await unsubscribe(connection, exchange, symbol, timeframe, force=force)
        if not was:
            raise NotFoundError(f"{exchange}:{symbol}:{timeframe} is not subscribed")
        return await market.subscriptions()

    return router


def coverage_routes(market: MarketDataStore, visible: Visible) -> APIRouter:
    """Return the routes that tell how much is stored."""
    router = APIRouter(prefix="/api", tags=["market data"])

    @router.get("/market-data")
    async def state() -> MarketStateView:
        """Return what is stored, in short; its `version` changes with it."""
        return await market.state(await visible())

    @router.get("/coverage")
    async def coverage(
        exchange: OptionalName = None,
        symbol: OptionalName = None,
        timeframe: OptionalName = None,
        start: EpochMs = None,
        end: EpochMs = None,
    ) -> CoverageView:
        """Count candles by series and UTC day; without a range those of the last 90 days."""
        until = await visible()
        if end is None:
            end = (await market.state(until)).until or 0
        if start is None:
            start = max(0, end - DEFAULT_DAYS * DAY_MS)
        _check(start, end)
        return await market.coverage(SeriesFilter(exchange, symbol, timeframe), start, end, until)

    return router


def gap_routes(market: MarketDataStore, visible: Visible) -> APIRouter:
    """Return the routes that tell what is wrong, and the one that looks again."""
    router = APIRouter(prefix="/api", tags=["market data"])

    @router.get("/gaps")
    async def gaps(
        status: Annotated[Status | None, Query()] = None,
        kind: Annotated[Kind | None, Query()] = None,
        series: OptionalSeries = None,
        start: EpochMs = None,
        end: EpochMs = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
    ) -> GapsView:
        """Return what scans found, with cause and repair, the latest of the market first."""
        if start is not None and end is not None:
            _check(start, end)
        wanted = GapFilter(
            SeriesFilter(*series.split(":")) if series else EVERY_SERIES,
            None if status is None else (status,),
            kind,
            start=start,
            end=end,
            limit=limit,
        )
        return await market.gaps(wanted, await visible())

    @router.get("/gaps/{gap_id}")
    async def gap(gap_id: Id) -> GapDetailView:
        """Return one gap with what was tried for it, oldest first."""
        return await market.gap(gap_id, await visible())

    @router.post("/gap-scans")
    async def scan() -> ScanView:
        """Ask market_ingest to scan all stored candles now; tells whether one listens."""
        return await market.scan()

    return router


def _check(start: int, end: int) -> None:
    """Refuse a range without a day in it.

    Raises:
        RefusedError: what is wrong.
    """
    if start > end:
        raise RefusedError(
            "wrong_range", f"start: {start} is after the end, {end}; both are epoch ms"
        )
