"""studio_svc as a process: on a real broker and database, from a candle to the stream."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from contracts.events import CandleClosed
from contracts.topics import CANDLES, EVALUATIONS
from tests.database_roles import address_of
from tradepulse.embedded.ports import free_ports
from tradepulse.runtime.db import migrate
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.topics import create_topics

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_topics")]

TOKEN = "token-of-this-very-test-0123456789"
PATIENCE_S = 120
SERIES = "bitfinex:BTC/USD:30m"


@asynccontextmanager
async def studio(
    kafka: str, database: str, token_file: Path, log: Path, port: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "DATABASE_URL": database,
        "HTTP_PORT": str(port),
        "STUDIO_TOKEN_FILE": str(token_file),
        "STUDIO_SERVICES": json.dumps({"studio_svc": f"http://127.0.0.1:{port}"}),
    }
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "studio_svc.app", env=environment, stderr=sink
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def until_ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if (await client.get("/readyz")).is_success:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            await asyncio.sleep(0.1)


async def next_candles(lines: AsyncIterator[str]) -> list[list[float]]:
    async with asyncio.timeout(PATIENCE_S):
        async for line in lines:
            if line.startswith("data: "):
                push = json.loads(line.removeprefix("data: "))
                if "candles" in push:
                    rows: list[list[float]] = push["candles"]["rows"]
                    return rows
    pytest.fail("the stream ended")


async def test_a_candle_reaches_the_page(
    kafka_bootstrap: str, database_url: str, tmp_path: Path
) -> None:
    await migrate(database_url)
    await create_topics(kafka_bootstrap)
    token_file, log, (port,) = tmp_path / "token", tmp_path / "log", free_ports(1)
    token_file.write_text(TOKEN)
    publisher = await Publisher(kafka_bootstrap, "test").start()
    address = f"http://127.0.0.1:{port}"
    bearer = {"authorization": f"Bearer {TOKEN}"}
    async with (
        studio(
            kafka_bootstrap,
            await address_of("studio_svc", database_url),
            token_file,
            log,
            port,
        ) as process,
        httpx.AsyncClient(base_url=address, headers=bearer, timeout=PATIENCE_S) as client,
    ):
        await until_ready(client)
        swapped = await client.get("/", params={"token": TOKEN}, headers={"accept": "text/html"})
        assert swapped.status_code == 303
        async with client.stream("GET", "/api/stream", params={"series": SERIES}) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = response.aiter_lines()
            assert await anext(lines) == "event: hello"
            # what cannot be decoded is passed over
            await publisher.send(CANDLES, "bitfinex:BTC/USD", b"\xff")
            await publisher.send(EVALUATIONS, "bitfinex:BTC/USD", b"{}")
            for n in range(2):
                candle = CandleClosed(
                    exchange="bitfinex",
                    symbol="BTC/USD",
                    timeframe="30m",
                    open_time=n * 1_800_000,
                    close_time=(n + 1) * 1_800_000,
                    open=1,
                    high=3,
                    low=1,
                    close=2 + n / 2,
                    volume=9,
                    source="replay",
                )
                await publisher.send(CANDLES, "bitfinex:BTC/USD", candle.model_dump_json().encode())
                rows = await next_candles(lines)
                assert rows == [[n * 1_800_000, 1, 3, 1, 2 + n / 2, 9]]
            async with asyncio.timeout(PATIENCE_S):
                # as it was seen last
                while True:
                    health = (await client.get("/api/health")).json()
                    # as it is asked, and of itself
                    assert [one["service"] for one in health] == ["studio_svc"] * 2
                    if all(one["ready"] for one in health):
                        break
                    await asyncio.sleep(0.1)
            metrics = (await client.get("/metrics")).text
            assert "tradepulse_undecodable_messages_total 2.0" in metrics
            assert "tradepulse_open_pages 1.0" in metrics
            # an open page does not hold up the end
            process.terminate()
            async with asyncio.timeout(PATIENCE_S):
                assert await process.wait() == 0
    await publisher.stop()
    assert TOKEN not in log.read_text()
    for line in log.read_text().splitlines():
        said = json.loads(line)
        # a slow machine may take longer than uvicorn waits for its tasks
        assert said["level"] == "INFO" or "graceful shutdown exceeded" in said["message"], line


@pytest.mark.parametrize("token", [None, "", "short"])
async def test_without_a_token_it_refuses_to_start(
    kafka_bootstrap: str, database_url: str, tmp_path: Path, token: str | None
) -> None:
    await migrate(database_url)
    await create_topics(kafka_bootstrap)
    token_file, log = tmp_path / "secret", tmp_path / "log"
    if token is not None:
        token_file.write_text(token)
    async with (
        studio(kafka_bootstrap, database_url, token_file, log, 0) as process,
        asyncio.timeout(PATIENCE_S),
    ):
        assert await process.wait() == 1
    last = json.loads(log.read_text().splitlines()[-1])
    assert last["message"].startswith(f"STUDIO_TOKEN_FILE: {token_file} ")
    assert "exception" not in last
