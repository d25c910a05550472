"""Read from Kafka in batches; nothing undecodable stops a partition.

A reader decodes message by message, sends what cannot be decoded to `<topic>.dlq` with the
reason, and yields the rest. It is used in one of three ways:

- with a group: partitions are shared by replicas, `commit()` after the batch is handled;
- from kept positions: all partitions, sought to offsets that the caller stored with its state;
- `read_all`: a compacted topic from its beginning to its present end.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    for_code,
)
from prometheus_client import CollectorRegistry, Counter
from pydantic import TypeAdapter, ValidationError

from contracts.topics import TOPICS, Topic
from tradepulse.runtime.publisher import BrokerUnavailableError, Publisher, retry_connect

__all__ = [
    "BrokerUnavailableError",
    "Bus",
    "Delivery",
    "Publisher",
    "Reader",
    "create_topics",
    "dead_letter_headers",
    "decoder_of",
]

Decoder = Callable[[bytes], Any]
log = logging.getLogger(__name__)

TOPIC_EXISTS = 36
COMMIT_EVERY_S = 1.0


class Delivery(NamedTuple):
    """One decoded message and the record it came in (topic, partition, offset, timestamp)."""

    event: Any
    record: ConsumerRecord

    @property
    def position(self) -> tuple[str, int]:
        """(`topic/partition`, offset)."""
        return f"{self.record.topic}/{self.record.partition}", self.record.offset


def decoder_of(topic: Topic) -> Decoder:
    """Return the validating decoder of a topic's events; it raises `ValidationError`."""
    return TypeAdapter(topic.event).validate_json


def reason_of(error: Exception) -> str:
    """Say in one line why a message was refused: its first three faults."""
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    faults = error.errors(include_url=False)
    told = [f"{'.'.join(map(str, f['loc'])) or 'message'}: {f['msg']}" for f in faults[:3]]
    return "; ".join(told) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")  # noqa: PLR2004 - as said


def dead_letter_headers(
    record: ConsumerRecord, service: str, reason: str
) -> list[tuple[str, bytes]]:
    """Return the headers that tell why a message was put aside, and where it came from."""
    return [
        ("reason", reason[:2_000].encode()),
        ("service", service.encode()),
        ("topic", record.topic.encode()),
        ("partition", str(record.partition).encode()),
        ("offset", str(record.offset).encode()),
    ]


class Bus:
    """Makes readers; holds what all of them share."""

    def __init__(
        self,
        bootstrap_servers: str,
        service: str,
        publisher: Publisher,
        registry: CollectorRegistry,
    ) -> None:
        self.bootstrap_servers = bootstrap_servers
        self.service = service
        self.publisher = publisher
        self._readers: list[Reader] = []
        self.consumed = Counter(
            "tradepulse_messages_consumed_total", "Messages read", ["topic"], registry=registry
        )
        self.dead_letters = Counter(
            "tradepulse_dead_letters_total",
            "Messages put aside because they could not be decoded or handled",
            ["topic"],
            registry=registry,
        )

    def reader(
        self,
        *topics: Topic,
        group: str | None = None,
        latest: bool = False,
        decoders: Mapping[str, Decoder] | None = None,
        max_records: int = 5_000,
        on_revoked: Callable[[], None] | None = None,
    ) -> "Reader":
        """Make a reader of topics; see `Reader`."""
        made = Reader(self, topics, group, latest, decoders or {}, max_records, on_revoked)
        self._readers.append(made)
        return made

    async def stop(self) -> None:
        """Stop every reader: its group hands its partitions on at once."""
        for reader in self._readers:
            await reader.stop()

    async def read_all(self, topic: Topic) -> list[Any]:
        """Return the events of a topic from its beginning to its end as it is now.

        What cannot be decoded is left to the reader that follows the topic after this.
        """
        reader = self.reader(topic)
        reader.puts_aside = False
        await reader.start()
        try:
            ends = await reader.end_offsets()
            events = []
            while await reader.is_behind(ends):
                events += [delivery.event for delivery in await reader.next_batch()]
            return events
        finally:
            await reader.stop()


