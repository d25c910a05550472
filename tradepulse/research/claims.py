"""The queue of jobs in PostgreSQL: who works on which, and for how long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

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
    where kind = any($3) and (status = 'QUEUED'
        or (status = 'RUNNING'
            and (heartbeat_at is null or heartbeat_at < now() - make_interval(secs => $2))))
    order by {_PLACE}, created_at, job_id
    limit 1
    for update skip locked
)
returning job_id, kind, spec, cancel_requested, attempts,
    coalesce(result, '{{}}') as kept
"""  # noqa: S608 - constants
_HELD = "where job_id = $1 and worker = $2 and status = 'RUNNING'"


class LostJobError(RuntimeError):
    """Another worker holds the job now: this one was silent for too long."""


class CancelRequestedError(Exception):
    """The job's user wants it to end."""


class TurnOverError(Exception):
    """The job has had its turn, and others wait; what it has done is stored."""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job.

    Attributes:
        attempts: claims since it last made progress, this one included.
        kept: what an earlier worker began with, if there was one.
    """

    job_id: UUID
    kind: JobKind
    spec: dict[str, Any]
    cancel_requested: bool
    attempts: int
    kept: dict[str, Any]


class Claims:
    """The queue as one worker sees it.

    Args:
        pool: the database.
        worker: a name that no other worker has.
        kinds: of the jobs that it works on; others are not its concern.
    """

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", worker: str, kinds: Sequence[JobKind]
    ) -> None:
        self.pool = pool
        self._worker = worker
        self._kinds = list(kinds)

    async def claim(self, stale_s: float) -> Job | None:
        """Take the job that has waited longest, or whose worker was silent for `stale_s` seconds.

        Searches before validations that have waited for less than ten minutes.
        """
        row = await self.pool.fetchrow(_CLAIM, self._worker, stale_s, self._kinds)
        return None if row is None else Job(**dict(row))

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
                "select exists(select from training_jobs where job_id <> $1 and kind = any($2) and "  # noqa: S608 - a constant
                f"(status = 'QUEUED' and {_PLACE} < now() or status = 'RUNNING' "
                "and heartbeat_at < now() - interval '15 minutes'))",
                job_id,
                self._kinds,
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

    async def end(
        self,
        connection: Connection,
        job_id: UUID,
        status: str,
        *,
        error: str | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> None:
        """End the job, inside the caller's transaction.

        Raises:
            LostJobError: another worker holds the job.
        """
        await self.held(
            connection,
            job_id,
            "status = $3, error = $4, result = $5, worker = null, finished_at = now()",
            status,
            error,
            None if result is None else dict(result),
        )

    async def held(
        self,
        connection: "Connection | asyncpg.Pool[asyncpg.Record]",
        job_id: UUID,
        change: str,
        *values: Any,
    ) -> bool:
        """Change the job's row if this worker holds it; return whether a cancel is requested.

        `$1` and `$2` of the change are the job and the worker.

        Raises:
            LostJobError: another worker holds the job.
        """
        cancel = await connection.fetchval(
            f"update training_jobs set {change} {_HELD} returning cancel_requested",  # noqa: S608 - constants
            job_id,
            self._worker,
            *values,
        )
        if cancel is None:
            raise LostJobError(str(job_id))
        return bool(cancel)
