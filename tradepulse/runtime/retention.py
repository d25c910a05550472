"""What nobody needs any more: removed by and by, by the service that has written it."""

import asyncio
import logging
import time
from dataclasses import dataclass

import asyncpg
from prometheus_client import CollectorRegistry, Counter, Gauge

from tradepulse.runtime.metrics import touch

log = logging.getLogger(__name__)

FIRST_AFTER_S = 900.0
"""A service that has just started has other things to do."""
EVERY_S = 6 * 3_600.0
BATCH = 5_000
_REST = 4
"""After a batch it rests so many times as long as that took: others go on."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How long the rows of a table are kept.

    Attributes:
        table: its name.
        remove: SQL that removes some of what is too old; its one parameter bounds how much. Where
            it removes nothing, nothing is left. What has its event time is old beside the newest
            row, not by the clock: a replay of years ago is not old.
        batch: the parameter.
    """

    table: str
    remove: str
    batch: int = BATCH


class Retention:
    """Removes rows, batch by batch, each a statement of its own.

    Args:
        pool: the database.
        kept: the tables.
        registry: of the metrics.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        kept: tuple[Kept, ...],
        registry: CollectorRegistry,
    ) -> None:
        self._pool = pool
        self._kept = kept
        self._removed = Counter(
            "tradepulse_retention_removed_total",
            "Rows removed because they were kept long enough",
            ["table"],
            registry=registry,
        )
        self._ended = Gauge(
            "tradepulse_retention_time_seconds",
            "When a table was last rid of all that is too old",
            ["table"],
            registry=registry,
        )
        # not the time of the end: who has just started would tell that it was never done
        touch(self._removed, [one.table for one in kept])

    async def run(self) -> None:
        """Look for ever, now and then."""
        await asyncio.sleep(FIRST_AFTER_S)
        while True:
            for one in self._kept:
                await self.remove(one)
            await asyncio.sleep(EVERY_S)

    async def remove(self, one: Kept) -> int:
        """Remove all that is too old in a table; return how many rows."""
        count = 0
        while True:
            begun = time.monotonic()
            done = await self._pool.execute(one.remove, one.batch)
            removed = int(done.rpartition(" ")[2])
            if not removed:
                break
            count += removed
            self._removed.labels(one.table).inc(removed)
            await asyncio.sleep(_REST * (time.monotonic() - begun))
        self._ended.labels(one.table).set_to_current_time()
        if count:
            log.info("old rows removed", extra={"table": one.table, "count": count})
        return count
