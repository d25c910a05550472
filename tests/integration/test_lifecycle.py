"""Stages on a real database: the gates' verdict, paper results, decay, and a person's word."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4, uuid5

import asyncpg
import numpy as np
import planted_gates
import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry, Counter
from topic_reader import broker_for

from contracts.topics import CONFIGURATIONS
from optimizer_svc.search.job import Searching
from optimizer_svc.search.processes import TrialProcess
from optimizer_svc.search.trials import Gates
from optimizer_svc.store import Store
from optimizer_svc.validation.job import Validating
from optimizer_svc.watch import LifecycleWatch
from signal_svc.active import ActiveConfigurations
from tradepulse.candles.arrays import Candles
from tradepulse.market_data.store import store_candles
from tradepulse.research.configurations import (
    NewConfiguration,
    activate,
    add_discovered,
    configuration_events,
    configuration_of,
    deactivate,
    latest_report,
    list_configurations,
)
from tradepulse.research.decay import LifecycleRules
from tradepulse.research.jobs import (
    JobSpec,
    JobStatus,
    job_status,
    list_jobs,
    request_cancel,
    submit_job,
)
from tradepulse.research.lifecycle import edit, set_stage
from tradepulse.research.worker import Worker
from tradepulse.runtime.db import at, connect_pool, migrate
from tradepulse.runtime.offsets import from_beginning
from tradepulse.runtime.outbox import Relay
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.reading import AssignedReading
from tradepulse.runtime.topics import create_topics
from tradepulse.strategies import get_strategy

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool  # type: ignore[type-arg]  # its only argument says how rows look

HALF_HOUR = 1_800_000
DAY = 86_400_000
START = 1_500_000_000_000 // DAY * DAY
ROWS = 2_000


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await migrate(database_url)
    opened = await connect_pool(database_url, max_size=8)
    rng = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.006, ROWS)))
    open_ = np.concatenate((close[:1], close[:-1]))
    high, low = np.maximum(open_, close) * 1.003, np.minimum(open_, close) * 0.997
    times = START + HALF_HOUR * np.arange(ROWS, dtype=np.int64)
    candles = Candles("venue", "A/USD", "30m", times, open_, high, low, close, np.ones(ROWS))
    async with opened.acquire() as connection:
        await store_candles(connection, [candles], "import")
        await connection.execute("insert into accounts values ('main', 100000, 100000)")
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def process() -> AsyncIterator[TrialProcess]:
    started = TrialProcess(1)
    yield started
    started.close()


def worker_of(pool: Pool, process: TrialProcess, gates: Gates = planted_gates.passing) -> Worker:
    registry, store, rules = CollectorRegistry(), Store(pool, uuid4().hex), LifecycleRules()
    counted = Counter("tradepulse_trials_total", "Trials", registry=registry)
    return Worker(
        store,
        process,
        {
            "search": Searching(store, process, process, counted, rules),
            "validation": Validating(store, process, gates, rules),
        },
        registry,
        heartbeat_s=0.3,
        on_commit=lambda: None,
    )


async def searched(pool: Pool, process: TrialProcess, **changes: Any) -> UUID:
    """Search one series for one configuration and return its id; its validation waits."""
    given: dict[str, Any] = {
        "strategies": ("sma_cross",),
        "exchange": "venue",
        "symbols": ("A/USD",),
        "timeframe": "30m",
        "trials": 30,
        "min_trades": 3,
        "fixed": {"sma_cross": {"slow": 60}},
        **changes,
    }
    job_id = await submit_job(pool, JobSpec(**given))
    assert await worker_of(pool, process).work_once()
    assert (await job_status(pool, job_id)).status == "SUCCEEDED"
    (one,) = await list_configurations(pool, job_id=job_id)
    return one.configuration_id


async def validated(pool: Pool, process: TrialProcess, gates: Gates) -> JobStatus:
    """Work off the one job that waits and return its end."""
    (waiting,) = [job for job in await list_jobs(pool) if not job.is_final]
    assert waiting.kind == "validation"
    assert await worker_of(pool, process, gates).work_once()
    return await job_status(pool, waiting.job_id)


async def soon(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(180):
        while not holds():  # noqa: ASYNC110 - what is watched tells nobody
            await asyncio.sleep(0.005)


async def until(pool: Pool, query: str) -> None:
    """Wait until a query says true."""
    async with asyncio.timeout(180):
        while not await pool.fetchval(query):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.02)


async def stages(pool: Pool, configuration_id: UUID) -> list[str]:
    """Return every stage in turn; one that switched on is marked."""
    return [
        f"{event.to_stage}{' active' if event.is_active else ''}"
        for event in await configuration_events(pool, configuration_id)
    ]


async def test_what_passes_the_gates_trades_on_paper(pool: Pool, process: TrialProcess) -> None:
    cancelled = await submit_job(
        pool,
        JobSpec(
            strategies=("sma_cross",), exchange="venue", symbols=("A/USD",), timeframe="30m",
            trials=100_000,
        ),
    )  # fmt: skip
    working = asyncio.create_task(worker_of(pool, process).work_once())
    await until(pool, "select done > 0 from training_jobs")
    await request_cancel(pool, cancelled)
    await working
    tried = (await job_status(pool, cancelled)).done
    one = await searched(pool, process)
    assert (await configuration_of(pool, one)).stage == "DISCOVERY"

    job = await validated(pool, process, planted_gates.passing)
    assert (job.status, job.error) == ("SUCCEEDED", None)
    assert job.result is not None
    assert job.result["passed"]
    # every trial of the series counts, those of the cancelled search as well
    assert job.result["trials"] == tried + 30
    assert await stages(pool, one) == ["DISCOVERY", "VALIDATION", "PAPER active"]
    report = await latest_report(pool, one)
    assert report is not None
    assert report["search"]["trials"] == tried + 30
    row = await configuration_of(pool, one)
    assert (row.stage, row.is_active, row.retired) == ("PAPER", True, False)
    assert report["ranges"]["split"] == row.metrics["in_sample_range"][1]
    assert row.metrics["in_sample"]["trades"] >= 3
    assert row.metrics["trials"] == 30
    last = (await configuration_events(pool, one))[-1]
    assert last.reason == "passed all 2 gates"
    assert last.evidence["job_id"] == str(job.job_id)
    assert not last.by_person


async def test_what_the_gates_refuse_goes_back(pool: Pool, process: TrialProcess) -> None:
    one = await searched(pool, process)
    job = await validated(pool, process, planted_gates.refusing)
    assert job.status == "SUCCEEDED"
    assert await stages(pool, one) == ["DISCOVERY", "VALIDATION", "DISCOVERY"]
    assert not (await configuration_of(pool, one)).event().has_traded
    last = (await configuration_events(pool, one))[-1]
    assert last.reason == "refused by 1 of 2 gates: Deflated Sharpe"
    assert last.evidence["refused_by"] == ["deflated_sharpe"]
    # a person may ask again, and then it is judged again
    await set_stage(pool, one, "VALIDATION", "more candles came")
    await validated(pool, process, planted_gates.passing)
    assert (await stages(pool, one))[3:] == ["VALIDATION", "PAPER active"]


@pytest.mark.parametrize("passes", [True, False])
async def test_a_person_s_activation_outlives_the_verdict(
    pool: Pool, process: TrialProcess, passes: bool
) -> None:
    one = await searched(pool, process, activate=True)
    gates = planted_gates.passing if passes else planted_gates.refusing
    await validated(pool, process, gates)
    assert await stages(pool, one) == ["DISCOVERY", "PAPER active", "PAPER active"]
    activated, verdict = (await configuration_events(pool, one))[1:]
    assert activated.by_person
    assert "the gates have not been passed" in activated.reason
    assert verdict.reason.startswith("passed all 2 gates" if passes else "refused by 1 of 2")
    assert verdict.reason.endswith("the stage stays PAPER")
    assert not verdict.by_person
    assert (await configuration_of(pool, one)).revision == 2


async def test_gates_that_fail_leave_the_worker_alive(pool: Pool, process: TrialProcess) -> None:
    one = await searched(pool, process)
    job = await validated(pool, process, planted_gates.raising)
    assert (job.status, job.error) == ("FAILED", "unexpected ArithmeticError: no figures of A/USD")
    assert await stages(pool, one) == ["DISCOVERY", "VALIDATION", "DISCOVERY"]
    reason = (await configuration_events(pool, one))[-1].reason
    assert reason == f"could not be validated: {job.error}"


async def test_nothing_out_of_sample_cannot_be_validated(pool: Pool, process: TrialProcess) -> None:
    one = await searched(pool, process, out_of_sample_fraction=0)
    job = await validated(pool, process, planted_gates.passing)
    assert job.status == "FAILED"
    assert "leave nothing out of sample to judge it by" in str(job.error)
    assert (await stages(pool, one))[-1] == "DISCOVERY"


async def test_a_validation_is_cancelled_at_once(pool: Pool, process: TrialProcess) -> None:
    one = await searched(pool, process)
    working = asyncio.create_task(validated(pool, process, planted_gates.slow))

    await until(pool, "select bool_or(done = 50) from training_jobs where kind = 'validation'")
    job_id = await pool.fetchval("select job_id from training_jobs where kind = 'validation'")
    await request_cancel(pool, job_id)
    async with asyncio.timeout(planted_gates.WAIT_S / 2):
        assert (await working).status == "CANCELLED"
    assert (await stages(pool, one))[-1] == "DISCOVERY"
    # its process was ended with it, and another one works
    await searched(pool, process, seed=2)


async def trading(pool: Pool, *, has_passed: bool = True, edge: float = 0.003) -> UUID:
    """Store a configuration on paper, with a hundred trades of its backtest."""
    one = uuid4()
    rng = np.random.default_rng(5)
    params = get_strategy("sma_cross").complete({"fast": 5, "slow": 20})
    middle = START + ROWS // 2 * HALF_HOUR
    new = NewConfiguration(
        configuration_id=one,
        strategy="sma_cross",
        exchange="venue",
        symbol="A/USD",
        timeframe="30m",
        params=params,
        share=1.0,
        metrics={
            "in_sample_range": [START, middle],
            "out_of_sample_range": [middle, START + (ROWS - 400) * HALF_HOUR],
        },
        reference_returns=tuple((edge + 0.01 * rng.standard_t(4, 100)).tolist()),
        reference_source="out-of-sample",
    )
    async with pool.acquire() as connection, connection.transaction():
        await add_discovered(connection, new, "planted")
    await activate(pool, one, "planted")
    if has_passed:
        job = uuid4()
        await pool.execute(
            "insert into training_jobs (job_id, spec, status, kind) values "
            "($1, '{}', 'SUCCEEDED', 'validation')",
            job,
        )
        await pool.execute(
            "insert into validation_reports (configuration_id, job_id, passed, report) "
            "values ($1, $2, true, '{\"gates\": []}')",
            one,
            job,
        )
    return one


async def earn(
    pool: Pool,
    one: UUID,
    count: int,
    *,
    mean: float,
    seed: int,
    first_day: int = 0,
    every: int = 1,
    exit_reason: str = "signal",
) -> int:
    """Close so many trades, one a day, in the executor's ledger; return the last exit time."""
    rng = np.random.default_rng(seed)
    last = 0
    for number, value in enumerate(mean + 0.01 * rng.standard_t(4, count)):
        day = first_day + every * number
        last = START + (ROWS - 400) * HALF_HOUR + day * DAY
        await pool.execute(
            "insert into positions (position_id, account, configuration_id, exchange, symbol, "
            "timeframe, side, quantity, entry_time, entry_price, exit_time, exit_price, "
            "exit_reason, fees, profit) values ($1, 'main', $2, 'venue', 'A/USD', '30m', 'long', "
            "2, $3, 100, $4, 100, $6, 0, $5)",
            uuid5(one, f"trade:{day}"),
            one,
            at(last - HALF_HOUR),
            at(last),
            round(200 * float(value), 8),
            exit_reason,
        )
    return last


