"""Watches what configurations earn on paper, and moves them to the stage that they have earned.

One replica at a time does it: it holds an advisory lock. What it decides depends on the trades
alone, in event time, so it does not matter how often it looks, or which replica.
"""

import asyncio
from collections.abc import Callable
from typing import get_args
from uuid import UUID

import asyncpg
from prometheus_client import CollectorRegistry, Counter, Gauge

from contracts.events import Stage
from tradepulse.research.configurations import locked
from tradepulse.research.decay import OUTSIDE, Finding, LifecycleRules, LiveTrade, Reference, review
from tradepulse.research.lifecycle import apply_finding
from tradepulse.runtime.db import acquire_lock, ms
from tradepulse.runtime.metrics import touch

LOCK = "optimizer_svc:lifecycle"

_WATCHED = """
select k.configuration_id, k.revision, k.stage, k.judged_after, k.reference_returns,
    k.reference_source, count(p.position_id) as trades,
    exists (select from validation_reports r
            where r.configuration_id = k.configuration_id and r.passed) as has_passed,
    -- the reference is that of the last validation, or of the search
    k.reference_source <> $2 or coalesce((
        select r.passed from validation_reports r where r.configuration_id = k.configuration_id
        order by r.report_id desc limit 1), false) as chosen
from trained_configurations k
join positions p on p.configuration_id = k.configuration_id
    and p.account = $1 and p.exit_time is not null
    and (k.judged_after is null or p.exit_time > k.judged_after)
where k.stage in ('PAPER', 'MATURE')
group by k.configuration_id
"""
# what only the end of the data closed says nothing about the strategy
_TRADES = """
select position_id, exit_time, (profit / (quantity * entry_price))::float8 as value
from positions
where configuration_id = $1 and account = $2 and exit_time is not null
    and ($3::timestamptz is null or exit_time > $3) and exit_reason <> 'end_of_data'
order by exit_time, position_id
"""
_STAGES = """
select case when retired then 'RETIRED' else stage end as stage, count(*) as count
from trained_configurations group by 1
"""
_TRANSITIONS = """
select id, to_stage from configuration_events
where id > $1 and from_stage is distinct from to_stage order by id
"""


class LifecycleWatch:
    """The watch.

    Args:
        pool: of the database.
        database_url: the same; the lock lives on a connection of its own.
        rules: thresholds.
        account: whose trades are the live results.
        every_s: pause between two looks.
        registry: of the metrics.
        on_commit: called when a configuration was moved.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        database_url: str,
        rules: LifecycleRules,
        account: str,
        *,
        every_s: float,
        registry: CollectorRegistry,
        on_commit: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._database_url = database_url
        self._rules = rules
        self._account = account
        self._every_s = every_s
        self._on_commit = on_commit
        self._seen: dict[UUID, tuple[int, int]] = {}
        """Revision and number of trades at the last look."""
        self._last_event = 0
        self._stages = Gauge(
            "tradepulse_configurations",
            "Configurations by stage; told by the replica that watches them",
            ["stage"],
            registry=registry,
        )
        self._transitions = Counter(
            "tradepulse_transitions_total",
            "Configurations that came to a stage; told by the replica that watches them",
            ["stage"],
            registry=registry,
        )
        # not the gauge: a replica that does not watch would tell that there are none
        touch(self._transitions, get_args(Stage))

    async def run(self) -> None:
        """Wait for the lock, then watch for ever; the process ends when the lock is lost."""
        lock = await acquire_lock(self._database_url, LOCK)
        try:
            self._last_event = await self._pool.fetchval(
                "select coalesce(max(id), 0) from configuration_events"
            )
            while True:
                await lock.execute("select 1")
                await self.review_once()
                await self._count()
                await asyncio.sleep(self._every_s)
        finally:
            lock.terminate()

    async def review_once(self) -> int:
        """Look at every configuration that has new trades; return how many were moved."""
        moved = 0
        for row in await self._pool.fetch(_WATCHED, self._account, OUTSIDE):
            configuration_id: UUID = row["configuration_id"]
            seen = row["revision"], row["trades"]
            if self._seen.get(configuration_id) == seen:
                continue
            for finding in await self._findings(row):
                moved += await self._apply(configuration_id, finding)
            self._seen[configuration_id] = seen
        if moved:
            self._on_commit()
        return moved

    async def _findings(self, row: asyncpg.Record) -> list[Finding]:
        trades = [
            LiveTrade(trade["position_id"], ms(trade["exit_time"]), trade["value"])
            for trade in await self._pool.fetch(
                _TRADES, row["configuration_id"], self._account, row["judged_after"]
            )
        ]
        return await asyncio.to_thread(
            review,
            # one that a person let trade without passing the gates can decay, but not mature
            "PAPER" if row["stage"] == "PAPER" and row["has_passed"] else "MATURE",
            Reference(tuple(row["reference_returns"]), row["reference_source"], row["chosen"]),
            trades,
            self._rules,
        )

    async def _apply(self, configuration_id: UUID, finding: Finding) -> int:
        watched: dict[Stage, set[Stage]] = {"MATURE": {"PAPER"}, "DECAY": {"PAPER", "MATURE"}}
        async with self._pool.acquire() as connection, connection.transaction():
            row = await locked(connection, configuration_id, finding.reason)
            if row.stage not in watched[finding.stage]:
                return 0  # a person was faster
            await apply_finding(connection, configuration_id, finding)
            return 1

    async def _count(self) -> None:
        counts = {row["stage"]: row["count"] for row in await self._pool.fetch(_STAGES)}
        for stage in ("DISCOVERY", "VALIDATION", "PAPER", "MATURE", "DECAY", "RETIRED"):
            self._stages.labels(stage).set(counts.get(stage, 0))
        for row in await self._pool.fetch(_TRANSITIONS, self._last_event):
            self._transitions.labels(row["to_stage"]).inc()
            self._last_event = row["id"]
