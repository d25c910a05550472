"""Real faults, and which alerts fire and end: `python -m tests.operations.provoke`, 90 minutes.

All services follow two fake venues live, on the wall's clock, with a Kafka and a PostgreSQL of
their own. The rules are those of deploy/prometheus in a hurry: they wait for 10 s instead of
minutes and look back a minute instead of hours; their bounds are as they are.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from tests.fakes.exchange import HOUR, FakeExchange, Tape
from tests.fakes.exchange.synthetic import random_trades
from tests.integration.live_market import BTC, ETH
from tests.integration.system import System
from tests.operations.faults import Act, Faults
from tests.operations.market_faults import MarketFaults
from tests.operations.watched import Watch, watching
from tradepulse.embedded.children import Children
from tradepulse.embedded.kafka import EmbeddedKafka
from tradepulse.embedded.postgres import EmbeddedPostgres

PATIENCE_S = 200.0
Step = tuple[str, tuple[str, ...], Act, Act]
TOO_MUCH = json.dumps(
    {name: {"min_notional": "1e9"} for name in ("kraken:ETH/USD", "binanceus:BTC/USD")}
)


async def nothing() -> None:
    """It ends by itself, or is there from the start."""


def plan(f: Faults) -> list[Step]:
    """What is done, which alerts it should fire, and how it is undone."""
    market = MarketFaults(f)
    return [
        *of_processes(f, market),
        *of_money(f, market),
        *of_market(f, market),
        *of_stores(f),
    ]


def of_processes(f: Faults, market: MarketFaults) -> list[Step]:
    """What is done to services."""
    return [
        ("executor_svc killed", ("NoExecutor", "ServiceDown"),
         partial(f.end, "executor_svc"), partial(f.bring_back, "executor_svc")),
        ("the ledger locked by somebody", ("CloseWaits",), partial(f.lock, "orders"), f.let_go),
        ("the ledger locked, executor_svc started anew", ("EventTimeApart", "NotReady"),
         market.hang_executor, f.let_go),
        ("a second process that holds the lock (figure injected)", ("TwoExecutors",),
         partial(f.figures.set, 'tradepulse_lock_held{consumer="executor:main"}', 1),
         f.figures.forget),
        ("market_ingest killed", ("NoMarketIngest",),
         partial(f.end, "market_ingest"), partial(f.bring_back, "market_ingest")),
        ("rl_svc killed six times", ("RestartLoop",), partial(f.restart_often, "rl_svc"), nothing),
        ("rl_svc stopped again and again", ("EventLoopBlocked",),
         partial(f.stutter, "rl_svc"), nothing),
        ("executor_svc stopped again and again", ("SlowClose",),
         partial(f.stutter, "executor_svc", 25, 5), nothing),
        ("signal_svc frozen for two and a half minutes", ("StaleSignals",),
         partial(f.freeze_for, "signal_svc", 150), nothing),
        ("a message that is no candle", ("DeadLetters",), f.garbage, nothing),
        ("100,000 messages that are none", ("ConsumerLag",), partial(f.garbage, 100_000), nothing),
        ("studio_svc asked much, its tables locked again and again", ("DatabasePoolFull",),
         market.lock_often, f.ask_no_more),
    ]  # fmt: skip


def of_money(f: Faults, market: MarketFaults) -> list[Step]:
    """What is done to the account and to what decides for it."""
    sql = f.execute
    return [
        ("cash changed by hand", ("LedgerImbalance",),
         partial(sql, "update accounts set cash = cash + 1"),
         partial(sql, "update accounts set cash = cash - 1")),
        ("two fifths of the cash gone", ("Drawdown",), market.lose_money, market.find_money),
        ("a least order that nobody can pay", ("RefusedOrders",),
         partial(f.start_anew, "executor_svc", MARKETS=TOO_MUCH),
         partial(f.start_anew, "executor_svc", MARKETS="{}")),
        ("rl_svc killed, its last weights made three hours older",
         ("WeightsOld", "FallbackWeights"),
         market.old_weights, partial(f.bring_back, "rl_svc")),
        ("POLICY=model, and no model", ("PolicyFallback",),
         partial(f.start_anew, "rl_svc", POLICY="model"),
         partial(f.start_anew, "rl_svc", POLICY="inverse_volatility")),
        ("a model with a damaged file and bad days", ("ModelHarms", "DriftWatchFails"),
         market.harmful_model, market.no_model),
        ("a strategy that fails", ("StrategyFails",),
         partial(f.configure, "breaks", active=True), partial(f.configure, "breaks", active=False)),
        ("a strategy with its stop above the price", ("RefusedLevels",),
         partial(f.configure, "upside_down", active=True),
         partial(f.configure, "upside_down", active=False)),
        ("configurations active that no topic has", ("ConfigurationsLost",), market.more_active,
         partial(sql, "delete from trained_configurations where strategy = 'sma_cross'")),
        ("a configuration that loses in each trade", ("ConfigurationDecays",),
         market.lose_edge, market.forget_edge),
        ("a search on a symbol without candles", ("JobFailed",), market.queue, nothing),
        ("a search that waits for seven hours, optimizer_svc killed", ("JobsWait",),
         market.leave_queued, partial(f.bring_back, "optimizer_svc")),
    ]  # fmt: skip


def of_market(f: Faults, market: MarketFaults) -> list[Step]:
    """What is done to venues and to candles."""
    sql = f.execute
    return [
        ("a symbol that no venue has", ("SubscriptionCannotBeFollowed",),
         market.subscribe_nonsense, partial(market.subscribe_nonsense, undo=True)),
        ("a venue away for two minutes",
         ("VenueDown", "MarketDataLate", "QuestionsFail", "MissingCandles", "BudgetBurnsFast",
          "BudgetBurns", "BudgetRunsOut"),
         market.cut_off, market.right_again),
        ("streams cut", ("StreamsUnstable",), market.break_streams, market.right_again),
        ("a venue that gives no streams", ("CandlesByHttpOnly",),
         market.refuse_streams, market.right_again),
        ("most of a stream's messages lost", ("StreamDisagreesWithVenue",),
         market.lose_messages, market.right_again),
        ("a venue that denies what its stream told", ("CandlesUnconfirmed",),
         market.deny, market.right_again),
        ("a venue that sends everybody away", ("RateLimitReached",),
         market.limit_rate, market.right_again),
        ("an impossible candle of a venue that is not asked", ("ImpossibleCandles",),
         market.impossible, market.possible),
        ("stored candles lost while their venue is away", ("GapsOpen", "RepairsUnanswered"),
         market.lose_candles, market.right_again),
        ("what repairs do cannot be noted", ("RepairFailed",), market.refuse_notes,
         partial(sql, "grant insert on gap_repairs to market_ingest")),
        ("gaps cannot be entered", ("GapScanStopped",), market.refuse_findings,
         partial(sql, "grant insert on data_gaps to market_ingest")),
        ("a hole whose candles exist entered as given up", ("KnownCandlesGivenUp",),
         market.give_up, partial(market.give_up, undo=True)),
    ]  # fmt: skip


def of_stores(f: Faults) -> list[Step]:
    """What is done to Kafka, PostgreSQL, disks and backups."""
    backups = str(f.system.folder / "backups")
    # the rest of the machine, too, writes and removes
    on_it = f'mountpoint="{f.disk_place}"'
    two_days_ago = time.time() - 2 * 86_400
    under = (
        'kafka_topic_partition_under_replicated_partition{topic="tradepulse.candles",partition="0"}'
    )
    return [
        ("no backup yet", ("BackupOld",), nothing, partial(f.run, "backup", backups)),
        ("no drill yet", ("RestoreDrillOld",), nothing,
         partial(f.run, "restore", "--drill", backups)),
        ("a disk filled up", (f"DiskFull {on_it}",), partial(f.fill_disk, 64), f.empty_disk),
        ("a disk that fills", (f"DiskFull4h {on_it}",), partial(f.fill_disk, 55, 1), f.empty_disk),
        ("an archive_command that fails", ("WalArchiveFails",),
         partial(f.archive_with, "false"), partial(f.archive_with, "true")),
        ("rows not removed for two days (figure injected)", ("RetentionStopped",),
         partial(f.figures.set, 'tradepulse_retention_time_seconds{table="x"}', two_days_ago),
         f.figures.forget),
        ("a partition that lacks a replica (figure injected)", ("KafkaUnderReplicated",),
         partial(f.figures.set, under, 1), f.figures.forget),
        ("connections held", ("PostgresConnections",), f.hold_connections, f.let_go),
        ("Kafka killed, an event waiting for it", ("KafkaDown", "OutboxStuck"),
         f.lose_kafka, f.kafka.start),
        ("PostgreSQL stopped", ("PostgresDown",), f.postgres.stop, f.postgres.start),
    ]  # fmt: skip


def is_firing(watch: Watch, alert: str) -> bool:
    name, _, where = alert.partition(" ")
    return bool(watch.ask(f'ALERTS{{alertname="{name}", alertstate="firing", {where}}}'))


async def seen(watch: Watch, alert: str, *, firing: bool, since: float) -> str:
    """Wait until an alert fires, or does no more; give the seconds, or `never`."""
    while is_firing(watch, alert) != firing:
        if time.monotonic() - since > PATIENCE_S:
            return "never"
        await asyncio.sleep(1)
    return f"{time.monotonic() - since:.0f} s"


async def provoke(f: Faults, step: Step) -> None:
    """Do one, wait for its alerts, undo it, and tell."""
    what, alerts, act, undo = step
    watch, begun = f.watch, time.monotonic()
    if act is not nothing:
        # what fires already says nothing of this fault
        await asyncio.gather(*(seen(watch, a, firing=False, since=begun) for a in alerts))
    before = [alert for alert in alerts if is_firing(watch, alert)]
    begun = time.monotonic()
    acting = asyncio.ensure_future(act())
    try:
        fired = await asyncio.gather(
            acting, *(seen(watch, alert, firing=True, since=begun) for alert in alerts)
        )
    except Exception as error:  # noqa: BLE001 - the other faults are still worth a look
        print(f"| {what} | could not be done: {error!r} |", flush=True)
        return
    undone = time.monotonic()
    await undo()
    over = await asyncio.gather(
        *(seen(watch, alert, firing=False, since=undone) for alert in alerts)
    )
    for alert, first, last in zip(alerts, fired[1:], over, strict=True):
        told = "before" if alert in before else first
        print(f"| {what} | {alert.split()[0]} | {told} | {last} |", flush=True)


async def run(f: Faults, only: list[str]) -> None:
    """Do one after another, and tell."""
    for step in plan(f):
        if not only or set(only) & {alert.split()[0] for alert in step[1]}:
            await provoke(f, step)


@asynccontextmanager
async def around(folder: Path) -> AsyncIterator[Faults]:
    """Run everything; give what is done to it."""
    now = int(time.time() * 1000)
    tapes = {
        name: [Tape(item, trades=random_trades(6_000, now - HOUR, now + 2 * HOUR, seed=1))]
        for name, item in (("binanceus", BTC), ("kraken", ETH))
    }
    async with AsyncExitStack() as stack:
        children = await stack.enter_async_context(Children())
        kafka = EmbeddedKafka(folder / "kafka", children)
        postgres = EmbeddedPostgres(folder / "postgres", children, durable=False)
        await asyncio.gather(kafka.start(), postgres.start())
        (services := folder / "services").mkdir()
        (watched := folder / "watched").mkdir()
        system = System(kafka.bootstrap_servers, postgres.url(), services)
        faults = Faults(system, kafka, postgres)
        stack.callback(faults.stop)
        stack.callback(system.stop)
        faults.fake = await stack.enter_async_context(FakeExchange(now, tapes))
        await faults.start()
        # its clock stood still until here
        await faults.fake.advance(int(time.time() * 1000) - faults.fake.clock.now)
        await stack.enter_async_context(faults.fake.running())
        await faults.backfill(now - HOUR)
        keeping = asyncio.create_task(faults.keep())
        stack.callback(keeping.cancel)
        watch, _ = stack.enter_context(
            watching(
                watched,
                faults.ports,
                postgres.url(),
                besides={"kafka": faults.figures.port},
                in_a_hurry=True,
            )
        )
        faults.watch = watch
        await watch.until("count(tradepulse_lock_held == 1) == 2", PATIENCE_S)
        await watch.until("min(tradepulse_live_venue_up) == 1", PATIENCE_S)
        yield faults
        print(watch.ask('count by (alertname) (ALERTS{alertstate="firing"})'))


async def main() -> None:
    """Do what is asked for, or everything."""
    with tempfile.TemporaryDirectory(prefix="tp-", ignore_cleanup_errors=True) as folder:
        async with around(Path(folder)) as faults:
            print("| fault | alert | fires after | over after |\n|---|---|---|---|", flush=True)
            await run(faults, sys.argv[1:])


if __name__ == "__main__":
    asyncio.run(main())
