"""Reading on a real broker: where it begins, what it commits, how it ends, that nothing is lost."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from topic_reader import broker_for

from contracts.events import CandleClosed, PortfolioWeightsDecided
from contracts.topics import CANDLES, WEIGHTS, Topic
from tradepulse.runtime.db import migrate, opened_pool
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.offsets import Begin, NotedOffsets, from_beginning, from_end, from_kept
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.reading import AssignedReading
from tradepulse.runtime.settings import RefusedError
from tradepulse.runtime.sharing import SharedReading
from tradepulse.runtime.topics import create_topics

pytestmark = pytest.mark.integration
HOUR = 3_600_000
PATIENCE_S = 120
SYMBOLS = [f"{letter}/USD" for letter in "ABCDEFGH"]
SLEEP_S = 0.02


def candle(number: int, symbol: str) -> CandleClosed:
    return CandleClosed(
        exchange="x",
        symbol=symbol,
        timeframe="1h",
        open_time=number * HOUR,
        close_time=(number + 1) * HOUR,
        open=1,
        high=1,
        low=1,
        close=1,
        volume=1,
        source="replay",
    )


def weights(number: int) -> PortfolioWeightsDecided:
    return PortfolioWeightsDecided(
        portfolio="main", close_time=(number + 1) * HOUR, policy="equal", weights={}
    )


async def publish(publisher: Publisher, numbers: range, topic: Topic = CANDLES) -> None:
    if topic is CANDLES:
        events = [candle(number, symbol) for number in numbers for symbol in SYMBOLS]
        messages = [(event.instrument, event.model_dump_json().encode()) for event in events]
    else:
        messages = [("main", weights(number).model_dump_json().encode()) for number in numbers]
    await publisher.send_many(topic, messages)


@pytest_asyncio.fixture
async def publisher(kafka_bootstrap: str, no_topics: object) -> AsyncIterator[Publisher]:
    await create_topics(kafka_bootstrap)
    made = await Publisher(kafka_bootstrap, "test").start()
    yield made
    await made.stop()


class Taken:
    """What a reading has handled."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    async def take(self, batch: list[Delivery]) -> None:
        self.deliveries += batch

    @property
    def offsets(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for delivery in self.deliveries:
            found.setdefault(delivery.record.partition, []).append(delivery.record.offset)
        return found


@asynccontextmanager
async def assigned(
    bootstrap: str, publisher: Publisher, begin: Begin
) -> AsyncIterator[tuple[Taken, AssignedReading]]:
    failures: list[BaseException] = []
    broker = broker_for(bootstrap, publisher, failures)
    taken = Taken()
    reading = AssignedReading(broker, CANDLES, taken.take, begin=begin)
    broker.then(reading)
    try:
        await broker.start()
        yield taken, reading
    finally:
        await broker.stop()
    assert failures == []


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what comes tells nobody
            await asyncio.sleep(SLEEP_S)


@pytest.mark.parametrize("attempt", range(5))
async def test_kept_offsets_are_gone_on_from_exactly(
    kafka_bootstrap: str, publisher: Publisher, attempt: int
) -> None:
    await publish(publisher, range(400))
    async with assigned(kafka_bootstrap, publisher, from_beginning) as (first, reading):
        await reading.caught_up()
    everything = first.offsets
    assert sum(len(offsets) for offsets in everything.values()) == len(SYMBOLS) * 400
    kept = {p: (attempt * 137) % (len(offsets) + 1) for p, offsets in everything.items()}
    named = {f"{CANDLES.name}/{p}": offset for p, offset in kept.items()}
    async with assigned(kafka_bootstrap, publisher, from_kept(lambda: named)) as (again, reading):
        await reading.caught_up()
    rest = {p: offsets[kept[p] :] for p, offsets in everything.items()}
    assert again.offsets == {p: offsets for p, offsets in rest.items() if offsets}


async def test_from_the_end_only_what_is_new_comes(
    kafka_bootstrap: str, publisher: Publisher
) -> None:
    await publish(publisher, range(50))
    async with assigned(kafka_bootstrap, publisher, from_end) as (taken, _):
        await publish(publisher, range(50, 51))
        await until(lambda: len(taken.deliveries) == len(SYMBOLS))
    assert {delivery.event.open_time for delivery in taken.deliveries} == {50 * HOUR}


async def test_a_kept_offset_that_the_topic_does_not_hold_is_refused(
    kafka_bootstrap: str, publisher: Publisher
) -> None:
    await publish(publisher, range(10))
    async with assigned(kafka_bootstrap, publisher, from_beginning) as (taken, reading):
        await reading.caught_up()
    partition, offsets = next(iter(taken.offsets.items()))
    end = offsets[-1] + 1
    for kept, refused in ((end, False), (end + 1, True), (end + 10_000, True)):
        begin = from_kept(lambda kept=kept: {f"{CANDLES.name}/{partition}": kept})
        if not refused:
            async with assigned(kafka_bootstrap, publisher, begin):
                continue
        with pytest.raises(
            RefusedError, match=rf"candles/{partition} holds the offsets 0 to {end}"
        ):
            async with assigned(kafka_bootstrap, publisher, begin):
                pass


async def test_it_is_behind_until_what_lay_there_is_handled(
    kafka_bootstrap: str, publisher: Publisher
) -> None:
    await publish(publisher, range(100))
    for symbol in SYMBOLS:
        # the last of each partition cannot be decoded, and is put aside
        await publisher.send_raw(CANDLES.name, f"x:{symbol}".encode(), b"garbage")
    failures: list[BaseException] = []
    broker = broker_for(kafka_bootstrap, publisher, failures)
    seen: list[tuple[int, bool]] = []
    may_go_on = asyncio.Event()

    async def take(batch: list[Delivery]) -> None:
        if seen:
            await may_go_on.wait()
        seen.append((len(batch), reading.is_behind))

    reading = AssignedReading(broker, CANDLES, take, begin=from_beginning)
    broker.then(reading)
    assert reading.is_behind, "nothing is known yet"
    await broker.start()
    await until(lambda: reading.is_behind)
    may_go_on.set()
    await reading.caught_up()
    assert not reading.is_behind
    assert sum(count for count, _ in seen) == len(SYMBOLS) * 100
    # also in the handler of the last of them
    assert all(is_behind for _, is_behind in seen)
    await publish(publisher, range(100, 101))
    await reading.heard_all()
    assert sum(count for count, _ in seen) == len(SYMBOLS) * 101
    assert not seen[-1][1]
    await broker.stop()
    assert failures == []


async def test_what_is_held_back_is_not_waited_for(
    kafka_bootstrap: str, publisher: Publisher
) -> None:
    await publish(publisher, range(10))
    async with assigned(kafka_bootstrap, publisher, from_beginning) as (taken, reading):
        reading.pause_only(range(CANDLES.partitions))
        assert not reading.is_behind
        reading.pause_only(())
        await reading.caught_up()
    assert len(taken.deliveries) == len(SYMBOLS) * 10
    ends = {f"{CANDLES.name}/{p}": max(found) + 1 for p, found in taken.offsets.items()}
    async with assigned(kafka_bootstrap, publisher, from_kept(lambda: ends)) as (_, reading):
        assert not reading.is_behind


async def test_a_paused_partition_waits(kafka_bootstrap: str, publisher: Publisher) -> None:
    async with assigned(kafka_bootstrap, publisher, from_beginning) as (taken, reading):
        await publish(publisher, range(1))
        await until(lambda: len(taken.deliveries) == len(SYMBOLS))
        one, *others = taken.offsets
        taken.deliveries.clear()
        reading.pause_only(others)
        await publish(publisher, range(1, 6))
        await until(lambda: len(taken.offsets.get(one, ())) >= 5)
        await asyncio.sleep(0.5)
        assert set(taken.offsets) == {one}
        reading.pause_only(())
        await until(lambda: len(taken.deliveries) == len(SYMBOLS) * 5)


async def committed(bootstrap: str, group: str) -> dict[int, int]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        found = {
            number: await consumer.committed(TopicPartition(CANDLES.name, number))
            for number in range(CANDLES.partitions)
        }
    finally:
        await consumer.stop()
    return {number: offset for number, offset in found.items() if offset is not None}


async def test_what_is_committed_was_handled_and_garbage_does_not_hold_it_up(
    kafka_bootstrap: str, publisher: Publisher
) -> None:
    await publish(publisher, range(100))
    failures: list[BaseException] = []
    broker = broker_for(kafka_bootstrap, publisher, failures)
    taken = Taken()
    broker.then(SharedReading(broker, CANDLES, taken.take, group="shared", forget=lambda: None))
    await broker.start()
    await until(lambda: len(taken.deliveries) == len(SYMBOLS) * 100)
    for symbol in SYMBOLS:
        await publisher.send_raw(CANDLES.name, f"x:{symbol}".encode(), b"garbage")
    await publish(publisher, range(100, 101))
    await until(lambda: len(taken.deliveries) == len(SYMBOLS) * 101)
    await broker.stop()
    assert failures == []
    ends = {partition: max(offsets) + 1 for partition, offsets in taken.offsets.items()}
    assert await committed(kafka_bootstrap, "shared") == ends


@pytest.mark.parametrize(("kept", "said"), [(2, "the 1 before it are lost"), (9, "set up anew")])
async def test_a_group_whose_offset_the_topic_does_not_hold_says_so_and_goes_on(
    kafka_bootstrap: str,
    publisher: Publisher,
    caplog: pytest.LogCaptureFixture,
    kept: int,
    said: str,
) -> None:
    """It begins at the oldest message that is there, and nobody has to guess why."""
    await publish(publisher, range(5), WEIGHTS)
    partition = TopicPartition(WEIGHTS.name, 0)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    await admin.delete_records({partition: RecordsToDelete(before_offset=3)})
    await admin.close()
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap, group_id=f"gone-{kept}")
    await consumer.start()
    consumer.assign([partition])
    await consumer.commit({partition: kept})
    await consumer.stop()
    failures: list[BaseException] = []
    broker = broker_for(kafka_bootstrap, publisher, failures)
    taken = Taken()
    broker.then(
        SharedReading(broker, WEIGHTS, taken.take, group=f"gone-{kept}", forget=lambda: None)
    )
    await broker.start()
    await until(lambda: len(taken.deliveries) == 2)
    await broker.stop()
    assert failures == []
    assert taken.offsets == {0: [3, 4]}
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    expected = f"holds the offsets 3 to 5, but this group has handled up to {kept}: "
    assert [message for message in told if expected in message and said in message]


