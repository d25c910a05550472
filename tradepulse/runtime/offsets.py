"""Where in its partitions a service begins to read."""

from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as Partition

from tradepulse.runtime.kafka import KafkaAddress, client_options
from tradepulse.runtime.settings import RefusedError

Range: TypeAlias = tuple[int, int]
"""First offset that a partition still holds, and the one after its last."""
Begin: TypeAlias = Callable[[Partition, Range], int]
"""Returns where to begin in a partition."""


def from_beginning(partition: Partition, held: Range) -> int:
    """Begin with the first message that is there."""
    del partition
    return held[0]


def from_end(partition: Partition, held: Range) -> int:
    """Begin with what comes from now on."""
    del partition
    return held[1]


def from_kept(offsets: Callable[[], Mapping[str, int]]) -> Begin:
    """Return how to go on at kept offsets, by `topic/partition`; first of all at the beginning.

    Raises:
        RefusedError: by what is returned, where the partition does not hold a kept offset.
    """

    def begin(partition: Partition, held: Range) -> int:
        first, end = held
        name = f"{partition.topic}/{partition.partition}"
        kept = offsets().get(name, first)
        if first <= kept <= end:
            return kept
        raise RefusedError(
            f"{name} holds the offsets {first} to {end}, but its messages were handled up to "
            f"{kept} only: what lies between was deleted, or the topic was made anew. Bring the "
            "topic back, or begin with an empty database"
        )

    return begin


async def ranges_of(
    kafka: KafkaAddress, partitions: Collection[Partition]
) -> dict[Partition, Range]:
    """Return what partitions hold now, asked of the broker with a client of its own."""
    if not partitions:
        return {}
    consumer = AIOKafkaConsumer(**client_options(kafka))
    await consumer.start()
    try:
        firsts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
    return {one: (firsts[one], ends[one]) for one in partitions}
