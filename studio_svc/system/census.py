"""Counts what no other service counts, for /metrics: jobs, configurations, tables, dead letters."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import get_args

import asyncpg
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, Gauge

from tradepulse.research.jobs import JobKind
from tradepulse.runtime.publisher import BrokerUnavailableError

log = logging.getLogger(__name__)

COUNTED_EVERY_S = 15.0
LETTERS_COUNTED_EVERY_S = 60.0
# a job that has given way to others waits since then
_JOBS = """
select kind, count(*) filter (where status = 'QUEUED') as waiting,
    coalesce(extract(epoch from clock_timestamp() - min(coalesce(heartbeat_at, created_at))
        filter (where status = 'QUEUED'))::float8, 0) as oldest_s,
    min(done / greatest(total, 1)::float8) filter (where status = 'RUNNING') as progress
from training_jobs where status in ('QUEUED', 'RUNNING') group by kind
"""
_ACTIVE = "select count(*) from trained_configurations where is_active"
# of a partitioned table the sum of its partitions
_TABLES = """
select coalesce(parent.relname, own.relname) as name, sum(pg_total_relation_size(own.oid)) as bytes
from pg_class own
left join pg_inherits on inhrelid = own.oid
left join pg_class parent on parent.oid = inhparent
where own.relkind in ('r', 'm') and own.relnamespace = current_schema()::regnamespace
group by 1
"""


class Census:
    """What stands in the database and on the dead-letter topics.

    Args:
        pool: of the database.
        letters: returns how many dead letters wait, by topic.
        registry: of the metrics.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        letters: Callable[[], Awaitable[Mapping[str, int]]],
        registry: CollectorRegistry,
    ) -> None:
        self._pool = pool
        self._count_letters = letters
        kind = ["kind"]
        self._waiting = Gauge(
            "tradepulse_jobs_waiting", "Jobs that nobody works on", kind, registry=registry
        )
        self._oldest = Gauge(
            "tradepulse_job_oldest_seconds", "How long the oldest waits", kind, registry=registry
        )
        self._progress = Gauge(
            "tradepulse_job_progress_ratio", "Of the job least far", kind, registry=registry
        )
        self._active = Gauge(
            "tradepulse_configurations_active_stored",
            "Active configurations of the database",
            registry=registry,
        )
        self._bytes = Gauge(
            "tradepulse_table_bytes",
            "Size of a table with its indexes",
            ["table"],
            registry=registry,
        )
        self._letters = Gauge(
            "tradepulse_dead_letters_waiting",
            "Dead letters that were not sent back",
            ["topic"],
            registry=registry,
        )

    async def count(self) -> None:
        """Count what the database has."""
        found = {row["kind"]: row for row in await self._pool.fetch(_JOBS)}
        self._active.set(await self._pool.fetchval(_ACTIVE))
        sizes = await self._pool.fetch(_TABLES)
        # where none runs there is no progress
        self._progress.clear()
        for kind in get_args(JobKind):
            row = found.get(kind)
            self._waiting.labels(kind).set(row["waiting"] if row else 0)
            self._oldest.labels(kind).set(row["oldest_s"] if row else 0)
            if row and row["progress"] is not None:
                self._progress.labels(kind).set(row["progress"])
        self._bytes.clear()
        for row in sizes:
            self._bytes.labels(row["name"]).set(float(row["bytes"]))

    async def run_letters(self) -> None:
        """Count for ever the dead letters; what the broker does not say is not told."""
        while True:
            try:
                waiting = await self._count_letters()
            except (KafkaError, BrokerUnavailableError, TimeoutError) as error:
                log.warning("the dead letters cannot be counted: %r", error)
                waiting = {}
            self._letters.clear()
            for topic, count in waiting.items():
                self._letters.labels(topic).set(count)
            await asyncio.sleep(LETTERS_COUNTED_EVERY_S)
