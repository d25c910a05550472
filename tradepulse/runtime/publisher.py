"""Publish to Kafka: idempotent, acknowledged by all, keyed so that an instrument stays in order.

An idempotent client tries for ever. Who waits for a broker that hangs would wait as long, with the
transaction that it has open; so an acknowledgement has a limit, and the process ends.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Self, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder
from prometheus_client import CollectorRegistry

from contracts.topics import Topic
from tradepulse.runtime.broker_refusal import refusal
from tradepulse.runtime.cluster import Cluster
from tradepulse.runtime.hearing import Hearing
from tradepulse.runtime.kafka import KafkaAddress, bootstrap_servers, client_options
from tradepulse.runtime.meters import PublishMeters
from tradepulse.runtime.tracing import NO_TRACES, Carried

Headers: TypeAlias = Sequence[tuple[str, bytes]]

MOST_BYTES = 1_000_000
"""Of key, value and headers of one message; a broker takes 1,048,588 with all around it."""
ACKNOWLEDGED_S = 30.0
STOPPED_S = 5.0


class BrokerUnavailableError(RuntimeError):
    """The broker cannot be reached; the message says what to do."""


class TooLargeError(ValueError):
    """A message is too large for one record."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"a message of {size:,} bytes is too large: a record holds at most {MOST_BYTES:,}"
        )


