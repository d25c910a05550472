"""Real faults, and which alerts fire and end: `python -m tests.operations.provoke`, half an hour.

All services follow two fake venues live, on the wall's clock, with a Kafka and a PostgreSQL of
their own. The rules are those of deploy/prometheus in a hurry: they wait for 10 s instead of
minutes and look back a minute instead of hours; their bounds are as they are.
"""

import asyncio
import json
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from contracts.topics import CANDLES
from tests.fakes.exchange import HOUR, FakeExchange, Tape
from tests.fakes.exchange.faults import DropSocket, RefuseSocket, ServerError
from tests.fakes.exchange.synthetic import random_trades
from tests.integration.live_market import BTC, ETH
from tests.integration.system import System
from tests.operations.watched import Watch, watching
from tradepulse.embedded.children import Children
from tradepulse.embedded.kafka import EmbeddedKafka
from tradepulse.embedded.ports import free_ports
from tradepulse.embedded.postgres import EmbeddedPostgres
from tradepulse.market_data.subscriptions import subscribe, unsubscribe
from tradepulse.research.jobs import JobSpec, submit_job
from tradepulse.runtime.db import connect, connect_pool
from tradepulse.runtime.publisher import Publisher
from tradepulse.strategies.evaluate import Configuration

SERVICES = (
    *("signal_svc", "rl_svc", "executor_svc", "optimizer_svc", "studio_svc"),
    "market_ingest",
)
SERIES = ("binanceus:BTC/USD:1m", "kraken:ETH/USD:1m")
PATIENCE_S = 200.0
Act = Callable[[], Awaitable[object]]


