"""A service says when its broker is away, and when it is back; nobody starts it again for that."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from contracts.events import PortfolioWeightsDecided
from contracts.topics import WEIGHTS
from tradepulse.embedded.kafka import EmbeddedKafka
from tradepulse.embedded.ports import free_ports
from tradepulse.runtime.db import migrate
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.topics import create_topics

pytestmark = pytest.mark.integration
PATIENCE_S = 120
WAYS = ("follows", "publishes")
READY = dict.fromkeys(WAYS, (200, "ready\n"))
AWAY = dict.fromkeys(WAYS, (503, "waiting for broker\n"))
Answers = dict[str, tuple[int, str]]


@asynccontextmanager
async def running(
    ports: dict[str, int], folder: Path, **common: str
) -> AsyncIterator[dict[str, subprocess.Popen[bytes]]]:
    """Run a process for each way, and end them."""
    program = str(Path(__file__).with_name("reading_process.py"))
    processes = {}
    try:
        for way, port in ports.items():
            (folder / f"{way}.handled").touch()
            environment = {
                **os.environ,
                **common,
                "HTTP_PORT": str(port),
                "WAY": way,
                "HANDLED": str(folder / f"{way}.handled"),
                "FAILED": str(folder / f"{way}.failed"),
                "POISON": "-1",
            }
            with (folder / f"{way}.log").open("wb") as log:
                processes[way] = subprocess.Popen(
                    [sys.executable, program], env=environment, stderr=log
                )
        yield processes
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


async def say(ports: dict[str, int], wanted: Answers) -> None:
    """Wait until every process answers as is wanted."""
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:

        async def ask(port: int) -> tuple[int, str]:
            try:
                got = await client.get(f"http://127.0.0.1:{port}/readyz")
            except httpx.TransportError as error:
                return 0, repr(error)
            return got.status_code, got.text

        async with asyncio.timeout(PATIENCE_S):
            while {way: await ask(port) for way, port in ports.items()} != wanted:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.1)


async def test_readiness_follows_the_broker(
    embedded_kafka: EmbeddedKafka, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    bootstrap = embedded_kafka.bootstrap_servers
    await migrate(database_url)
    await create_topics(bootstrap)
    ports = dict(zip(WAYS, free_ports(len(WAYS)), strict=True))
    common = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "DATABASE_URL": database_url}
    async with running(ports, tmp_path, **common) as processes:
        await say(ports, READY)
        await embedded_kafka.kill()
        try:
            await say(ports, AWAY)
        finally:
            await embedded_kafka.start()
        await say(ports, READY)
        assert [process.poll() for process in processes.values()] == [None] * len(WAYS)
        # and ready it is
        event = PortfolioWeightsDecided(
            portfolio="main", close_time=3_600_000, policy="equal", weights={}
        )
        publisher = await Publisher(bootstrap, "test").start()
        await publisher.send(WEIGHTS, "main", event.model_dump_json().encode())
        await publisher.stop()
        handled = tmp_path / "follows.handled"
        async with asyncio.timeout(PATIENCE_S):
            while handled.read_text() != "[3600000]\n":  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.1)
