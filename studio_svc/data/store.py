"""Reads and changes what the page shows of market data; nothing after the visible time is told."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import asyncpg

from studio_svc.data.views import (
    CoverageView,
    GapDetailView,
    GapsView,
    GapView,
    MarketStateView,
    ScanView,
    State,
    SubscriptionsView,
    SubscriptionView,
    TimeframeView,
    VenueView,
)
from studio_svc.shared.series import stored_series
from tradepulse.candles.gaps.finding import DAY_MS
from tradepulse.candles.gaps.records import NOT_TO_REPAIR, Gap
from tradepulse.candles.series import SeriesFilter
from tradepulse.candles.timeframes import TIMEFRAMES_MS, timeframe_ms
from tradepulse.market_data.gaps.coverage import Lifetime, coverage_of, lifetimes_of
from tradepulse.market_data.gaps.store import SCAN_CHANNEL, SCANNER, GapFilter, gap_of, list_gaps
from tradepulse.market_data.gaps.tries_store import repairs_of
from tradepulse.market_data.subscriptions import Subscription, list_subscriptions, replicas
from tradepulse.market_data.venues.rules import VENUES
from tradepulse.runtime.clock import wall_clock
from tradepulse.runtime.db import Connection
from tradepulse.runtime.refusals import NotFoundError, RefusedError

MAX_DAYS = 400
MAX_CELLS = 80_000
"""Series times days in one answer."""
LIVE_GRACE_MS = 60_000
"""What closed in a followed series so short a time ago is not expected yet."""

# What writers counted: cheap, and late by a second at most. It only says that something changed.
_WRITTEN = """
select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint from pg_stat_user_tables
where relid in ('candles'::regclass, 'data_gaps'::regclass)
"""
_SCANNERS = """
select count(*) from pg_locks
where locktype = 'advisory' and objsubid = 1 and granted
    and database = (select oid from pg_database where datname = current_database())
    and classid::bigint << 32 | objid::bigint = hashtextextended($1, 0)
