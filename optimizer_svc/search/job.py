"""A search job: ask for parameter sets, measure them, store them, tell what they were worth.

Which sets are asked for depends on the job's spec and on what was measured, and every batch is
stored when it is measured. So a job that lost its worker goes on by asking again for what is
stored, and ends as it would have ended undisturbed.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from prometheus_client import Counter

from optimizer_svc.search import plan, trials
from optimizer_svc.search.plan import Chosen, Search
from optimizer_svc.search.processes import (
    SWEEPS,
    SlowTrialsError,
    TrialProcess,
    TrialRunner,
)
from optimizer_svc.search.study import Kept, Study
from optimizer_svc.search.trials import Verdict
from optimizer_svc.search.turns import TURN_S, Turn, together
from optimizer_svc.store import Batch, Store
from optimizer_svc.tried import luck_of
from tradepulse.market_data.rules_now import markets_now
from tradepulse.research.claims import CancelRequestedError, Job, TurnOverError
from tradepulse.research.configurations import NewConfiguration, activate_within, add_discovered
from tradepulse.research.decay import LifecycleRules, reference_of
from tradepulse.research.jobs import JobSpec, queue_validation
from tradepulse.research.objectives import Goal
from tradepulse.research.reality_check import with_trials
from tradepulse.research.search import ranges
from tradepulse.research.search.ranges import Range
from tradepulse.research.search.samplers import Sampler, make_sampler
from tradepulse.research.search.trials import (
    FloatArray,
    Measured,
    TrialSetup,
    batch_size,
    joined,
    luck_seed,
    next_size,
    vectors,
)
from tradepulse.research.simulate import SimulationRules
from tradepulse.runtime.db import Connection
from tradepulse.strategies import get_strategy

IN_FLIGHT = SWEEPS
"""Searches of a job that go on at once: while one asks, the batch of another is measured."""


JUDGE_LIMIT_S = 1_800.0
"""What the backtests of the kept parameter sets of a symbol may take."""


class Searching:
    """Works on search jobs.

    Args:
        store: the database.
        runner: where trials run.
        process: where what is kept is judged.
        counted: counts the trials.
        rules: of the lifecycle.
        turn_s: how long a job is worked on while others wait.
    """

    def __init__(
        self,
        store: Store,
        runner: TrialRunner,
        process: TrialProcess,
        counted: Counter,
        rules: LifecycleRules,
        *,
        turn_s: float = TURN_S,
    ) -> None:
        self._store = store
        self._runner = runner
        self._process = process
        self._counted = counted
        self._rules = rules
        self._turn_s = turn_s

    async def work(self, job: Job) -> None:
        """Bring a job to its success.

        Raises:
            ValueError: it cannot succeed; the message is one line for its user.
            CancelRequestedError: its user wants it to end.
            TurnOverError: it is for other jobs to go on.
        """
        study = await self._understand(job)
        await self._runner.give(
            {
                # what comes later than the split is not even there to be seen
                study.held(symbol): one.between(None, study.ranges[symbol].split)
                for symbol, one in study.candles.items()
            }
        )
        try:
            await together(
                [partial(self._search, study, search) for search in study.searches], IN_FLIGHT
            )
        finally:
            await self._runner.take_back([study.held(symbol) for symbol in study.candles])
        if study.turn.is_given_up:
            raise TurnOverError
        kept, result = await self._judge(study)
        async with self._store.pool.acquire() as connection, connection.transaction():
            await self._store.end(connection, job.job_id, "SUCCEEDED", result=result)
            for one in kept:
                await _keep(connection, one)

    async def give_up(self, _connection: Connection, _job: Job, _reason: str) -> None:
        """Leave the stored trials: they were tried, and count."""

    async def _understand(self, job: Job) -> Study:
        # heartbeats and health checks go on meanwhile
        spec = await asyncio.to_thread(JobSpec.model_validate, job.spec)
        searches = plan.plan(spec)
        lookback = await asyncio.to_thread(plan.longest_lookback, spec)
        candles, used = {}, {}
        for symbol in spec.symbols:
            stored = job.kept.get("ranges", {}).get(spec.series(symbol))
            known = None if stored is None else Range(**stored)
            loaded = await self._store.candles(spec, symbol, lookback, known)
            ranges.check_candles(loaded)
            if known is None:
                known = ranges.range_of(
                    loaded, lookback, spec.start, held_back=spec.out_of_sample_fraction
                )
            plan.check_unchanged(known, loaded)
            candles[symbol], used[symbol] = loaded, known
        by_series = {spec.series(symbol): one for symbol, one in used.items()}
        instruments = [one.instrument for one in candles.values()]
        markets = job.kept.get("markets") or await markets_now(self._store.pool, instruments)
        await self._store.begin(job.job_id, spec, by_series, markets, searches)
        turn = Turn(self._turn_s, asyncio.get_running_loop().time)
        return Study(job, spec, searches, candles, used, markets, turn)

    async def _search(self, study: Study, search: Search) -> None:
        """Run and store the trials of one search that are missing."""
        spec, job_id = study.spec, study.job.job_id
        goal = plan.goal_of(spec)
        sampler = await asyncio.to_thread(
            make_sampler,
            spec.method,
            get_strategy(search.strategy),
            spec.fixed.get(search.strategy, {}),
            trials=spec.trials,
            seed=spec.seed,
            goals=goal.goals,
        )
        clock, turn = asyncio.get_running_loop().time, study.turn
        began, batch, done = clock(), 0, 0
        luck = await luck_of(self._store, job_id, search.number)
        async for stored in self._store.batches(job_id, search.number):
            await asyncio.to_thread(_replay, sampler, goal, stored)
            batch, done = batch + 1, done + len(stored.params)
        turn.add_replay(clock() - began)
        most = batch_size(study.ranges[search.symbol].rows)
        size = min(self._runner.at_once, most)
        while not turn.is_given_up and (asked := await asyncio.to_thread(sampler.ask, size)):
            tried, began = vectors(asked), clock()
            found = await self._measure(study, search, tried)
            size = next_size(len(asked), clock() - began, self._runner.at_once, most)
            self._counted.inc(len(asked))
            luck = with_trials(luck, found.largest, len(asked))
            stored = Batch(tried, found.figures)
            if await self._store.add_batch(job_id, search.number, batch, stored, luck):
                raise CancelRequestedError
            await asyncio.to_thread(sampler.tell, asked, *goal.losses(found.figures))
            batch, done = batch + 1, done + len(asked)
            if turn.is_over and await self._store.others_wait(job_id):
                turn.is_given_up = True
        if done < spec.trials and not turn.is_given_up:
            await self._store.expect_fewer(job_id, spec.trials - done)

    async def _measure(self, study: Study, search: Search, tried: FloatArray) -> Measured:
        """Measure a batch; one that takes too long again in parts, each trial of which may."""
        name, setup, parts = study.held(search.symbol), _setup(study, search), self._runner.at_once
        try:
            return await self._runner.measure(name, setup, tried)
        except SlowTrialsError:
            if len(tried) <= parts:
                raise
        cuts = range(parts, len(tried), parts)
        return joined(
            [await self._runner.measure(name, setup, part) for part in np.split(tried, cuts)]
        )

    async def _judge(self, study: Study) -> tuple[list[Kept], dict[str, Any]]:
        """Choose the best and measure them in and out of sample.

        Raises:
            ValueError: no trial of the job made a trade.
        """
        chosen: list[Chosen] = []
        nothing: list[str] = []
        traded = False
        for search in study.searches:
            stored = [b async for b in self._store.batches(study.job.job_id, search.number)]
            figures = np.concatenate([batch.figures for batch in stored])
            traded = traded or not plan.never_traded(figures)
            best = plan.choose(
                study.spec,
                search,
                [param.name for param in get_strategy(search.strategy).space],
                np.concatenate([batch.params for batch in stored]),
                figures,
            )
            chosen += best
            if not best:
                nothing.append(plan.why_nothing(study.spec, search, figures))
        if not traded:
            raise ValueError(
                f"{'; '.join(nothing)}: look at the strategy's rules, widen its space, or take "
                "more candles"
            )
        kept = []
        for symbol in study.spec.symbols:
            kept += await self._kept(study, symbol, chosen)
        found = [
            {
                "configuration_id": str(one.configuration.configuration_id),
                "strategy": one.configuration.strategy,
                "symbol": one.configuration.symbol,
                "params": dict(one.configuration.params),
                **one.configuration.metrics,
            }
            for one in kept
        ]
        return kept, {"configurations": found, "nothing_kept": nothing}

    async def _kept(self, study: Study, symbol: str, chosen: Sequence[Chosen]) -> list[Kept]:
        of_symbol = [one for one in chosen if one.search.symbol == symbol]
        try:
            verdicts = await self._process.call_within(
                JUDGE_LIMIT_S,
                trials.judge,
                study.candles[symbol],
                study.ranges[symbol],
                [(one.search.strategy, one.params) for one in of_symbol],
                study.costs(symbol),
            )
        except TimeoutError:
            raise ValueError(
                f"the backtests of what is kept of {symbol} took longer than {JUDGE_LIMIT_S:g} s: "
                "keep fewer, or take fewer candles"
            ) from None
        return [
            self._describe(study, one, verdict, 1 / len(of_symbol))
            for one, verdict in zip(of_symbol, verdicts, strict=True)
        ]

    def _describe(self, study: Study, chosen: Chosen, verdict: Verdict, share: float) -> Kept:
        spec, search, job_id = study.spec, chosen.search, study.job.job_id
        metrics = plan.evidence(spec, study.ranges[search.symbol], chosen, verdict.figures)
        metrics["market"] = study.market(search.symbol)
        reference = reference_of(
            verdict.returns["out_of_sample"], verdict.returns["in_sample"], self._rules
        )
        evidence = f"job {job_id}; {plan.side_by_side(spec, metrics)}"
        return Kept(
            NewConfiguration(
                configuration_id=plan.configuration_id(
                    job_id, spec.series(search.symbol), search.strategy, chosen.params
                ),
                strategy=search.strategy,
                exchange=spec.exchange,
                symbol=search.symbol,
                timeframe=spec.timeframe,
                params=chosen.params,
                share=share,
                metrics=metrics,
                job_id=job_id,
                reference_returns=reference.returns,
                reference_source=reference.source,
            ),
            found=f"found by {evidence}",
            activated=(
                f"activated at once, as {evidence}; the gates have not been passed"
                if spec.activate
                else ""
            ),
        )


async def _keep(connection: Connection, kept: Kept) -> None:
    """Store a configuration, activate it if asked, and queue its validation."""
    row = await add_discovered(connection, kept.configuration, kept.found)
    if kept.activated:
        row = await activate_within(connection, row.configuration_id, kept.activated)
    await queue_validation(connection, row, "activated" if kept.activated else "found")


def _setup(study: Study, search: Search) -> TrialSetup:
    spec = study.spec
    instrument = study.candles[search.symbol].instrument
    costs = study.costs(search.symbol)
    return TrialSetup(
        search.strategy,
        study.ranges[search.symbol].start,
        SimulationRules.of(costs.account_rules(instrument), instrument),
        seed=luck_seed(spec.seed, spec.series(search.symbol), search.strategy),
        min_trades=spec.min_trades,
    )


def _replay(sampler: Sampler, goal: Goal, stored: Batch) -> None:
    """Ask again for stored trials and tell what they were worth.

    Raises:
        ValueError: the sampler asks for others: the code has changed since.
    """
    left = len(stored.params)
    asked: list[dict[str, float]] = []
    while left > len(asked) and (more := sampler.ask(left - len(asked))):
        asked += more
    if not np.array_equal(vectors(asked), stored.params):
        raise ValueError(
            "this version of optimizer_svc asks for other parameter sets than are stored; its "
            "trials cannot be continued: submit the job again"
        )
    sampler.tell(asked, *goal.losses(stored.figures))
