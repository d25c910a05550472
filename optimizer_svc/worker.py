"""Takes one job after another and sees each through to its end.

Every trial has a number that follows from the job's spec alone, and is stored when it is
measured. So a job that lost its worker goes on with the trials that are missing, and ends as it
would have ended undisturbed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import asyncpg
from prometheus_client import CollectorRegistry, Counter
from pydantic import ValidationError

from optimizer_svc import research, trials
from optimizer_svc.processes import Processes
from optimizer_svc.research import Chosen, Chunk, Range, Search
from optimizer_svc.store import Job, Kept, LostJobError, Store
from optimizer_svc.trials import Figures
from tradepulse.runtime.db import UNREACHABLE
from tradepulse.runtime.jobs import JobSpec
from tradepulse.trading.candles import Candles

log = logging.getLogger(__name__)

POLL_S = 0.5
MISSED_BEATS = 3
"""A job is taken over when its worker was silent for so many heartbeats."""
PROCESS_DEATHS = 3
"""Deaths of trial processes after which the job itself is blamed."""

_DATABASE_TROUBLE = (*UNREACHABLE, asyncpg.InterfaceError)


Running: TypeAlias = dict[asyncio.Future[list[Figures]], Chunk]


class CancelRequestedError(Exception):
    """The job's user wants it to end."""


@dataclass(frozen=True, slots=True)
class Study:
    """A job that is understood: what it tries, on which candles."""

    job: Job
    spec: JobSpec
    searches: list[Search]
    candles: Mapping[str, Candles]
    """By symbol."""
    ranges: Mapping[str, Range]
    """By symbol."""


