"""What was put aside, as it is listed, and sent back once its cause is mended."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError

from contracts.topics import TOPICS, Topic
from tradepulse.runtime.kafka import KafkaAddress, client_options
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
        replayed: whether it was sent back already, or passed over because it could not be.
        length: of the whole value where `value` is only its beginning, else None.
        sha256: of the whole value then.
        origin: where the whole is then.
        headers: all that came with it, by name; what is no text is written as it can be.
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
    length: int | None = None
    sha256: str = ""
    origin: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a replay.

    Attributes:
        count: messages that were sent back.
        refused: one line for each that could not be.
    """

    count: int
    refused: tuple[str, ...]


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


async def list_dead_letters(kafka: KafkaAddress, topic: str | None = None) -> list[DeadLetter]:
    """Return every dead letter, oldest first within each topic."""
    return [letter async for letter in dead_letters(kafka, topic)]


async def dead_letters(kafka: KafkaAddress, topic: str | None = None) -> AsyncIterator[DeadLetter]:
    """Yield every dead letter, oldest first within each topic, a few in memory at a time."""
    async for letter, _ in _letters(kafka, topic):
        yield letter


async def dead_letters_waiting(kafka: KafkaAddress) -> dict[str, int]:
    """Return by topic how many dead letters were neither sent back nor passed over.

    Raises:
        BrokerUnavailableError: no broker answers.
    """
    consumer = AIOKafkaConsumer(
        **client_options(kafka), group_id=REPLAY_GROUP, enable_auto_commit=False
    )
    await retry_connect(consumer.start, kafka, 10)
    try:
        places = {topic.name: TopicPartition(topic.dead_letters, 0) for topic in TOPICS}
        firsts = await consumer.beginning_offsets(places.values())
        ends = await consumer.end_offsets(places.values())
        return {
            name: ends[one] - min(ends[one], max(firsts[one], await consumer.committed(one) or 0))
            for name, one in places.items()
        }
    finally:
        await consumer.stop()


async def replay_dead_letters(kafka: KafkaAddress, topic: str | None = None) -> Replayed:
    """Send back each dead letter that was not sent back before.

    A message that several services put aside is sent back once. One of which only the beginning
    was kept is read again where it came from; what cannot be sent back is passed over, and told.
    The position is committed after each acknowledgement: a crash in between sends one message
    twice, which every consumer bears.
    """
    publisher = await Publisher(kafka, "tradepulse.dlq").start()
    count = 0
    refused: list[str] = []
    sent: set[tuple[str, int, int]] = set()
    try:
        async for letter, consumer in _letters(kafka, topic):
            message = (letter.topic, letter.partition, letter.offset)
            if letter.replayed:
                sent.add(message)
                continue
            if message not in sent:
                sent.add(message)
                if letter.length is None:
                    await publisher.send_raw(letter.topic, letter.key, letter.value)
                    count += 1
                elif (why := await _send_whole(kafka, letter)) is None:
                    count += 1
                else:
                    refused.append(f"{letter.topic} {letter.partition}/{letter.offset}: {why}")
            partition = TopicPartition(letter.topic + ".dlq", 0)
            await consumer.commit({partition: letter.dead_offset + 1})
    finally:
        await publisher.stop()
    return Replayed(count, tuple(refused))


async def _send_whole(kafka: KafkaAddress, letter: DeadLetter) -> str | None:
    """Send back the message of which the letter has the beginning; say why not, where not."""
    if letter.partition < 0:
        return (
            f"it was to be published and is too large for a record; the whole is row "
            f"{letter.offset} of the table outbox_refused"
        )
    record = await _original(kafka, letter)
    if record is None:
        return (
            f"of its {letter.length or 0:,} bytes only the first {len(letter.value or b''):,} were "
            f"kept, and {letter.origin} is deleted by now"
        )
    # as it came: so large, it fitted a record only because it was compressed
    producer = AIOKafkaProducer(
        **client_options(kafka),
        acks="all",
        compression_type="gzip",
        max_request_size=len(record.key or b"") + (letter.length or 0) + 1_048_576,
    )
    await producer.start()
    try:
        await producer.send_and_wait(
            letter.topic, record.value, key=record.key, partition=letter.partition
        )
    except MessageSizeTooLargeError:
        return f"its {letter.length or 0:,} bytes are more than the broker takes, compressed too"
    finally:
        await producer.stop()
    return None


async def _original(kafka: KafkaAddress, letter: DeadLetter) -> ConsumerRecord | None:
    """Read what a letter has the beginning of; None where it is not there any more."""
    partition = TopicPartition(letter.topic, letter.partition)
    consumer = AIOKafkaConsumer(**client_options(kafka), enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([partition])
        first = (await consumer.beginning_offsets([partition]))[partition]
        end = (await consumer.end_offsets([partition]))[partition]
        if not first <= letter.offset < end:
            return None
        consumer.seek(partition, letter.offset)
        while await consumer.position(partition) < end:
            for record in (await consumer.getmany(timeout_ms=500, max_records=1)).get(
                partition, ()
            ):
                whole = hashlib.sha256(record.value or b"").hexdigest()
                is_it = record.offset == letter.offset and whole == letter.sha256
                return record if is_it else None
    finally:
        await consumer.stop()
    return None


async def _letters(
    kafka: KafkaAddress, name: str | None
) -> AsyncIterator[tuple[DeadLetter, AIOKafkaConsumer]]:
    consumer = AIOKafkaConsumer(
        **client_options(kafka), group_id=REPLAY_GROUP, enable_auto_commit=False
    )
    await retry_connect(consumer.start, kafka, 10)
    try:
        for topic in topics_named(name):
            partition = TopicPartition(topic.dead_letters, 0)
            first = (await consumer.beginning_offsets([partition]))[partition]
            end = (await consumer.end_offsets([partition]))[partition]
            if first == end:
                # a fetch that waits for the first letter would hold up every question after it
                continue
            done = await consumer.committed(partition) or 0
            consumer.assign([partition])
            # at once, before the client begins where the group stands
            consumer.seek(partition, first)
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        yield _letter(record, topic, done), consumer
    finally:
        await consumer.stop()


def _letter(record: ConsumerRecord, topic: Topic, done: int) -> DeadLetter:
    headers = {name: value.decode(errors="backslashreplace") for name, value in record.headers}
    return DeadLetter(
        topic=topic.name,
        reason=headers.get("reason", ""),
        service=headers.get("service", ""),
        partition=int(headers.get("partition", "0")),
        offset=int(headers.get("offset", "0")),
        key=record.key,
        value=record.value,
        dead_offset=record.offset,
        timestamp=record.timestamp,
        replayed=record.offset < done,
        length=int(headers["length"]) if "length" in headers else None,
        sha256=headers.get("sha256", ""),
        origin=headers.get("origin", ""),
        headers=headers,
    )