class Reader(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Reads topics batch by batch: `async for batch in reader`.

    Without a group it is given every partition of its topics at once, from the earliest message
    (or only new ones with `latest`), and keeps no offsets in Kafka.
    """

    def __init__(
        self,
        bus: Bus,
        topics: Sequence[Topic],
        group: str | None,
        latest: bool,  # noqa: FBT001 - Bus.reader names it
        decoders: Mapping[str, Decoder],
        max_records: int,
        on_revoked: Callable[[], None] | None,
    ) -> None:
        self._bus = bus
        self._topics = {topic.name: topic for topic in topics}
        self._group = group
        self._decoders = {t.name: decoders.get(t.name) or decoder_of(t) for t in topics}
        self._latest = latest
        self._max_records = max_records
        self._on_revoked = on_revoked
        self._paused: set[TopicPartition] = set()
        self.puts_aside = True
        """Whether undecodable messages go to the dead-letter topic, or are passed over."""
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bus.bootstrap_servers,
            client_id=bus.service,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="latest" if latest else "earliest",
            # the shortest the broker allows: a killed replica's partitions move after this
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_500,
            fetch_max_wait_ms=250,
            max_partition_fetch_bytes=4 * 1_048_576,
        )

    async def start(self, positions: Mapping[str, int] | None = None) -> None:
        """Connect, and begin at `positions` (`"topic/partition"` to offset) where given.

        Raises:
            BrokerUnavailableError: the broker does not answer.
        """
        if self._group is None:
            await retry_connect(self._consumer.start, self._bus.bootstrap_servers, 30)
            partitions = [
                TopicPartition(topic.name, number)
                for topic in self._topics.values()
                for number in range(topic.partitions)
            ]
            self._consumer.assign(partitions)
            for partition in partitions:
                offset = (positions or {}).get(f"{partition.topic}/{partition.partition}")
                if offset is not None:
                    self._consumer.seek(partition, offset)
            # new is what comes from now on, not from when the first fetch asks where the end is
            if self._latest and not await self._consumer.seek_to_end(*partitions):
                raise BrokerUnavailableError(
                    f"the broker at {self._bus.bootstrap_servers} does not say where its topics end"
                )
        else:
            self._consumer.subscribe(list(self._topics), listener=self)
            await retry_connect(self._consumer.start, self._bus.bootstrap_servers, 30)

    async def stop(self) -> None:
        """Leave the group and disconnect."""
        await self._consumer.stop()

    @property
    def assigned(self) -> bool:
        """Whether this reader holds at least one partition."""
        return bool(self._consumer.assignment())

    async def on_partitions_revoked(self, revoked: object) -> None:
        """Tell the owner to forget what belongs to partitions that may move."""
        del revoked
        if self._on_revoked is not None:
            self._on_revoked()

    async def on_partitions_assigned(self, assigned: Sequence[object]) -> None:
        """Log what this replica was given."""
        log.info("partitions assigned", extra={"count": len(assigned)})

    async def __aiter__(self) -> AsyncIterator[list[Delivery]]:
        """Yield batches for ever; an empty one about every 200 ms when nothing comes."""
        while True:
            yield await self.next_batch()

    async def next_batch(self, timeout_ms: int = 200) -> list[Delivery]:
        """Return what has come, at most `max_records`, in order within each partition."""
        try:
            fetched = await self._consumer.getmany(
                timeout_ms=timeout_ms, max_records=self._max_records
            )
        except KafkaError as error:
            if not error.retriable:
                raise
            log.warning("broker trouble while reading: %r", error)
            await asyncio.sleep(0.5)
            return []
        batch: list[Delivery] = []
        for partition, records in fetched.items():
            self._bus.consumed.labels(partition.topic).inc(len(records))
            decode = self._decoders[partition.topic]
            for record in records:
                if record.value is None:
                    continue
                try:
                    event = decode(record.value)
                except (ValidationError, ValueError) as error:
                    if self.puts_aside:
                        await self.dead_letter(record, f"cannot be decoded: {reason_of(error)}")
                    continue
                batch.append(Delivery(event, record))
        return batch

    async def dead_letter(self, record: ConsumerRecord, reason: str) -> None:
        """Put one message aside, with its reason, on the topic's dead-letter topic."""
        self._bus.dead_letters.labels(record.topic).inc()
        log.error(
            "message put aside",
            extra={"topic": record.topic, "offset": record.offset, "reason": reason[:500]},
        )
        await self._bus.publisher.send_raw(
            self._topics[record.topic].dead_letters,
            record.key,
            record.value,
            dead_letter_headers(record, self._bus.service, reason),
        )

    async def commit(self) -> None:
        """Commit what was yielded. A rebalance in between only means that it is read again."""
        try:
            await self._consumer.commit()
        except (CommitFailedError, IllegalStateError, RebalanceInProgressError) as error:
            log.info("offsets not committed, partitions are moving: %r", error)

    def pause_only(self, partitions: Collection[tuple[str, int]]) -> None:
        """Fetch every assigned partition but these (topic, number)."""
        wanted = {TopicPartition(*partition) for partition in partitions}
        if wanted != self._paused:
            self._consumer.resume(*self._paused)
            self._consumer.pause(*wanted)
            self._paused = wanted

    async def end_offsets(self) -> dict[TopicPartition, int]:
        """Return the next offset of every assigned partition."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(
            self._consumer.assignment()
        )
        return ends

    async def is_behind(self, ends: Mapping[TopicPartition, int]) -> bool:
        """Tell whether a position is still before one of `ends`."""
        for partition, end in ends.items():
            if end and await self._consumer.position(partition) < end:
                return True
        return False


async def create_topics(bootstrap_servers: str) -> list[str]:
    """Create the topics that are missing, with their dead-letter topics; return their names.

    Raises:
        BrokerUnavailableError: no broker answers.
        RuntimeError: the broker refuses, or a topic exists with another number of partitions.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await retry_connect(admin.start, bootstrap_servers, 30)
    try:
        wanted = [new for topic in TOPICS for new in _new_topics(topic)]
        response = await admin.create_topics(wanted)
        created = []
        for name, code, message in response.topic_errors:
            if code == 0:
                created.append(name)
            elif code != TOPIC_EXISTS:
                raise RuntimeError(f"topic {name}: {for_code(code).__name__}: {message}")
        described = await admin.describe_topics([topic.name for topic in TOPICS])
        found = {entry["topic"]: len(entry["partitions"]) for entry in described}
        for topic in TOPICS:
            # a fresh topic may not be described yet; a wrong one always is
            if found.get(topic.name, 0) not in (0, topic.partitions):
                raise RuntimeError(
                    f"topic {topic.name} has {found[topic.name]} partitions, needs "
                    f"{topic.partitions}: keys would move; use another broker or delete the topic"
                )
        return created
    finally:
        await admin.close()


def _new_topics(topic: Topic) -> list[NewTopic]:
    config = {"retention.ms": str(topic.retention_ms)}
    if topic.compacted:
        config = {"cleanup.policy": "compact"}
    return [
        NewTopic(topic.name, topic.partitions, 1, topic_configs=config),
        # kept for ever: a dead letter is evidence, and someone's data
        NewTopic(topic.dead_letters, 1, 1, topic_configs={"retention.ms": "-1"}),
    ]


async def handle_batches(
    reader: Reader,
    handle: Callable[[list[Delivery]], Awaitable[None]],
    forget: Callable[[], None],
) -> None:
    """Handle batches for ever, committing what is done about once a second.

    A commit after each batch would cost more than the batch; what lies between two commits may
    be read again after a crash. When broker or database fail, the process ends and is started
    again at the last commit. When a message itself cannot be handled, it is found by halving the
    batch, and put aside.

    Args:
        reader: of a group.
        handle: must bear repeats.
        forget: called before anything is handled again; drops what `handle` remembers.
    """
    uncommitted_since: float | None = None
    async for batch in reader:
        now = time.monotonic()
        if batch:
            await _handle_or_put_aside(reader, batch, handle, forget)
            uncommitted_since = uncommitted_since or now
        if uncommitted_since is not None and now - uncommitted_since >= COMMIT_EVERY_S:
            await reader.commit()
            uncommitted_since = None


async def _handle_or_put_aside(
    reader: Reader,
    batch: list[Delivery],
    handle: Callable[[list[Delivery]], Awaitable[None]],
    forget: Callable[[], None],
) -> None:
    try:
        await handle(batch)
    except (KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
        raise
    except Exception as error:
        forget()
        if len(batch) == 1:
            log.exception("message cannot be handled")
            await reader.dead_letter(batch[0].record, f"cannot be handled: {error!r}")
            return
        middle = len(batch) // 2
        await _handle_or_put_aside(reader, batch[:middle], handle, forget)
        await _handle_or_put_aside(reader, batch[middle:], handle, forget)
