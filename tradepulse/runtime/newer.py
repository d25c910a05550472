"""What a newer version says: words that this one does not know.

While versions change, a reader hears newer writers. Fields that it does not know are ignored by
the contract. Words that it does not know (a source, a stage, a timeframe) are dealt with here:
nothing is decided by them, and nothing is put aside for them. Writers say only what they know.
"""

import json
import logging
import re
from typing import Any, NamedTuple, get_args

import msgspec
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel, ValidationError

from contracts.newer import TAKEN_AS_IT_IS
from contracts.topics import TOPICS, Topic
from tradepulse.runtime.delivery import Decoder, decoder_of
from tradepulse.runtime.metrics import touch

log = logging.getLogger(__name__)

_WORD = re.compile(r"[A-Za-z0-9_-]{1,32}")
_MOST_TOLD = 50
"""Different words that the log tells of, once each: it must not be filled by them."""


class _Unknown(NamedTuple):
    """A word that is not known, and where it was said."""

    field: str
    word: str
    item: tuple[str, int] | None
    """The list and the place in it that it belongs to; None where it is the whole message's."""


class NewerWords:
    """Reads what this version understands of a newer one's messages, and counts those."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counted = Counter(
            "tradepulse_newer_values_total",
            "Messages with a word that only a newer version knows",
            ["topic"],
            registry=registry,
        )
        touch(self._counted, [topic.name for topic in TOPICS])
        self._told: set[tuple[str, str, str]] = set()

    def decoder_of(self, topic: Topic) -> Decoder:
        """Return the decoder of a topic's events that reads newer ones, too."""
        decode = decoder_of(topic)

        def read(value: bytes) -> Any:
            try:
                return decode(value)
            except ValidationError as error:
                return self.read(topic, decode, value, error)

        return read

    def read(self, topic: Topic, decode: Decoder, value: bytes, error: ValueError) -> Any:
        """Return what is understood of a message that was refused; None for nothing.

        Args:
            topic: of the message.
            decode: has refused it.
            value: the message.
            error: what `decode` raised.

        Raises:
            ValueError: something else is wrong with it.
        """
        unknown = _unknown_words(error)
        message = json.loads(value)
        taken: dict[str, str] = {}
        left_out: set[tuple[str, int]] = set()
        is_understood = True
        for field, word, item in unknown:
            if item is not None:
                left_out.add(item)
            elif field in TAKEN_AS_IT_IS:
                taken[field] = word
                message[field] = get_args(TAKEN_AS_IT_IS[field])[0]
            else:
                is_understood = False
        # from behind: what is taken out moves what comes after it
        for name, place in sorted(left_out, reverse=True):
            del message[name][place]
        event = _with(decode(json.dumps(message).encode()), taken) if is_understood else None
        self._counted.labels(topic.name).inc()
        self._tell(topic, unknown)
        return event

    def _tell(self, topic: Topic, unknown: list[_Unknown]) -> None:
        for field, word, _ in unknown:
            what = topic.name, field, word
            if what not in self._told and len(self._told) < _MOST_TOLD:
                self._told.add(what)
                log.warning(
                    "%s: %s %r is unknown: a newer version is running; upgrade this service", *what
                )


def _unknown_words(error: ValueError) -> list[_Unknown]:
    """Return the words that are all that is wrong with a message; raise the error otherwise."""
    if not isinstance(error, ValidationError):
        raise error
    found: list[_Unknown] = []
    for fault in error.errors(include_url=False):
        where, said = fault["loc"], fault["input"]
        if fault["type"] == "union_tag_invalid":
            # the kind of event; what it is given is the message
            where, said = ("type",), said.get("type")
        elif fault["type"] != "literal_error":
            raise error
        if not isinstance(said, str) or not _WORD.fullmatch(said):
            raise error
        match where:
            case (str(name), int(place), field):
                found.append(_Unknown(str(field), said, (name, place)))
            case (*_, field):
                found.append(_Unknown(str(field), said, None))
    return found


def _with(event: Any, words: dict[str, str]) -> Any:
    if isinstance(event, BaseModel):
        return event.model_copy(update=words)
    return msgspec.structs.replace(event, **words)
