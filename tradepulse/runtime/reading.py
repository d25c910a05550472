"""How a service reads its topics: FastStream subscribers, batch by batch, at the client's speed.

A batch is decoded message by message; what cannot be decoded is put aside with its reason, and the
rest is handled. What a handler raises ends the process. A topic is read in one of four ways:

- `SharedReading` (sharing.py): replicas of a group share its partitions, offsets are kept in Kafka;
- `AssignedReading`: every partition, from offsets that the service kept with what it decided
  (`from_kept`), from the beginning (`from_beginning`), or from the end (`from_end`).
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka import TopicPartition as Partition
from faststream import AckPolicy, StreamMessage
from faststream.kafka import KafkaMessage, TopicPartition

from contracts.topics import Topic
from tradepulse.runtime.cluster import Cluster
from tradepulse.runtime.dead_letters import reason_of
from tradepulse.runtime.delivery import Decoder, Delivery, Each, decoder_of, described
from tradepulse.runtime.health import Pulse
from tradepulse.runtime.offsets import Begin, Range

if TYPE_CHECKING:
    from tradepulse.runtime.broker import Broker

log = logging.getLogger(__name__)

MAX_RECORDS = 5_000
WAIT_MS = 2_000
"""How long a client, and the broker for it, wait for messages; what comes is handed out at once."""
BUSY_WAIT_MS = 20
"""How long the broker waits while messages come: a client asks for the partitions whose messages
are all handed out, and until that is answered for no other one."""
_PAUSE_MS = 1
"""What FastStream would wait for messages; where none came it sleeps as long, deaf to them."""
IN_HAND_S = 600.0
"""A batch that is not handled after this hangs."""
_POLL_S = 0.01

Handler: TypeAlias = Callable[[list[Delivery]], Awaitable[None]]
"""Handles what came, in order within each partition; it must bear repeats."""


class WaitingConsumer(AIOKafkaConsumer):  # type: ignore[misc]  # aiokafka is untyped
    """Waits longer for messages than FastStream asks it to, so that it is hardly ever deaf.

    aiokafka has no option for what is set here, so its minor version is pinned.
    """

    def __init__(self, *topics: str, cluster: Cluster, **options: Any) -> None:
        super().__init__(*topics, **options)
        cluster.keep(self._client)

    async def start(self) -> None:
        """Start; where nothing happens it looks around as rarely as it fetches.

        What happens wakes it from this pause at once.
        """
        await super().start()
        self._fetcher._fetcher_timeout = WAIT_MS / 1000  # noqa: SLF001 - see class

    async def getmany(
        self, *partitions: Partition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[Partition, list[ConsumerRecord]]:
        """Return what has come, or comes within `WAIT_MS`."""
        found: dict[Partition, list[ConsumerRecord]] = await super().getmany(
            *partitions, timeout_ms=max(timeout_ms, WAIT_MS), max_records=max_records
        )
        wait_ms = BUSY_WAIT_MS if found else WAIT_MS
        self._fetcher._fetch_max_wait_ms = wait_ms  # noqa: SLF001 - see class
        return found


class Reading:
    """One topic as a service reads it.

    Args:
        broker: of the service.
        topic: what is read.
        handle: what is done with it.
        decode: instead of the validating decoder of the topic's events; what it gives None for is
            passed over.
        puts_aside: whether what cannot be decoded goes to the dead-letter topic; where not,
            `decode` must take everything.
        topics: what FastStream subscribes to, where it is not given partitions.
        options: of FastStream's subscriber.
    """

    def __init__(
        self,
        broker: "Broker",
        topic: Topic,
        handle: Handler,
        decode: Decoder | None,
        *topics: str,
        puts_aside: bool = True,
        **options: Any,
    ) -> None:
        self.topic = topic
        self.puts_aside = puts_aside
        self._meters = broker.meters.of(topic)
        self._meters.held.set_function(lambda: len(self.assignment))
        self._handle = self._meters.measured(handle)
        self._broker = broker
        self._letters = broker.letters
        self._newer = broker.newer
        self._decode = decode or decoder_of(topic)
        self._records: Sequence[ConsumerRecord] = ()
        self._begun = self._done = 0
        self._is_started = False
        self.pulse = Pulse(IN_HAND_S)
        """Rests while nothing is in hand."""
        self._subscriber = broker.subscriber(
            *topics,
            batch=True,
            batch_timeout_ms=_PAUSE_MS,
            max_records=MAX_RECORDS,
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            parser=self._parse,
            codec=self,
            fetch_max_wait_ms=BUSY_WAIT_MS,
            max_partition_fetch_bytes=4 * 1_048_576,
            # in documents what is written and what is read are not one
            title=topic.name + (".read" if topic.name in broker.published else ""),
            description=described(topic),
            **options,
        )
        self._subscriber(self._handler())

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The client; there is one once the service has started."""
        consumer = self._subscriber.consumer
        if consumer is None:
            raise RuntimeError(f"{self.topic.name} is not read yet")
        return consumer

    @property
    def is_assigned(self) -> bool:
        """Whether at least one partition is read here."""
        return bool(self.assignment)

    @property
    def assignment(self) -> Collection[Partition]:
        """The partitions that are read here now; none before the start."""
        consumer = self._subscriber.consumer
        return () if consumer is None else cast("frozenset[Partition]", consumer.assignment())

    async def lags(self) -> dict[Partition, int]:
        """Return how many messages of each partition were not taken yet.

        The broker is asked: who does not fetch, since it is busy or has paused, is told of none.

        Raises:
            KafkaError: the broker does not answer, or partitions have moved.
        """
        # it has its partitions before its client is connected
        if not self._is_started or not self.assignment:
            return {}
        ends = await self.consumer.end_offsets(self.assignment)
        return {one: max(0, end - await self.consumer.position(one)) for one, end in ends.items()}

    @property
    def is_idle(self) -> bool:
        """Whether everything that was fetched has been handled."""
        return self._begun == self._done

    async def start(self) -> None:
        """Begin to read."""
        await self._subscriber.start()
        self._is_started = True

    async def stop(self) -> None:
        """Handle what is in hand, then stop."""
        await self._subscriber.stop()

    def _handler(self) -> Callable[[Any], Awaitable[None]]:
        async def on_batch(batch: Any) -> None:
            try:
                self._meters.came(self._records)
                with self._broker.traces.handling(self.topic.name, self._records):
                    await self.on_batch(batch, self._records)
            finally:
                self._done += 1
                self.pulse.rest()

        # FastStream documents a handler by its name and annotations
        on_batch.__name__ = "on_" + self.topic.name.rpartition(".")[2]
        on_batch.__annotations__["batch"] = Annotated[list[Any], Each(self.topic.event)]
        return on_batch

    async def on_batch(self, batch: list[Delivery], records: Sequence[ConsumerRecord]) -> None:
        """Handle what could be decoded of the records that came."""
        del records
        await self._handle(batch)

    async def put_aside(self, refused: Sequence[tuple[Delivery, str]]) -> None:
        """Send what was decoded and cannot be handled to the dead letters, each with its reason."""
        if refused:
            await self._letters.put_aside(
                self.topic, [(delivery.record, reason) for delivery, reason in refused]
            )

    async def _parse(self, records: Any) -> KafkaMessage:
        # instead of FastStream's, which makes a dict of every message's headers
        self._begun += 1
        self.pulse.beat()
        self._records = records
        return KafkaMessage(records, b"", message_id="", correlation_id="-", consumer=self.consumer)

    async def decode_batch(self, msg: StreamMessage[Sequence[ConsumerRecord]]) -> list[Any]:
        """Decode message by message; put aside what cannot be decoded.

        What a newer version says is read as far as it is understood.
        """
        batch: list[Any] = []
        refused: list[tuple[ConsumerRecord, str]] = []
        decode = self._decode
        for record in msg.raw_message:
            # a compacted topic's mark that a key is gone
            if record.value is None:
                continue
            try:
                event = decode(record.value)
            except ValueError as error:
                try:
                    event = self._newer.read(self.topic, decode, record.value, error)
                except ValueError as fault:
                    if not self.puts_aside:
                        raise
                    refused.append((record, f"cannot be decoded: {reason_of(fault)}"))
                    continue
            if event is not None:
                batch.append(Delivery(event, record))
        self._meters.consumed.inc(len(msg.raw_message))
        if refused:
            await self._letters.put_aside(self.topic, refused)
        return batch

    async def decode(self, msg: StreamMessage[Any]) -> Any:
        """Refuse: messages come in batches."""
        raise NotImplementedError

    async def encode(self, msg: Any, serializer: Any = None) -> Any:
        """Refuse: what a service publishes goes through its `Publisher`."""
        raise NotImplementedError

    async def encode_batch(self, msgs: Any, serializer: Any = None) -> Any:
        """Refuse, as `encode`."""
        raise NotImplementedError