def check_size(key: bytes | str, value: bytes) -> None:
    """Refuse what no record can hold.

    Raises:
        TooLargeError: it is too large.
    """
    size = len(key) + len(value)
    if size > MOST_BYTES:
        raise TooLargeError(size)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key, as Kafka's own clients choose it."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class Publisher:
    """The one way to write to Kafka; a service says first to which topics (`allow`).

    Args:
        kafka: where the broker is.
        client_id: name of the service.
        clock: seconds.
        registry: of the metrics.
        cluster: the only Kafka that is published to; the one that answers first where not given.
    """

    def __init__(
        self,
        kafka: KafkaAddress,
        client_id: str,
        clock: Callable[[], float] = time.monotonic,
        registry: CollectorRegistry | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        self._kafka = kafka
        self._meters = PublishMeters(registry or CollectorRegistry())
        self._cluster = cluster or Cluster()
        self._cluster.when_other(self._give_up)
        self._limits: set[asyncio.Timeout] = set()
        self._client_id = client_id
        self._hearing = Hearing(self._answers, clock)
        self._client: AIOKafkaProducer | None = None
        self._allowed: set[str] | None = None
        self._partitions: dict[tuple[str, str], int] = {}
        self.traces = NO_TRACES

    def allow(self, topic: Topic) -> None:
        """From now on refuse topics that are not allowed."""
        self._allowed = {*(self._allowed or ()), topic.name}
        self._meters.publishes(topic.name)

    async def start(self, *, patience_s: float = 30.0) -> Self:
        """Connect.

        Raises:
            BrokerUnavailableError: no broker answered for `patience_s` seconds.
        """
        self._client = AIOKafkaProducer(
            **client_options(self._kafka),
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            max_batch_size=262_144,
        )
        self._cluster.keep(self._client.client)
        try:
            await retry_connect(self._client.start, self._kafka, patience_s)
            await retry_connect(self._ask, self._kafka, patience_s)
        except BaseException:
            # or aiokafka has the last word, of a client that was not closed
            await self.stop()
            raise
        self._hearing.heard()
        return self

    @property
    def hears(self) -> bool:
        """Whether the broker has answered lately; see `keep_asking`."""
        return self._hearing.hears

    async def keep_asking(self, patience_s: float = math.inf) -> None:
        """Ask the broker for ever what it holds, so that `hears` knows.

        The client says yes or no and raises nothing. What is asked of a broker that hangs is
        not given up: the client would leave a connection behind.

        Raises:
            BrokerUnavailableError: it has answered nothing for `patience_s` seconds.
        """
        silent = await self._hearing.keep_asking(patience_s)
        raise BrokerUnavailableError(
            f"no Kafka broker has answered at {bootstrap_servers(self._kafka)} for {silent:.0f} s: "
            "see whether it runs; this process ends, to be started again"
        )

    def _answers(self) -> "asyncio.Future[bool]":
        asked: asyncio.Future[bool] = self._producer.client.force_metadata_update()
        return asked

    async def _ask(self) -> None:
        if not await self._producer.client.force_metadata_update():
            raise KafkaConnectionError("it does not say which topics there are")

    @property
    def _producer(self) -> AIOKafkaProducer:
        if self._client is None:
            raise RuntimeError(f"the publisher of {self._client_id} is not started")
        return self._client

    async def stop(self) -> None:
        """Send what is pending, if the broker takes it soon, and disconnect."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOPPED_S):
                await self._producer.stop()

    async def send(
        self,
        topic: Topic,
        key: str,
        value: bytes,
    ) -> None:
        """Publish one message and wait for its acknowledgement.

        Raises:
            TooLargeError: no record can hold it.
            BrokerUnavailableError: nothing was acknowledged for `ACKNOWLEDGED_S` seconds.
        """
        self._check(topic)
        check_size(key, value)
        partition = self._partition(topic, key)
        with self._meters.measured(topic.name, 1):
            async with self._acknowledged():
                await self._producer.send_and_wait(
                    topic.name, value, key=key.encode(), partition=partition
                )

    async def send_raw(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
    ) -> None:
        """Publish bytes as they are: the way back of a dead letter."""
        async with self._acknowledged():
            await self._producer.send_and_wait(topic, value, key=key, headers=list(headers))

    async def send_in_order(
        self, topic: str, messages: Iterable[tuple[bytes | None, bytes | None, Headers]]
    ) -> None:
        """Publish (key, value, headers) as they are to a topic of one partition, in order.

        All of them are acknowledged when it returns.

        Raises:
            BrokerUnavailableError: nothing was acknowledged for `ACKNOWLEDGED_S` seconds.
        """
        batch = self._producer.create_batch()
        pending = []
        for key, value, headers in messages:
            if _append(batch, key, value, headers):
                continue
            pending.append(await self._add(batch, topic, 0))
            batch = self._producer.create_batch()
            _append(batch, key, value, headers)
        pending.append(await self._add(batch, topic, 0))
        async with self._acknowledged():
            await asyncio.gather(*pending)

    async def send_many(self, topic: Topic, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish messages, in order within each key, and wait for every acknowledgement.

        They go out as prebuilt batches, so that one request carries all of them: sent one by one,
        the first leaves alone and the others wait until it is acknowledged.

        Raises:
            TooLargeError: no record can hold one of them; none was sent.
            BrokerUnavailableError: nothing was acknowledged for `ACKNOWLEDGED_S` seconds.
        """
        self._check(topic)
        for key, value in messages:
            check_size(key, value)
        if not messages:
            return
        with (
            self._meters.measured(topic.name, len(messages)),
            self.traces.sending(topic.name, len(messages)) as headers,
        ):
            await self._send_many(topic, messages, headers)

    async def _send_many(
        self, topic: Topic, messages: Sequence[tuple[str, bytes]], headers: Carried
    ) -> None:
        open_batches: dict[int, BatchBuilder] = {}
        pending = []
        for key, value in messages:
            partition = self._partition(topic, key)
            batch = open_batches.get(partition)
            raw_key = key.encode()
            if batch is None:
                batch = open_batches[partition] = self._producer.create_batch()
            if batch.append(key=raw_key, value=value, timestamp=None, headers=headers) is None:
                pending.append(await self._add(batch, topic.name, partition))
                batch = open_batches[partition] = self._producer.create_batch()
                # the first of a batch always fits
                batch.append(key=raw_key, value=value, timestamp=None, headers=headers)
        for partition, batch in open_batches.items():
            pending.append(await self._add(batch, topic.name, partition))
        async with self._acknowledged():
            await asyncio.gather(*pending)

    async def _add(
        self, batch: BatchBuilder, topic: str, partition: int
    ) -> "asyncio.Future[object]":
        """Hand a batch over, once the one before it has left."""
        async with self._acknowledged():
            waiting: asyncio.Future[object] = await self._producer.send_batch(
                batch, topic, partition=partition
            )
        return waiting

    @contextlib.asynccontextmanager
    async def _acknowledged(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(0 if self._cluster.other else ACKNOWLEDGED_S) as limit:
                self._limits.add(limit)
                try:
                    yield
                finally:
                    self._limits.discard(limit)
        except TimeoutError as error:
            raise BrokerUnavailableError(
                f"the Kafka broker has acknowledged nothing for {ACKNOWLEDGED_S:.0f} s: see "
                "whether it runs; what was to be published is published again after the restart"
            ) from error

    def _give_up(self, _: BaseException) -> None:
        """Wait for no acknowledgement: who was to give it is gone."""
        for limit in self._limits:
            limit.reschedule(asyncio.get_running_loop().time())

    def _check(self, topic: Topic) -> None:
        if self._allowed is not None and topic.name not in self._allowed:
            raise ValueError(f"{self._client_id} has not declared that it publishes {topic.name}")

    def _partition(self, topic: Topic, key: str) -> int:
        known = self._partitions.get((topic.name, key))
        if known is None:
            known = partition_of(key.encode(), topic.partitions)
            self._partitions[topic.name, key] = known
        return known


def _append(batch: BatchBuilder, key: bytes | None, value: bytes | None, headers: Headers) -> bool:
    added = batch.append(key=key, value=value, timestamp=None, headers=list(headers))
    return added is not None


async def retry_connect(start: object, kafka: KafkaAddress, patience_s: float) -> None:
    """Call an aiokafka client's `start` until it connects or patience ends.

    Raises:
        BrokerUnavailableError: no broker answered in time, or one refuses us.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            await start()  # type: ignore[operator]  # aiokafka is untyped
        except (KafkaConnectionError, OSError) as error:
            # what the broker says to a wrong password now, it says for ever
            if (refused := await refusal(kafka)) is not None:
                raise BrokerUnavailableError(refused) from None
            if time.monotonic() > deadline:
                raise BrokerUnavailableError(
                    f"no Kafka broker answers at {bootstrap_servers(kafka)} ({error}); "
                    "start it, set KAFKA_BOOTSTRAP_SERVERS, or see whether it wants another "
                    "KAFKA_SECURITY_PROTOCOL"
                ) from error
            await asyncio.sleep(0.5)
        else:
            return
