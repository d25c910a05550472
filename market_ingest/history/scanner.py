"""The scanner: looks over what is stored all the time, in one replica, beside the feed."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from market_ingest.history.due_repairs import RepairRounds
from market_ingest.history.meters import GapMeters
from tradepulse.market_data.gaps.scan import SCAN_LOCK, Scan, scan_all
from tradepulse.market_data.gaps.store import SCAN_CHANNEL, SCANNER, gap_counts
from tradepulse.market_data.gaps.tails import TailScanner
from tradepulse.market_data.loader import VenueOpener
from tradepulse.market_data.subscriptions import list_subscriptions
from tradepulse.runtime.db import UNREACHABLE, Connection, acquire_lock
from tradepulse.runtime.service import Service

log = logging.getLogger(__name__)

FULL_EVERY_S = 86_400.0
RESTS = 10
"""After a scan of everything the next one waits so many times as long as it took."""


class Scanner:
    """Scans everything at its start, then the ends of the series, then everything once a day.

    Args:
        connection: of its own; it listens, and reads.
        meters: show what was found.
        every_s: seconds between two scans.
        clock: market time, epoch ms; None in a replay, where all that is stored was recorded whole.
        repairs: go on between two scans; None where nothing is repaired, as in a replay, which is
            what its file says.
    """

    def __init__(
        self,
        connection: Connection,
        meters: GapMeters,
        every_s: float,
        *,
        clock: Callable[[], int] | None = None,
        repairs: RepairRounds | None = None,
    ) -> None:
        self._connection = connection
        self._meters = meters
        self._every_s = every_s
        self._clock = clock
        self._repairs = repairs
        self._tails = TailScanner()
        self._asked = asyncio.Event()
        self._full_until = 0.0
        self._rest_until = 0.0

    async def run(self) -> None:
        """Scan until cancelled."""
        await self._connection.add_listener(SCAN_CHANNEL, self._on_notify)
        while True:
            begun = time.monotonic()
            try:
                await self.look()
            except UNREACHABLE:
                raise
            except Exception:
                # candles go on without the scanner
                log.exception("scan failed")
                self._meters.scan_failures.inc()
                # whoever asked for a scan of everything still waits for it
                self._full_until = 0.0
            await self._repair(begun + self._every_s)
            left = max(0.0, begun + self._every_s - time.monotonic())
            # wait_for would forget a cancel that comes at the moment it is asked
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._asked.wait()

    async def look(self) -> Scan:
        """Scan once: everything where that is due or asked for, else what is new."""
        asked, now = self._asked.is_set(), time.monotonic()
        self._asked.clear()
        due = now >= self._full_until or (self._tails.changed and now >= self._rest_until)
        full = asked or due
        market = None if self._clock is None else self._clock()
        async with _alone(self._connection):
            followed = await self._followed()
            if full:
                await self._tails.note(self._connection)
                scan = await scan_all(self._connection, now=market, followed=followed)
            else:
                scan = await self._tails.scan(self._connection, now=market, followed=followed)
        took = time.monotonic() - now
        if full:
            self._full_until = now + FULL_EVERY_S
            self._rest_until = now + took * (1 + RESTS)
        self._meters.count(await gap_counts(self._connection))
        self._meters.scan_seconds.labels("all" if full else "new").observe(took)
        self._meters.scanned_at.set_to_current_time()
        log.info(
            "scanned",
            extra={"scope": "all" if full else "new", "series": scan.series, "took_s": took}
            | {"gaps_new": scan.saved.new, "gaps_gone": scan.saved.gone},
        )
        return scan

    async def _repair(self, until: float) -> None:
        if self._repairs is not None and await self._repairs.run(until):
            self._meters.count(await gap_counts(self._connection))

    async def _followed(self) -> set[str]:
        """Return the series of which candles are expected until now."""
        if self._clock is None:
            return set()
        listed = await list_subscriptions(self._connection)
        return {one.series for one in listed if one.published_until is not None}

    def _on_notify(self, *_: Any) -> None:
        self._asked.set()


@asynccontextmanager
async def _alone(connection: Connection) -> AsyncIterator[None]:
    """Scan while nobody else does, as the command line."""
    await connection.execute("select pg_advisory_lock(hashtextextended($1, 0))", SCAN_LOCK)
    try:
        yield
    finally:
        await connection.execute("select pg_advisory_unlock(hashtextextended($1, 0))", SCAN_LOCK)


def start_scanner(
    service: Service,
    every_s: float,
    *,
    clock: Callable[[], int] | None = None,
    venues: VenueOpener | None = None,
) -> None:
    """Let the service scan what is stored for as long as it lives.

    Args:
        service: whose database is scanned.
        every_s: seconds between two scans.
        clock: market time, epoch ms; None in a replay.
        venues: asked for what is missing; None where nothing is repaired.
    """
    meters = GapMeters(service.registry)

    async def work() -> None:
        # a replica that does not scan waits here for the one that does to be gone
        connection = await acquire_lock(service.settings.database_url, SCANNER, poll_s=2.0)
        try:
            repairs = None
            if clock is not None and venues is not None:
                repairs = RepairRounds(service.pool, venues, clock, meters)
            await Scanner(connection, meters, every_s, clock=clock, repairs=repairs).run()
        finally:
            connection.terminate()

    service.background(work, "gap scanner")
