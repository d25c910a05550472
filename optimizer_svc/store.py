"""Jobs in PostgreSQL. Every write names the worker that holds the job."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
from numpy.typing import NDArray

from optimizer_svc.search.plan import Range, Search
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.loader import MarketData
from tradepulse.market_data.store import load_candles
from tradepulse.market_data.venues.errors import VenueDownError, VenueRefusedError
from tradepulse.research.jobs import JobKind, JobSpec
from tradepulse.research.reality_check import Luck
from tradepulse.runtime.db import Connection
from tradepulse.strategies import get_strategy
from tradepulse.trading.metrics import FIGURES

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]

_CLAIM = """
update training_jobs
set status = 'RUNNING', worker = $1, heartbeat_at = now(), attempts = attempts + 1,
    started_at = coalesce(started_at, now())
where job_id = (
    select job_id from training_jobs
    where status = 'QUEUED'
        or (status = 'RUNNING'
            and (heartbeat_at is null or heartbeat_at < now() - make_interval(secs => $2)))
    order by kind, created_at, job_id
    limit 1
    for update skip locked
)
returning job_id, kind, spec, cancel_requested, attempts,
    coalesce(result -> 'ranges', '{}') as ranges
"""
_HELD = "where job_id = $1 and worker = $2 and status = 'RUNNING'"
_BATCHES_AT_ONCE = 32


class LostJobError(RuntimeError):
    """Another worker holds the job now: this one was silent for too long."""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job.

    Attributes:
        attempts: claims since it last made progress, this one included.
        ranges: by series, those of an earlier worker, if there was one.
    """

    job_id: UUID
    kind: JobKind
    spec: dict[str, Any]
    cancel_requested: bool
    attempts: int
    ranges: dict[str, Range]


@dataclass(frozen=True, slots=True)
class Batch:
    """Stored trials: params float64 `(t, p)`, figures float64 `(t, len(FIGURES))`."""

    params: FloatArray
    figures: FloatArray


