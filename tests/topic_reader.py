"""What tests read from topics: with the plain client, apart from how services read."""

from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry

from contracts.topics import Topic
from tradepulse.runtime.broker import Broker
from tradepulse.runtime.dead_letters import DeadLetters
from tradepulse.runtime.delivery import Decoder, Delivery, decoder_of
from tradepulse.runtime.publisher import Publisher


class TopicReader:
    """Reads a topic from its beginning, or what comes from now on; what is broken is left out."""

    def __init__(
        self, bootstrap: str, topic: Topic, *, latest: bool = False, decode: Decoder | None = None
    ) -> None:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=100
        )
        self._partitions = [TopicPartition(topic.name, n) for n in range(topic.partitions)]
        self._latest = latest
        self._decode = decode or decoder_of(topic)

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        if self._latest:
            await self._consumer.seek_to_end(*self._partitions)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._consumer.stop()

    async def next_batch(self, timeout_ms: int = 200) -> list[Delivery]:
        """Return what has come."""
        found = []
        for records in (await self._consumer.getmany(timeout_ms=timeout_ms)).values():
            for record in records:
                try:
                    found.append(Delivery(self._decode(record.value), record))
                except ValueError:
                    continue
        return found

    async def to_the_end(self) -> list[Any]:
        """Return the events from where it stands to the topic's end as it is now."""
        ends = await self._consumer.end_offsets(self._partitions)
        events = []
        for partition, end in ends.items():
            while await self._consumer.position(partition) < end:
                events += [delivery.event for delivery in await self.next_batch()]
        return events


async def read_all(bootstrap: str, topic: Topic) -> list[Any]:
    """Return the events of a topic from its beginning to its end as it is now."""
    async with TopicReader(bootstrap, topic) as reader:
        return await reader.to_the_end()


def broker_for(bootstrap: str, publisher: Publisher, failures: list[BaseException]) -> Broker:
    """Return a broker as a service has it, whose readings are still to be added."""
    registry = CollectorRegistry()
    letters = DeadLetters(publisher, "test", registry)
    return Broker(bootstrap, "test", letters, registry, failures.append)