def watch(pool: Pool, url: str, registry: CollectorRegistry | None = None) -> LifecycleWatch:
    return LifecycleWatch(
        pool,
        url,
        LifecycleRules(),
        "main",
        every_s=0.05,
        registry=registry or CollectorRegistry(),
        on_commit=lambda: None,
    )


async def test_good_paper_results_make_it_mature(pool: Pool, database_url: str) -> None:
    one = await trading(pool)
    unproved = await trading(pool, has_passed=False)
    lifecycle = watch(pool, database_url)
    for configuration in (one, unproved):
        await earn(pool, configuration, 31, mean=0.003, seed=7)
    # thirty trades, but 29 days between the first and the thirtieth
    assert await lifecycle.review_once() == 0
    for configuration in (one, unproved):
        await earn(pool, configuration, 29, mean=0.003, seed=8, first_day=31)
    assert await lifecycle.review_once() == 1
    assert (await stages(pool, one))[-1] == "MATURE active"
    event = (await configuration_events(pool, one))[-1]
    assert event.reason.startswith("60 live trades over 59 days agree with the backtest")
    assert event.evidence["reference_source"] == "out-of-sample"
    assert (await stages(pool, unproved))[-1] == "PAPER active"
    assert await lifecycle.review_once() == 0


async def test_a_lost_edge_is_validated_again_once_and_then_retired(
    pool: Pool, process: TrialProcess, database_url: str
) -> None:
    one = await trading(pool)
    lifecycle = watch(pool, database_url)
    last = await earn(pool, one, 40, mean=-0.02, seed=9)
    assert await lifecycle.review_once() == 1
    row = await configuration_of(pool, one)
    assert (row.stage, row.is_active, row.retired) == ("DECAY", False, False)
    assert row.event().has_traded
    decay = (await configuration_events(pool, one))[-1]
    assert decay.evidence["wealth"] >= decay.evidence["alarm_at"] == 300
    assert decay.reason.endswith("it is validated again")
    with pytest.raises(ValueError, match="has decayed"):
        await activate(pool, one, "please")

    job = await validated(pool, process, planted_gates.passing)
    # on the newest data, but not on what lies behind its last trade
    assert START + (ROWS - 400) * HALF_HOUR < job.spec["end"] <= last
    report = await latest_report(pool, one)
    assert report is not None
    assert report["ranges"]["end"] == min(job.spec["end"], START + ROWS * HALF_HOUR)
    assert (await stages(pool, one))[-3:] == ["DECAY", "VALIDATION", "PAPER active"]

    # the trades that made it decay are no longer held against it
    assert await lifecycle.review_once() == 0
    await earn(pool, one, 40, mean=-0.03, seed=10, first_day=40)
    assert await lifecycle.review_once() == 1
    row = await configuration_of(pool, one)
    assert (row.stage, row.is_active, row.retired) == ("DECAY", False, True)
    assert (await configuration_events(pool, one))[-1].reason.endswith("so is retired")
    assert [job.kind for job in await list_jobs(pool) if not job.is_final] == []


