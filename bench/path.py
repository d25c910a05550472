"""The path of a candle, measured: through signal_svc, into the ledger, and from publish to order.

    python bench/path.py                 everything, on a broker and database of its own
    python bench/path.py --only signals  one part: signals, ledger, latency

Each part prints what it did and how fast. The peer of the first part is the same work in the
framework's usual way: one FastStream handler call, one pydantic model and one publish a message.
"""

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.progress import track
from tradepulse.runtime.bus import Bus, create_topics

from contracts.events import (
    CandleClosed,
    CandleEvaluated,
    ConfigurationChanged,
    FeedAnnounced,
    FeedSeries,
    OrderDecided,
)
from contracts.topics import (
    ACCOUNT,
    CANDLES,
    CONFIGURATIONS,
    EVALUATIONS,
    FEEDS,
    Topic,
)
from tradepulse.embedded.children import Children
from tradepulse.embedded.kafka import EmbeddedKafka
from tradepulse.embedded.postgres import EmbeddedPostgres
from tradepulse.market_data.store import store_candles
from tradepulse.runtime.db import connect, migrate
from tradepulse.runtime.publisher import Publisher

MINUTE = 60_000
T0 = 1_700_000_040_000
console = Console()


class Run:
    """A fresh broker and database for one part."""

    def __init__(self, folder: Path, children: Children) -> None:
        self.kafka = EmbeddedKafka(folder / "kafka", children)
        self.postgres = EmbeddedPostgres(folder / "postgres", children)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.folder = folder

    async def __aenter__(self) -> Self:
        await asyncio.gather(self.kafka.start(), self.postgres.start())
        await migrate(self.postgres.url())
        await create_topics(self.kafka.bootstrap_servers)
        self.publisher = await Publisher(self.kafka.bootstrap_servers, "bench").start()
        self.bus = Bus(self.kafka.bootstrap_servers, "bench", self.publisher, CollectorRegistry())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.publisher.stop()
        for process in self.processes:
            process.kill()
            process.wait()
        await asyncio.gather(self.kafka.stop(), self.postgres.stop())

    def start(self, *command: str, **env: str) -> subprocess.Popen[bytes]:
        """Start a process of ours."""
        with (self.folder / f"{command[-1].rpartition('/')[2]}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command],
                env={
                    **os.environ,
                    "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
                    "DATABASE_URL": self.postgres.url(),
                    "CLOCK": "replay",
                    "LOG_LEVEL": "WARNING",
                    **env,
                },
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    async def publish(self, topic: Topic, messages: list[tuple[str, bytes]]) -> None:
        """Publish many messages with a progress bar."""
        for start in track(range(0, len(messages), 5_000), f"publishing {topic.name}"):
            await self.publisher.send_many(topic, messages[start : start + 5_000])

    async def activate(self, symbols: Iterable[str], fast: int, slow: int) -> None:
        """Publish one sma_cross configuration for every symbol."""
        for symbol in symbols:
            event = ConfigurationChanged(
                configuration_id=uuid5(NAMESPACE_URL, symbol),
                revision=1,
                strategy="sma_cross",
                exchange="bench",
                symbol=symbol,
                timeframe="1m",
                params={"fast": fast, "slow": slow},
                stage="PAPER",
                is_active=True,
            )
            key = str(event.configuration_id)
            await self.publisher.send(CONFIGURATIONS, key, event.model_dump_json().encode())


def walk(symbols: list[str], count: int) -> list[list[CandleClosed]]:
    """Return `count` closes of a random walk, each with a candle of every symbol."""
    chance = np.random.default_rng(1)
    steps = chance.normal(0, 0.002, (count + 1, len(symbols)))
    prices = 100 * np.exp(np.cumsum(steps, axis=0))
    return [
        [
            CandleClosed(
                exchange="bench",
                symbol=symbol,
                timeframe="1m",
                open_time=T0 + row * MINUTE,
                close_time=T0 + (row + 1) * MINUTE,
                open=float(prices[row, i]),
                high=float(max(prices[row : row + 2, i])),
                low=float(min(prices[row : row + 2, i])),
                close=float(prices[row + 1, i]),
                volume=1.0,
                source="replay",
            )
            for i, symbol in enumerate(symbols)
        ]
        for row in range(count)
    ]


def announced(symbols: list[str], count: int | None) -> FeedAnnounced:
    """Return the announcement of these series."""
    last = None if count is None else T0 + count * MINUTE
    return FeedAnnounced(
        feed="bench",
        series=tuple(
            FeedSeries(
                exchange="bench",
                symbol=symbol,
                timeframe="1m",
                first_open_time=T0,
                last_close_time=last,
            )
            for symbol in symbols
        ),
    )


def keyed(events: Iterable[CandleClosed | CandleEvaluated]) -> list[tuple[str, bytes]]:
    """Return events with their keys, encoded."""
    return [(event.instrument, event.model_dump_json().encode()) for event in events]


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Return the processor time that a running process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def signals(folder: Path, children: Children, count: int, peer_count: int) -> None:
    """Candles per second through signal_svc, from a full topic, against the usual way."""
    symbols = [f"S{i}/USD" for i in range(12)]
    candles = [c for close in walk(symbols, count // len(symbols)) for c in close]
    async with Run(folder, children) as run:
        await run.activate(symbols, 20, 50)
        await run.publish(CANDLES, keyed(candles))
        rates = {}
        for name, command, wanted in (
            ("signal_svc", ("-m", "signal_svc.app"), len(candles)),
            ("one by one", (str(Path(__file__).parent / "peer_one_by_one.py"),), peer_count),
        ):
            reader = run.bus.reader(
                EVALUATIONS, latest=True, decoders={EVALUATIONS.name: lambda value: value}
            )
            await reader.start()
            await reader.next_batch()
            process = run.start(*command)
            seen, begun, cpu = 0, 0.0, 0.0
            while seen < wanted:
                batch = await reader.next_batch()
                if batch and not seen:
                    begun, cpu, first = time.perf_counter(), cpu_seconds(process), len(batch)
                seen += len(batch)
            seconds = time.perf_counter() - begun
            used = cpu_seconds(process) - cpu
            rates[name] = (seen - first) / seconds
            console.print(
                f"{name:>12}: {seen:,} candles in {seconds:.2f} s = {rates[name]:,.0f} a second, "
                f"{used / (seen - first) * 1e6:.1f} µs of processor each "
                f"({(seen - first) / used:,.0f} a second of one core)"
            )
            process.kill()
            process.wait()
            await reader.stop()
        console.print(f"       ratio: {rates['signal_svc'] / rates['one by one']:.1f}")


async def ledger(folder: Path, children: Children, count: int) -> None:
    """Candles per second through the executor, from full topics to stored decisions."""
    symbols = [f"S{i}/USD" for i in range(5)]
    closes = walk(symbols, count // len(symbols))
    async with Run(folder, children) as run:
        await run.activate(symbols, 5, 20)
        event = announced(symbols, len(closes))
        await run.publisher.send(FEEDS, event.feed, event.model_dump_json().encode())
        await run.publish(CANDLES, keyed(c for close in closes for c in close))
        evaluating = run.start("-m", "signal_svc.app")
        deciding = run.start("-m", "rl_svc.app", POLICY="equal")
        connection = await connect(run.postgres.url())
        last = closes[-1][0].close_time
        reader = run.bus.reader(EVALUATIONS, decoders={EVALUATIONS.name: lambda value: value})
        await reader.start()
        evaluated = 0
        while evaluated < len(closes) * len(symbols):
            evaluated += len(await reader.next_batch())
        await reader.stop()
        while await connection.fetchval("select count(*) from portfolio_weights") < len(
            closes
        ) or await connection.fetchval("select count(*) from outbox"):
            await asyncio.sleep(0.5)
        for process in (evaluating, deciding):
            process.kill()
            process.wait()
        run.start("-m", "executor_svc.app", INITIAL_CASH="1000000")
        settled, begun, first = 0, 0.0, 0
        while settled < last:
            found = await connection.fetchval(
                "select settled_time from event_time_positions where consumer = 'executor:main'"
            )
            if found and not begun:
                begun, first = time.perf_counter(), found
            settled = found or 0
            await asyncio.sleep(0.02)
        seconds = time.perf_counter() - begun
        done = (last - first) // MINUTE * len(symbols)
        orders = await connection.fetchval("select count(*) from orders")
        await connection.close()
        console.print(
            f"    executor: {done:,} candles with their evaluations and weights in {seconds:.2f} s "
            f"= {done / seconds:,.0f} a second to the stored decision ({orders:,} orders)"
        )


async def latency(folder: Path, children: Children, rate: int, seconds: int) -> None:
    """Time from the publishing of a close's candles to the receipt of an order on it."""
    symbols = [f"S{i}/USD" for i in range(10)]
    closes = walk(symbols, rate * seconds // len(symbols))
    async with Run(folder, children) as run:
        await run.activate(symbols, 2, 5)
        connection = await connect(run.postgres.url())
        await store_candles(connection, [c for close in closes for c in close], "replay")
        await connection.close()
        event = announced(symbols, None)
        await run.publisher.send(FEEDS, event.feed, event.model_dump_json().encode())
        for service in ("signal_svc", "rl_svc", "executor_svc"):
            run.start("-m", f"{service}.app", POLICY="equal", INITIAL_CASH="1000000")
        reader = run.bus.reader(ACCOUNT, latest=True)
        await reader.start()
        sent: dict[int, float] = {}
        took: list[float] = []
        warm = T0 + len(closes) // 5 * MINUTE

        async def receive() -> None:
            async for batch in reader:
                now = time.perf_counter()
                for delivery in batch:
                    order = delivery.event
                    # stops and exits that fill at an open were decided a close earlier
                    if (
                        isinstance(order, OrderDecided)
                        and order.status == "OPEN"
                        and order.decided_at > warm
                    ):
                        took.append(now - sent[order.decided_at])

        receiving = asyncio.create_task(receive())
        await asyncio.sleep(8)
        begun = time.perf_counter()
        for number, close in enumerate(closes):
            await asyncio.sleep(
                max(0.0, begun + number * len(symbols) / rate - time.perf_counter())
            )
            sent[close[0].close_time] = time.perf_counter()
            await run.publisher.send_many(CANDLES, keyed(close))
        await asyncio.sleep(3)
        receiving.cancel()
        await reader.stop()
        p50, p99 = np.percentile(np.array(took) * 1000, [50, 99])
        console.print(
            f"     latency: {rate:,} candles a second for {seconds} s, publish to order received: "
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {max(took) * 1000:.1f} ms "
            f"({len(took):,} orders)"
        )


async def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["signals", "ledger", "latency"])
    parser.add_argument("--candles", type=int, default=600_000)
    asked = parser.parse_args()
    console.print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory(prefix="tpb-") as folder:
        async with Children() as children:
            at = Path(folder)
            if asked.only in (None, "signals"):
                await signals(at / "s", children, asked.candles, 10_000)
            if asked.only in (None, "ledger"):
                await ledger(at / "l", children, asked.candles // 6)
            if asked.only in (None, "latency"):
                await latency(at / "a", children, 100, 30)
                await latency(at / "b", children, 1_000, 20)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    console.print(f"largest process: {peak:.0f} MiB")


if __name__ == "__main__":
    asyncio.run(main())
