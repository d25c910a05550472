"""The queue of jobs in PostgreSQL: who works on which, and for how long."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from optimizer_svc.markets import Markets
from optimizer_svc.search.plan import Range
from tradepulse.research.jobs import JobKind
from tradepulse.runtime.db import Connection

_PLACE = (
    "coalesce(heartbeat_at, created_at) "
    "+ case kind when 'search' then interval '0' else interval '10 minutes' end"
)
"""When a waiting job is to go on: those that wait longest first, whether they have had a turn or
not; a search ten minutes before a validation, because people wait for it."""
_CLAIM = f"""
update training_jobs
set status = 'RUNNING', worker = $1, heartbeat_at = now(), attempts = attempts + 1,
    started_at = coalesce(started_at, now())
where job_id = (
    select job_id from training_jobs
    where status = 'QUEUED'
        or (status = 'RUNNING'
            and (heartbeat_at is null or heartbeat_at < now() - make_interval(secs => $2)))
    order by {_PLACE}, created_at, job_id
    limit 1
    for update skip locked
)
returning job_id, kind, spec, cancel_requested, attempts,
    coalesce(result -> 'ranges', '{{}}') as ranges, coalesce(result -> 'markets', '{{}}') as markets
"""  # noqa: S608 - constants
_HELD = "where job_id = $1 and worker = $2 and status = 'RUNNING'"


class LostJobError(RuntimeError):
    """Another worker holds the job now: this one was silent for too long."""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job.

    Attributes:
        attempts: claims since it last made progress, this one included.
        ranges: by series, those of an earlier worker, if there was one.
        markets: by instrument, the rules of its venue that an earlier worker began with.
    """

    job_id: UUID
    kind: JobKind
    spec: dict[str, Any]
    cancel_requested: bool
    attempts: int
    ranges: dict[str, Range]
    markets: Markets


class Claims:
    """The queue as one worker sees it.

    Args:
        pool: the database.
        worker: a name that no other worker has.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", worker: str) -> None:
        self.pool = pool
        self._worker = worker

    async def claim(self, stale_s: float) -> Job | None:
        """Take the job that has waited longest, or whose worker was silent for `stale_s` seconds.

        Searches before validations that have waited for less than ten minutes.
        """
        row = await self.pool.fetchrow(_CLAIM, self._worker, stale_s)
        if row is None:
            return None
        ranges = {series: Range(**used) for series, used in row["ranges"].items()}
        return Job(**{**dict(row), "ranges": ranges})

    async def beat(self, job_id: UUID) -> None:
        """Say that the job is being worked on."""
        await self.pool.execute(
            f"update training_jobs set heartbeat_at = now() {_HELD}",  # noqa: S608 - a constant
            job_id,
            self._worker,
        )

    async def is_cancelled(self, job_id: UUID) -> bool:
        """Tell whether a cancel of the job is requested.

        Raises:
            LostJobError: another worker holds the job.
        """
        wish = await self.pool.fetchval(
            f"select cancel_requested from training_jobs {_HELD}",  # noqa: S608 - a constant
            job_id,
            self._worker,
        )
        if wish is None:
            raise LostJobError(str(job_id))
        return bool(wish)

    async def others_wait(self, job_id: UUID) -> bool:
        """Tell whether a job waits that would go on before this one, were it to wait too."""
        return bool(
            await self.pool.fetchval(
                "select exists(select from training_jobs where job_id <> $1 and "  # noqa: S608 - a constant
                f"(status = 'QUEUED' and {_PLACE} < now() or status = 'RUNNING' "
                "and heartbeat_at < now() - interval '15 minutes'))",
                job_id,
            )
        )

    async def release(self, job_id: UUID, *, last: bool = False) -> None:
        """Leave the job to whoever comes first: at once, or after those that wait already."""
        await self.pool.execute(
            "update training_jobs set status = 'QUEUED', worker = null, "  # noqa: S608 - a constant
            "heartbeat_at = case when $3 then now() end, "
            f"attempts = greatest(attempts - 1, 0) {_HELD}",
            job_id,
            self._worker,
            last,
        )

    async def _held(
        self,
        connection: "Connection | asyncpg.Pool[asyncpg.Record]",
        job_id: UUID,
        change: str,
        *values: Any,
    ) -> bool:
        """Change the job's row if this worker holds it; return whether a cancel is requested."""
        cancel = await connection.fetchval(
            f"update training_jobs set {change} {_HELD} returning cancel_requested",  # noqa: S608 - constants
            job_id,
            self._worker,
            *values,
        )
        if cancel is None:
            raise LostJobError(str(job_id))
        return bool(cancel)
