"""What cannot be decoded is put aside with its reason, holds nothing up, and can be sent back."""

import asyncio
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from system import System, announcement, candle_events, configurations_for, demo_candles

from contracts.events import CandleEvaluated
from contracts.topics import (
    ACCOUNT,
    CANDLES,
    CONFIGURATIONS,
    EVALUATIONS,
    FEEDS,
    TOPICS,
    WEIGHTS,
)
from tradepulse.market_data.store import store_candles
from tradepulse.runtime.bus import Bus, create_topics
from tradepulse.runtime.db import connect
from tradepulse.runtime.dead_letters import list_dead_letters, replay_dead_letters
from tradepulse.runtime.publisher import Publisher

pytestmark = pytest.mark.integration
GARBAGE = (b"no JSON", b"{}", b'{"exchange": "x"}', b"\xff\xfe")


async def wait_for_letters(bootstrap: str, count: int) -> list:
    deadline = time.monotonic() + 120
    while len(letters := await list_dead_letters(bootstrap)) < count:
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(letters)} of {count} dead letters: {letters}")
        await asyncio.sleep(0.2)
    return letters


async def test_garbage_on_every_topic_holds_nothing_up(
    kafka_bootstrap: str, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    candles = demo_candles(10)
    system = System(kafka_bootstrap, database_url, tmp_path)
    await system.prepare(configurations_for(candles))
    connection = await connect(database_url)
    await store_candles(connection, candles, "replay")
    await connection.close()
    publisher = await Publisher(kafka_bootstrap, "test").start()
    read_by = {CANDLES: 3, EVALUATIONS: 1, WEIGHTS: 1, CONFIGURATIONS: 1, FEEDS: 2, ACCOUNT: 1}
    assert set(read_by) == set(TOPICS)
    (tmp_path / "token").write_text("a-token-of-this-test")
    try:
        for name in ("signal_svc", "rl_svc", "executor_svc"):
            system.start(name)
        system.start("studio_svc", STUDIO_TOKEN_FILE=str(tmp_path / "token"), STUDIO_SERVICES="{}")
        # it shows what happens from its start on, so it must be there first
        while "service started" not in (tmp_path / "studio_svc.log").read_text():
            assert system.processes["studio_svc"].poll() is None, system.last_words()
            await asyncio.sleep(0.1)
        await system.announce(announcement(candles))
        events = [event for one in candles for event in candle_events(one)]
        for number, event in enumerate(sorted(events, key=lambda e: e.close_time)):
            await publisher.send(CANDLES, event.instrument, event.model_dump_json().encode())
            if number == 40:
                for topic in read_by:
                    for value in GARBAGE:
                        await publisher.send_raw(topic.name, b"bitfinex:BTC/USD", value)
        await system.wait_settled(max(event.close_time for event in events), 240)
        # each service that reads a topic puts its garbage aside for itself
        expected = sum(read_by.values()) * len(GARBAGE)
        letters = await wait_for_letters(kafka_bootstrap, expected)
    finally:
        system.stop()
        await publisher.stop()
    readers = {(letter.topic, letter.service) for letter in letters}
    assert {topic for topic, _ in readers} == {topic.name for topic in TOPICS}
    assert (CANDLES.name, "signal_svc") in readers
    assert {letter.value for letter in letters} == set(GARBAGE)
    assert all(letter.reason.startswith("cannot be decoded: ") for letter in letters)
    assert len(await system.trades()) > 10


async def test_dead_letters_are_sent_back_once(kafka_bootstrap: str, no_topics: object) -> None:

    await create_topics(kafka_bootstrap)
    publisher = await Publisher(kafka_bootstrap, "test").start()
    bus = Bus(kafka_bootstrap, "test", publisher, CollectorRegistry())
    good = CandleEvaluated(exchange="x", symbol="A/B", timeframe="1h", open_time=0, close_time=1)
    await publisher.send_raw(EVALUATIONS.name, b"x:A/B", b"broken")
    await publisher.send_raw(EVALUATIONS.name, b"x:A/B", good.model_dump_json().encode())
    reader, second = bus.reader(EVALUATIONS), bus.reader(EVALUATIONS)
    for one in (reader, second):
        await one.start()
        assert [d.event for d in await one.next_batch(60_000)] == [good]
    await second.stop()
    letters = await list_dead_letters(kafka_bootstrap, "evaluations")
    assert [(one.value, one.key, one.replayed) for one in letters] == [
        (b"broken", b"x:A/B", False)
    ] * 2
    assert await replay_dead_letters(kafka_bootstrap) == 1
    assert await replay_dead_letters(kafka_bootstrap) == 0
    # it came back to its topic, under its key, and was put aside again
    assert await reader.next_batch(60_000) == []
    await reader.stop()
    letters = await list_dead_letters(kafka_bootstrap)
    assert [(one.value, one.key, one.replayed) for one in letters] == [
        (b"broken", b"x:A/B", True),
        (b"broken", b"x:A/B", True),
        (b"broken", b"x:A/B", False),
    ]
    assert await bus.read_all(EVALUATIONS) == [good]
    assert len(await list_dead_letters(kafka_bootstrap)) == 3
    with pytest.raises(ValueError, match="no topic is called nothing"):
        await list_dead_letters(kafka_bootstrap, "nothing")
    assert all(topic.dead_letters.endswith(".dlq") for topic in TOPICS)
    await publisher.stop()
