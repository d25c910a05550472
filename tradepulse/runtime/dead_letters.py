"""What was put aside: list it, and send it back once its cause is mended."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.topics import TOPICS, Topic
from tradepulse.runtime.publisher import Publisher, retry_connect

REPLAY_GROUP = "tradepulse.dlq-replay"
"""Its committed offsets remember what was sent back already."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was put aside.

    Attributes:
        topic: where it came from.
        reason: why it was put aside.
        service: who put it aside.
        partition: where it stood in its topic; so does `offset`.
        key: the original key, or None.
        value: the original bytes.
        dead_offset: its offset on the dead-letter topic.
        timestamp: when it was put aside, epoch ms.
        replayed: whether it was sent back already.
    """

    topic: str
    reason: str
    service: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    dead_offset: int
    timestamp: int
    replayed: bool


def topics_named(name: str | None) -> list[Topic]:
    """Return one topic by its name (the `tradepulse.` may be left out), or all for None.

    Raises:
        ValueError: no topic is called so.
    """
    if name is None:
        return list(TOPICS)
    found = [t for t in TOPICS if name in (t.name, t.name.removeprefix("tradepulse."))]
    if not found:
        known = ", ".join(topic.name for topic in TOPICS)
        raise ValueError(f"no topic is called {name}; there are {known}")
    return found


async def list_dead_letters(bootstrap_servers: str, topic: str | None = None) -> list[DeadLetter]:
    """Return every dead letter, oldest first within each topic."""
    return [letter async for letter, _ in _letters(bootstrap_servers, topic)]


async def replay_dead_letters(bootstrap_servers: str, topic: str | None = None) -> int:
    """Send back each dead letter that was not sent back before; return how many.

    A message that several services put aside is sent back once.
    The position is committed after each acknowledgement: a crash in between sends one message
    twice, which every consumer bears.
    """
    publisher = await Publisher(bootstrap_servers, "tradepulse.dlq").start()
    count = 0
    sent: set[tuple[str, int, int]] = set()
    try:
        async for letter, consumer in _letters(bootstrap_servers, topic):
            message = (letter.topic, letter.partition, letter.offset)
            if letter.replayed:
                sent.add(message)
                continue
            if message not in sent:
                await publisher.send_raw(letter.topic, letter.key, letter.value)
                sent.add(message)
                count += 1
            partition = TopicPartition(letter.topic + ".dlq", 0)
            await consumer.commit({partition: letter.dead_offset + 1})
    finally:
        await publisher.stop()
    return count


async def _letters(
    bootstrap_servers: str, name: str | None
) -> AsyncIterator[tuple[DeadLetter, AIOKafkaConsumer]]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, group_id=REPLAY_GROUP, enable_auto_commit=False
    )
    await retry_connect(consumer.start, bootstrap_servers, 10)
    try:
        for topic in topics_named(name):
            partition = TopicPartition(topic.dead_letters, 0)
            consumer.assign([partition])
            # at once, before the client begins where the group stands; they are kept for ever
            consumer.seek(partition, 0)
            end = (await consumer.end_offsets([partition]))[partition]
            done = await consumer.committed(partition) or 0
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        yield _letter(record, topic, done), consumer
    finally:
        await consumer.stop()


def _letter(record: object, topic: Topic, done: int) -> DeadLetter:
    headers = {name: value.decode() for name, value in record.headers}  # type: ignore[attr-defined]  # aiokafka is untyped
    return DeadLetter(
        topic=topic.name,
        reason=headers.get("reason", ""),
        service=headers.get("service", ""),
        partition=int(headers.get("partition", "0")),
        offset=int(headers.get("offset", "0")),
        key=record.key,  # type: ignore[attr-defined]  # aiokafka is untyped
        value=record.value,  # type: ignore[attr-defined]  # aiokafka is untyped
        dead_offset=record.offset,  # type: ignore[attr-defined]  # aiokafka is untyped
        timestamp=record.timestamp,  # type: ignore[attr-defined]  # aiokafka is untyped
        replayed=record.offset < done,  # type: ignore[attr-defined]  # aiokafka is untyped
    )