async def test_a_trade_is_judged_once(pool: Pool, process: TrialProcess, database_url: str) -> None:
    one = await trading(pool)
    lifecycle = watch(pool, database_url)
    await earn(pool, one, 40, mean=-0.02, seed=9)
    assert await lifecycle.review_once() == 1
    await validated(pool, process, planted_gates.passing)
    rng = np.random.default_rng(5)
    await pool.execute(
        "update trained_configurations set reference_returns = $2, reference_source = $3 "
        "where configuration_id = $1",
        *(one, (0.003 + 0.01 * rng.standard_t(4, 100)).tolist(), "out-of-sample"),
    )
    # with the last of the trades that made it decay it would be the thirtieth
    await earn(pool, one, 29, mean=0.003, seed=7, first_day=41, every=2)
    assert await lifecycle.review_once() == 0
    await earn(pool, one, 1, mean=0.003, seed=8, first_day=120)
    assert await lifecycle.review_once() == 1
    event = (await configuration_events(pool, one))[-1]
    assert event.reason.startswith("30 live trades over 79 days agree with the backtest")


async def test_what_only_the_end_of_the_data_closed_is_no_live_result(
    pool: Pool, database_url: str
) -> None:
    one = await trading(pool)
    await earn(pool, one, 40, mean=-0.02, seed=9, exit_reason="end_of_data")
    assert await watch(pool, database_url).review_once() == 0
    # nor are the trades of another account
    await pool.execute("insert into accounts values ('other', 1000, 1000)")
    await pool.execute("update positions set account = 'other', exit_reason = 'stop'")
    assert await watch(pool, database_url).review_once() == 0
    await pool.execute("update positions set account = 'main'")
    assert await watch(pool, database_url).review_once() == 1


