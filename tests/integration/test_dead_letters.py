"""What cannot be decoded is put aside with its reason, holds nothing up, and can be sent back."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from system import System, announcement, candle_events, configurations_for, demo_candles
from topic_reader import broker_for, read_all

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
from tradepulse.cli.asyncapi import SERVICES, document
from tradepulse.market_data.store import store_candles
from tradepulse.runtime.db import connect
from tradepulse.runtime.dead_letter_replay import (
    Replayed,
    dead_letters_waiting,
    list_dead_letters,
    replay_dead_letters,
)
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.offsets import Begin, from_beginning, from_kept
from tradepulse.runtime.publisher import Publisher, partition_of
from tradepulse.runtime.reading import AssignedReading
from tradepulse.runtime.topics import create_topics

pytestmark = pytest.mark.integration
HOUR = 3_600_000
GARBAGE = (b"no JSON", b"{}", b'{"exchange": "x"}', b"\xff\xfe")


async def wait_for_letters(bootstrap: str, count: int) -> list:
    deadline = time.monotonic() + 120
    while len(letters := await list_dead_letters(bootstrap)) < count:
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(letters)} of {count} dead letters: {letters}")
        await asyncio.sleep(0.2)
    return letters


def documented_readers() -> set[tuple[str, str]]:
    """Return (topic, service) of every dead-letter topic that a service's document has."""
    return {
        (channel["address"].removesuffix(".dlq"), service)
        for service in SERVICES
        for channel in document(service)["channels"].values()
        if channel["address"].endswith(".dlq")
    }


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
    read_by = {CANDLES: 3, EVALUATIONS: 1, WEIGHTS: 1, CONFIGURATIONS: 2, FEEDS: 2, ACCOUNT: 1}
    assert set(read_by) == set(TOPICS)
    (tmp_path / "token").write_text("a-token-of-this-test")
    try:
        for name in ("signal_svc", "rl_svc", "executor_svc"):
            system.start(name)
        system.start("optimizer_svc", ACCOUNT="nobody")
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
    # as their documents say
    assert readers == await asyncio.to_thread(documented_readers)
    assert {letter.value for letter in letters} == set(GARBAGE)
    assert all(letter.reason.startswith("cannot be decoded: ") for letter in letters)
    assert len(await system.trades()) > 10


@asynccontextmanager
async def reading(
    bootstrap: str, publisher: Publisher, begin: Begin = from_beginning
) -> AsyncIterator[list[CandleEvaluated]]:
    """Read evaluations as a service does; what came is in the list."""
    failures: list[BaseException] = []
    broker = broker_for(bootstrap, publisher, failures)
    came: list[CandleEvaluated] = []

    async def take(batch: list[Delivery]) -> None:
        came.extend(delivery.event for delivery in batch)

    broker.first(AssignedReading(broker, EVALUATIONS, take, begin=begin))
    await broker.start()
    yield came
    await broker.stop()
    assert failures == []


async def test_dead_letters_are_sent_back_once(kafka_bootstrap: str, no_topics: object) -> None:

    await create_topics(kafka_bootstrap)
    publisher = await Publisher(kafka_bootstrap, "test").start()
    good = CandleEvaluated(exchange="x", symbol="A/B", timeframe="1h", open_time=0, close_time=HOUR)
    await publisher.send_raw(EVALUATIONS.name, b"x:A/B", b"broken")
    await publisher.send_raw(EVALUATIONS.name, b"x:A/B", good.model_dump_json().encode())
    async with (
        reading(kafka_bootstrap, publisher) as first,
        reading(kafka_bootstrap, publisher) as second,
    ):
        assert first == second == [good]
    letters = await list_dead_letters(kafka_bootstrap, "evaluations")
    assert [(one.value, one.key, one.replayed) for one in letters] == [
        (b"broken", b"x:A/B", False)
    ] * 2
    partition = partition_of(b"x:A/B", EVALUATIONS.partitions)
    assert {(one.service, one.topic, one.partition, one.offset) for one in letters} == {
        ("test", EVALUATIONS.name, partition, 0)
    }
    assert await replay_dead_letters(kafka_bootstrap) == Replayed(1, ())
    assert await replay_dead_letters(kafka_bootstrap) == Replayed(0, ())
    # it came back to its topic, under its key, and is put aside again
    after_both = from_kept(lambda: {f"{EVALUATIONS.name}/{partition}": 2})
    async with reading(kafka_bootstrap, publisher, after_both) as again:
        letters = await wait_for_letters(kafka_bootstrap, 3)
        assert again == []
    assert [(one.value, one.key, one.replayed) for one in letters] == [
        (b"broken", b"x:A/B", True),
        (b"broken", b"x:A/B", True),
        (b"broken", b"x:A/B", False),
    ]
    assert await read_all(kafka_bootstrap, EVALUATIONS) == [good]
    assert len(await list_dead_letters(kafka_bootstrap)) == 3
    with pytest.raises(ValueError, match="no topic is called nothing"):
        await list_dead_letters(kafka_bootstrap, "nothing")
    assert all(topic.dead_letters.endswith(".dlq") for topic in TOPICS)
    await publisher.stop()


