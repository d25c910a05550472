"""What was put aside: by whom and why.

How it is listed and sent back is in `tradepulse.runtime.dead_letter_replay`.
"""

import hashlib
import logging
from collections.abc import Sequence

from aiokafka import ConsumerRecord
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.topics import TOPICS, Topic
from tradepulse.runtime.metrics import touch
from tradepulse.runtime.publisher import MOST_BYTES, Headers, Publisher

log = logging.getLogger(__name__)

CUT_BYTES = 65_536
"""So much is kept of a message that is too large for a letter."""
_CUT_KEY_BYTES = 1_024
_HEADER_BYTES = 20_000
_MOST_LOGGED = 5
"""Of one batch: a line for each of a flood would cost more than the flood."""


class LetterHeaders(BaseModel):
    """The headers of a dead letter, each as text.

    Attributes:
        reason: why it was put aside.
        service: who put it aside.
        topic: where it came from, or was to go.
        partition: where it stood; -1 for what was to be published and is in no topic.
        offset: where it stood; of what is in no topic, its id in `outbox_refused`.
        length: of the whole value, where only its beginning is kept; so are `sha256` of the whole
            and `origin`, where the whole is.
    """

    model_config = ConfigDict(frozen=True)

    reason: str
    service: str
    topic: str
    partition: int
    offset: int
    length: int | None = None
    sha256: str | None = None
    origin: str | None = None

    def encoded(self) -> list[tuple[str, bytes]]:
        """Return them as Kafka takes them."""
        return [(name, str(value).encode()) for name, value in self if value is not None]


def reason_of(error: Exception) -> str:
    """Say in one line why a message was refused: its first three faults."""
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    faults = error.errors(include_url=False)
    told = [f"{'.'.join(map(str, f['loc'])) or 'message'}: {f['msg']}" for f in faults[:3]]
    return "; ".join(told) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")  # noqa: PLR2004 - as said


class DeadLetters:
    """Puts messages of one service aside, and counts them."""

    def __init__(self, publisher: Publisher, service: str, registry: CollectorRegistry) -> None:
        self._publisher = publisher
        self._service = service
        self._counted = Counter(
            "tradepulse_dead_letters_total",
            "Messages put aside because they could not be decoded or handled",
            ["topic"],
            registry=registry,
        )
        touch(self._counted, [topic.name for topic in TOPICS])

    async def put_aside(self, topic: Topic, refused: Sequence[tuple[ConsumerRecord, str]]) -> None:
        """Send messages, each with its reason, to a topic's dead-letter topic: all at once.

        What is too large for a letter is cut: its record holds at most as much as any, but it may
        have come compressed.
        """
        for record, reason in refused[:_MOST_LOGGED]:
            log.error(
                "message put aside",
                extra={
                    "topic": topic.name,
                    "partition": record.partition,
                    "offset": record.offset,
                    "reason": reason[:500],
                },
            )
        if len(refused) > _MOST_LOGGED:
            log.error(
                "more messages put aside",
                extra={"topic": topic.name, "count": len(refused) - _MOST_LOGGED},
            )
        await self._publisher.send_in_order(
            topic.dead_letters,
            (
                _letter(
                    self._headers(topic, one.partition, one.offset, reason),
                    one.key,
                    one.value,
                    f"{one.topic}/{one.partition}/{one.offset}",
                )
                for one, reason in refused
            ),
        )
        self._counted.labels(topic.name).inc(len(refused))

    async def put_output_aside(
        self, topic: Topic, key: bytes, value: bytes, refused_id: int, reason: str
    ) -> None:
        """Send the beginning of what was to be published; the whole is in `outbox_refused`."""
        headers = self._headers(topic, -1, refused_id, reason)
        letter = _letter(headers, key, value, f"outbox_refused/{refused_id}")
        await self._publisher.send_in_order(topic.dead_letters, [letter])
        self._counted.labels(topic.name).inc()

    def _headers(self, topic: Topic, partition: int, offset: int, reason: str) -> LetterHeaders:
        return LetterHeaders(
            reason=reason[:2_000],
            service=self._service,
            topic=topic.name,
            partition=partition,
            offset=offset,
        )


def _letter(
    headers: LetterHeaders, key: bytes | None, value: bytes | None, origin: str
) -> tuple[bytes | None, bytes | None, Headers]:
    """Return key, value and headers, cut where a record could not hold them."""
    if len(key or b"") + len(value or b"") + _HEADER_BYTES <= MOST_BYTES:
        return key, value, headers.encoded()
    whole = value or b""
    digest = hashlib.sha256(whole).hexdigest()
    cut = headers.model_copy(update={"length": len(whole), "sha256": digest, "origin": origin})
    return key and key[:_CUT_KEY_BYTES], value and value[:CUT_BYTES], cut.encoded()
