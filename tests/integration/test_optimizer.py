"""Training jobs on a real database: ends, cancel, crash, two workers, bad input."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from statistics import NormalDist
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import numpy as np
import psutil
import pytest
import pytest_asyncio
from distributed import LocalCluster
from numpy.typing import NDArray
from planted_gates import passing
from prometheus_client import CollectorRegistry, Counter
from topic_reader import read_all

import tradepulse as tp
from contracts.events import ConfigurationChanged
from contracts.topics import CONFIGURATIONS
from optimizer_svc.search.cluster import DaskCluster
from optimizer_svc.search.job import Searching
from optimizer_svc.search.processes import TrialProcess, TrialRunner
from optimizer_svc.search.trials import Gates
from optimizer_svc.search.turns import TURN_S
from optimizer_svc.store import Store
from optimizer_svc.tried import searches_of_market
from optimizer_svc.validation.job import STALL_S, Validating
from tests.database_roles import address_of
from tradepulse.candles.arrays import Candles
from tradepulse.market_data.instrument_rules import KeptRules, keep_rules
from tradepulse.market_data.store import load_candles, store_candles
from tradepulse.research.configurations import activate, deactivate, list_configurations
from tradepulse.research.decay import LifecycleRules
from tradepulse.research.jobs import JobSpec, JobStatus, job_status, request_cancel, submit_job
from tradepulse.research.reality_check import DRAWS, chance_of
from tradepulse.research.search.trials import Measured, TrialSetup
from tradepulse.research.worker import Worker
from tradepulse.runtime.db import connect_pool, migrate
from tradepulse.runtime.settings import RefusedError
from tradepulse.runtime.topics import create_topics
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.strategies.evaluate import Configuration
from tradepulse.strategies.files import load_strategy_file
from tradepulse.trading.backtest import backtest
from tradepulse.trading.defaults import CASH
from tradepulse.trading.metrics import FIGURES, ledger_metrics
from tradepulse.trading.sizing import AccountRules
from tradepulse.trading.weights import EqualWeights

pytestmark = pytest.mark.integration

HALF_HOUR = 1_800_000
START = 1_500_000_000_000 // HALF_HOUR * HALF_HOUR
ROWS = 3_000


def market(symbol: str, seed: int, rows: int = ROWS) -> Candles:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.006, rows)))
    open_ = np.concatenate((close[:1], close[:-1]))
    high = np.maximum(open_, close) * (1 + rng.exponential(0.003, rows))
    low = np.minimum(open_, close) * (1 - rng.exponential(0.003, rows))
    times = START + HALF_HOUR * np.arange(rows, dtype=np.int64)
    return Candles(
        "venue", symbol, "30m", times, open_, high, low, close, rng.exponential(10, rows)
    )


def spec_of(**changes: Any) -> JobSpec:
    given: dict[str, Any] = {
        "strategies": ("sma_cross", "liquidity_sweep"),
        "exchange": "venue",
        "symbols": ("A/USD", "B/USD"),
        "timeframe": "30m",
        "trials": 40,
        "min_trades": 3,
        **changes,
    }
    return JobSpec(**given)


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    await migrate(database_url)
    opened = await connect_pool(database_url, max_size=8)
    async with opened.acquire() as connection:
        series = [market("A/USD", 1), market("B/USD", 2), market("SHORT/USD", 3, 100)]
        await store_candles(connection, series, "import")
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[TrialProcess]:
    """One trial process for all tests of this file: starting it costs seconds."""
    started = TrialProcess(2)
    yield started
    started.close()


def worker_of(
    pool: "asyncpg.Pool[asyncpg.Record]",
    process: TrialProcess,
    name: str,
    *,
    runner: TrialRunner | None = None,
    gates: Gates = passing,
    heartbeat_s: float = 0.3,
    turn_s: float = TURN_S,
    stall_s: float = STALL_S,
) -> Worker:
    registry = CollectorRegistry()
    store, rules = Store(pool, name), LifecycleRules()
    counted = Counter("tradepulse_trials_total", "Trials", registry=registry)
    return Worker(
        store,
        process,
        {
            "search": Searching(store, runner or process, process, counted, rules, turn_s=turn_s),
            "validation": Validating(store, process, gates, rules, stall_s=stall_s),
        },
        registry,
        heartbeat_s=heartbeat_s,
        on_commit=lambda: None,
    )


async def eventually(
    holds: Callable[[], Awaitable[bool]], what: str, *, within_s: float = 240
) -> None:
    try:
        async with asyncio.timeout(within_s):
            while True:
                if await holds():
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"waited {within_s:g} s in vain until {what}")


async def outcome(pool: "asyncpg.Pool[asyncpg.Record]", job_id: UUID) -> list[tuple[Any, ...]]:
    """Return all that a job left behind, without the ids that name the job."""
    rows = await pool.fetch(
        "select strategy, symbol, timeframe, params, share, stage, is_active, metrics, revision "
        "from trained_configurations where job_id = $1 order by strategy, symbol",
        job_id,
    )
    batches = await pool.fetch(
        "select search, batch, params, figures from training_batches where job_id = $1 "
        "order by search, batch",
        job_id,
    )
    # batches may be cut elsewhere; an undefined figure must not differ from itself
    trials = [
        (row["search"], *map(str, one))
        for row in batches
        for one in zip(row["params"], row["figures"], strict=True)
    ]
    return [*(tuple(row) for row in rows), *trials]


async def lucks(pool: "asyncpg.Pool[asyncpg.Record]", job_id: UUID) -> NDArray[np.float64]:
    """Return what each search of a job could have found by luck, `(searches, draws)`."""
    rows = await pool.fetch(
        "select done, luck_trials, luck from training_searches where job_id = $1 order by search",
        job_id,
    )
    assert all(row["done"] == row["luck_trials"] > 0 for row in rows)
    found = np.array([row["luck"] for row in rows])
    assert found.shape == (len(rows), DRAWS)
    assert (found > 0).mean() > 0.5
    return found


async def run_to_end(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess, spec: JobSpec
) -> JobStatus:
    job_id = await submit_job(pool, spec)
    assert await worker_of(pool, process, "w").work_once()
    return await job_status(pool, job_id)


async def test_a_job_stores_trials_and_configurations(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    status = await run_to_end(pool, process, spec_of(activate=True))
    assert (status.status, status.error) == ("SUCCEEDED", None)
    assert (status.done, status.total) == (160, 160)
    kept = await list_configurations(pool, job_id=status.job_id)
    assert [(one.symbol, one.strategy) for one in kept] == [
        ("A/USD", "liquidity_sweep"),
        ("A/USD", "sma_cross"),
        ("B/USD", "liquidity_sweep"),
        ("B/USD", "sma_cross"),
    ]
    assert status.result is not None
    assert len(status.result["configurations"]) == 4
    assert status.result["nothing_kept"] == []
    for one in kept:
        assert (one.stage, one.is_active, one.revision, one.share) == ("PAPER", True, 2, 0.5)
        best = await pool.fetchval(
            "select max(f.sharpe) from training_searches s join training_batches b "
            "using (job_id, search) cross join lateral (select b.figures[i][$4] as sharpe, "
            "b.figures[i][$5] as trades from generate_subscripts(b.figures, 1) as i) f "
            "where s.job_id = $1 and s.strategy = $2 and s.symbol = $3 and f.trades >= 3 "
            "and f.sharpe <> 'NaN'",
            status.job_id,
            one.strategy,
            one.symbol,
            FIGURES.index("sharpe") + 1,
            FIGURES.index("trades") + 1,
        )
        # the search measures in floats without rounding, the ledger in rounded decimals
        assert one.metrics["in_sample"]["sharpe"] == pytest.approx(best, rel=1e-5)
        events = await pool.fetch(
            "select from_stage, to_stage, is_active, reason from configuration_events "
            "where configuration_id = $1 order by id",
            one.configuration_id,
        )
        assert [(e["from_stage"], e["to_stage"], e["is_active"]) for e in events] == [
            (None, "DISCOVERY", False),
            ("DISCOVERY", "PAPER", True),
        ]
        assert events[1]["reason"].startswith(
            f"activated at once, as job {status.job_id}; sharpe in sample"
        )
        assert events[1]["reason"].endswith("best of 40 trials; the gates have not been passed")
    # a search in Python, without a server, is the same to the digit
    found = tp.sweep(market("A/USD", 1), "sma_cross", trials=40, min_trades=3)
    stored = await pool.fetch(
        "select b.params, b.figures, s.luck from training_searches s join training_batches b "
        "using (job_id, search) where s.job_id = $1 and s.strategy = $2 and s.symbol = $3 "
        "order by b.batch",
        status.job_id,
        "sma_cross",
        "A/USD",
    )
    np.testing.assert_array_equal(found.params, np.concatenate([r["params"] for r in stored]))
    np.testing.assert_array_equal(found.figures, np.concatenate([r["figures"] for r in stored]))
    # how the work was shared shows in its last kept decimal
    np.testing.assert_allclose(found.luck.largest, stored[0]["luck"], atol=1.1e-3)
    assert found.best().params == kept[1].params
    outbox = await pool.fetch("select * from outbox order by id")
    assert len(outbox) == 8
    assert {row["service"] for row in outbox} == {"optimizer_svc"}


async def test_stored_figures_are_those_of_the_backtest(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    # the job begins inside the data, so candles before it warm up the strategies
    status = await run_to_end(
        pool, process, spec_of(start=START + 500 * HALF_HOUR, objective="net_profit_pct")
    )
    candles = await load_one(pool)
    for one in await list_configurations(pool, job_id=status.job_id):
        if one.symbol != "A/USD":
            continue
        for part in ("in_sample", "out_of_sample"):
            begin, end = one.metrics[f"{part}_range"]
            result = backtest(
                [candles],
                [Configuration(UUID(int=0), one.strategy, "venue", one.symbol, "30m", one.params)],
                AccountRules(),
                EqualWeights(),
                cash=CASH,
                between=(begin, end),
            )
            figures = ledger_metrics(float(CASH), result.equity, result.trades)
            assert figures.as_dict() == one.metrics[part]
    ranges = one.metrics["in_sample_range"], one.metrics["out_of_sample_range"]
    assert ranges[0][0] == START + 500 * HALF_HOUR
    assert ranges[0][1] == ranges[1][0] == START + (500 + 1875) * HALF_HOUR
    assert ranges[1][1] == START + ROWS * HALF_HOUR


KEPT = KeptRules(
    "venue", "A/USD", Decimal("0.000001"), Decimal("0.5"), Decimal(1), Decimal(10),
    source="hand", valid_from=START,
)  # fmt: skip


async def test_a_job_trades_by_the_rules_that_are_kept_and_says_so(
    pool: "asyncpg.Pool[asyncpg.Record]",
    process: TrialProcess,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with pool.acquire() as connection:
        assert await keep_rules(connection, [KEPT]) == [KEPT]
    status = await run_to_end(pool, process, spec_of(strategies=("sma_cross",)))
    told = [one for one in caplog.records if "no rules of the venue are known" in one.message]
    assert [getattr(one, "instrument", None) for one in told] == ["venue:B/USD"]
    first, second = await list_configurations(pool, job_id=status.job_id)
    assert first.metrics["market"] == KEPT.as_json()
    assert second.metrics["market"] is None
    assert status.result is not None
    assert status.result["configurations"][0]["market"] == KEPT.as_json()
    rules = [AccountRules(markets={"venue:A/USD": KEPT.rules()}), AccountRules()]
    candles = await load_one(pool)
    one = Configuration(UUID(int=0), "sma_cross", "venue", "A/USD", "30m", first.params)
    results = [
        backtest(
            [candles], [one], each, EqualWeights(), cash=CASH,
            between=tuple(first.metrics["out_of_sample_range"]),
        )
        for each in rules
    ]  # fmt: skip
    figures = [ledger_metrics(float(CASH), r.equity, r.trades).as_dict() for r in results]
    assert first.metrics["out_of_sample"] == figures[0] != figures[1]


async def test_a_validation_takes_the_rules_of_the_search_or_those_of_now(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    status = await run_to_end(pool, process, spec_of(strategies=("sma_cross",)))
    later = replace(KEPT, quantity_step=Decimal(2))
    async with pool.acquire() as connection:
        await keep_rules(connection, [KEPT, replace(later, symbol="B/USD")])
        await connection.execute(
            "update trained_configurations set metrics = metrics || $1 where symbol = 'A/USD'",
            {"market": later.as_json()},
        )
    worker = worker_of(pool, process, "w")
    while await worker.work_once():
        pass
    first, second = await list_configurations(pool, job_id=status.job_id)
    assert first.metrics["market"] == later.as_json()
    assert second.metrics["market"] == replace(later, symbol="B/USD").as_json()


async def test_a_job_goes_on_with_the_rules_that_it_began_with(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    await submit_job(pool, spec_of())
    store = Store(pool, "w")
    job = await store.claim(60)
    assert job is not None
    assert job.kept == {}
    markets = {"venue:A/USD": KEPT.as_json(), "venue:B/USD": None}
    await store.begin(job.job_id, spec_of(), {}, markets, [])
    again = await store.claim(-1)
    assert again is not None
    assert again.kept["markets"] == markets


async def load_one(pool: "asyncpg.Pool[asyncpg.Record]") -> Candles:
    async with pool.acquire() as connection:
        return await load_candles(connection, "venue", "A/USD", "30m")


async def test_out_of_sample_candles_have_no_part_in_the_choice(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    spec = spec_of(symbols=("A/USD",), strategies=("sma_cross",))
    before = await run_to_end(pool, process, spec)
    await pool.execute(
        "update candles set open = 2 * open, high = 2 * high, low = 2 * low, close = 2 * close"
        " where open_time >= $1",
        START + int(ROWS * 0.75) * HALF_HOUR,
    )
    after = await run_to_end(pool, process, spec)
    first, second = await outcome(pool, before.job_id), await outcome(pool, after.job_id)
    assert first[1:] == second[1:]
    assert first[0][3] == second[0][3]
    assert first[0][7]["in_sample"] == second[0][7]["in_sample"]


async def test_a_grid_and_several_kept(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    status = await run_to_end(
        pool,
        process,
        spec_of(
            method="grid",
            strategies=("sma_cross",),
            symbols=("A/USD",),
            fixed={"sma_cross": {"stop_atr": 0, "target_atr": 0}},
            keep=3,
        ),
    )
    kept = await list_configurations(pool, job_id=status.job_id)
    assert len(kept) == 3
    assert len({tuple(one.params.values()) for one in kept}) == 3
    assert {one.share for one in kept} == {1 / 3}
    assert {(one.stage, one.is_active) for one in kept} == {("DISCOVERY", False)}
    assert all(one.params["stop_atr"] == 0 for one in kept)


async def test_a_search_that_finds_nothing_says_so(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    status = await run_to_end(pool, process, spec_of(strategies=("sma_cross",), min_trades=100_000))
    assert status.status == "SUCCEEDED"
    assert status.result is not None
    assert status.result["configurations"] == []
    assert status.result["nothing_kept"][0] == (
        "sma_cross on A/USD: none of 40 trials made 100000 trades and a defined sharpe"
    )


async def test_a_search_that_never_trades_fails_and_says_so(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    # no low is ever a hundred deviations beyond the last ones
    await pool.execute("update candles set high = 100, low = 100, open = 100, close = 100")
    status = await run_to_end(pool, process, spec_of(symbols=("A/USD",)))
    assert status.status == "FAILED"
    assert status.error is not None
    assert status.error.startswith(
        "sma_cross on A/USD: not one trade in 40 trials; liquidity_sweep"
    )


OWN_STRATEGIES = """
from tradepulse.strategies import Param, hold, strategy


