"""What the parts of bench/path.py share: a broker and a database of their own, candles, readers."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from pydantic import TypeAdapter
from rich.console import Console
from rich.progress import track

from contracts.events import (
    CandleClosed,
    CandleEvaluated,
    ConfigurationChanged,
    FeedAnnounced,
    FeedSeries,
)
from contracts.topics import CONFIGURATIONS, EVALUATIONS, Topic
from tradepulse.embedded.children import Children
from tradepulse.embedded.kafka import EmbeddedKafka
from tradepulse.embedded.postgres import EmbeddedPostgres
from tradepulse.runtime.db import migrate
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.topics import create_topics

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
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.publisher.stop()
        for process in self.processes:
            process.kill()
            process.wait()
        await asyncio.gather(self.kafka.stop(), self.postgres.stop())

    def start(self, *command: str, **env: str) -> subprocess.Popen[bytes]:
        """Start a process of ours."""
        with self._log(command).open("ab") as log:
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

    def words(self, *command: str) -> str:
        """Return the last line that a process has written."""
        lines = self._log(command).read_text().splitlines()
        return lines[-1][:300] if lines else "without a word"

    def check(self, process: subprocess.Popen[bytes]) -> None:
        """Stop where a process that must go on has ended."""
        if process.poll() is not None:
            command = tuple(process.args[1:])  # type: ignore[index]  # a list, as `start` gives it
            raise SystemExit(f"{' '.join(command)} ended: {self.words(*command)}")

    async def answer(self, *command: str) -> str | None:
        """Return what a peer prints, or None, with a word about it, where it fails."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, trouble = await process.communicate()
        if process.returncode == 0:
            return said.decode().strip()
        lines = trouble.decode().splitlines()
        console.print(f"{' '.join(command[1:])} ended: {lines[-1] if lines else 'without a word'}")
        return None

    def reader(self, topic: Topic, *, latest: bool = False) -> "TopicReader":
        """Return a reader of a topic."""
        return TopicReader(self.kafka.bootstrap_servers, topic, latest=latest)

    def _log(self, command: tuple[str, ...]) -> Path:
        return self.folder / f"{command[-1].rpartition('/')[2]}.log"

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


class TopicReader:
    """Reads a topic with the plain client; evaluations are left as bytes."""

    def __init__(self, bootstrap: str, topic: Topic, *, latest: bool) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, fetch_max_wait_ms=50)
        self._partitions = [TopicPartition(topic.name, n) for n in range(topic.partitions)]
        self._latest = latest
        self._decode: Callable[[bytes], Any] = (
            bytes if topic is EVALUATIONS else TypeAdapter(topic.event).validate_json
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        place = self._consumer.seek_to_end if self._latest else self._consumer.seek_to_beginning
        await place(*self._partitions)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def next_batch(self) -> list[Any]:
        """Return what has come."""
        return [event for _, event in await self.next_records()]

    async def next_records(self) -> list[tuple[ConsumerRecord, Any]]:
        """Return what has come, with Kafka's records."""
        fetched = await self._consumer.getmany(timeout_ms=200)
        return [(one, self._decode(one.value)) for records in fetched.values() for one in records]


def candle(symbol: str, row: int, open_: float, close: float) -> CandleClosed:
    """Return the candle of a row of minutes."""
    return CandleClosed(
        exchange="bench",
        symbol=symbol,
        timeframe="1m",
        open_time=T0 + row * MINUTE,
        close_time=T0 + (row + 1) * MINUTE,
        open=open_,
        high=max(open_, close),
        low=min(open_, close),
        close=close,
        volume=1.0,
        source="replay",
    )


def walk(symbols: list[str], count: int) -> list[list[CandleClosed]]:
    """Return `count` closes of a random walk, each with a candle of every symbol."""
    chance = np.random.default_rng(1)
    steps = chance.normal(0, 0.002, (count + 1, len(symbols)))
    prices = (100 * np.exp(np.cumsum(steps, axis=0))).tolist()
    return [
        [
            candle(symbol, row, prices[row][i], prices[row + 1][i])
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
