"""A message as a service is given it, and how its topic is documented."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from aiokafka import ConsumerRecord
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from contracts.topics import Topic

Decoder: TypeAlias = Callable[[bytes], Any]


class Delivery(NamedTuple):
    """One decoded message and the record it came in (topic, partition, offset, timestamp)."""

    event: Any
    record: ConsumerRecord

    @property
    def offset_at(self) -> tuple[str, int]:
        """(`topic/partition`, offset)."""
        return f"{self.record.topic}/{self.record.partition}", self.record.offset


def decoder_of(topic: Topic) -> Decoder:
    """Return the validating decoder of a topic's events; it raises `ValidationError`."""
    return TypeAdapter(topic.event).validate_json


class Each:
    """Marks a batch of an event: taken as it is, documented as the event that a message holds."""

    def __init__(self, event: Any) -> None:
        self._event = event

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate nothing: the codec has done it, message by message."""
        del source, handler
        return core_schema.any_schema()

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Show the event."""
        del schema
        return handler(TypeAdapter(self._event).core_schema)


def described(topic: Topic) -> str:
    """Return what an AsyncAPI document says of a topic."""
    kept = "compacted" if topic.compacted else f"kept {topic.retention_ms // 86_400_000} d"
    return f"key: {topic.key}; {topic.partitions} partitions; {kept}"