async def test_a_group_goes_back_to_where_a_restored_database_stands(
    kafka_bootstrap: str,
    database_url: str,
    publisher: Publisher,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await migrate(database_url)
    await publish(publisher, range(10), WEIGHTS)
    failures: list[BaseException] = []

    async def read(pool: "asyncpg.Pool[asyncpg.Record]", last: int) -> list[int]:
        broker = broker_for(kafka_bootstrap, publisher, failures)
        taken = Taken()
        noted = NotedOffsets(pool, "restored")
        broker.then(
            SharedReading(
                broker, WEIGHTS, taken.take, group="restored", forget=lambda: None, noted=noted
            )
        )
        await broker.start()
        await until(lambda: last in taken.offsets.get(0, ()))
        await broker.stop()
        return taken.offsets[0]

    async with opened_pool(database_url) as pool:
        assert await read(pool, 9) == list(range(10))
        assert await pool.fetchval("select next_offset from group_positions") == 10
        # as a backup of after the fourth message has it
        await pool.execute("update group_positions set next_offset = 4")
        await publish(publisher, range(10, 11), WEIGHTS)
        assert await read(pool, 10) == list(range(4, 11))
        told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert [one for one in told if "is read again from 4, not from 10" in one]
        # once; what is in the database and ahead of Kafka's moves nothing
        await pool.execute("update group_positions set next_offset = 999")
        await publish(publisher, range(11, 12), WEIGHTS)
        assert await read(pool, 11) == [11]
    assert failures == []


@pytest.mark.parametrize("way", ["shares", "follows"])
async def test_a_handler_that_raises_ends_the_process_and_loses_nothing(
    kafka_bootstrap: str, database_url: str, publisher: Publisher, tmp_path: Path, way: str
) -> None:
    await migrate(database_url)
    topic = CANDLES if way == "shares" else WEIGHTS
    poison = 61 * HOUR
    handled = tmp_path / "handled"
    handled.touch()
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "DATABASE_URL": database_url,
        "HANDLED": str(handled),
        "FAILED": str(tmp_path / "failed"),
        "POISON": str(poison),
        "WAY": way,
    }

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, str(Path(__file__).with_name("reading_process.py"))),
            env=environment,
            stderr=asyncio.subprocess.PIPE,
        )

    def times() -> list[int]:
        return [time for line in handled.read_text().splitlines() for time in json.loads(line)]

    process = await start()
    for number in range(100):
        await publish(publisher, range(number, number + 1), topic)
    _, said = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 1
    last = json.loads(said.decode().splitlines()[-1])
    assert last["level"] == "CRITICAL"
    assert f"cannot handle {poison}" in last["exception"]
    # nothing after it was handled, let alone committed
    before = times()
    assert all(time < poison for time in before)
    process = await start()
    wanted = {(number + 1) * HOUR for number in range(100)}
    await until(lambda: set(times()) == wanted)
    process.terminate()
    await process.communicate()
    assert process.returncode == 0
