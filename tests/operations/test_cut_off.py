"""Replicas that hang or are cut off: a standby goes on, and they write no more."""

import asyncio
import json
import signal
import time
from pathlib import Path
from subprocess import Popen

import httpx
import pytest
from system import START, System, configurations_for, demo_candles, expected, trade_rows

from tests.wire import Wire
from tradepulse.embedded.ports import free_ports
from tradepulse.market_data.files import write_candles
from tradepulse.market_data.store import store_candles
from tradepulse.runtime.db import connect
from tradepulse.trading.weights import InverseVolatility

pytestmark = pytest.mark.integration
PATIENCE_S = 240
DAYS = 30
DAY = 86_400_000


async def test_who_is_cut_off_or_frozen_is_replaced_and_ends(
    kafka_bootstrap: str, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    candles = demo_candles(DAYS)
    configurations = configurations_for(candles)
    system = System(kafka_bootstrap, database_url, tmp_path)
    await system.prepare(configurations)
    connection = await connect(database_url)
    await store_candles(connection, [one.between(None, START) for one in candles], "import")
    file = tmp_path / "candles.parquet"
    write_candles(file, candles)
    ports = dict(zip(("executor_svc", "standby"), free_ports(2), strict=True))

    async def ready(name: str, query: str = "") -> int:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
            got = await client.get(f"http://127.0.0.1:{ports[name]}/readyz{query}")
            return got.status_code

    async def successor(consumer: str, epoch: int) -> None:
        """Wait until somebody else has the consumer."""
        async with asyncio.timeout(PATIENCE_S):
            while await epoch_of(consumer) == epoch:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.05)

    async def epoch_of(consumer: str) -> int:
        found: int = await connection.fetchval(
            "select epoch from event_time_positions where consumer = $1", consumer
        )
        return found

    try:
        async with Wire(system.address_of_database("executor_svc")).laid() as wire:
            system.start("signal_svc")
            system.start("rl_svc")
            system.start(
                "executor_svc", DATABASE_URL=wire.url, HTTP_PORT=str(ports["executor_svc"])
            )
            await system.logged("service started", ["signal_svc", "rl_svc", "executor_svc"])
            system.start("standby", module="executor_svc.app", HTTP_PORT=str(ports["standby"]))
            system.start("rl_standby", module="rl_svc.app")
            system.start(
                "market_ingest",
                REPLAY_FILE=str(file),
                REPLAY_FROM=str(START),
                REPLAY_TO=str(START + DAYS * DAY),
                REPLAY_SPEED=str(DAY / 4_000),
            )
            await system.wait_settled(START + 2 * DAY, PATIENCE_S)
            # a rollout goes on once a standby waits for its turn
            assert (await ready("standby"), await ready("standby", "?standby=ok")) == (503, 200)

            epoch = await epoch_of("executor:main")
            wire.cut()
            begun = time.monotonic()
            cut = system.processes.pop("executor_svc")
            await successor("executor:main", epoch)
            took = {"a cut-off executor": time.monotonic() - begun}
            # it does not know whether the wire is ever mended
            assert await ended(cut) == 1
            took["… has ended"] = time.monotonic() - begun
            word = last_word(tmp_path, "executor_svc")
            # whichever of its sessions notices first says so
            assert "executor:main" in word or "the database went away" in word
            await system.wait_settled(await system.settled() + DAY, PATIENCE_S)

            epoch = await epoch_of("weights:main")
            system.signal("rl_svc", signal.SIGSTOP)
            begun = time.monotonic()
            await successor("weights:main", epoch)
            took["a frozen rl_svc"] = time.monotonic() - begun
            await system.wait_settled(await system.settled() + DAY, PATIENCE_S)
            system.signal("rl_svc", signal.SIGCONT)
            assert await ended(system.processes.pop("rl_svc")) == 1
            word = last_word(tmp_path, "rl_svc")
            assert "weights:main" in word or "the database went away" in word
            print("replaced after", {what: f"{s:.1f} s" for what, s in took.items()})
        end = max(int(one.close_time[-1]) for one in candles)
        assert await system.settled() < end, "the replay was over before all was done"
        system.signal("market_ingest", signal.SIGTERM)
        assert await ended(system.processes["market_ingest"]) == 0
        system.start_anew("market_ingest", REPLAY_SPEED="max")
        await system.wait_settled(end, PATIENCE_S)
    finally:
        system.stop()
        await connection.close()
    result = expected(candles, configurations, InverseVolatility(96))
    assert len(result.trades) > 100
    assert await system.trades() == trade_rows(result)


async def ended(process: Popen[bytes]) -> int:
    """Return the status of a process that ends by itself."""
    return await asyncio.to_thread(process.wait, PATIENCE_S)


def last_word(folder: Path, name: str) -> str:
    """Return the message of a service's last line, which is one and no traceback."""
    lines = [json.loads(line) for line in (folder / f"{name}.log").read_text().splitlines()]
    assert not any("exception" in line for line in lines)
    word: str = lines[-1]["message"]
    return word
