"""The routes of market data: which series are followed, what is stored of them, and what is not."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from studio_svc.data.store import CoverageTooLargeError, MarketDataStore
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
from studio_svc.web_app.parameters import LAST_TIME
from tradepulse.candles.gaps.finding import DAY_MS, Kind
from tradepulse.candles.gaps.records import Status
from tradepulse.candles.series import EVERY_SERIES, SeriesFilter
from tradepulse.market_data.gaps.store import GapFilter
from tradepulse.market_data.subscriptions import SubscriptionError, subscribe, unsubscribe
from tradepulse.market_data.venues.errors import VenueRefusedError

DEFAULT_DAYS = 90

Name = Annotated[str | None, Query(min_length=1, max_length=64)]
Time = Annotated[int | None, Query(ge=0, le=LAST_TIME, description="epoch ms")]


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
        try:
            async with market.pool.acquire() as connection:
                await subscribe(connection, series.exchange, series.symbol, series.timeframe)
        except (SubscriptionError, VenueRefusedError) as error:
            raise HTTPException(422, str(error)) from error
        return await market.subscriptions()

    @router.delete("/subscriptions")
    async def delete(
        exchange: Annotated[str, Query(max_length=64)],
        symbol: Annotated[str, Query(max_length=64)],
        timeframe: Annotated[str, Query(max_length=64)],
        force: Annotated[bool, Query(description="even where something trades it")] = False,  # noqa: FBT002 - a query
    ) -> SubscriptionsView:
        """Give a series up; refused while something trades it, unless forced."""
        try:
            async with market.pool.acquire() as connection:
                was = await unsubscribe(connection, exchange, symbol, timeframe, force=force)
        except SubscriptionError as error:
            raise HTTPException(409, str(error)) from error
        if not was:
            raise HTTPException(404, f"{exchange}:{symbol}:{timeframe} is not subscribed")
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
        exchange: Name = None,
        symbol: Name = None,
        timeframe: Name = None,
        start: Time = None,
        end: Time = None,
    ) -> CoverageView:
        """Count candles by series and UTC day; without a range those of the last 90 days."""
        until = await visible()
        if end is None:
            end = (await market.state(until)).until or 0
        if start is None:
            start = max(0, end - DEFAULT_DAYS * DAY_MS)
        _check(start, end)
        which = SeriesFilter(exchange, symbol, timeframe)
        try:
            return await market.coverage(which, start, end, until)
        except CoverageTooLargeError as error:
            raise HTTPException(422, str(error)) from error

    return router


def gap_routes(market: MarketDataStore, visible: Visible) -> APIRouter:
    """Return the routes that tell what is wrong, and the one that looks again."""
    router = APIRouter(prefix="/api", tags=["market data"])

    @router.get("/gaps")
    async def gaps(
        status: Annotated[Status | None, Query()] = None,
        kind: Annotated[Kind | None, Query()] = None,
        series: Annotated[
            str | None, Query(pattern=r"^[^\s:]+:[^\s:]+:[^\s:]+$", max_length=200)
        ] = None,
        start: Time = None,
        end: Time = None,
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
    async def gap(gap_id: int) -> GapDetailView:
        """Return one gap with what was tried for it, oldest first."""
        found = await market.gap(gap_id, await visible())
        if found is None:
            raise HTTPException(404, f"there is no gap {gap_id}")
        return found

    @router.post("/gaps/scan")
    async def scan() -> ScanView:
        """Ask market_ingest to scan all stored candles now; tells whether one listens."""
        return await market.scan()

    return router


def _check(start: int, end: int) -> None:
    """Refuse a range without a day in it.

    Raises:
        HTTPException: what is wrong.
    """
    if start > end:
        raise HTTPException(422, f"start: {start} is after the end, {end}; both are epoch ms")