async def test_the_alarm_is_higher_for_what_passed_the_gates(pool: Pool, database_url: str) -> None:
    one, unproved = await trading(pool), await trading(pool, has_passed=False)
    from_search = await trading(pool, has_passed=False)
    await pool.execute(
        "update trained_configurations set reference_source = 'in-sample and out-of-sample' "
        "where configuration_id = $1",
        from_search,
    )
    for configuration in (one, unproved, from_search):
        await earn(pool, configuration, 40, mean=-0.03, seed=9)
    assert await watch(pool, database_url).review_once() == 3
    alarms = [
        (await configuration_events(pool, configuration))[-1].evidence["alarm_at"]
        for configuration in (one, unproved, from_search)
    ]
    assert alarms == [300, 100, 300]


async def test_a_decayed_one_that_is_refused_is_retired(
    pool: Pool, process: TrialProcess, database_url: str
) -> None:
    one = await trading(pool, has_passed=False)
    await earn(pool, one, 40, mean=-0.02, seed=9)
    assert await watch(pool, database_url).review_once() == 1
    await validated(pool, process, planted_gates.refusing)
    assert (await stages(pool, one))[-3:] == ["DECAY", "VALIDATION", "DECAY"]
    row = await configuration_of(pool, one)
    assert row.retired
    assert (await configuration_events(pool, one))[-1].reason.endswith(
        "gates: Deflated Sharpe; retired"
    )
    # a person may bring it back
    back = await set_stage(pool, one, "PAPER", "the exchange was down then")
    assert (back.stage, back.is_active, back.retired) == ("PAPER", True, False)
    assert await watch(pool, database_url).review_once() == 0