@strategy(space=(Param("n", 1, 50, integer=True),), defaults={"n": 3}, features={})
def raises(i, c, f, p):
    if i == 700:
        raise ValueError("no such luck")
    return hold()


@strategy(space=(Param("n", 1, 50, integer=True),), defaults={"n": 3}, features={})
def silent(i, c, f, p):
    return hold()
"""


async def test_strategies_of_a_user_that_raise_or_never_trade(
    pool: "asyncpg.Pool[asyncpg.Record]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN_STRATEGIES)
    monkeypatch.setenv("STRATEGY_FILES", str(file))
    names = load_strategy_file(file)
    own = TrialProcess(1)
    try:
        errors = []
        for name in names:
            spec = spec_of(strategies=(name,), symbols=("A/USD",), trials=10)
            status = await run_to_end(pool, own, spec)
            assert status.status == "FAILED"
            errors.append(status.error)
        raised, silent = errors
        assert raised is not None
        # row 700 of half hours from START on, with the set that was tried first
        assert raised.startswith(
            "strategy raises on venue:A/USD:30m, candle of 2017-07-28 16:30 UTC (701 of 2,250): "
            "raises ValueError: no such luck; with "
        )
        assert silent == (
            "silent on A/USD: not one trade in 10 trials: look at the strategy's rules, widen its "
            "space, or take more candles"
        )
        # the same process goes on
        good = spec_of(strategies=("sma_cross",), symbols=("A/USD",))
        assert (await run_to_end(pool, own, good)).status == "SUCCEEDED"
    finally:
        own.close()
        for name in names:
            del STRATEGIES[name]


async def test_broken_candles_fail_the_job(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    await pool.execute(
        "update candles set close = 'NaN' where open_time = $1 and series = "
        "(select series from candle_series where symbol = 'A/USD')",
        START + 9 * HALF_HOUR,
    )
    status = await run_to_end(pool, process, spec_of())
    assert (status.status, status.error) == (
        "FAILED",
        "candle 10 of 3000 of venue:A/USD:30m cannot be used: close is nan; import it again",
    )


BAD_SPECS: list[tuple[dict[str, Any], str]] = [
    ({"strategies": ["macd"]}, "unknown strategy 'macd'; known are "),
    ({"symbols": ["NONE/USD"]}, "no candles of venue:NONE/USD:30m in the range of the search"),
    ({"symbols": ["SHORT/USD"]}, "in-sample candles of venue:SHORT/USD:30m are too few"),
    ({"start": START + 10**13}, "no candles of venue:A/USD:30m in the range"),
    ({"timeframe": "31m"}, "unknown timeframe '31m'"),
    ({"trials": 0}, "trials: Input should be greater than or equal to 1"),
    ({"colour": 1}, "colour: Extra inputs are not permitted"),
    ({"fixed": {"sma_cross": {"fast": 9999}}}, "'fast' is 9999; it must be from 2 to 200"),
    ({"fixed": {"sma_cross": {"fast": 150, "slow": 100}}}, "sma_cross: "),
    ({"fixed": {"sma_cross": dict.fromkeys(("fast", "slow"), 20)}}, "sma_cross: "),
]


async def test_bad_specs_fail_with_their_reason_and_the_worker_lives(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    good = spec_of(symbols=("A/USD",)).model_dump(mode="json")
    ids = [uuid4() for _ in BAD_SPECS]
    for job_id, (change, _) in zip(ids, BAD_SPECS, strict=True):
        await pool.execute(
            "insert into training_jobs (job_id, spec) values ($1, $2)", job_id, {**good, **change}
        )
    await pool.execute("insert into training_jobs (job_id, spec) values ($1, '[1]')", uuid4())
    last = await submit_job(pool, spec_of(symbols=("A/USD",)))
    worker = worker_of(pool, process, "w")
    while await worker.work_once():
        pass
    for job_id, (_, message) in zip(ids, BAD_SPECS, strict=True):
        status = await job_status(pool, job_id)
        assert status.status == "FAILED"
        assert status.error is not None
        assert message in status.error
        assert "\n" not in status.error
    assert (await job_status(pool, last)).status == "SUCCEEDED"


class OneBatch:
    """Runs trials, and tells the worker of those of one batch only, until it may go on."""

    def __init__(self, process: TrialProcess) -> None:
        self.give, self.take_back, self.at_once = process.give, process.take_back, process.at_once
        self.may_go_on = asyncio.Event()
        self._process = process
        self._told = False

    async def measure(self, name: str, setup: TrialSetup, tried: NDArray[np.float64]) -> Measured:
        first, self._told = not self._told, True
        found = await self._process.measure(name, setup, tried)
        if not first:
            await self.may_go_on.wait()
        return found


async def test_cancel_while_waiting_and_while_running(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    waiting = await submit_job(pool, spec_of())
    assert (await request_cancel(pool, waiting)).status == "CANCELLED"
    running = await submit_job(pool, spec_of(trials=20_000))
    runner = OneBatch(process)
    working = asyncio.create_task(worker_of(pool, process, "w", runner=runner).work_once())

    async def has_begun() -> bool:
        return (await job_status(pool, running)).done > 0

    await eventually(has_begun, "trials are stored")
    assert (await request_cancel(pool, running)).status == "RUNNING"
    runner.may_go_on.set()
    async with asyncio.timeout(60):
        await working
    status = await job_status(pool, running)
    assert status.status == "CANCELLED"
    assert 0 < status.done < status.total
    assert status.finished_at is not None
    assert await list_configurations(pool) == []
    assert (await request_cancel(pool, running)).status == "CANCELLED"


async def test_a_stopped_worker_leaves_its_job_at_once_and_loses_nothing(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    spec = spec_of(trials=400)
    undisturbed = await run_to_end(pool, process, spec)
    job_id = await submit_job(pool, spec)
    stops = 0
    # a batch begins small, so a stop after each of them would be hundreds
    while stops < 4 and not (await job_status(pool, job_id)).is_final:
        begun = (await job_status(pool, job_id)).done
        worker = worker_of(pool, process, f"w{stops}", runner=OneBatch(process))
        working = asyncio.create_task(worker.work_once())

        async def goes_on(begun: int = begun) -> bool:
            now = await job_status(pool, job_id)
            return now.is_final or now.done > begun

        await eventually(goes_on, "a chunk is stored")
        if working.cancel():
            stops += 1
            await asyncio.gather(working, return_exceptions=True)
            status = await job_status(pool, job_id)
            assert status.status in ("QUEUED", "SUCCEEDED")
    assert stops > 2
    while not (await job_status(pool, job_id)).is_final:
        assert await worker_of(pool, process, "last").work_once()
    assert (await job_status(pool, job_id)).done == 1600
    assert await outcome(pool, job_id) == await outcome(pool, undisturbed.job_id)


async def test_two_workers_share_the_jobs_and_never_one_job(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    ids = [await submit_job(pool, spec_of(symbols=("A/USD",), trials=20, seed=n)) for n in range(6)]
    await pool.execute(
        "create table claims (job_id uuid, worker text);"
        "create function note() returns trigger language plpgsql as $$ begin "
        "  if new.worker is distinct from old.worker and new.worker is not null then "
        "    insert into claims values (new.job_id, new.worker); end if; return new; end $$;"
        "create trigger claimed after update on training_jobs for each row execute function note()"
    )

    async def work(name: str) -> None:
        # so long that none seems dead, however slow the machine
        worker = worker_of(pool, process, name, heartbeat_s=20)
        while await worker.work_once():
            pass

    await asyncio.gather(work("one"), work("two"), work("three"))
    claims = await pool.fetch("select c.* from claims c join training_jobs j using (job_id)")
    # their validations too were claimed once each
    everything = await pool.fetch("select job_id, kind from training_jobs")
    assert sorted(claim["job_id"] for claim in claims) == sorted(r["job_id"] for r in everything)
    assert {row["job_id"] for row in everything if row["kind"] == "search"} == set(ids)
    assert len({claim["worker"] for claim in claims}) > 1
    assert all([(await job_status(pool, job_id)).status == "SUCCEEDED" for job_id in ids])


async def test_a_stop_wins_over_a_cancel_at_the_same_moment(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    job_id = await submit_job(pool, spec_of(trials=20_000))
    runner = OneBatch(process)
    working = asyncio.create_task(worker_of(pool, process, "w", runner=runner).run())

    async def has_begun() -> bool:
        return (await job_status(pool, job_id)).done > 0

    await eventually(has_begun, "trials are stored")
    await pool.execute("update training_jobs set cancel_requested = true")
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    # run() ends its process; the next worker finds the wish
    process.restart()
    await worker_of(pool, process, "w2").work_once()
    assert (await job_status(pool, job_id)).status == "CANCELLED"


async def test_a_worker_that_lost_its_job_writes_nothing_more(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    job_id = await submit_job(pool, spec_of(trials=5_000))
    runner = OneBatch(process)
    working = asyncio.create_task(worker_of(pool, process, "slow", runner=runner).work_once())

    async def has_begun() -> bool:
        return (await job_status(pool, job_id)).done > 0

    await eventually(has_begun, "trials are stored")
    await pool.execute("update training_jobs set worker = 'other' where job_id = $1", job_id)
    runner.may_go_on.set()
    await working
    row = await pool.fetchrow("select * from training_jobs where job_id = $1", job_id)
    assert row is not None
    assert (row["status"], row["worker"]) == ("RUNNING", "other")
    stored = await pool.fetchval("select sum(done) from training_searches")
    rows = await pool.fetchval("select sum(array_length(figures, 1)) from training_batches")
    assert stored == rows == row["done"]


async def test_changed_candles_end_a_resumed_job(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    job_id = await submit_job(pool, spec_of(trials=5_000))
    working = asyncio.create_task(
        worker_of(pool, process, "w", runner=OneBatch(process)).work_once()
    )

    async def has_begun() -> bool:
        return (await job_status(pool, job_id)).done > 0

    await eventually(has_begun, "trials are stored")
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await pool.execute("delete from candles where open_time = $1", START + 10 * HALF_HOUR)
    await worker_of(pool, process, "w2").work_once()
    status = await job_status(pool, job_id)
    assert status.status == "FAILED"
    assert status.error is not None
    assert "had 3000 candles when the job began and has 2999 now" in status.error


async def test_submitting_twice_is_one_job(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    job_id = uuid4()
    assert await submit_job(pool, spec_of(), job_id=job_id) == job_id
    assert await submit_job(pool, spec_of(), job_id=job_id) == job_id
    assert await pool.fetchval("select count(*) from training_jobs") == 1
    with pytest.raises(ValueError, match="exists with another spec"):
        await submit_job(pool, spec_of(seed=5), job_id=job_id)
    with pytest.raises(ValueError, match="there is no job"):
        await job_status(pool, uuid4())


async def test_switching_configurations(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    status = await run_to_end(pool, process, spec_of(symbols=("A/USD",)))
    one, other = await list_configurations(pool, job_id=status.job_id)
    on = await activate(pool, one.configuration_id, "looks good")
    assert (on.stage, on.is_active, on.revision) == ("PAPER", True, 2)
    assert await activate(pool, one.configuration_id, "again") == on
    assert [row.configuration_id for row in await list_configurations(pool, active_only=True)] == [
        one.configuration_id
    ]
    off = await deactivate(pool, one.configuration_id, "enough")
    assert (off.stage, off.is_active, off.revision) == ("PAPER", False, 3)
    assert await deactivate(pool, one.configuration_id, "again") == off
    await pool.execute(
        "update trained_configurations set stage = 'DECAY' where configuration_id = $1",
        other.configuration_id,
    )
    with pytest.raises(ValueError, match="has decayed; train it again, or move it to PAPER"):
        await activate(pool, other.configuration_id, "please")
    with pytest.raises(ValueError, match="there is no configuration"):
        await activate(pool, uuid4(), "please")
    with pytest.raises(ValueError, match="needs a reason"):
        await deactivate(pool, one.configuration_id, " ")
    reasons = await pool.fetch(
        "select reason from configuration_events where configuration_id = $1 order by id",
        one.configuration_id,
    )
    assert [row["reason"] for row in reasons][1:] == ["looks good", "enough"]


class ServiceProcess:
    """A real optimizer_svc."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "optimizer_svc.app", env={**os.environ, **self._environment}
        )

    async def end(self, number: signal.Signals) -> int:
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(number)
        async with asyncio.timeout(120):
            code = await self.process.wait()
        # a killed service takes its trial processes with it
        _, left = await asyncio.to_thread(psutil.wait_procs, children, 60)
        assert left == []
        return code


