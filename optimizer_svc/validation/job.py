"""A validation job: one configuration before the gates, and its stage after it."""

import asyncio
from typing import Any

import numpy as np

from optimizer_svc.search import plan, trials
from optimizer_svc.search.processes import TrialProcess
from optimizer_svc.search.trials import Gates, Subject, Validated
from optimizer_svc.store import Store
from optimizer_svc.tried import searches_of_market, tried_for
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.rules_now import markets_now
from tradepulse.research.claims import CancelRequestedError, Job
from tradepulse.research.configurations import StoredConfiguration, configuration_of
from tradepulse.research.decay import LifecycleRules, reference_of
from tradepulse.research.jobs import ValidationSpec
from tradepulse.research.lifecycle import (
    RANGES,
    Judged,
    begin_validation,
    end_validation,
    fail_validation,
)
from tradepulse.research.search.ranges import HELD_BACK, Range, check_candles, lookback_of_space
from tradepulse.runtime.db import Connection
from tradepulse.strategies import get_strategy

LOOK_S = 1.0
STALL_S = 1_800.0
"""How long gates may come no further before their job is ended."""


class Validating:
    """Works on validation jobs.

    Args:
        store: the database.
        process: where the gates run.
        gates: judge a configuration; a function that the process can import.
        rules: of the lifecycle.
        stall_s: how long they may come no further.
    """

    def __init__(
        self,
        store: Store,
        process: TrialProcess,
        gates: Gates,
        rules: LifecycleRules,
        *,
        stall_s: float = STALL_S,
    ) -> None:
        self._store = store
        self._process = process
        self._gates = gates
        self._rules = rules
        self._stall_s = stall_s

    async def work(self, job: Job) -> None:
        """Bring a job to its success.

        Raises:
            ValueError: it cannot succeed; the message is one line for its user.
            CancelRequestedError: its user wants it to end.
        """
        spec = ValidationSpec.model_validate(job.spec)
        async with self._store.pool.acquire() as connection, connection.transaction():
            await begin_validation(connection, spec.configuration_id, job.job_id)
        row = await configuration_of(self._store.pool, spec.configuration_id)
        candles, used = await self._candles(row, spec)
        searches = await searches_of_market(self._store, row.symbol)
        # one that no search found, or of a market that was not known then, is judged by what is now
        market = row.metrics.get("market")
        if market is None:
            (market,) = (await markets_now(self._store.pool, [candles.instrument])).values()
        subject = Subject(
            strategy=row.strategy,
            params=row.params,
            share=row.share,
            metrics={**row.metrics, "market": market},
            trials=sum(one.trials for one in searches),
            tried=await tried_for(self._store, row),
            searches=searches,
            threads=self._process.threads,
        )
        judged = self._judged(used, subject, await self._validate(job, candles, used, subject))
        async with self._store.pool.acquire() as connection, connection.transaction():
            await self._store.end(
                connection, job.job_id, "SUCCEEDED", result=_result(spec, subject, judged)
            )
            await end_validation(connection, spec.configuration_id, job.job_id, spec.cause, judged)

    async def give_up(self, connection: Connection, job: Job, reason: str) -> None:
        """Take the configuration out of its validation, in the transaction in which that ends."""
        spec = ValidationSpec.model_validate(job.spec)
        await fail_validation(connection, spec.configuration_id, job.job_id, spec.cause, reason)

    async def _candles(
        self, row: StoredConfiguration, spec: ValidationSpec
    ) -> tuple[Candles, Range]:
        """Load what the search had, and what came since where the job asks for it."""
        inside, outside = (row.metrics.get(name) for name in RANGES)
        lookback = lookback_of_space(get_strategy(row.strategy), {}, row.timeframe)
        where = row.exchange, row.symbol, row.timeframe
        if inside is None or outside is None:
            candles = await self._store.candles_between(where, None, spec.end, lookback)
            first = 0
            split = len(candles) - int(HELD_BACK * len(candles))
        else:
            end = max(spec.end or 0, outside[1])
            candles = await self._store.candles_between(where, inside[0], end, lookback)
            first, split = (int(np.searchsorted(candles.open_time, time)) for time in inside)
        candles = await self._store.with_references(candles, [row.strategy], lookback)
        check_candles(candles)
        if not first < split < len(candles):
            raise ValueError(
                f"{len(candles)} candles of {candles.series} leave nothing out of sample to judge "
                "it by; import more, or search with --out-of-sample above 0"
            )
        times = candles.open_time
        return candles, Range(
            first=int(times[0]),
            start=int(times[first]),
            split=int(times[split]),
            end=int(times[-1]) + timeframe_ms(row.timeframe),
            rows=len(candles),
        )

    async def _validate(
        self, job: Job, candles: Candles, used: Range, subject: Subject
    ) -> Validated:
        """Run the gates, telling how far they have come; a cancel ends them at once.

        Raises:
            ValueError: they have come no further for too long.
        """
        call = asyncio.ensure_future(
            self._process.call(trials.validated, candles, used, subject, self._gates)
        )
        clock = asyncio.get_running_loop().time
        moved, at = clock(), -1.0
        try:
            while not call.done():
                await asyncio.wait([call], timeout=LOOK_S)
                progress = self._process.progress
                if progress != at:
                    moved, at = clock(), progress
                elif clock() - moved > self._stall_s:
                    raise ValueError(
                        f"strategy {subject.strategy}: its gates came no further for "
                        f"{self._stall_s:g} s, at {at:.0%}: look for a loop without an end, or "
                        "give fewer candles"
                    )
                percent = min(99, int(100 * progress))
                if await self._store.progress(job.job_id, percent):
                    raise CancelRequestedError
            return call.result()
        finally:
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)

    def _judged(self, used: Range, subject: Subject, found: Validated) -> Judged:
        report: dict[str, Any] = found.report
        returns = found.verdict.returns
        return Judged(
            passed=report["passed"],
            verdict=report["verdict"],
            refused_by=tuple(gate["name"] for gate in report["gates"] if not gate["passed"]),
            report=report,
            metrics={
                **found.verdict.figures,
                RANGES[0]: [used.start, used.split],
                RANGES[1]: [used.split, used.end],
                "market": subject.metrics["market"],
            },
            reference=reference_of(returns["out_of_sample"], returns["in_sample"], self._rules),
        )


def _result(spec: ValidationSpec, subject: Subject, judged: Judged) -> dict[str, Any]:
    return {
        "configuration_id": str(spec.configuration_id),
        "passed": judged.passed,
        "verdict": judged.verdict,
        "refused_by": judged.refused_by,
        "trials": subject.trials,
        **{side: judged.metrics[side] for side in plan.SIDES},
    }