async def test_a_person_may_move_anything_with_a_reason(
    pool: Pool, process: TrialProcess, database_url: str
) -> None:
    one = await trading(pool)
    mature = await set_stage(pool, one, "MATURE", "I know it")
    assert (mature.stage, mature.is_active) == ("MATURE", True)
    await deactivate(pool, one, "a pause")
    paper = await set_stage(pool, one, "PAPER", "not so sure")
    assert (paper.stage, paper.is_active) == ("PAPER", False)
    found = await set_stage(pool, one, "DISCOVERY", "from the start")
    assert (found.stage, found.is_active) == ("DISCOVERY", False)
    gone = await set_stage(pool, one, "DECAY", "enough")
    assert (gone.stage, gone.retired) == ("DECAY", True)
    with pytest.raises(ValueError, match="is in stage DECAY already"):
        await set_stage(pool, one, "DECAY", "again")
    with pytest.raises(ValueError, match="needs a reason"):
        await set_stage(pool, one, "PAPER", "")
    with pytest.raises(ValueError, match="there is no configuration"):
        await set_stage(pool, uuid4(), "PAPER", "which?")
    said = [event for event in await configuration_events(pool, one) if event.by_person]
    assert [event.reason for event in said][1:] == [
        "I know it", "a pause", "not so sure", "from the start", "enough",
    ]  # fmt: skip


