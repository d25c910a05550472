"""Repairs that go on by themselves: each gap that is due, one after the other."""

import logging
import time
from collections.abc import Awaitable, Callable

import asyncpg

from market_ingest.history.meters import GapMeters
from tradepulse.candles.gaps.records import Gap
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.corrections import WINDOW_SLOTS
from tradepulse.market_data.gaps.repair import Repaired, Repairs
from tradepulse.market_data.gaps.tries_store import due_gaps, series_to_fill
from tradepulse.market_data.loader import VenueOpener
from tradepulse.market_data.synthetic import renew_synthetic_from
from tradepulse.runtime.db import UNREACHABLE

log = logging.getLogger(__name__)

AT_ONCE = 100

Repair = Callable[[Gap, int | None], Awaitable[Repaired]]


class RepairRounds:
    """Repairs what is due until nothing is, or the time is up.

    Args:
        pool: the database.
        venues: asked again; None where nobody is.
        clock: market time, epoch ms.
        meters: count what was tried.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        venues: VenueOpener | None,
        clock: Callable[[], int],
        meters: GapMeters,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._meters = meters
        self._repairs = Repairs(pool, venues, clock)

    async def run(self, until: float) -> int:
        """Repair until this time of the monotonic clock; return how many gaps were tried."""
        wanted = await self._renew()
        seen: set[int] = set()
        down: set[str] = set()
        while time.monotonic() < until:
            async with self._pool.acquire() as connection:
                due = await due_gaps(connection, self._clock(), AT_ONCE + len(seen))
            due = [gap for gap in due if gap.gap_id not in seen]
            if not due:
                break
            for gap in due:
                seen.add(gap.gap_id)
                if gap.finding.exchange in down or time.monotonic() >= until:
                    continue
                names = gap.finding.exchange, gap.finding.symbol, gap.finding.timeframe
                if await self._is_down(gap, wanted.get(names)):
                    down.add(gap.finding.exchange)
        return len(seen)

    async def _is_down(self, gap: Gap, synthetic_from: int | None) -> bool:
        """Repair a gap; tell whether its venue could not be asked."""
        try:
            repaired = await self._repairs.repair(gap, synthetic_from=synthetic_from)
        except UNREACHABLE:
            raise
        except Exception:
            # one gap must not stop the market; it is tried again with the next round
            log.exception("repair failed", extra={"event_id": f"gap:{gap.gap_id}"})
            self._meters.repairs.labels(gap.finding.exchange, "none", "failed").inc()
            return False
        for one in repaired.tried:
            self._meters.repairs.labels(gap.finding.exchange, one.step, one.outcome).inc()
            self._meters.repaired.labels(gap.finding.exchange, one.step).inc(one.candles)
        return any(one.outcome == "down" for one in repaired.tried)

    async def _renew(self) -> dict[tuple[str, str, str], int]:
        """Let what was made up follow what others, as a backfill, have stored since."""
        async with self._pool.acquire() as connection:
            wanted = await series_to_fill(connection)
            for (exchange, symbol, timeframe), first in wanted.items():
                begin = self._clock() - WINDOW_SLOTS * timeframe_ms(timeframe)
                await renew_synthetic_from(
                    connection, exchange, symbol, timeframe, max(first, begin)
                )
        return wanted
