"""The second promise: nothing lost, nothing twice, whatever dies and whenever."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from system import (
    START,
    System,
    demo_candles,
    every_configuration_for,
    expected,
    last_close,
    trade_rows,
    with_four_hours,
)

from tradepulse.candles.arrays import Candles
from tradepulse.embedded.kafka import EmbeddedKafka
from tradepulse.trading.weights import InverseVolatility

pytestmark = pytest.mark.integration
DAYS = 60
SERVICES = ("signal_svc", "executor_svc", "market_ingest", "rl_svc")
DAY = 86_400_000
SHARED = '"partitions assigned", "count": 3'
"""Half of the six partitions: two replicas share them."""


def market() -> list[Candles]:
    """Return the candles: five symbols, one of them in two timeframes."""
    return with_four_hours(demo_candles(DAYS))


async def prepared(system: System, speed: str) -> int:
    """Make a system ready and start it; return the close time at which it will be done."""
    candles = market()
    asked = every_configuration_for(candles)
    system.start("market_ingest", **await system.prepare_replay(candles, asked, speed=speed))
    for name in SERVICES:
        if name != "market_ingest":
            system.start(name)
    return last_close(candles)


async def test_killed_at_any_moment_the_ledger_is_that_of_an_undisturbed_run(
    embedded_kafka: EmbeddedKafka,
    database_url: str,
    no_topics: Callable[[], Awaitable[None]],
    tmp_path: Path,
) -> None:
    calm = System(embedded_kafka.bootstrap_servers, database_url, tmp_path)
    try:
        await calm.wait_settled(await prepared(calm, "max"), 300)
        await calm.outbox_is_empty()
    finally:
        calm.stop()
    undisturbed = await calm.ledger()
    candles = market()
    result = expected(candles, every_configuration_for(candles), InverseVolatility(96))
    assert await calm.trades() == trade_rows(result)
    assert len(result.trades) > 500

    await calm.forget()
    await no_topics()
    chance = random.Random(7)
    (tmp_path / "killed").mkdir()
    system = System(embedded_kafka.bootstrap_servers, database_url, tmp_path / "killed")
    kills: Counter[str] = Counter()
    try:
        end = await prepared(system, str(DAYS * 86_400 / 40))
        first = chance.sample([*SERVICES, "broker"], len(SERVICES) + 1)
        while await system.settled() < end:
            await asyncio.sleep(chance.uniform(0.2, 2.5))
            victim = first.pop() if first else chance.choice([*SERVICES, "broker"])
            if kills.total() >= 30:
                await system.wait_settled(end, 300, revive=True)
                break
            kills[victim] += 1
            if victim == "broker":
                await embedded_kafka.kill()
                await asyncio.sleep(chance.uniform(0, 1.5))
                await embedded_kafka.start()
            else:
                system.kill(victim)
                await asyncio.sleep(chance.uniform(0, 1))
            system.revive()
        await system.outbox_is_empty(revive=True)
    finally:
        system.stop()
    print(f"{kills.total()} kills: {dict(kills)}; {len(result.trades)} trades")
    assert min(kills[name] for name in (*SERVICES, "broker")) >= 1, kills
    disturbed = await system.ledger()
    for table, rows in undisturbed.items():
        assert disturbed[table] == rows, table


async def test_a_broker_that_is_away_for_a_minute_loses_nothing(
    embedded_kafka: EmbeddedKafka, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    system = System(embedded_kafka.bootstrap_servers, database_url, tmp_path)
    try:
        end = await prepared(system, str(DAYS * 86_400 / 40))
        await system.wait_settled(START + 5 * DAY, 240)
        await embedded_kafka.kill()
        away = time.monotonic() + 60
        while time.monotonic() < away:
            # whoever gives up is started again, as the supervisor does
            system.revive()
            await asyncio.sleep(0.5)
        assert await system.settled() < end, "the replay was over before the broker went away"
        await embedded_kafka.start()
        await system.wait_settled(end, 300, revive=True)
        await system.outbox_is_empty(revive=True)
    finally:
        system.stop()
    candles = market()
    result = expected(candles, every_configuration_for(candles), InverseVolatility(96))
    assert await system.trades() == trade_rows(result)


async def test_a_second_signal_svc_joins_and_leaves(
    kafka_bootstrap: str, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    system = System(kafka_bootstrap, database_url, tmp_path)
    try:
        end = await prepared(system, str(DAYS * 86_400 / 400))
        await system.wait_settled(START + DAY, 240)
        log = tmp_path / "second.log"
        log.touch()
        for sign in (signal.SIGTERM, signal.SIGKILL):
            joined = log.read_text().count(SHARED)
            system.start("second", module="signal_svc.app")
            while log.read_text().count(SHARED) <= joined:
                assert system.processes["second"].poll() is None, log.read_text()
                await asyncio.sleep(0.1)
            await system.wait_settled(await system.settled() + DAY // 2, 120)
            assert await system.settled() < end, "the replay was over before the replica joined"
            system.processes["second"].send_signal(sign)
            status = system.processes.pop("second").wait()
            assert status == (0 if sign == signal.SIGTERM else -signal.SIGKILL)
        # what is left need not take its time
        system.signal("market_ingest", signal.SIGTERM)
        assert system.processes["market_ingest"].wait() == 0
        system.start_anew("market_ingest", REPLAY_SPEED="max")
        await system.wait_settled(end, 240)
    finally:
        system.stop()
    candles = market()
    result = expected(candles, every_configuration_for(candles), InverseVolatility(96))
    assert await system.trades() == trade_rows(result)
