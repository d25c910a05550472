"""What jobs leave in PostgreSQL. Every write names the worker that holds the job."""

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from uuid import UUID

import asyncpg
import numpy as np
from numpy.typing import NDArray

from optimizer_svc.search.plan import Search
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.loader import MarketData
from tradepulse.market_data.rules_now import Markets
from tradepulse.market_data.store import load_candles
from tradepulse.market_data.venues.errors import VenueDownError, VenueRefusedError
from tradepulse.research.claims import Claims
from tradepulse.research.jobs import JobKind, JobSpec
from tradepulse.research.reality_check import Luck
from tradepulse.research.search.ranges import Range
from tradepulse.runtime.retention import Kept
from tradepulse.strategies import get_strategy
from tradepulse.trading.metrics import FIGURES

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]

KINDS: tuple[JobKind, ...] = ("search", "validation")
"""What this service works on."""
_BATCHES_AT_ONCE = 32


TRIALS = Kept(
    "training_batches",
    """
delete from training_batches b using (
    select job_id, search, batch from training_batches
    where job_id in (
        select job_id from training_jobs j
        where finished_at < now() - interval '90 days'
            and not exists (select from trained_configurations k
                            where k.job_id = j.job_id and not k.retired))
    limit $1) old
where b.job_id = old.job_id and b.search = old.search and b.batch = old.batch
""",
    batch=50,
)
"""A configuration that is not retired may be validated again, beside all that its search tried. How
many were tried, and what luck could have found, stays in training_searches for the gates."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Stored trials: params float64 `(t, p)`, figures float64 `(t, len(FIGURES))`."""

    params: FloatArray
    figures: FloatArray


class Store(Claims):
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
        super().__init__(pool, worker, KINDS)
        self._market = market or MarketData(pool)

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
            found = await self._market.stored(*where, used.first, used.end)
            return await self.with_references(found, spec.strategies, lookback)
        refused = ""
        if spec.start is not None and spec.end is not None:
            begin = max(0, spec.start - lookback * timeframe_ms(spec.timeframe))
            refused = await self._complete(where, begin, spec.end)
        found = await self.candles_between(where, spec.start, spec.end, lookback)
        if refused and not len(found):
            raise ValueError(refused)
        return await self.with_references(found, spec.strategies, lookback)

    async def with_references(
        self, candles: Candles, strategies: Iterable[str], lookback: int
    ) -> Candles:
        """Return a series with the candles of the instruments that strategies look at beside it.

        They begin `lookback` candles before it. What is missing is fetched, as of the series.

        Raises:
            ValueError: there are none of one of them.
        """
        if not len(candles):
            return candles
        start, end = int(candles.open_time[0]), int(candles.close_time[-1])
        names = {name for one in strategies for name in get_strategy(one).references(candles)}
        others = {}
        for name in sorted(names):
            exchange, _, symbol = name.partition(":")
            where = exchange, symbol, candles.timeframe
            begin = max(0, start - lookback * timeframe_ms(candles.timeframe))
            refused = await self._complete(where, begin, end)
            others[name] = await self.candles_between(where, start, end, lookback)
            if not len(others[name]):
                raise ValueError(
                    f"{candles.series}: a strategy looks at {name}, of which there are no "
                    f"{candles.timeframe} candles: "
                    + (refused or "import or backfill them, or leave that strategy out")
                )
        return replace(candles, references=others)

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
        self,
        job_id: UUID,
        spec: JobSpec,
        ranges: Mapping[str, Range],
        markets: Markets,
        searches: Sequence[Search],
    ) -> None:
        """Store what the job works on.

        Raises:
            LostJobError: another worker holds the job.
        """
        written = {series: asdict(used) for series, used in ranges.items()}
        async with self.pool.acquire() as connection, connection.transaction():
            await self.held(
                connection,
                job_id,
                "total = $3, result = $4",
                spec.trials * len(searches),
                {"ranges": written, "markets": markets},
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
            cancel = await self.held(
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
        await self.held(self.pool, job_id, "total = total - $3", trials)

    async def progress(self, job_id: UUID, percent: int) -> bool:
        """Store how far a validation has come; return whether a cancel is requested.

        Raises:
            LostJobError: another worker holds the job.
        """
        return await self.held(self.pool, job_id, "done = $3, heartbeat_at = now()", percent)