class Faults:
    """A running system, and what is done to it."""

    def __init__(self, system: System, kafka: EmbeddedKafka, postgres: EmbeddedPostgres) -> None:
        self.system = system
        self.kafka = kafka
        self.postgres = postgres
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        self.fake: FakeExchange
        self.watch: Watch
        self.down: set[str] = set()
        """What is not started again by itself."""
        self.held: list[asyncpg.Connection[Any]] = []

    async def start(self) -> None:
        """Start all of it on fake venues that trade as the wall's clock goes."""
        system, folder = self.system, self.system.folder
        configurations = [
            Configuration(uuid4(), "sma_cross", *one.split(":"), {"fast": 2, "slow": 4}, 0.5)
            for one in SERIES
        ]
        await system.prepare(configurations)
        connection = await connect(system.database_url)
        for one in SERIES:
            await subscribe(connection, *one.split(":"))
        await connection.close()
        (folder / "token").write_text("token-of-this-very-run-0123456789")
        configs = {name: self.fake.config(name) for name in self.fake.venues}
        for config in configs.values():
            del config["apiKey"], config["secret"]
        (folder / "venues.json").write_text(json.dumps(configs))
        venues = {"VENUES_FILE": str(folder / "venues.json")}
        own = {
            "market_ingest": {"FEED_MODE": "live", "SCAN_EVERY_S": "5", **venues},
            "studio_svc": {"STUDIO_TOKEN_FILE": str(folder / "token")},
            "optimizer_svc": {"FETCH_MISSING": "false", "OPTIMIZER_WORKERS": "1"},
        }
        for name in SERVICES:
            port = str(self.ports[name])
            system.start(name, CLOCK="wall", HTTP_PORT=port, **own.get(name, {}))

    async def keep(self) -> None:
        """Start again what ends, as a supervisor does."""
        while True:
            for name, process in self.system.processes.items():
                if process.poll() is not None and name not in self.down:
                    self.system.start(name)
            await asyncio.sleep(1)

    async def execute(self, query: str, *arguments: object) -> None:
        connection = await connect(self.system.database_url)
        await connection.execute(query, *arguments)
        await connection.close()

    # what is done, and undone

    async def end(self, name: str) -> None:
        self.down.add(name)
        self.system.kill(name)

    async def bring_back(self, name: str) -> None:
        self.down.discard(name)

    async def restart_often(self, name: str) -> None:
        for _ in range(6):
            self.system.kill(name)
            await asyncio.sleep(8)

    async def stutter(self, name: str) -> None:
        """Stop a process again and again, as a machine without a processor does."""
        for _ in range(12):
            self.system.signal(name, signal.SIGSTOP)
            await asyncio.sleep(3)
            self.system.signal(name, signal.SIGCONT)
            await asyncio.sleep(0.5)

    async def freeze(self, name: str) -> None:
        self.system.signal(name, signal.SIGSTOP)

    async def thaw(self, name: str) -> None:
        self.system.signal(name, signal.SIGCONT)

    async def cut_off(self, *_: object) -> None:
        """Take a venue away for two minutes."""
        until = self.fake.clock.now + 120_000
        for fault in (ServerError(), DropSocket(), RefuseSocket()):
            self.fake.faults.add(fault, venue="kraken", until=until)

    async def break_streams(self) -> None:
        """Let streams break at every tenth message for a minute and a half."""
        until = self.fake.clock.now + 90_000
        self.fake.faults.add(DropSocket(), probability=0.5, until=until)

    async def hold_connections(self) -> None:
        for _ in range(200):
            with suppress(asyncpg.TooManyConnectionsError):
                self.held.append(await asyncpg.connect(self.system.database_url))
                (limit,) = await self.held[0].fetchrow("show max_connections") or ("100",)
                (count,) = await self.held[0].fetchrow(
                    "select count(*) from pg_stat_activity where backend_type = 'client backend'"
                ) or (0,)
                if count > 0.9 * int(limit):
                    return

    async def let_go(self) -> None:
        for one in self.held:
            await one.close()
        self.held.clear()

    async def garbage(self) -> None:
        publisher = await Publisher(self.system.bootstrap, "provoke").start()
        await publisher.send(CANDLES, "kraken:ETH/USD", b"no candle")
        await publisher.stop()

    async def subscribe_nonsense(self, *, undo: bool = False) -> None:
        connection = await connect(self.system.database_url)
        await (unsubscribe if undo else subscribe)(connection, "kraken", "NO/USD", "1m")
        await connection.close()

    async def impossible(self) -> None:
        await self.execute(
            "insert into candles (series, open_time, open, high, low, close, volume, source) "
            "select series, open_time - 86400000, 5, 1, 9, 5, 1, 'import' from candles limit 1"
        )
        # a new process looks over everything
        self.system.kill("market_ingest")

    async def mended(self) -> None:
        await self.execute("delete from candles where high < low")
        self.system.kill("market_ingest")

    async def lose_kafka(self) -> None:
        await self.execute(
            "insert into outbox (service, topic, key, value, created_at) values "
            "('optimizer_svc', 'tradepulse.configurations', 'x', 'x', now() - interval '1 hour')"
        )
        await self.kafka.kill()

    async def failing_job(self) -> None:
        pool = await connect_pool(self.system.database_url)
        spec = JobSpec(
            strategies=("sma_cross",),
            exchange="kraken",
            symbols=("NO/USD",),
            timeframe="1m",
            trials=1,
        )
        await submit_job(pool, spec)
        await pool.close()

    async def more_active(self) -> None:
        await self.execute(
            "insert into trained_configurations (configuration_id, strategy, exchange, symbol, "
            "timeframe, params, stage, is_active) select gen_random_uuid(), 'sma_cross', 'kraken', "
            "'ETH/USD', '1m', '{}', 'PAPER', true from generate_series(1, 9)"
        )

    async def nothing(self) -> None:
        """It ends by itself."""


