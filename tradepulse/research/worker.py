"""Takes one job after another and sees each through to its end."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter
from pydantic import ValidationError

from tradepulse.research.claims import (
    CancelRequestedError,
    Claims,
    Job,
    LostJobError,
    TurnOverError,
)
from tradepulse.research.jobs import FINAL, JobKind, JobState
from tradepulse.runtime.db import UNREACHABLE, Connection
from tradepulse.runtime.metrics import touch

log = logging.getLogger(__name__)

POLL_S = 0.5
LOOK_S = 0.5
"""How often is looked whether the job's user wants it to end."""
ENDS = (*sorted(state.lower() for state in FINAL), "lost", "interrupted")
"""How work on a job ends here; elsewhere it may go on."""
MISSED_BEATS = 3
"""A job is taken over when its worker was silent for so many heartbeats."""
MOST_ATTEMPTS = 3
"""Workers that a job may take down in a row, without a stored batch in between."""


class Work(Protocol):
    """One kind of work."""

    async def work(self, job: Job) -> None:
        """Bring a job to its success, its end stored.

        Raises:
            ValueError: it cannot succeed; the message is one line for its user.
            CancelRequestedError: its user wants it to end.
            TurnOverError: it is for other jobs to go on.
        """
        ...

    async def give_up(self, connection: Connection, job: Job, reason: str) -> None:
        """Undo what the job left half done, in the transaction in which it ends."""
        ...


class Place(Protocol):
    """Where the work is done."""

    def begin(self) -> None:
        """Be ready for another job."""
        ...

    def close(self) -> None:
        """End what runs there."""
        ...


class Worker:
    """Works off jobs; several may share one database, in one process or in many.

    Args:
        store: the database; it claims the kinds below.
        place: where the work is done; ended with the worker.
        kinds: who does which kind of job.
        registry: of the metrics.
        heartbeat_s: how often the worker says that it lives.
        on_commit: called when a job has ended.
    """

    def __init__(
        self,
        store: Claims,
        place: Place,
        kinds: dict[JobKind, Work],
        registry: CollectorRegistry,
        *,
        heartbeat_s: float,
        on_commit: Callable[[], None],
    ) -> None:
        self._store = store
        self._place = place
        self._kinds = kinds
        self._heartbeat_s = heartbeat_s
        self._on_commit = on_commit
        self.polling = False
        """Whether the database was last asked for jobs with success."""
        self._jobs = Counter(
            "tradepulse_jobs_total",
            "Jobs worked on, by kind and by how that ended",
            ["kind", "end"],
            registry=registry,
        )
        touch(self._jobs, kinds, ENDS)

    async def run(self) -> None:
        """Work for ever."""
        try:
            while True:
                if not await self.work_once():
                    await asyncio.sleep(POLL_S)
        finally:
            self._place.close()

    async def work_once(self) -> bool:
        """Claim a job and work on it to its end; return whether there was one."""
        job = await self._store.claim(MISSED_BEATS * self._heartbeat_s)
        self.polling = True
        if job is None:
            return False
        known = {"job_id": str(job.job_id), "kind": job.kind}
        log.info("job claimed", extra=known)
        self._place.begin()
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(self._beat(job.job_id))
            end = await self._see_through(job)
            beating.cancel()
        self._jobs.labels(job.kind, end).inc()
        log.info("job left", extra={**known, "end": end})
        self._on_commit()
        return True

    async def _beat(self, job_id: UUID) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            await self._store.beat(job_id)

    async def _see_through(self, job: Job) -> str:
        """Bring the job to its end and return how it ended."""
        try:
            end, reason = await self._work(job)
            if end != "SUCCEEDED":
                await self._end(job, end, reason)
        except LostJobError:
            log.warning("another worker has taken the job", extra={"job_id": str(job.job_id)})
            return "lost"
        except TurnOverError:
            await self._store.release(job.job_id, last=True)
            return "interrupted"
        except asyncio.CancelledError:
            # does nothing where it has ended
            await self._store.release(job.job_id)
            raise
        return end.lower()

    async def _work(self, job: Job) -> tuple[JobState, str]:
        """Work on the job; return how it is to end, and why."""
        try:
            _check(job)
            await self._unless_cancelled(job)
        except CancelRequestedError:
            return "CANCELLED", "cancelled"
        except ValidationError as error:
            return "FAILED", _in_one_line(error)
        except ValueError as error:
            return "FAILED", " ".join(str(error).split())
        except (LostJobError, TurnOverError, *UNREACHABLE):
            # not the job's fault: it is resumed, here or, where the process ends, elsewhere
            raise
        except Exception as error:
            log.exception("job failed", extra={"job_id": str(job.job_id)})
            return "FAILED", " ".join(f"unexpected {type(error).__name__}: {error}".split())
        return "SUCCEEDED", ""

    async def _unless_cancelled(self, job: Job) -> None:
        """Work on the job, and leave it within a second where its user wants it to end.

        What it does elsewhere is ended with it.
        """
        working = asyncio.ensure_future(self._kinds[job.kind].work(job))
        try:
            while True:
                await asyncio.wait([working], timeout=LOOK_S)
                if working.done():
                    return working.result()
                if await self._store.is_cancelled(job.job_id):
                    raise CancelRequestedError
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def _end(self, job: Job, state: JobState, reason: str) -> None:
        async with self._store.pool.acquire() as connection, connection.transaction():
            error = reason if state == "FAILED" else None
            await self._store.end(connection, job.job_id, state, error=error)
            await self._kinds[job.kind].give_up(connection, job, reason)


def _check(job: Job) -> None:
    if job.cancel_requested:
        raise CancelRequestedError
    if job.attempts > MOST_ATTEMPTS:
        raise ValueError(
            f"its worker died {MOST_ATTEMPTS} times without a sign of progress, perhaps for lack "
            "of memory; take fewer candles or give the service fewer workers"
        )


def _in_one_line(error: ValidationError) -> str:
    problems = (
        f"{'.'.join(str(part) for part in one['loc']) or 'spec'}: {one['msg']}"
        for one in error.errors(include_url=False)
    )
    return "the job's spec is refused: " + "; ".join(problems)