def evaluation() -> CandleEvaluated:
    return CandleEvaluated(
        exchange="x", symbol="A/B", timeframe="1h", open_time=0, close_time=3_600_000
    )


async def send_compressed(bootstrap: str, value: bytes) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, compression_type="gzip", max_request_size=64 << 20
    )
    await producer.start()
    await producer.send_and_wait(EVALUATIONS.name, value, key=b"x:A/B")
    await producer.stop()


async def test_what_unpacks_to_more_than_a_record_holds_stops_nobody(
    kafka_bootstrap: str, no_topics: object
) -> None:
    """It came in 3 kB: whoever read it ended for ever, as nothing took it aside."""
    await create_topics(kafka_bootstrap)
    publisher = await Publisher(kafka_bootstrap, "test").start()
    good = evaluation()
    large = b'{"exchange": "' + b"x" * 3_000_000 + b'"}'
    await send_compressed(kafka_bootstrap, large)
    await publisher.send_raw(EVALUATIONS.name, b"x:A/B", good.model_dump_json().encode())
    async with reading(kafka_bootstrap, publisher) as came:
        assert came == [good]
    (letter,) = await list_dead_letters(kafka_bootstrap, "evaluations")
    partition = partition_of(b"x:A/B", EVALUATIONS.partitions)
    assert (letter.partition, letter.offset, letter.service) == (partition, 0, "test")
    assert (letter.value, letter.length) == (large[:65_536], len(large))
    assert letter.sha256 == hashlib.sha256(large).hexdigest()
    assert letter.origin == f"{EVALUATIONS.name}/{partition}/0"
    nothing = dict.fromkeys((topic.name for topic in TOPICS), 0)
    assert await dead_letters_waiting(kafka_bootstrap) == nothing | {EVALUATIONS.name: 1}
    # the whole is sent back, and put aside again
    assert await replay_dead_letters(kafka_bootstrap) == Replayed(1, ())
    after_both = from_kept(lambda: {f"{EVALUATIONS.name}/{partition}": 2})
    async with reading(kafka_bootstrap, publisher, after_both):
        again = (await wait_for_letters(kafka_bootstrap, 2))[1]
    assert (again.offset, again.length, again.sha256) == (2, letter.length, letter.sha256)
    # and once it is deleted, that is said
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    everything = RecordsToDelete(before_offset=3)
    await admin.delete_records({TopicPartition(EVALUATIONS.name, partition): everything})
    await admin.close()
    done = await replay_dead_letters(kafka_bootstrap)
    assert done.count == 0
    assert await dead_letters_waiting(kafka_bootstrap) == nothing
    (line,) = done.refused
    assert line == (
        f"{EVALUATIONS.name} {partition}/2: of its 3,000,016 bytes only the first 65,536 were "
        f"kept, and {EVALUATIONS.name}/{partition}/2 is deleted by now"
    )
    await publisher.stop()


async def test_a_flood_of_garbage_holds_a_good_message_up_no_more_than_good_ones_would(
    kafka_bootstrap: str, no_topics: object
) -> None:
    await create_topics(kafka_bootstrap)
    publisher = await Publisher(kafka_bootstrap, "test").start()
    good = evaluation()
    count = 20_000
    flood = [("x:A/B", b"garbage %d" % number) for number in range(count)]
    value = good.model_dump_json().encode()
    await publisher.send_many(EVALUATIONS, [*flood, ("x:A/B", value)])
    begun = time.monotonic()
    async with reading(kafka_bootstrap, publisher) as came:
        took = time.monotonic() - begun
    assert came == [good]
    print(f"{count:,} dead letters held a good message up for {took:.2f} s")
    letters = await list_dead_letters(kafka_bootstrap, "evaluations")
    assert [letter.offset for letter in letters] == list(range(count))
    assert [letter.value for letter in letters] == [garbage for _, garbage in flood]
    await publisher.stop()
