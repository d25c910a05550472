"""What a service says when broker or database are away, or it hangs, and when it ends for it."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from contracts.events import PortfolioWeightsDecided
from contracts.topics import WEIGHTS
from tests.wire import Wire
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


async def decide(bootstrap: str, close_time: int) -> None:
    """Publish a weight vector, which the process that follows them handles."""
    event = PortfolioWeightsDecided(
        portfolio="main", close_time=close_time, policy="equal", weights={}
    )
    publisher = await Publisher(bootstrap, "test").start()
    await publisher.send(WEIGHTS, "main", event.model_dump_json().encode())
    await publisher.stop()


async def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process and return its status."""
    async with asyncio.timeout(PATIENCE_S):
        while (status := process.poll()) is None:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.1)
    return status


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
        await decide(bootstrap, 3_600_000)
        handled = tmp_path / "follows.handled"
        async with asyncio.timeout(PATIENCE_S):
            while handled.read_text() != "[3600000]\n":  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.1)


async def test_who_hears_no_broker_for_long_ends_with_a_line_and_waits_for_it_when_started_again(
    embedded_kafka: EmbeddedKafka, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    bootstrap = embedded_kafka.bootstrap_servers
    await migrate(database_url)
    await create_topics(bootstrap)
    ports = dict(zip(WAYS, free_ports(len(WAYS)), strict=True))
    common = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "DATABASE_URL": database_url}
    async with running(ports, tmp_path, **common, BROKER_PATIENCE_S="15") as processes:
        await say(ports, READY)
        await embedded_kafka.kill()
        try:
            await say(ports, AWAY)
            assert [await ended(process) for process in processes.values()] == [1, 1]
            for way in WAYS:
                lines = (tmp_path / f"{way}.log").read_text().splitlines()
                last = json.loads(lines[-1])
                assert last["level"] == "CRITICAL"
                assert f"no Kafka broker has answered at {bootstrap} for" in last["message"]
                assert "this process ends, to be started again" in last["message"]
                assert not any("exception" in line for line in lines)
            async with running(ports, tmp_path, **common) as again:
                # who is started again tries for a while, so that it is not started over and over
                await asyncio.sleep(5)
                assert [process.poll() for process in again.values()] == [None] * len(WAYS)
                await embedded_kafka.start()
                await say(ports, READY)
        finally:
            if embedded_kafka.child is None or not embedded_kafka.child.running:
                await embedded_kafka.start()


async def test_readiness_follows_the_database(
    kafka_bootstrap: str, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    await migrate(database_url)
    await create_topics(kafka_bootstrap)
    ports = dict(zip(WAYS, free_ports(len(WAYS)), strict=True))
    async with Wire(database_url).laid() as wire:
        common = {"KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap, "DATABASE_URL": wire.url}
        async with running(ports, tmp_path, **common) as processes:
            await say(ports, READY)
            wire.cut()
            begun = time.monotonic()
            await say(ports, dict.fromkeys(WAYS, (503, "waiting for database\n")))
            print(f"not ready {time.monotonic() - begun:.1f} s after the wire was cut")
            wire.mend()
            await say(ports, READY)
            assert [process.poll() for process in processes.values()] == [None] * len(WAYS)


async def test_a_process_whose_event_loop_hangs_answers_nothing_and_ends_itself(
    kafka_bootstrap: str, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    await migrate(database_url)
    await create_topics(kafka_bootstrap)
    ports = {"follows": free_ports(1)[0]}
    common = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "DATABASE_URL": database_url,
        "HANG": "7200000",
        "LOOP_PATIENCE_S": "6",
    }
    livez = f"http://127.0.0.1:{ports['follows']}/livez"
    async with (
        httpx.AsyncClient(trust_env=False, timeout=1.0) as client,
        running(ports, tmp_path, **common) as processes,
    ):
        await say(ports, {"follows": (200, "ready\n")})
        assert (await client.get(livez)).status_code == 200
        await decide(kafka_bootstrap, 3_600_000)
        await decide(kafka_bootstrap, 7_200_000)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await client.get(livez)
                except httpx.TransportError:
                    break
                await asyncio.sleep(0.05)
        assert await ended(processes["follows"]) == 1
    last = json.loads((tmp_path / "follows.log").read_text().splitlines()[-1])
    assert last["message"] == "the event loop hangs: this process ends, to be started again"
    assert "time.sleep(3_600)" in last["stands_at"]
    assert (tmp_path / "follows.handled").read_text() == "[3600000]\n"
