"""A running system, and what can be done to it: its processes, its broker, its database."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from contracts.topics import CANDLES
from optimizer_svc.restoring import tell_configurations
from tests.fakes.exchange import FakeExchange
from tests.integration.system import System
from tests.operations.figures import Figures
from tests.operations.watched import HOST, Watch
from tradepulse.embedded.kafka import EmbeddedKafka
from tradepulse.embedded.ports import free_ports
from tradepulse.embedded.postgres import EmbeddedPostgres
from tradepulse.market_data.subscriptions import subscribe
from tradepulse.runtime.db import connect
from tradepulse.runtime.publisher import Publisher
from tradepulse.strategies.evaluate import Configuration
from tradepulse.strategies.files import load_strategy_file

SERVICES = (
    *("signal_svc", "rl_svc", "executor_svc", "optimizer_svc", "studio_svc"),
    "market_ingest",
)
SERIES = ("binanceus:BTC/USD:1m", "kraken:ETH/USD:1m")
STRATEGIES = Path(__file__).parent / "provoked_strategies.py"
TOKEN = "token-of-this-very-run-0123456789"
Act = Callable[[], Awaitable[object]]


class Faults:
    """A running system, and what is done to it."""

    def __init__(self, system: System, kafka: EmbeddedKafka, postgres: EmbeddedPostgres) -> None:
        self.system = system
        self.kafka = kafka
        self.postgres = postgres
        self.ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
        self.figures = Figures()
        self.fake: FakeExchange
        self.watch: Watch
        self.down: set[str] = set()
        """What is not started again by itself."""
        self.held: list[asyncpg.Connection[Any]] = []
        self.asking: asyncio.Task[None] | None = None
        self.disk_place = system.folder.parent / "disk"

    async def start(self) -> None:
        """Start all of it on fake venues that trade as the wall's clock goes."""
        system, folder = self.system, self.system.folder
        load_strategy_file(STRATEGIES)
        configurations = [
            Configuration(uuid4(), "eager", *one.split(":"), {"max_candles": 1}, 0.01)
            for one in SERIES
            for _ in range(4)
        ]
        await system.prepare(configurations)
        await system.store(configurations)
        connection = await connect(system.database_url)
        for one in SERIES:
            await subscribe(connection, *one.split(":"))
        await connection.close()
        (folder / "token").write_text(TOKEN)
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
            given = {"HTTP_PORT": str(self.ports[name]), "STRATEGY_FILES": str(STRATEGIES)}
            system.start(name, CLOCK="wall", **given, **own.get(name, {}))

    async def keep(self) -> None:
        """Start again what ends, as a supervisor does."""
        while True:
            for name, process in self.system.processes.items():
                if process.poll() is not None and name not in self.down:
                    self.system.start(name)
            await asyncio.sleep(1)

    async def execute(self, query: str, *arguments: object) -> None:
        """Execute one statement as the database's own user."""
        connection = await connect(self.system.database_url)
        await connection.execute(query, *arguments)
        await connection.close()

    # processes

    async def end(self, *names: str) -> None:
        """Kill services, and let nobody start them again."""
        self.down.update(names)
        for name in names:
            self.system.kill(name)

    async def bring_back(self, *names: str) -> None:
        """Start them again."""
        self.down.difference_update(names)

    async def start_anew(self, name: str, **env: str) -> None:
        """Start a service anew with another environment."""
        await self.end(name)
        self.system.start_anew(name, **env)
        await self.bring_back(name)

    async def restart_often(self, name: str) -> None:
        """Kill a service again and again."""
        for _ in range(6):
            self.system.kill(name)
            await asyncio.sleep(8)

    async def stutter(self, name: str, times: int = 12, still_s: float = 3) -> None:
        """Stop a process again and again, as a machine without a processor does."""
        for _ in range(times):
            self.system.signal(name, signal.SIGSTOP)
            await asyncio.sleep(still_s)
            self.system.signal(name, signal.SIGCONT)
            await asyncio.sleep(0.5)

    async def freeze(self, name: str) -> None:
        """Stop a process where it is."""
        self.system.signal(name, signal.SIGSTOP)

    async def thaw(self, name: str) -> None:
        """Let it go on."""
        self.system.signal(name, signal.SIGCONT)

    async def freeze_for(self, name: str, seconds: float) -> None:
        """Stop a process for a while."""
        await self.freeze(name)
        await asyncio.sleep(seconds)
        await self.thaw(name)

    async def run(self, *arguments: str) -> None:
        """Run `tradepulse` on the same stores, as an operator does."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tradepulse.cli.main", *arguments),
            env={**self.environment(), "HOME": str(self.system.folder)},
            cwd=self.system.code,
        )
        if await process.wait():
            raise RuntimeError(f"tradepulse {arguments[0]} failed")

    async def backfill(self, start: int) -> None:
        """Fetch what traded before."""
        for one in SERIES:
            exchange, symbol, timeframe = one.split(":")
            what = "--exchange", exchange, "--symbol", symbol, "--timeframe", timeframe
            await self.run("backfill", *what, "--from", str(start))

    def environment(self) -> dict[str, str]:
        """Return what a command is told of the stores."""
        return {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "DATABASE_URL": self.system.database_url,
            "VENUES_FILE": str(self.system.folder / "venues.json"),
        }

    # the database

    async def hold_connections(self) -> None:
        """Take nine tenths of what the server allows."""
        for _ in range(200):
            with suppress(asyncpg.TooManyConnectionsError):
                self.held.append(await asyncpg.connect(self.system.database_url))
                (limit,) = await self.held[0].fetchrow("show max_connections") or ("100",)
                (count,) = await self.held[0].fetchrow(
                    "select count(*) from pg_stat_activity where backend_type = 'client backend'"
                ) or (0,)
                if count > 0.9 * int(limit):
                    return

    async def lock(self, table: str) -> None:
        """Lock a table, as a person does who forgets to commit."""
        connection = await asyncpg.connect(self.system.database_url)
        self.held.append(connection)
        await connection.execute(f"begin; lock table {table}")

    async def let_go(self) -> None:
        """Let go of connections, and so of their locks."""
        for one in self.held:
            await one.close()
        self.held.clear()

    async def archive_with(self, command: str) -> None:
        """Archive WAL by a command, which needs a restart the first time."""
        await self.execute("alter system set archive_mode = 'on'")
        await self.execute(f"alter system set archive_command = '{command}'")
        connection = await connect(self.system.database_url)
        is_on = await connection.fetchval("show archive_mode") == "on"
        await connection.close()
        if is_on:
            await self.execute("select pg_reload_conf()")
        else:
            await self.postgres.stop()
            await self.postgres.start()
        await self.execute("create table if not exists provoked (at timestamptz)")
        await self.execute("insert into provoked values (now())")
        await self.execute("select pg_switch_wal()")

    # the broker

    async def garbage(self, count: int = 1) -> None:
        """Publish messages that are no candles."""
        publisher = await Publisher(self.system.bootstrap, "provoke").start()
        for _ in range(0, count, 1000):
            some = [("kraken:ETH/USD", b"no candle")] * min(count, 1000)
            await publisher.send_many(CANDLES, some)
        await publisher.stop()

    async def lose_kafka(self) -> None:
        """Kill the broker while an event waits for it."""
        await self.execute(
            "insert into outbox (service, topic, key, value, created_at) values "
            "('optimizer_svc', 'tradepulse.configurations', 'x', 'x', now() - interval '1 hour')"
        )
        await self.kafka.kill()

    # configurations, and those who ask

    async def configure(self, strategy: str, *, active: bool) -> None:
        """Let a strategy trade on paper, or no more."""
        connection = await connect(self.system.database_url)
        async with connection.transaction():
            if active:
                await connection.execute(
                    "insert into trained_configurations (configuration_id, strategy, exchange,"
                    " symbol, timeframe, params, share, stage, is_active) values"
                    " (gen_random_uuid(), $1, 'binanceus', 'BTC/USD', '1m', '{}', 0.1, 'PAPER',"
                    " true)",
                    strategy,
                )
            else:
                await connection.execute(
                    "update trained_configurations set is_active = false, revision = revision + 1"
                    " where strategy = $1",
                    strategy,
                )
            await tell_configurations(connection)
        await connection.close()

    async def ask_much(self, path: str, at_once: int = 60) -> None:
        """Let many ask studio_svc for a page, again and again."""

        async def ask(client: httpx.AsyncClient) -> None:
            while True:
                with suppress(httpx.HTTPError):
                    await client.get(f"http://{HOST}:{self.ports['studio_svc']}{path}")
                await asyncio.sleep(0.1)

        async def all_of_them() -> None:
            headers = {"Authorization": f"Bearer {TOKEN}"}
            limits = httpx.Limits(max_connections=at_once)
            async with (
                httpx.AsyncClient(headers=headers, timeout=100, limits=limits) as client,
                asyncio.TaskGroup() as group,
            ):
                for _ in range(at_once):
                    group.create_task(ask(client))

        self.asking = asyncio.create_task(all_of_them())

    async def ask_no_more(self) -> None:
        """Let them go."""
        if self.asking is not None:
            self.asking.cancel()
            self.asking = None

    # a disk

    def disk(self) -> Path:
        """Return a disk of 64 MB of its own, which is made where it is missing."""
        place = self.disk_place
        if not place.is_mount():
            place.mkdir(exist_ok=True)
            image = place.with_suffix(".image")
            with image.open("wb") as file:
                file.truncate(64 << 20)
            subprocess.run(["mkfs.ext4", "-qF", "-m0", image], check=True)
            subprocess.run(["mount", "-o", "loop", image, place], check=True)
        return place

    async def fill_disk(self, megabytes: int, every_s: float = 0) -> None:
        """Write to it."""
        with (self.disk() / "full").open("ab") as file:
            for _ in range(megabytes):
                with suppress(OSError):
                    file.write(bytes(1 << 20))
                    file.flush()
                await asyncio.sleep(every_s)

    async def empty_disk(self) -> None:
        """Remove what was written."""
        (self.disk() / "full").unlink(missing_ok=True)

    def stop(self) -> None:
        """Let go of what is not a process of the system."""
        place = self.disk_place
        if place.is_mount():
            subprocess.run(["umount", "-l", place], check=True)
        self.figures.stop()