def plan(f: Faults) -> list[tuple[str, tuple[str, ...], Act, Act]]:
    """What is done, which alerts it should fire, and how it is undone."""

    def of(act: Callable[..., Awaitable[object]], *given: object) -> Act:
        return lambda: act(*given)

    sql = f.execute
    return [
        ("executor_svc killed", ("NoExecutor", "ServiceDown"),
         of(f.end, "executor_svc"), of(f.bring_back, "executor_svc")),
        ("market_ingest killed", ("NoMarketIngest",),
         of(f.end, "market_ingest"), of(f.bring_back, "market_ingest")),
        ("rl_svc killed six times", ("RestartLoop",), of(f.restart_often, "rl_svc"), f.nothing),
        ("rl_svc stopped again and again", ("EventLoopBlocked",),
         of(f.stutter, "rl_svc"), f.nothing),
        ("cash changed by hand", ("LedgerImbalance",),
         of(sql, "update accounts set cash = cash + 1"),
         of(sql, "update accounts set cash = cash - 1")),
        ("configurations active that no topic has", ("ConfigurationsLost",),
         f.more_active, of(sql, "delete from trained_configurations")),
        ("a symbol that no venue has", ("SubscriptionCannotBeFollowed",),
         f.subscribe_nonsense, lambda: f.subscribe_nonsense(undo=True)),
        ("an impossible candle", ("ImpossibleCandles",), f.impossible, f.mended),
        ("a message that is no candle", ("DeadLetters",), f.garbage, f.nothing),
        ("a search on a symbol without candles", ("JobFailed",), f.failing_job, f.nothing),
        ("streams cut", ("StreamsUnstable",), f.break_streams, f.nothing),
        ("a venue away for two minutes",
         ("VenueDown", "MarketDataLate", "QuestionsFail", "MissingCandles", "BudgetBurnsFast"),
         f.cut_off, f.nothing),
        ("signal_svc frozen", ("CloseWaits",),
         of(f.freeze, "signal_svc"), of(f.thaw, "signal_svc")),
        ("connections held", ("PostgresConnections",), f.hold_connections, f.let_go),
        ("Kafka killed", ("KafkaDown", "NotReady", "OutboxStuck"), f.lose_kafka, f.kafka.start),
        ("PostgreSQL stopped", ("PostgresDown",), f.postgres.stop, f.postgres.start),
    ]  # fmt: skip


async def seen(watch: Watch, alert: str, *, firing: bool, since: float) -> str:
    """Wait until an alert fires, or does no more; give the seconds, or `never`."""
    query = f'ALERTS{{alertname="{alert}", alertstate="firing"}}'
    while bool(watch.ask(query)) != firing:
        if time.monotonic() - since > PATIENCE_S:
            return "never"
        await asyncio.sleep(1)
    return f"{time.monotonic() - since:.0f} s"


async def run(f: Faults, only: list[str]) -> None:
    """Do one after another, and tell."""
    for what, alerts, act, undo in plan(f):
        if only and not set(only) & set(alerts):
            continue
        begun = time.monotonic()
        try:
            await act()
        except Exception as error:  # noqa: BLE001 - the other faults are still worth a look
            print(f"| {what} | could not be done: {error!r} |", flush=True)
            continue
        fired = await asyncio.gather(
            *(seen(f.watch, alert, firing=True, since=begun) for alert in alerts)
        )
        undone = time.monotonic()
        await undo()
        over = await asyncio.gather(
            *(seen(f.watch, alert, firing=False, since=undone) for alert in alerts)
        )
        for alert, first, last in zip(alerts, fired, over, strict=True):
            print(f"| {what} | {alert} | {first} | {last} |", flush=True)


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
        stack.callback(system.stop)
        faults.fake = await stack.enter_async_context(FakeExchange(now, tapes))
        await faults.start()
        await stack.enter_async_context(faults.fake.running())
        keeping = asyncio.create_task(faults.keep())
        stack.callback(keeping.cancel)
        watch, _ = stack.enter_context(
            watching(watched, faults.ports, postgres.url(), in_a_hurry=True)
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