class Worker:
    """Works off jobs; several may share one database, in one process or in many."""

    def __init__(
        self,
        store: Store,
        processes: Processes,
        registry: CollectorRegistry,
        *,
        heartbeat_s: float,
        on_commit: Callable[[], None],
    ) -> None:
        self._store = store
        self._processes = processes
        self._heartbeat_s = heartbeat_s
        self._on_commit = on_commit
        self.polling = False
        """Whether the database was last asked for jobs with success."""
        self._trials = Counter("tradepulse_trials_total", "Trials measured", registry=registry)
        self._jobs = Counter(
            "tradepulse_jobs_total", "Jobs worked on, by how that ended", ["end"], registry=registry
        )

    async def run(self) -> None:
        """Work for ever."""
        try:
            await self._processes.warm_up()
            while True:
                if not await self.work_once():
                    await asyncio.sleep(POLL_S)
        finally:
            self._processes.close()

    async def work_once(self) -> bool:
        """Claim a job and work on it to its end; return whether there was one."""
        job = await self._store.claim(MISSED_BEATS * self._heartbeat_s)
        self.polling = True
        if job is None:
            return False
        log.info("job claimed", extra={"job_id": str(job.job_id)})
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(self._beat(job))
            end = await self._see_through(job)
            beating.cancel()
        self._jobs.labels(end).inc()
        log.info("job left", extra={"job_id": str(job.job_id), "end": end})
        self._on_commit()
        return True

    async def _beat(self, job: Job) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            await self._store.beat(job.job_id)

    async def _see_through(self, job: Job) -> str:
        """Bring the job to its end and return how it ended."""
        try:
            try:
                await self._research(job)
            except CancelRequestedError:
                await self._store.cancel(job.job_id)
                return "cancelled"
            except ValidationError as error:
                await self._store.fail(job.job_id, _in_one_line(error))
                return "failed"
            except ValueError as error:
                await self._store.fail(job.job_id, str(error))
                return "failed"
            except asyncio.CancelledError:
                await self._store.release(job.job_id)
                raise
        except LostJobError:
            log.warning("another worker has taken the job", extra={"job_id": str(job.job_id)})
            return "lost"
        except _DATABASE_TROUBLE:
            # not the job's fault: the process ends, and the job is resumed
            raise
        except Exception as error:
            log.exception("job failed", extra={"job_id": str(job.job_id)})
            await self._store.fail(job.job_id, f"unexpected {type(error).__name__}: {error}")
            return "failed"
        return "succeeded"

    async def _research(self, job: Job) -> None:
        if job.cancel_requested:
            raise CancelRequestedError
        study = await self._understand(job)
        for deaths in range(1, PROCESS_DEATHS + 1):
            try:
                await self._measure(study)
                kept, result = await self._judge(study)
                break
            except BrokenProcessPool:
                log.warning("a trial process died", extra={"job_id": str(job.job_id)})
                self._processes.restart()
                if deaths == PROCESS_DEATHS:
                    raise ValueError(
                        f"trial processes died {deaths} times, perhaps for lack of memory; "
                        "give the service fewer workers or the job fewer candles"
                    ) from None
        await self._store.succeed(job.job_id, study.spec, kept, result)

    async def _understand(self, job: Job) -> Study:
        # planning a large search takes a while: heartbeats and health checks go on meanwhile
        spec = await asyncio.to_thread(JobSpec.model_validate, job.spec)
        searches = await asyncio.to_thread(research.plan, spec)
        lookback = await asyncio.to_thread(research.longest_lookback, searches)
        candles, ranges = {}, {}
        for symbol in spec.symbols:
            known = job.ranges.get(spec.series(symbol))
            loaded = await self._store.candles(spec, symbol, lookback, known)
            if known is None:
                known = research.range_of(spec, loaded, lookback)
            research.check_unchanged(known, loaded)
            candles[symbol], ranges[symbol] = loaded, known
        await self._store.begin(
            job.job_id,
            {spec.series(symbol): used for symbol, used in ranges.items()},
            sum(len(search.params) for search in searches),
        )
        return Study(job, spec, searches, candles, ranges)

    async def _measure(self, study: Study) -> None:
        """Run and store the trials that are missing."""
        done = await self._store.done(study.job.job_id)
        rows = max(used.rows for used in study.ranges.values())
        waiting = research.chunks(study.searches, done, rows)
        running: Running = {}
        try:
            while True:
                # one more than there are processes: none of them waits for us
                for chunk in islice(waiting, self._processes.workers + 1 - len(running)):
                    running[self._start(study, chunk)] = chunk
                if not running:
                    return
                finished, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for future in finished:
                    await self._keep(study, running.pop(future), future.result())
        except asyncio.CancelledError:
            # the service stops: what runs is finished and kept. That the job is cancelled or lost
            # besides is for the next worker to find: nothing may take the place of the stop
            with contextlib.suppress(CancelRequestedError, LostJobError):
                await self._finish(study, running)
            raise
        finally:
            for future in running:
                future.cancel()

    async def _finish(self, study: Study, running: Running) -> None:
        if running:
            await asyncio.wait(running)
        for future, chunk in running.items():
            if future.exception() is None:
                await self._keep(study, chunk, future.result())

    def _start(self, study: Study, chunk: Chunk) -> asyncio.Future[list[Figures]]:
        search = chunk.search
        used = study.ranges[search.symbol]
        return self._processes.submit(
            trials.run_trials,
            study.candles[search.symbol].between(None, used.split),
            used.start,
            search.strategy,
            chunk.params,
            trials.simulation_rules(
                trials.account_rules(study.spec, search.symbol),
                f"{study.spec.exchange}:{search.symbol}",
            ),
        )

    async def _keep(self, study: Study, chunk: Chunk, figures: list[Figures]) -> None:
        self._trials.inc(len(figures))
        if await self._store.add_trials(study.job.job_id, chunk.trials, chunk.params, figures):
            raise CancelRequestedError

    async def _judge(self, study: Study) -> tuple[list[Kept], dict[str, Any]]:
        """Choose the best and measure them in and out of sample."""
        spec = study.spec
        measured = await self._store.measured(study.job.job_id, spec.objective)
        chosen: list[Chosen] = []
        nothing = []
        for search in study.searches:
            best = research.choose(spec, search, measured)
            chosen += best
            if not best:
                nothing.append(
                    f"{search.strategy} on {search.symbol}: none of {len(search.params)} trials "
                    f"made {spec.min_trades} trades and a defined {spec.objective}"
                )
        judged = await asyncio.gather(
            *(
                self._processes.submit(
                    trials.judge,
                    study.candles[one.search.symbol],
                    study.ranges[one.search.symbol],
                    one.search.strategy,
                    one.params,
                    trials.account_rules(spec, one.search.symbol),
                )
                for one in chosen
            )
        )
        of_symbol = [one.search.symbol for one in chosen]
        kept = [
            _kept(study, one, figures, 1 / of_symbol.count(one.search.symbol))
            for one, figures in zip(chosen, judged, strict=True)
        ]
        result = {
            "configurations": [
                {
                    "configuration_id": str(one.configuration_id),
                    "strategy": one.strategy,
                    "symbol": one.symbol,
                    "params": dict(one.params),
                    **one.metrics,
                }
                for one in kept
            ],
            "nothing_kept": nothing,
        }
        return kept, result


def _kept(
    study: Study, chosen: Chosen, figures: Mapping[str, Figures | None], share: float
) -> Kept:
    spec, search = study.spec, chosen.search
    in_sample, out_of_sample = figures["in_sample"] or {}, figures["out_of_sample"] or {}
    evidence = (
        f"job {study.job.job_id}; {spec.objective} in sample "
        f"{research.describe(in_sample.get(spec.objective))}, out of sample "
        f"{research.describe(out_of_sample.get(spec.objective))}"
    )
    return Kept(
        configuration_id=research.configuration_id(
            study.job.job_id, spec.series(search.symbol), search.strategy, chosen.params
        ),
        strategy=search.strategy,
        symbol=search.symbol,
        params=chosen.params,
        share=share,
        metrics=research.evidence(spec, study.ranges[search.symbol], chosen, figures),
        found=f"found by {evidence}",
        activated=f"activated by {evidence}" if spec.activate else "",
    )


def _in_one_line(error: ValidationError) -> str:
    problems = (
        f"{'.'.join(str(part) for part in one['loc']) or 'spec'}: {one['msg']}"
        for one in error.errors(include_url=False)
    )
    return "the job's spec is refused: " + "; ".join(problems)
