"""Where in its partitions a service begins to read."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

import asyncpg
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as Partition

from tradepulse.runtime.db import Connection
from tradepulse.runtime.kafka import KafkaAddress, client_options
from tradepulse.runtime.settings import RefusedError

_NOTE = """
insert into group_positions (consumer_group, topic, partition, next_offset)
select $1, * from unnest($2::text[], $3::int4[], $4::int8[])
on conflict (consumer_group, topic, partition) do update set next_offset = excluded.next_offset
"""
_FORGET = "delete from group_positions where consumer_group = $1"
_NOTED = "select topic, partition, next_offset from group_positions where consumer_group = $1"

_TOPICS_MADE_S = 5.0
"""What was made a moment ago is not known to every broker yet."""

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
            f"{kept} only: what lies between was deleted, or the topic was made anew. Stop every "
            "service, and let `tradepulse topics --restore` have all of it published again"
        )

    return begin


class NotedOffsets:
    """How far a group's work is in the database, noted there before Kafka keeps the same.

    So only a database that was brought back from a backup is behind what Kafka has kept: what the
    group did since is not in it, and is to be done again.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", group: str) -> None:
        self._pool = pool
        self._group = group

    async def note(self, handled: Mapping[Partition, int]) -> None:
        """Note the next offset of each partition."""
        rows = sorted((*partition, next_) for partition, next_ in handled.items())
        await self._pool.execute(_NOTE, self._group, *map(list, zip(*rows, strict=True)))

    async def forget(self, connection: Connection) -> None:
        """Forget them all: they are those of another Kafka."""
        await connection.execute(_FORGET, self._group)

    async def noted(self) -> dict[Partition, int]:
        """Return what was noted last."""
        rows = await self._pool.fetch(_NOTED, self._group)
        return {Partition(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def ranges_of(
    kafka: KafkaAddress, partitions: Collection[Partition]
) -> dict[Partition, Range]:
    """Return what partitions hold now, asked of the broker with a client of its own.

    Raises:
        RefusedError: the broker does not show us one of their topics.
    """
    if not partitions:
        return {}
    consumer = AIOKafkaConsumer(**client_options(kafka))
    await consumer.start()
    try:
        await _shown(consumer, {partition.topic for partition in partitions})
        firsts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
    return {one: (firsts[one], ends[one]) for one in partitions}


async def _shown(consumer: AIOKafkaConsumer, topics: Collection[str]) -> None:
    """Refuse topics that the broker does not show us: their offsets would be waited for in vain."""
    deadline = time.monotonic() + _TOPICS_MADE_S
    while missing := sorted(set(topics) - await consumer.topics()):
        if time.monotonic() > deadline:
            raise RefusedError(
                f"the broker shows us no topic {missing[0]}: make it by `tradepulse topics`, or "
                "give KAFKA_USERNAME the right to read it (KAFKA_ACLS)"
            )
        await asyncio.sleep(0.2)