"""
# a scan of a replay's candles knows its future, too
_OPEN_GAPS = """
select count(*) as gaps, coalesce(sum(candles), 0)::bigint as candles
from data_gaps g join unnest($1::text[], $2::bigint[]) as t(timeframe, length) using (timeframe)
where status = 'open' and kind <> all($3) and ($4::bigint is null or last_open_time + length <= $4)
"""


class MarketDataStore:
    """Subscriptions, coverage and gaps.

    Args:
        pool: where everything is read.
        clock: market time while a live market_ingest runs, epoch ms.
    """

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", clock: Callable[[], int] = wall_clock
    ) -> None:
        self.pool = pool
        self._clock = clock

    def venues(self) -> list[VenueView]:
        """Return the venues that can be followed. What a venue has not is built of shorter ones."""
        return [
            VenueView(
                name=name,
                timeframes=[
                    TimeframeView(timeframe=one, is_native=one in rules.timeframes)
                    for one in TIMEFRAMES_MS
                ],
            )
            for name, rules in VENUES.items()
        ]

    async def subscriptions(self) -> SubscriptionsView:
        """Return the series to follow, sorted by name."""
        async with self.pool.acquire() as connection:
            running = await replicas(connection)
            rows = await list_subscriptions(connection)
        now = self._clock() if running else None
        return SubscriptionsView(
            replicas=running, series=[_subscription(row, running, now) for row in rows]
        )

    async def state(self, visible_until: int | None) -> MarketStateView:
        """Return what is stored, in short."""
        async with self.pool.acquire() as connection:
            written: int = await connection.fetchval(_WRITTEN)
            [counted] = await connection.fetch(
                _OPEN_GAPS,
                list(TIMEFRAMES_MS),
                list(TIMEFRAMES_MS.values()),
                list(NOT_TO_REPAIR),
                visible_until,
            )
        if visible_until is None:
            closes = [s.last[0] + s.timeframe_ms for s in await stored_series(self.pool, None)]
            visible_until = max(closes, default=None)
        until = None if visible_until is None else -(-visible_until // DAY_MS) * DAY_MS
        return MarketStateView(
            until=until,
            open_gaps=counted["gaps"],
            open_candles=counted["candles"],
            version=f"{written}-{counted['gaps']}-{until}",
        )

    async def coverage(
        self,
        which: SeriesFilter,
        start: int,
        end: int,
        visible_until: int | None,
    ) -> CoverageView:
        """Count the candles of every stored series and UTC day.

        Args:
            which: of which series.
            start: epoch ms; so is `end`, exclusive.
            end: see `start`.
            visible_until: what closes later is neither counted nor expected; None trusts all.

        Raises:
            RefusedError: the range is too long, or the series are too many for it.
        """
        days = -(-end // DAY_MS) - start // DAY_MS
        if days > MAX_DAYS:
            raise RefusedError(
                "too_much",
                f"{days} days are asked for, at most {MAX_DAYS} are told at once: take a later "
                "start or an earlier end",
            )
        async with self.pool.acquire() as connection:
            known = await lifetimes_of(connection, which, now=visible_until)
            if len(known) * days > MAX_CELLS:
                raise RefusedError(
                    "too_much",
                    f"{len(known)} series of {days} days are more than the {MAX_CELLS} figures of "
                    "one answer: take a shorter range, or name an exchange, symbol or timeframe",
                )
            counted = await coverage_of(
                connection,
                which,
                start,
                end,
                now=visible_until,
                lifetimes=await _followed(connection, known, visible_until),
            )
        return CoverageView.of(counted)

    async def gaps(self, wanted: GapFilter, visible_until: int | None) -> GapsView:
        """Return gaps, the latest of the market first; those that are not over yet are not told."""
        limit, end = wanted.limit, wanted.end
        if visible_until is not None:
            end = visible_until if end is None else min(end, visible_until)
        async with self.pool.acquire() as connection:
            found = await list_gaps(connection, replace(wanted, end=end, limit=limit + 1))
        told = [GapView.of(gap) for gap in found[:limit] if _is_over(gap, visible_until)]
        return GapsView(gaps=told, is_cut=len(found) > limit)

    async def gap(self, gap_id: int, visible_until: int | None) -> GapDetailView:
        """Return one gap with what was tried.

        Raises:
            NotFoundError: there is none of this number, or none yet.
        """
        async with self.pool.acquire() as connection:
            gap = await gap_of(connection, gap_id)
            tried = await repairs_of(connection, gap_id)
        if not _is_over(gap, visible_until):
            raise NotFoundError(f"there is no gap {gap_id}")
        return GapDetailView.with_tried(gap, tried)

    async def scan(self) -> ScanView:
        """Ask for a scan, and tell whether somebody heard."""
        async with self.pool.acquire() as connection:
            scanners: int = await connection.fetchval(_SCANNERS, SCANNER)
            await connection.execute("select pg_notify($1, '')", SCAN_CHANNEL)
        detail = (
            "market_ingest scans; what it finds is shown here"
            if scanners
            else "Nobody scans: no market_ingest is running; `tradepulse gaps scan` does it by hand"
        )
        return ScanView(heard=scanners > 0, detail=detail)


def _subscription(row: Subscription, running: int, now: int | None) -> SubscriptionView:
    state: State = "waiting"
    if row.trouble is not None:
        state = "trouble"
    elif running and row.published_until is not None:
        state = "followed"
    behind = None
    if now is not None and row.published_until is not None:
        length = timeframe_ms(row.timeframe)
        behind = max(0, now // length * length - row.published_until)
    return SubscriptionView(
        series=row.series,
        exchange=row.exchange,
        symbol=row.symbol,
        timeframe=row.timeframe,
        state=state,
        trouble=row.trouble,
        last_close=row.published_until,
        behind_ms=behind,
    )


async def _followed(
    connection: Connection, known: Sequence[Lifetime], visible_until: int | None
) -> dict[str, tuple[int, int]]:
    """Return how long the followed series are expected: to now, not to their own last candle."""
    if visible_until is None:
        return {}
    published = {
        row.series: row.published_until
        for row in await list_subscriptions(connection)
        if row.published_until is not None
    }
    return {
        one.series: (one.first, max(published[one.series], visible_until - LIVE_GRACE_MS))
        for one in known
        if one.series in published
    }


def _is_over(gap: Gap, visible_until: int | None) -> bool:
    return visible_until is None or gap.finding.end <= visible_until
