"""Single messages found again in a topic, by what stands in them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from pydantic import ValidationError

from contracts.topics import Topic
from tradepulse.runtime.delivery import Delivery, decoder_of
from tradepulse.runtime.kafka import KafkaAddress, client_options
from tradepulse.runtime.publisher import partition_of, retry_connect

_CLOCKS_DIFFER_MS = 60_000
_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for.

    Attributes:
        topic: where.
        key: of the messages.
        text: stands in the value of each of them; no other is even decoded.
        is_it: tells whether an event is meant.
        since: when it happened, epoch ms.
        repeats: whether all that is meant is looked for, not only the first.
    """

    topic: Topic
    key: str
    text: str
    is_it: Callable[[Any], bool]
    since: int
    repeats: bool = False


async def find_messages(kafka: KafkaAddress, wanted: Wanted) -> list[Delivery]:
    """Return the messages that are meant, in order; none where none is kept.

    The key's partition is read from where it was written when the event happened: nothing is
    published before. In a replay, whose times are long past, that is its beginning.

    Raises:
        BrokerUnavailableError: no broker answers.
    """
    topic, key, text = wanted.topic, wanted.key.encode(), wanted.text.encode()
    consumer = AIOKafkaConsumer(
        **client_options(kafka),
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 * 1_048_576,
    )
    await retry_connect(consumer.start, kafka, 10)
    try:
        partition = TopicPartition(topic.name, partition_of(key, topic.partitions))
        consumer.assign([partition])
        begin = await _begin(consumer, partition, wanted.since - _CLOCKS_DIFFER_MS)
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.seek(partition, begin)
        decode = decoder_of(topic)
        found: list[Delivery] = []
        while await consumer.position(partition) < end:
            came = await consumer.getmany(partition, timeout_ms=500, max_records=_AT_ONCE)
            for record in came.get(partition, ()):
                event = _event(record, key, text, decode)
                if event is not None and wanted.is_it(event):
                    found.append(Delivery(event, record))
                    if not wanted.repeats:
                        return found
        return found
    finally:
        await consumer.stop()


async def _begin(consumer: AIOKafkaConsumer, partition: TopicPartition, since: int) -> int:
    """Return the offset of the first message that was written at a time or later."""
    first: int = (await consumer.beginning_offsets([partition]))[partition]
    later = (await consumer.offsets_for_times({partition: max(0, since)}))[partition]
    # none is later: the time is of a clock that is ahead of the broker's
    return first if later is None else max(first, later.offset)


def _event(
    record: ConsumerRecord, key: bytes, text: bytes, decode: Callable[[bytes], Any]
) -> Any | None:
    if record.value is None or record.key != key or text not in record.value:
        return None
    try:
        return decode(record.value)
    except (ValidationError, ValueError):
        return None
