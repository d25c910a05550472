"""Dead letters: every header, all at once, cut where a record could not hold them."""

import hashlib
from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, ValidationError

from contracts.topics import ACCOUNT, CANDLES
from tradepulse.runtime.dead_letters import CUT_BYTES, DeadLetters, reason_of
from tradepulse.runtime.publisher import MOST_BYTES, Headers, Publisher


class Sent(Publisher):
    """Keeps what is sent, call by call."""

    def __init__(self) -> None:
        super().__init__("nowhere:1", "test")
        self.calls: list[tuple[str, list[tuple[bytes | None, bytes | None, dict[str, str]]]]] = []

    async def send_in_order(
        self, topic: str, messages: Iterable[tuple[bytes | None, bytes | None, Headers]]
    ) -> None:
        letters = [
            (key, value, {name: text.decode() for name, text in headers})
            for key, value, headers in messages
        ]
        self.calls.append((topic, letters))


def record(offset: int, value: bytes | None, key: bytes | None = b"x:A/B") -> ConsumerRecord:
    return ConsumerRecord(CANDLES.name, 3, offset, 0, 0, key, value, None, 0, 0, ())


def letters_on(sent: Sent, registry: CollectorRegistry | None = None) -> DeadLetters:
    return DeadLetters(sent, "signal_svc", registry or CollectorRegistry())


def test_a_reason_is_one_line_with_the_first_three_faults() -> None:
    assert reason_of(ValueError("no\n  JSON")) == "no JSON"

    class Five(BaseModel):
        a: int
        b: int
        c: int
        d: int
        e: int

    def said(**given: int) -> str:
        with pytest.raises(ValidationError) as caught:
            Five.model_validate(given)
        return reason_of(caught.value)

    assert said(d=1, e=1) == "a: Field required; b: Field required; c: Field required"
    assert said(e=1).endswith("c: Field required; and 1 more")
    assert said().endswith("c: Field required; and 2 more")
    with pytest.raises(ValidationError) as caught:
        Five.model_validate_json("[1")
    assert reason_of(caught.value).startswith("message: Invalid JSON")


async def test_a_letter_tells_who_why_and_where_it_stood() -> None:
    sent = Sent()
    await letters_on(sent).put_aside(CANDLES, [(record(17, b"garbage"), "no JSON")])
    assert sent.calls == [
        (
            "tradepulse.candles.dlq",
            [
                (
                    b"x:A/B",
                    b"garbage",
                    {
                        "reason": "no JSON",
                        "service": "signal_svc",
                        "topic": "tradepulse.candles",
                        "partition": "3",
                        "offset": "17",
                    },
                )
            ],
        )
    ]


async def test_a_flood_is_sent_at_once_in_its_order_and_logged_briefly(caplog: Any) -> None:
    sent, registry = Sent(), CollectorRegistry()
    refused = [(record(n, b"%d" % n), "bad") for n in range(5_000)]
    await letters_on(sent, registry).put_aside(CANDLES, refused)
    ((_, letters),) = sent.calls
    assert [value for _, value, _ in letters] == [b"%d" % n for n in range(5_000)]
    assert [headers["offset"] for *_, headers in letters] == [str(n) for n in range(5_000)]
    counted = registry.get_sample_value(
        "tradepulse_dead_letters_total", {"topic": "tradepulse.candles"}
    )
    assert counted == 5_000
    assert len(caplog.records) <= 6
    assert caplog.records[-1].count == 5_000 - (len(caplog.records) - 1)


async def test_what_no_record_holds_is_cut_and_says_where_the_whole_is() -> None:
    sent = Sent()
    large = bytes(range(256)) * 8_192
    await letters_on(sent).put_aside(CANDLES, [(record(17, large, b"k" * 100_000), "too odd")])
    (key, value, headers) = sent.calls[0][1][0]
    assert value == large[:CUT_BYTES]
    assert key == b"k" * 1_024
    assert headers["length"] == str(len(large)) == "2097152"
    assert headers["sha256"] == hashlib.sha256(large).hexdigest()
    assert headers["origin"] == "tradepulse.candles/3/17"
    assert (headers["reason"], headers["offset"]) == ("too odd", "17")


async def test_every_letter_fits_a_record() -> None:
    for size in (MOST_BYTES - 30_000, MOST_BYTES - 20_000, MOST_BYTES, 40 * MOST_BYTES):
        for key in (None, b"k" * 30_000, b"k" * (2 * MOST_BYTES)):
            sent = Sent()
            await letters_on(sent).put_aside(CANDLES, [(record(1, b"v" * size, key), "é" * 9_000)])
            (sent_key, value, headers) = sent.calls[0][1][0]
            told = sum(len(name) + len(text.encode()) for name, text in headers.items())
            assert len(sent_key or b"") + len(value or b"") + told <= MOST_BYTES
            assert ("sha256" in headers) == (value != b"v" * size or sent_key != key)


async def test_an_output_that_is_too_large_names_the_row_that_keeps_it() -> None:
    sent = Sent()
    large = b"x" * (MOST_BYTES + 1)
    await letters_on(sent).put_output_aside(ACCOUNT, b"main", large, 41, "too large")
    (topic, ((key, value, headers),)) = sent.calls[0]
    assert (topic, key, value) == (ACCOUNT.dead_letters, b"main", large[:CUT_BYTES])
    assert (headers["partition"], headers["offset"]) == ("-1", "41")
    assert headers["origin"] == "outbox_refused/41"