@pytest.mark.parametrize("method", ["bayesian", "nsga2"])
async def test_a_search_that_learns_resumes_with_the_same_result(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess, method: str
) -> None:
    spec = spec_of(
        method=method,
        trials=90,
        objective="profit_drawdown" if method == "nsga2" else "sharpe",
        symbols=("A/USD",),
        keep=2,
    )
    undisturbed = await run_to_end(pool, process, spec)
    assert undisturbed.status == "SUCCEEDED"
    job_id = await submit_job(pool, spec)
    working = asyncio.create_task(
        worker_of(pool, process, "w", runner=OneBatch(process)).work_once()
    )

    async def has_begun() -> bool:
        return (await job_status(pool, job_id)).done > 0

    await eventually(has_begun, "a batch is stored")
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert 0 < (await job_status(pool, job_id)).done < 180
    # another machine has other threads
    other = TrialProcess(1)
    assert await worker_of(pool, other, "w2").work_once()
    other.close()
    assert await outcome(pool, job_id) == await outcome(pool, undisturbed.job_id)
    before = await lucks(pool, undisturbed.job_id)
    assert await lucks(pool, job_id) == pytest.approx(before, abs=0.002)


async def test_a_dask_cluster_gives_the_same_result(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    spec = spec_of(trials=300)
    here = await run_to_end(pool, process, spec)
    async with LocalCluster(
        n_workers=2,
        processes=True,
        threads_per_worker=1,
        asynchronous=True,
        dashboard_address=None,
        silence_logs=logging.ERROR,
    ) as cluster:
        runner = await DaskCluster.connect(cluster.scheduler_address)
        staying = asyncio.create_task(runner.stay())
        job_id = await submit_job(pool, spec)
        assert await worker_of(pool, process, "dask", runner=runner).work_once()
        staying.cancel()
        await asyncio.gather(staying, return_exceptions=True)
    there = await job_status(pool, job_id)
    assert (there.status, there.done) == (here.status, here.done) == ("SUCCEEDED", 1_200)
    assert await outcome(pool, job_id) == await outcome(pool, here.job_id)
    before = await lucks(pool, here.job_id)
    assert await lucks(pool, job_id) == pytest.approx(before, abs=0.002)


async def test_every_search_of_a_market_counts_wherever_and_whenever_it_was(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    here = await run_to_end(pool, process, spec_of(symbols=("A/USD",), trials=20))
    # a search of another venue and timeframe, of before anything was drawn; it was cancelled
    old = uuid4()
    await pool.execute(
        "insert into training_jobs (job_id, spec, status) values ($1, '{}', 'CANCELLED')", old
    )
    for number, (symbol, done) in enumerate((("A/USD", 700), ("A/USD", 0), ("B/USD", 50))):
        await pool.execute(
            "insert into training_searches (job_id, search, strategy, exchange, symbol, timeframe, "
            "params, figures, done) "
            "values ($1, $2, 'sma_cross', 'other', $3, '5m', '{}', '{}', $4)",
            *(old, number, symbol, done),
        )
    found = await searches_of_market(Store(pool, "w"), "A/USD")
    assert sorted((one.trials, one.covered, len(one.largest)) for one in found) == [
        *[(20, 20, DRAWS)] * 2,
        (700, 0, 0),
    ]
    assert here.done == 40
    # of which nothing is known but the number of its trials
    (known,) = [one for one in found if one.trials == 700]
    assert chance_of(3.0, [known], 700) == pytest.approx(1 - NormalDist().cdf(3.0) ** 700)


async def test_a_cluster_that_is_not_there_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        await DaskCluster.connect("tcp://127.0.0.1:1", patience_s=0.5)


async def test_a_killed_service_resumes_with_the_same_result(
    pool: "asyncpg.Pool[asyncpg.Record]", database_url: str, kafka_bootstrap: str, no_topics: None
) -> None:
    await create_topics(kafka_bootstrap)
    spec = spec_of(trials=8_000, activate=True)
    service = ServiceProcess(
        {
            "DATABASE_URL": await address_of("optimizer_svc", database_url),
            "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
            "OPTIMIZER_WORKERS": "1",
            "HEARTBEAT_S": "0.3",
        }
    )
    await service.start()
    undisturbed = await submit_job(pool, spec)

    async def ended(job_id: UUID = undisturbed) -> bool:
        return (await job_status(pool, job_id)).is_final

    await eventually(ended, "the undisturbed job ends")
    # no machine is so fast, and no test so slow, that it ends before it is killed
    await pool.execute(
        "create function slowly() returns trigger language plpgsql as "
        "$$ begin perform pg_sleep(0.03); return new; end $$;"
        "create trigger slowly before insert on training_batches "
        "for each row execute function slowly()"
    )
    disturbed = await submit_job(pool, spec)
    kills = 0
    for stop in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        begun = (await job_status(pool, disturbed)).done

        async def goes_on(begun: int = begun) -> bool:
            return (await job_status(pool, disturbed)).done > begun

        await eventually(goes_on, "the job goes on")
        code = await service.end(stop)
        kills += 1
        status = await job_status(pool, disturbed)
        assert not status.is_final
        if stop == signal.SIGTERM:
            assert code == 0
            assert status.status == "QUEUED"
        await service.start()
    await pool.execute("drop trigger slowly on training_batches")
    await eventually(lambda: ended(disturbed), "the killed job ends")
    assert kills == 3
    assert (await job_status(pool, disturbed)).status == "SUCCEEDED"
    assert await outcome(pool, disturbed) == await outcome(pool, undisturbed)

    async def told() -> bool:
        return not await pool.fetchval("select count(*) from outbox")

    await eventually(told, "the outbox is published")
    assert await service.end(signal.SIGTERM) == 0
    # each configuration: discovered, then activated; the last revision is what a follower keeps
    events: list[ConfigurationChanged] = await read_all(kafka_bootstrap, CONFIGURATIONS)
    # a kill between publishing and deleting publishes again, the same
    assert len({event.id for event in events}) == 16
    latest = {event.configuration_id: event for event in events}
    stored = await list_configurations(pool, active_only=True)
    assert latest == {one.configuration_id: one.event() for one in stored}
    assert {event.revision for event in latest.values()} == {2}


async def test_a_dead_trial_process_is_replaced(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    own = TrialProcess(2)
    job_id = await submit_job(pool, spec_of(trials=2_000))
    working = asyncio.create_task(worker_of(pool, own, "w").work_once())

    async def has_begun() -> bool:
        return (await job_status(pool, job_id)).done > 0

    await eventually(has_begun, "trials are stored")
    os.kill(await own.call(os.getpid), signal.SIGKILL)
    await working
    status = await job_status(pool, job_id)
    assert (status.status, status.done) == ("SUCCEEDED", 8_000)
    own.close()


async def test_a_call_given_up_harms_no_other_when_the_process_dies() -> None:
    own = TrialProcess(1)
    pid = await own.call(os.getpid)
    # the second is in the process's queue, too; the rest wait here
    calls = [asyncio.create_task(own.call(time.sleep, 600))]
    calls += [asyncio.create_task(own.call(abs, -n)) for n in range(1, 5)]
    await asyncio.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    for given_up in (calls[0], calls[3]):
        given_up.cancel()
    await asyncio.sleep(0)
    async with asyncio.timeout(120):
        assert await asyncio.gather(*(calls[n] for n in (1, 2, 4))) == [1, 2, 4]
    assert calls[0].cancelled()
    assert calls[3].cancelled()
    own.close()


async def test_a_job_that_kills_its_processes_fails(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> None:
    own = TrialProcess(1)
    own.deaths = 0

    async def deadly(*_: object) -> None:
        await own.call(os._exit, 1)

    own.measure = deadly  # type: ignore[method-assign, assignment]  # what a strategy may do
    job_id = await submit_job(pool, spec_of())
    await worker_of(pool, own, "w").work_once()
    status = await job_status(pool, job_id)
    assert status.status == "FAILED"
    assert "trial processes died 3 times, perhaps for lack of memory" in str(status.error)
    own.close()


async def test_a_job_that_kills_its_workers_fails_in_the_end(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    job_id = await submit_job(pool, spec_of(trials=20_000))
    for n in range(3):
        # a worker that dies leaves no more than its claim, and then its silence
        assert await Store(pool, f"dead{n}").claim(0.9) is not None
        await pool.execute("update training_jobs set heartbeat_at = now() - interval '1 minute'")
    await worker_of(pool, process, "w").work_once()
    status = await job_status(pool, job_id)
    assert status.status == "FAILED"
    assert "its worker died 3 times without a sign of progress" in str(status.error)


async def test_progress_forgives_a_worker_its_death(
    pool: "asyncpg.Pool[asyncpg.Record]", process: TrialProcess
) -> None:
    job_id = await submit_job(pool, spec_of(trials=40))
    for n in range(2):
        assert await Store(pool, f"dead{n}").claim(0.9) is not None
        await pool.execute("update training_jobs set heartbeat_at = now() - interval '1 minute'")
    await worker_of(pool, process, "w").work_once()
    assert (await job_status(pool, job_id)).status == "SUCCEEDED"
    assert await pool.fetchval("select attempts from training_jobs where job_id = $1", job_id) == 0