async def test_an_edit_is_a_new_configuration(pool: Pool, process: TrialProcess) -> None:
    old = await trading(pool)
    before = await configuration_of(pool, old)
    new = await edit(pool, old, {"slow": 30}, "slower")
    assert (new.stage, new.is_active, new.edited_from) == ("DISCOVERY", False, old)
    assert new.params == {**before.params, "slow": 30}
    assert await configuration_of(pool, old) == before
    job = await validated(pool, process, planted_gates.passing)
    assert job.spec["cause"] == "edited"
    row = await configuration_of(pool, new.configuration_id)
    assert (row.stage, row.is_active) == ("PAPER", True)
    # its figures are its own, on the data of the old one
    assert row.metrics["in_sample_range"] == before.metrics["in_sample_range"]
    assert row.metrics["out_of_sample"]["trades"] > 0
    for params, message in (
        ({"slow": 30}, f"this edit was made before: it is configuration {new.configuration_id}"),
        ({"slow": 20}, "has these parameters already"),
        ({"slow": 4}, "sma_cross: "),
        ({"pace": 4}, "has no parameter 'pace'"),
    ):
        with pytest.raises(ValueError, match=message):
            await edit(pool, old, params, "again")


async def test_one_replica_watches_and_another_takes_over(pool: Pool, database_url: str) -> None:
    one = await trading(pool)
    first, second = CollectorRegistry(), CollectorRegistry()
    watching = asyncio.create_task(watch(pool, database_url, first).run())

    def decayed(registry: CollectorRegistry) -> float | None:
        return registry.get_sample_value("tradepulse_transitions_total", {"stage": "DECAY"})

    on_paper = {"stage": "PAPER"}
    await soon(lambda: first.get_sample_value("tradepulse_configurations", on_paper) == 1)
    waiting = asyncio.create_task(watch(pool, database_url, second).run())
    await earn(pool, one, 40, mean=-0.02, seed=9)
    await soon(lambda: decayed(first) == 1)
    assert second.get_sample_value("tradepulse_configurations", on_paper) is None
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await soon(lambda: second.get_sample_value("tradepulse_configurations", on_paper) == 0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert (await stages(pool, one)).count("DECAY") == 1


async def test_an_activation_reaches_signal_svc(
    pool: Pool, kafka_bootstrap: str, no_topics: None
) -> None:
    await create_topics(kafka_bootstrap)
    one = await trading(pool)
    await deactivate(pool, one, "not yet")
    publisher = await Publisher(kafka_bootstrap, "test").start()
    relay = Relay(pool, publisher, "optimizer_svc")
    while await relay.publish_once():
        pass
    active = ActiveConfigurations()
    broker = broker_for(kafka_bootstrap, publisher, [])
    broker.first(
        AssignedReading(broker, CONFIGURATIONS, active.on_configurations, begin=from_beginning)
    )
    await broker.start()
    relaying = asyncio.create_task(relay.run())
    try:
        assert len(active) == 0
        # whoever activates is another process, so nobody wakes the relay
        begun = time.monotonic()
        await activate(pool, one, "now")
        await soon(lambda: len(active) == 1)
        print(f"from activation to signal_svc: {1000 * (time.monotonic() - begun):.0f} ms")
        await set_stage(pool, one, "DISCOVERY", "no more")
        await soon(lambda: len(active) == 0)
    finally:
        relaying.cancel()
        await asyncio.gather(relaying, return_exceptions=True)
        await broker.stop()
        await publisher.stop()
