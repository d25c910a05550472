"""The topics on the broker: made explicitly, as `contracts.topics` says, or refused."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from contracts.topics import DEAD_LETTERS_BYTES, DEAD_LETTERS_MS, TOPICS, Topic
from tradepulse.runtime.acls import create_acls
from tradepulse.runtime.kafka import (
    KafkaAddress,
    client_options,
    gives_rights,
    replication_factor,
)
from tradepulse.runtime.publisher import retry_connect

TOPIC_EXISTS = 36
_SEGMENT_BYTES = 64 << 20


async def create_topics(kafka: KafkaAddress) -> list[str]:
    """Create the topics that are missing, with their dead-letter topics; return their names.

    Where `KAFKA_ACLS` says so, each service is given the rights it needs.

    Raises:
        BrokerUnavailableError: no broker answers.
        RuntimeError: the broker refuses, or a topic exists with another number of partitions.
    """
    admin = AIOKafkaAdminClient(**client_options(kafka))
    await retry_connect(admin.start, kafka, 30)
    try:
        response = await admin.create_topics(new_topics(replication_factor(kafka)))
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
        if gives_rights(kafka):
            await create_acls(kafka)
        return created
    finally:
        await admin.close()


async def delete_topics(kafka: KafkaAddress) -> None:
    """Delete every topic that services read, and with them the offsets that are kept on them.

    Dead letters stay: they are evidence.

    Raises:
        BrokerUnavailableError: no broker answers.
    """
    ours = {topic.name for topic in TOPICS}
    admin = AIOKafkaAdminClient(**client_options(kafka))
    await retry_connect(admin.start, kafka, 30)
    try:
        # the broker says that they are gone a moment after it has said that it deletes them
        while present := ours & set(await admin.list_topics()):
            await admin.delete_topics(sorted(present))
            await asyncio.sleep(0.1)
    finally:
        await admin.close()


def new_topics(replicas: int) -> list[NewTopic]:
    """Return every topic as it is made, kept on so many brokers."""
    return [new for topic in TOPICS for new in _new_topics(topic, replicas)]


def _new_topics(topic: Topic, replicas: int) -> list[NewTopic]:
    # one broker may be away, and what is acknowledged is on all others
    safe = {"min.insync.replicas": str(replicas - 1)} if replicas > 1 else {}
    config = {"retention.ms": str(topic.retention_ms)}
    if topic.compacted:
        config = {"cleanup.policy": "compact"}
    return [
        NewTopic(topic.name, topic.partitions, replicas, topic_configs=config | safe),
        NewTopic(
            topic.dead_letters,
            1,
            replicas,
            topic_configs={
                **safe,
                "retention.ms": str(DEAD_LETTERS_MS),
                "retention.bytes": str(DEAD_LETTERS_BYTES),
                # only whole segments are removed
                "segment.bytes": str(_SEGMENT_BYTES),
            },
        ),
    ]
