"""Kafka is lost with its disk, the database is there: an empty one takes its place."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from system import (
    START,
    System,
    configurations_for,
    demo_candles,
    equity_rows,
    expected,
    last_close,
    trade_rows,
    with_four_hours,
)

from tradepulse.candles.arrays import Candles
from tradepulse.embedded.kafka import EmbeddedKafka
from tradepulse.research.configurations import NewConfiguration, activate_within, add_discovered
from tradepulse.runtime.db import connect
from tradepulse.runtime.topics import create_topics
from tradepulse.strategies import get_strategy
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.weights import InverseVolatility

pytestmark = pytest.mark.integration
PATIENCE_S = 240
DAY = 86_400_000
SERVICES = ("signal_svc", "rl_svc", "executor_svc")


async def keep(database_url: str, configurations: list[Configuration]) -> None:
    """Let the database know the configurations, as a search that found them does."""
    connection = await connect(database_url)
    async with connection.transaction():
        for one in configurations:
            new = NewConfiguration(
                one.configuration_id,
                one.strategy,
                one.exchange,
                one.symbol,
                one.timeframe,
                get_strategy(one.strategy).complete(one.params),
                one.share,
                {},
            )
            await add_discovered(connection, new, "planted")
            await activate_within(connection, one.configuration_id, "planted")
    await connection.close()


async def begun(system: System, candles: list[Candles], days_a_second: float) -> int:
    """Begin a replay that is read from its first candle; return the close time of its end."""
    replay = await system.prepare_replay(candles, [], speed=DAY / 1000 * days_a_second)
    await keep(system.database_url, configurations_for(candles))
    for name in SERVICES:
        system.start(name)
    # it is to watch nobody's trades: what it found would change what trades
    system.start("optimizer_svc", ACCOUNT="nobody")
    await system.logged("service started", [*SERVICES, "optimizer_svc"])
    system.start("market_ingest", **replay)
    return last_close(candles)


async def said(system: System, name: str, words: str, times: int) -> None:
    """Wait until a service has said something so many times; start again what ends meanwhile."""
    log = system.folder / f"{name}.log"
    async with asyncio.timeout(PATIENCE_S):
        while log.read_text().count(words) < times:
            system.revive()
            await asyncio.sleep(0.1)


async def test_a_replay_goes_on_in_an_empty_kafka_and_its_ledger_is_the_backtest_s(
    embedded_kafka: EmbeddedKafka,
    lose_kafka: Callable[[], Awaitable[None]],
    database_url: str,
    no_topics: object,
    tmp_path: Path,
) -> None:
    candles = with_four_hours(demo_candles(20))
    system = System(embedded_kafka.bootstrap_servers, database_url, tmp_path)
    try:
        end = await begun(system, candles, 1.5)
        # soon after the beginning the new topics hold more than was read of the old ones; later
        # what was read lies beyond their end
        for times, day in enumerate((2, 12), 1):
            await system.wait_settled(START + day * DAY, 240, revive=True)
            try:
                await lose_kafka()
                settled = await system.settled()
            finally:
                await embedded_kafka.start()
            assert settled < end, "the replay was over before Kafka was lost"
            await create_topics(embedded_kafka.bootstrap_servers)
            for name in system.processes:
                await said(system, name, "this is another Kafka than before", times)
        await system.wait_settled(end, 240, revive=True)
        await system.outbox_is_empty(revive=True)
        for name in system.processes:
            log = (tmp_path / f"{name}.log").read_text()
            assert log.count("belongs to another cluster") == 2, name
            assert "Traceback" not in log, name
    finally:
        system.stop()
    await is_the_backtest_s(system, candles)


async def test_topics_that_are_made_anew_are_filled_again_when_the_services_start(
    kafka_bootstrap: str, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    candles = demo_candles(10)
    system = System(kafka_bootstrap, database_url, tmp_path)

    def restored() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tradepulse.cli.main", "topics", "--restore"],
            env={
                **os.environ,
                "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
                "DATABASE_URL": database_url,
            },
            check=False,
            capture_output=True,
            text=True,
        )

    try:
        end = await begun(system, candles, 0.5)
        await system.wait_settled(START + DAY, 240)
        refused = await asyncio.to_thread(restored)
        assert refused.returncode == 1
        assert (
            "executor_svc, market_ingest, optimizer_svc, rl_svc, signal_svc run: stop every "
            "service first" in " ".join(refused.stderr.split())
        ), refused.stderr
        for name in system.processes:
            system.signal(name, signal.SIGTERM)
        for process in system.processes.values():
            assert await asyncio.to_thread(process.wait, PATIENCE_S) == 0
        assert await system.settled() < end, "the replay was over before its topics were deleted"
        done = await asyncio.to_thread(restored)
        assert done.returncode == 0, done.stderr
        assert "created tradepulse.candles" in done.stdout
        assert "created tradepulse.candles.dlq" not in done.stdout
        system.revive()
        await system.wait_settled(end, 240)
        await system.outbox_is_empty()
    finally:
        system.stop()
    await is_the_backtest_s(system, candles)


async def is_the_backtest_s(system: System, candles: list[Candles]) -> None:
    result = expected(candles, configurations_for(candles), InverseVolatility(96))
    assert len(result.trades) > 30
    assert await system.trades() == trade_rows(result)
    assert await system.equity() == equity_rows(result)