class AssignedReading(Reading):
    """Every partition of a topic, from offsets that the service knows; none are kept in Kafka."""

    def __init__(
        self,
        broker: "Broker",
        topic: Topic,
        handle: Handler,
        *,
        begin: Begin,
        decode: Decoder | None = None,
        puts_aside: bool = True,
    ) -> None:
        self._begin = begin
        self._ends: dict[Partition, int] = {}
        self._unread: dict[Partition, int] | None = None
        self._paused: set[Partition] = set()
        super().__init__(
            broker,
            topic,
            handle,
            decode,
            puts_aside=puts_aside,
            partitions=[TopicPartition(topic.name, number) for number in range(topic.partitions)],
            # where to begin is said at the start; to begin elsewhere would leave something out
            auto_offset_reset="none",
        )

    @property
    def partitions(self) -> list[Partition]:
        """All of them."""
        return [Partition(self.topic.name, number) for number in range(self.topic.partitions)]

    async def start_at(self, ranges: Mapping[Partition, Range]) -> None:
        """Begin to read; `ranges` is what each partition holds now.

        Raises:
            RefusedError: a kept offset is not among what its partition holds.
        """
        begins = {one: self._begin(one, ranges[one]) for one in self.partitions}
        self._ends = {one: ranges[one][1] for one in self.partitions}
        self._unread = {one: end for one, end in self._ends.items() if begins[one] < end}
        await self.start()
        # nothing else has run since the client has started, so it fetches from here on
        for partition, offset in begins.items():
            self.consumer.seek(partition, offset)

    @property
    def is_behind(self) -> bool:
        """Whether something that lay there at the start, in what is fetched, is not handled yet."""
        return self._unread is None or not self._unread.keys() <= self._paused

    async def on_batch(self, batch: list[Delivery], records: Sequence[ConsumerRecord]) -> None:
        """Handle a batch, and note which partitions have passed the end that they had."""
        await super().on_batch(batch, records)
        if self._unread:
            for record in records:
                partition = Partition(record.topic, record.partition)
                if record.offset + 1 >= self._unread.get(partition, math.inf):
                    del self._unread[partition]

    async def caught_up(self) -> None:
        """Wait until everything that was there at the start is handled."""
        await self._handled(self._ends)

    async def heard_all(self) -> None:
        """Wait until everything that is there now is handled."""
        await self._handled(await self.consumer.end_offsets(self.partitions))

    async def _handled(self, ends: Mapping[Partition, int]) -> None:
        while not (self.is_idle and await self._has_passed(ends)):  # noqa: ASYNC110 - a client tells nobody
            await asyncio.sleep(_POLL_S)

    async def _has_passed(self, ends: Mapping[Partition, int]) -> bool:
        for partition, end in ends.items():
            if await self.consumer.position(partition) < end:
                return False
        return True

    def pause_only(self, numbers: Collection[int]) -> None:
        """Fetch every partition but these."""
        wanted = {Partition(self.topic.name, number) for number in numbers}
        if wanted != self._paused:
            self.consumer.resume(*self._paused)
            self.consumer.pause(*wanted)
            self._paused = wanted
