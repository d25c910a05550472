"""A topic that replicas share: what is committed and when, and what an error makes of a batch."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaConnectionError, KafkaTimeoutError
from prometheus_client import CollectorRegistry

from contracts.topics import CANDLES, Topic
from tradepulse.runtime.broker import Broker
from tradepulse.runtime.dead_letters import DeadLetters
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.publisher import BrokerUnavailableError, Publisher, TooLargeError
from tradepulse.runtime.sharing import COMMIT_EVERY_S, SharedReading, handled

AWAY = (
    KafkaConnectionError("no broker"),
    KafkaTimeoutError(),
    BrokerUnavailableError("nothing acknowledged"),
    asyncpg.AdminShutdownError("terminating connection"),
    asyncpg.ConnectionDoesNotExistError("closed in the middle"),
    asyncpg.DeadlockDetectedError("deadlock"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("unexpected"),
    ConnectionResetError("reset"),
    TimeoutError(),
)
FAULTS = (
    ValueError("no such thing"),
    KeyError("series"),
    TooLargeError(2_000_000),
    # a value that no table takes comes back for ever
    asyncpg.NumericValueOutOfRangeError("bigint out of range"),
    asyncpg.NotNullViolationError("null"),
    asyncpg.exceptions._base.DataError("invalid input for query argument $1"),
)


def record(offset: int, partition: int = 0) -> ConsumerRecord:
    return ConsumerRecord(CANDLES.name, partition, offset, 0, 0, None, b"", None, 0, 0, ())


def deliveries(offsets: Sequence[int], partition: int = 0) -> list[Delivery]:
    return [Delivery(f"event {offset}", record(offset, partition)) for offset in offsets]


def at(partition: int) -> TopicPartition:
    return TopicPartition(CANDLES.name, partition)


class Consumer:
    """Remembers what is committed, in one log with what is handled."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log
        self.assigned = {at(0), at(1)}
        self.error: Exception | None = None

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self.error is not None:
            raise self.error
        self.log.append(("commit", {one.partition: offset for one, offset in offsets.items()}))


class Letters(DeadLetters):
    def __init__(self, log: list[Any]) -> None:
        super().__init__(Publisher("nowhere:1", "test"), "test", CollectorRegistry())
        self.log = log

    async def put_aside(self, topic: Topic, refused: Sequence[tuple[ConsumerRecord, str]]) -> None:
        assert topic is CANDLES
        self.log.append(("aside", [one.offset for one, _ in refused]))


class Reading(SharedReading):
    fake: Consumer

    @property
    def consumer(self) -> AIOKafkaConsumer:
        return cast(AIOKafkaConsumer, self.fake)


class Bench:
    """A shared reading on fakes; its clock stands still until it is moved."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.now = 1_000.0
        self.raises: dict[int, Exception] = {}
        letters = Letters(self.log)
        broker = Broker("nowhere:1", "test", letters, CollectorRegistry(), self.log.append)
        self.consumer = Consumer(self.log)
        self.reading = Reading(
            broker,
            CANDLES,
            self.handle,
            group="test",
            forget=lambda: self.log.append("forget"),
            clock=lambda: self.now,
        )
        self.reading.fake = self.consumer

    async def handle(self, batch: list[Delivery]) -> None:
        offsets = [one.record.offset for one in batch]
        for offset in offsets:
            if offset in self.raises:
                raise self.raises[offset]
        self.log.append(("handled", offsets))

    async def give(self, offsets: Sequence[int], partition: int = 0) -> None:
        batch = deliveries(offsets, partition)
        await self.reading.on_batch(batch, [one.record for one in batch])

    def commits(self) -> list[dict[int, int]]:
        return [entry[1] for entry in self.log if entry[0] == "commit"]


async def test_a_batch_is_committed_after_it_was_handled() -> None:
    bench = Bench()
    await bench.give([4, 5, 6])
    assert bench.log == [("handled", [4, 5, 6]), ("commit", {0: 7})]


async def test_under_load_it_is_committed_once_a_second() -> None:
    bench = Bench()
    for number in range(41):
        await bench.give([number])
        bench.now += COMMIT_EVERY_S / 4
    assert bench.commits() == [{0: done + 1} for done in range(0, 41, 4)]


async def test_what_waits_is_committed_although_nothing_comes_any_more() -> None:
    bench = Bench()
    await bench.give([1])
    await bench.give([2])
    await bench.give([8], partition=1)
    await bench.reading.commit()
    assert bench.commits() == [{0: 2}, {0: 3, 1: 9}]
    await bench.reading.commit()
    assert len(bench.commits()) == 2


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
async def test_what_broker_database_or_network_raise_is_no_fault_of_a_message(
    error: Exception,
) -> None:
    bench = Bench()
    bench.raises = {5: error}
    with pytest.raises(type(error)) as raised:
        await bench.give([4, 5, 6])
    assert raised.value is error
    # nothing is put aside, and what was not handled is not committed
    await bench.reading.commit()
    assert bench.log == []


@pytest.mark.parametrize("error", FAULTS, ids=lambda error: type(error).__name__)
async def test_a_message_that_cannot_be_handled_is_found_and_put_aside(error: Exception) -> None:
    bench = Bench()
    bench.raises = {5: error, 9: error}
    await bench.give(range(3, 11))
    done = [offset for entry in bench.log if entry[0] == "handled" for offset in entry[1]]
    assert done == [3, 4, 6, 7, 8, 10]
    # together, before the commit that passes them
    assert bench.log[-2:] == [("aside", [5, 9]), ("commit", {0: 11})]


async def test_what_was_remembered_of_a_failed_batch_is_forgotten_before_it_comes_again() -> None:
    bench = Bench()
    bench.raises = {2: ValueError("bad")}
    refused = await handled(deliveries([1, 2]), bench.handle, lambda: bench.log.append("forget"))
    assert bench.log == ["forget", ("handled", [1]), "forget"]
    assert [(one.offset, reason) for one, reason in refused] == [
        (2, "cannot be handled: ValueError('bad')")
    ]


async def test_a_batch_of_which_nothing_could_be_decoded_is_committed_too() -> None:
    bench = Bench()
    await bench.reading.on_batch([], [record(7)])
    assert bench.log == [("commit", {0: 8})]


async def test_partitions_that_moved_are_forgotten_and_not_committed() -> None:
    bench = Bench()
    await bench.give([1])
    bench.now += 0.1
    await bench.give([2])
    await bench.give([5], partition=1)
    bench.consumer.assigned = {at(1)}
    await bench.reading.commit()
    assert bench.commits() == [{0: 2}, {1: 6}]
    bench.now += 0.1
    await bench.give([6], partition=1)
    bench.reading._on_revoked()
    assert bench.log[-1] == "forget"
    await bench.reading.commit()
    assert bench.commits() == [{0: 2}, {1: 6}]


async def test_a_commit_in_a_rebalance_only_means_that_it_is_read_again() -> None:
    bench = Bench()
    bench.consumer.error = CommitFailedError()
    await bench.give([1])
    assert bench.commits() == []
    bench.consumer.error = KafkaConnectionError()
    bench.now += 5
    with pytest.raises(KafkaConnectionError):
        await bench.give([2])
