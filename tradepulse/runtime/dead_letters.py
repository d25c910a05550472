"""What was put aside: by whom and why, how it is listed, and sent back once its cause is mended."""

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.topics import TOPICS, Topic
from tradepulse.runtime.publisher import Publisher, retry_connect

log = logging.getLogger(__name__)


class LetterHeaders(BaseModel):
    """The headers of a dead letter, each as text.

    Attributes:
        reason: why it was put aside.
        service: who put it aside.
        topic: where it came from; so do `partition` and `offset`.
    """

    model_config = ConfigDict(frozen=True)

    reason: str
    service: str
    topic: str
    partition: int
    offset: int

    def encoded(self) -> list[tuple[str, bytes]]:
        """Return them as Kafka takes them."""
        return [(name, str(value).encode()) for name, value in self]


def reason_of(error: Exception) -> str:
    """Say in one line why a message was refused: its first three faults."""
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    faults = error.errors(include_url=False)
    told = [f"{'.'.join(map(str, f['loc'])) or 'message'}: {f['msg']}" for f in faults[:3]]
    return "; ".join(told) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")  # noqa: PLR2004 - as said


class DeadLetters:
    """Puts messages of one service aside, and counts them."""

    def __init__(self, publisher: Publisher, service: str, registry: CollectorRegistry) -> None:
        self._publisher = publisher
        self._service = service
        self._counted = Counter(
            "tradepulse_dead_letters_total",
            "Messages put aside because they could not be decoded or handled",
            ["topic"],
            registry=registry,
        )

    async def put_aside(self, topic: Topic, refused: Sequence[tuple[ConsumerRecord, str]]) -> None:
        """Send messages, each with its reason, to a topic's dead-letter topic."""
        for record, reason in refused:
            log.error(
                "message put aside",
                extra={"topic": topic.name, "offset": record.offset, "reason": reason[:500]},
            )
            headers = LetterHeaders(
                reason=reason[:2_000],
                service=self._service,
                topic=topic.name,
                partition=record.partition,
                offset=record.offset,
            )
            await self._publisher.send_raw(
                topic.dead_letters, record.key, record.value, headers.encoded()
            )
            self._counted.labels(topic.name).inc()


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
