"""Publish to Kafka: idempotent, acknowledged by all, keyed so that an instrument stays in order."""

import asyncio
import time
from collections.abc import Sequence
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from contracts.topics import Topic


class BrokerUnavailableError(RuntimeError):
    """The broker cannot be reached; the message says what to do."""


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key, as Kafka's own clients choose it."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


class Publisher:
    """The one way to write to Kafka; a service says first to which topics (`allow`)."""

    def __init__(self, bootstrap_servers: str, client_id: str) -> None:
        self._bootstrap = bootstrap_servers
        self._client_id = client_id
        self._client: AIOKafkaProducer | None = None
        self._allowed: set[str] | None = None
        self._partitions: dict[tuple[str, str], int] = {}

    def allow(self, topic: Topic) -> None:
        """From now on refuse topics that are not allowed."""
        self._allowed = {*(self._allowed or ()), topic.name}

    async def start(self, *, patience_s: float = 30.0) -> Self:
        """Connect.

        Raises:
            BrokerUnavailableError: no broker answered for `patience_s` seconds.
        """
        self._client = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id=self._client_id,
            acks="all",
            enable_idempotence=True,
            max_batch_size=262_144,
        )
        await retry_connect(self._client.start, self._bootstrap, patience_s)
        return self

    @property
    def _producer(self) -> AIOKafkaProducer:
        if self._client is None:
            raise RuntimeError(f"the publisher of {self._client_id} is not started")
        return self._client

    async def stop(self) -> None:
        """Send what is pending and disconnect."""
        await self._producer.stop()

    async def send(
        self,
        topic: Topic,
        key: str,
        value: bytes,
    ) -> None:
        """Publish one message and wait for its acknowledgement."""
        self._check(topic)
        await self._producer.send_and_wait(
            topic.name, value, key=key.encode(), partition=self._partition(topic, key)
        )

    async def send_raw(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Publish bytes as they are: dead letters, and their way back."""
        await self._producer.send_and_wait(topic, value, key=key, headers=list(headers))

    async def send_many(self, topic: Topic, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish messages, in order within each key, and wait for every acknowledgement.

        They go out as prebuilt batches, so that one request carries all of them: sent one by one,
        the first leaves alone and the others wait until it is acknowledged.
        """
        self._check(topic)
        open_batches: dict[int, BatchBuilder] = {}
        pending = []
        for key, value in messages:
            partition = self._partition(topic, key)
            batch = open_batches.get(partition)
            raw_key = key.encode()
            if batch is None:
                batch = open_batches[partition] = self._producer.create_batch()
            if batch.append(key=raw_key, value=value, timestamp=None) is None:
                pending.append(
                    await self._producer.send_batch(batch, topic.name, partition=partition)
                )
                batch = open_batches[partition] = self._producer.create_batch()
                if batch.append(key=raw_key, value=value, timestamp=None) is None:
                    raise ValueError(f"a message of {len(value)} bytes does not fit a batch")
        for partition, batch in open_batches.items():
            pending.append(await self._producer.send_batch(batch, topic.name, partition=partition))
        await asyncio.gather(*pending)

    def _check(self, topic: Topic) -> None:
        if self._allowed is not None and topic.name not in self._allowed:
            raise ValueError(f"{self._client_id} has not declared that it publishes {topic.name}")

    def _partition(self, topic: Topic, key: str) -> int:
        known = self._partitions.get((topic.name, key))
        if known is None:
            known = partition_of(key.encode(), topic.partitions)
            self._partitions[topic.name, key] = known
        return known


async def retry_connect(start: object, bootstrap_servers: str, patience_s: float) -> None:
    """Call an aiokafka client's `start` until it connects or patience ends.

    Raises:
        BrokerUnavailableError: no broker answered in time.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            await start()  # type: ignore[operator]  # aiokafka is untyped
        except (KafkaConnectionError, OSError) as error:
            if time.monotonic() > deadline:
                raise BrokerUnavailableError(
                    f"no Kafka broker answers at {bootstrap_servers} ({error}); "
                    "start it or set KAFKA_BOOTSTRAP_SERVERS"
                ) from error
            await asyncio.sleep(0.5)
        else:
            return
