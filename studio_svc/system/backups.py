"""When the database was last backed up, and a backup last restored, for /metrics."""

import asyncpg
from prometheus_client import CollectorRegistry, Gauge

from tradepulse.runtime.metrics import touch

LOOK_EVERY_S = 60.0
KINDS = ("portable", "physical")
_BACKUPS = "select kind, extract(epoch from ended_at)::float8 as at, bytes from backups"


class BackupWatch:
    """Tells what `tradepulse backup` and `tradepulse restore --drill` have noted.

    What was never done was done at the time 0: an alert on its age fires.

    Args:
        pool: of the database.
        registry: of the metrics.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", registry: CollectorRegistry) -> None:
        self._pool = pool
        self._at = Gauge(
            "tradepulse_backup_time_seconds",
            "When the last backup was whole",
            ["kind"],
            registry=registry,
        )
        self._bytes = Gauge(
            "tradepulse_backup_bytes", "Size of the last backup", ["kind"], registry=registry
        )
        self._drilled = Gauge(
            "tradepulse_restore_drill_time_seconds",
            "When a backup was last restored and found right",
            registry=registry,
        )
        touch(self._at, KINDS)
        touch(self._bytes, KINDS)

    async def look(self) -> None:
        """Look what was noted last."""
        for row in await self._pool.fetch(_BACKUPS):
            if row["kind"] == "drill":
                self._drilled.set(row["at"])
            else:
                self._at.labels(row["kind"]).set(row["at"])
                self._bytes.labels(row["kind"]).set(row["bytes"])
