"""Who may do what on the broker: each service, as the user of its name, what it does, no more."""

from dataclasses import dataclass
from typing import Literal

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest

from contracts.topics import TOPICS
from tradepulse.runtime.dead_letter_replay import REPLAY_GROUP
from tradepulse.runtime.kafka import KafkaAddress, client_options
from tradepulse.runtime.publisher import retry_connect

_KINDS = {"topic": 2, "group": 3}
_OPERATIONS = {"read": 3, "write": 4, "describe": 8}
MONITOR = "kafka_exporter"
"""Who looks how far topics and groups are, and reads nothing of them."""
COUNTER = "studio_svc"
"""Who counts the dead letters that were not sent back."""
_LITERAL, _ALLOW, _ANY_HOST = 3, 3, "*"


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One right.

    Attributes:
        user: of Kafka; named as the service, or `MONITOR`.
        operation: to describe what may be read or written is part of it.
        kind: of what.
        name: of the topic or the consumer group; `*` for every one.
    """

    user: str
    operation: Literal["read", "write", "describe"]
    kind: Literal["topic", "group"]
    name: str


def acls() -> list[Acl]:
    """Return every right that the services and the monitor need, and no others."""
    found: set[Acl] = {
        Acl(MONITOR, "describe", "topic", "*"),
        Acl(MONITOR, "describe", "group", "*"),
        Acl(COUNTER, "describe", "group", REPLAY_GROUP),
    }
    for topic in TOPICS:
        found.add(Acl(topic.writer, "write", "topic", topic.name))
        for service in (*topic.readers, *topic.watchers):
            found.add(Acl(service, "read", "topic", topic.name))
            # its replicas share partitions by the group of its name
            found.add(Acl(service, "read", "group", service))
        # what cannot be handled or is too large is put aside
        for service in (topic.writer, *topic.readers):
            found.add(Acl(service, "write", "topic", topic.dead_letters))
        # the page counts those that wait
        found.add(Acl(COUNTER, "describe", "topic", topic.dead_letters))
    return sorted(found)


async def create_acls(kafka: KafkaAddress) -> None:
    """Give every right; one that is there already stays.

    Raises:
        BrokerUnavailableError: no broker answers.
        RuntimeError: the broker knows no rights, or we may not give them; one readable line.
    """
    client = AIOKafkaClient(**client_options(kafka))
    await retry_connect(client.bootstrap, kafka, 30)
    try:
        for acl in acls():
            answer = await client.send(client.get_random_node(), _request(acl))
            ((code, message),) = answer.creation_responses
            if code:
                raise RuntimeError(
                    f"the broker does not give {acl.user} its rights: {for_code(code).__name__}: "
                    f"{message}; set authorizer.class.name there and be one of its super.users, or "
                    "unset KAFKA_ACLS"
                )
    finally:
        await client.close()


def _request(acl: Acl) -> CreateAclsRequest:
    return CreateAclsRequest(
        _KINDS[acl.kind],
        acl.name,
        _LITERAL,
        f"User:{acl.user}",
        _ANY_HOST,
        _OPERATIONS[acl.operation],
        _ALLOW,
    )
