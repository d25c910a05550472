"""Training jobs in PostgreSQL. Every write names the worker that holds the job."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import asyncpg

from optimizer_svc.research import Range
from optimizer_svc.trials import Figures
from tradepulse.runtime.candles_db import load_candles
from tradepulse.runtime.configurations import activate_within, add_discovered
from tradepulse.runtime.db import Connection
from tradepulse.runtime.jobs import JobSpec
from tradepulse.trading.candles import Candles
from tradepulse.trading.strategies import Params

_CLAIM = """
update training_jobs
set status = 'RUNNING', worker = $1, heartbeat_at = now(),
    started_at = coalesce(started_at, now())
where job_id = (
    select job_id from training_jobs
    where status = 'QUEUED'
        or (status = 'RUNNING'
            and (heartbeat_at is null or heartbeat_at < now() - make_interval(secs => $2)))
    order by created_at, job_id
    limit 1
    for update skip locked
)
returning job_id, spec, cancel_requested, coalesce(result -> 'ranges', '{}') as ranges
"""
_HELD = "where job_id = $1 and worker = $2 and status = 'RUNNING'"


class LostJobError(RuntimeError):
    """Another worker holds the job now: this one was silent for too long."""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job. `ranges` by series are those of an earlier worker, if there was one."""

    job_id: UUID
    spec: dict[str, Any]
    cancel_requested: bool
    ranges: dict[str, Range]


@dataclass(frozen=True, slots=True)
class Kept:
    """A configuration to be stored, and why."""

    configuration_id: UUID
    strategy: str
    symbol: str
    params: Params
    share: float
    metrics: Mapping[str, Any]
    found: str
    """Reason of its discovery."""
    activated: str
    """Reason of its activation; empty where it is not activated."""


class Store:
    """The database as one worker sees it."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", worker: str) -> None:
        self._pool = pool
        self._worker = worker

    async def claim(self, stale_s: float) -> Job | None:
        """Take the oldest job that waits or whose worker has been silent for `stale_s` seconds."""
        row = await self._pool.fetchrow(_CLAIM, self._worker, stale_s)
        if row is None:
            return None
        ranges = {series: Range(**used) for series, used in row["ranges"].items()}
        return Job(row["job_id"], row["spec"], row["cancel_requested"], ranges)

    async def beat(self, job_id: UUID) -> None:
        """Say that the job is being worked on."""
        await self._pool.execute(
            f"update training_jobs set heartbeat_at = now() {_HELD}",  # noqa: S608 - a constant
            job_id,
            self._worker,
        )

    async def candles(
        self, spec: JobSpec, symbol: str, lookback: int, used: Range | None
    ) -> Candles:
        """Return a job's candles of a symbol, with `lookback` more before its start."""
        async with self._pool.acquire() as connection:
            if used is not None:
                return await load_candles(
                    connection, spec.exchange, symbol, spec.timeframe, used.first, used.end
                )
            first = None
            if spec.start is not None:
                before = await load_candles(
                    connection,
                    spec.exchange,
                    symbol,
                    spec.timeframe,
                    end=spec.start,
                    limit_last=lookback,
                )
                first = int(before.open_time[0]) if len(before) else spec.start
            return await load_candles(
                connection, spec.exchange, symbol, spec.timeframe, first, spec.end
            )

    async def begin(self, job_id: UUID, ranges: Mapping[str, Range], total: int) -> None:
        """Store what the job works on.

        Raises:
            LostJobError: another worker holds the job.
        """
        written = {series: asdict(used) for series, used in ranges.items()}
        held = await self._pool.fetchval(
            f"update training_jobs set total = $3, result = $4 {_HELD} returning true",  # noqa: S608 - a constant
            job_id,
            self._worker,
            total,
            {"ranges": written},
        )
        if held is None:
            raise LostJobError(str(job_id))

    async def done(self, job_id: UUID) -> frozenset[int]:
        """Return the numbers of the stored trials."""
        rows = await self._pool.fetch("select trial from training_trials where job_id = $1", job_id)
        return frozenset(row["trial"] for row in rows)

    async def add_trials(
        self,
        job_id: UUID,
        trials: Sequence[int],
        params: Sequence[Params],
        figures: Sequence[Figures],
    ) -> bool:
        """Store trials with the job's progress; return whether a cancel is requested.

        Raises:
            LostJobError: another worker holds the job.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            cancel = await connection.fetchval(
                "update training_jobs set done = done + $3, heartbeat_at = now() "  # noqa: S608 - a constant
                f"{_HELD} returning cancel_requested",
                job_id,
                self._worker,
                len(trials),
            )
            if cancel is None:
                raise LostJobError(str(job_id))
            await connection.execute(
                "insert into training_trials (job_id, trial, params, metrics) "
                "select $1, * from unnest($2::integer[], $3::jsonb[], $4::jsonb[])",
                job_id,
                list(trials),
                [dict(one) for one in params],
                list(figures),
            )
            return bool(cancel)

    async def measured(self, job_id: UUID, objective: str) -> dict[int, tuple[float | None, int]]:
        """Return in-sample objective and number of trades by trial."""
        rows = await self._pool.fetch(
            "select trial, (metrics ->> $2)::float8 as objective, "
            "(metrics ->> 'trades')::integer as trades from training_trials where job_id = $1",
            job_id,
            objective,
        )
        return {row["trial"]: (row["objective"], row["trades"]) for row in rows}

    async def succeed(
        self, job_id: UUID, spec: JobSpec, kept: Sequence[Kept], result: Mapping[str, Any]
    ) -> None:
        """Store the kept configurations, activate them if asked, and end the job, all or none.

        Raises:
            LostJobError: another worker holds the job.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await self._end(connection, job_id, "SUCCEEDED", None, result)
            for one in kept:
                await add_discovered(
                    connection,
                    configuration_id=one.configuration_id,
                    job_id=job_id,
                    strategy=one.strategy,
                    exchange=spec.exchange,
                    symbol=one.symbol,
                    timeframe=spec.timeframe,
                    params=one.params,
                    share=one.share,
                    metrics=one.metrics,
                    reason=one.found,
                )
                if one.activated:
                    await activate_within(connection, one.configuration_id, one.activated)

    async def fail(self, job_id: UUID, reason: str) -> None:
        """End the job with a readable reason.

        Raises:
            LostJobError: another worker holds the job.
        """
        async with self._pool.acquire() as connection:
            await self._end(connection, job_id, "FAILED", reason, None)

    async def cancel(self, job_id: UUID) -> None:
        """End the job as its user wishes.

        Raises:
            LostJobError: another worker holds the job.
        """
        async with self._pool.acquire() as connection:
            await self._end(connection, job_id, "CANCELLED", None, None)

    async def _end(
        self,
        connection: Connection,
        job_id: UUID,
        status: str,
        error: str | None,
        result: Mapping[str, Any] | None,
    ) -> None:
        held = await connection.fetchval(
            "update training_jobs set status = $3, error = $4, result = $5, worker = null, "  # noqa: S608 - a constant
            f"finished_at = now() {_HELD} returning true",
            job_id,
            self._worker,
            status,
            error,
            None if result is None else dict(result),
        )
        if held is None:
            raise LostJobError(str(job_id))

    async def release(self, job_id: UUID) -> None:
        """Leave the job to whoever comes first, at once."""
        await self._pool.execute(
            f"update training_jobs set status = 'QUEUED', worker = null {_HELD}",  # noqa: S608 - a constant
            job_id,
            self._worker,
        )