class Store:
    """The database as one worker sees it.

    Args:
        pool: the database.
        worker: a name that no other worker has.
        market: loads candles; by default what is stored, and nothing else.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        worker: str,
        market: MarketData | None = None,
    ) -> None:
        self.pool = pool
        self._worker = worker
        self._market = market or MarketData(pool)

    async def claim(self, stale_s: float) -> Job | None:
        """Take the oldest job that waits or whose worker has been silent for `stale_s` seconds.

        Searches before validations: people wait for them.
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

    async def candles(
        self, spec: JobSpec, symbol: str, lookback: int, used: Range | None
    ) -> Candles:
        """Return a job's candles of a symbol, with `lookback` more before its start.

        What is missing of a range with both ends is fetched where the exchange is one of ours.

        Raises:
            ValueError: something is missing and the venue does not answer, or has none at all.
        """
        where = spec.exchange, symbol, spec.timeframe
        if used is not None:
            return await self._market.stored(*where, used.first, used.end)
        refused = ""
        if spec.start is not None and spec.end is not None:
            begin = max(0, spec.start - lookback * timeframe_ms(spec.timeframe))
            refused = await self._complete(where, begin, spec.end)
        found = await self.candles_between(where, spec.start, spec.end, lookback)
        if refused and not len(found):
            raise ValueError(refused)
        return found

    async def candles_between(
        self, where: tuple[str, str, str], start: int | None, end: int | None, lookback: int
    ) -> Candles:
        """Return the candles of (exchange, symbol, timeframe), with `lookback` before `start`."""
        async with self.pool.acquire() as connection:
            first = None
            if start is not None:
                before = await load_candles(connection, *where, end=start, limit_last=lookback)
                first = int(before.open_time[0]) if len(before) else start
            if first is None or start is None or end is None:
                return await load_candles(connection, *where, first, end)
        if first == start:
            # of a timeframe that is not stored, it may be there in shorter candles
            first = max(0, start - lookback * timeframe_ms(where[2]))
        return await self._market.stored(*where, first, end)

    async def _complete(self, where: tuple[str, str, str], start: int, end: int) -> str:
        """Fetch what is missing of a range; return why not all of it can ever be had."""
        try:
            await self._market.complete(*where, start, end)
        except VenueDownError as error:
            raise ValueError(
                f"{':'.join(where)} is not all stored, and {error}: submit the job again later, "
                "or set FETCH_MISSING=false to search what is stored"
            ) from error
        except VenueRefusedError as error:
            # a file may hold what the venue does not serve: the job takes what there is
            log.warning("%s", error)
            return str(error)
        return ""

    async def begin(
        self, job_id: UUID, spec: JobSpec, ranges: Mapping[str, Range], searches: Sequence[Search]
    ) -> None:
        """Store what the job works on.

        Raises:
            LostJobError: another worker holds the job.
        """
        written = {series: asdict(used) for series, used in ranges.items()}
        async with self.pool.acquire() as connection, connection.transaction():
            await self._held(
                connection,
                job_id,
                "total = $3, result = $4",
                spec.trials * len(searches),
                {"ranges": written},
            )
            await connection.executemany(
                "insert into training_searches (job_id, search, strategy, exchange, symbol, "
                "timeframe, params, figures) values ($1, $2, $3, $4, $5, $6, $7, $8) "
                "on conflict do nothing",
                [
                    (
                        job_id,
                        search.number,
                        search.strategy,
                        spec.exchange,
                        search.symbol,
                        spec.timeframe,
                        [param.name for param in get_strategy(search.strategy).space],
                        list(FIGURES),
                    )
                    for search in searches
                ],
            )

    async def batches(self, job_id: UUID, search: int) -> AsyncIterator[Batch]:
        """Yield the stored trials of a search in order, a few batches in memory at a time."""
        after = -1
        while True:
            rows = await self.pool.fetch(
                "select batch, params, figures from training_batches "
                "where job_id = $1 and search = $2 and batch > $3 order by batch limit $4",
                job_id,
                search,
                after,
                _BATCHES_AT_ONCE,
            )
            for row in rows:
                yield Batch(np.array(row["params"]), np.array(row["figures"]))
                after = row["batch"]
            if len(rows) < _BATCHES_AT_ONCE:
                return

    async def add_batch(
        self, job_id: UUID, search: int, batch: int, trials: Batch, luck: Luck
    ) -> bool:
        """Store trials with the job's progress; return whether a cancel is requested.

        `luck` is that of all trials of the search, these included.

        Raises:
            LostJobError: another worker holds the job.
        """
        count = len(trials.params)
        async with self.pool.acquire() as connection, connection.transaction():
            cancel = await self._held(
                connection,
                job_id,
                "done = done + $3, attempts = 0, heartbeat_at = now()",
                count,
            )
            await connection.execute(
                "update training_searches set done = done + $3, luck = $4, luck_trials = $5 "
                "where job_id = $1 and search = $2",
                job_id,
                search,
                count,
                luck.largest.tolist(),
                luck.covered,
            )
            await connection.execute(
                "insert into training_batches values ($1, $2, $3, $4, $5)",
                job_id,
                search,
                batch,
                trials.params.tolist(),
                trials.figures.tolist(),
            )
            return cancel

    async def expect_fewer(self, job_id: UUID, trials: int) -> None:
        """Lower the number of trials to come: a search has tried all there is.

        Raises:
            LostJobError: another worker holds the job.
        """
        await self._held(self.pool, job_id, "total = total - $3", trials)

    async def progress(self, job_id: UUID, percent: int) -> bool:
        """Store how far a validation has come; return whether a cancel is requested.

        Raises:
            LostJobError: another worker holds the job.
        """
        return await self._held(self.pool, job_id, "done = $3, heartbeat_at = now()", percent)

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
        await self._held(
            connection,
            job_id,
            "status = $3, error = $4, result = $5, worker = null, finished_at = now()",
            status,
            error,
            None if result is None else dict(result),
        )

    async def release(self, job_id: UUID) -> None:
        """Leave the job to whoever comes first, at once."""
        await self.pool.execute(
            "update training_jobs set status = 'QUEUED', worker = null, "  # noqa: S608 - a constant
            f"attempts = greatest(attempts - 1, 0) {_HELD}",
            job_id,
            self._worker,
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
