"""What a newer writer says: read as far as it is understood, counted, and never put aside."""

import json
from collections.abc import Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord
from prometheus_client import CollectorRegistry

from contracts.events import (
    CandleClosed,
    CandleEvaluated,
    ConfigurationChanged,
    Event,
    FeedAnnounced,
    FeedSeries,
    OrderDecided,
    PositionClosed,
    Signal,
)
from contracts.topics import ACCOUNT, CANDLES, CONFIGURATIONS, EVALUATIONS, FEEDS, TOPICS, Topic
from studio_svc.stream.feed import watching_decoder
from tradepulse.runtime.broker import Broker
from tradepulse.runtime.codec import candle_decoder, decode_candle, decode_evaluation
from tradepulse.runtime.dead_letters import DeadLetters, reason_of
from tradepulse.runtime.delivery import Decoder, decoder_of
from tradepulse.runtime.newer import NewerWords
from tradepulse.runtime.offsets import from_beginning
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.reading import AssignedReading

HOUR = 3_600_000
ID = UUID(int=1)
SERIES = {"exchange": "x", "symbol": "A/B", "timeframe": "1h"}
CANDLE = CandleClosed(
    **SERIES, open_time=0, close_time=HOUR, open=1, high=3, low=0.1 + 0.2, close=2, volume=9,
    source="live",
)  # fmt: skip
SIGNALS = tuple(
    Signal(
        id=UUID(int=n), configuration_id=ID, strategy="s", action="exit", reference_price=1.5,
        expires_at=1,
    )
    for n in range(4)
)  # fmt: skip
EVALUATION = CandleEvaluated(**SERIES, open_time=0, close_time=HOUR, signals=SIGNALS)
CONFIGURATION = ConfigurationChanged(
    **SERIES, configuration_id=ID, revision=2, strategy="s", params={}, stage="PAPER",
    is_active=False, has_traded=True,
)  # fmt: skip
FEED = FeedAnnounced(
    feed="live",
    series=tuple(FeedSeries(**SERIES | {"symbol": s}, first_open_time=0) for s in "abcd"),
)
ORDER = OrderDecided(
    **SERIES, account="main", order_id=ID, signal_id=None, configuration_id=ID, side="buy",
    order_type="market", quantity=Decimal("0.10"), reference_price=1.5, status="OPEN", decided_at=5,
)  # fmt: skip
TRADE = PositionClosed(
    **SERIES, account="main", position_id=ID, configuration_id=ID, side="long", quantity=Decimal(1),
    entry_time=1, entry_price=Decimal(1), exit_time=2, exit_price=Decimal(2), exit_reason="stop",
    fees=Decimal(0), profit=Decimal(1),
)  # fmt: skip


def newer(event: Event, path: str, word: Any) -> bytes:
    """Return an event in which a newer version says another word, and a field more."""
    message = json.loads(event.model_dump_json())
    *parents, field = (int(part) if part.isdigit() else part for part in path.split("."))
    at = message
    for part in parents:
        at = at[part]
    at[field] = word
    return json.dumps(message | {"said_since": [1, {"n": 2}]}).encode()


class Reader:
    """What `NewerWords` reads, and what it has counted."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.words = NewerWords(self.registry)

    def read(self, topic: Topic, value: bytes, decode: Decoder | None = None) -> Any:
        decode = decode or decoder_of(topic)
        with pytest.raises(ValueError, match=r".") as refused:
            decode(value)
        return self.words.read(topic, decode, value, refused.value)

    def counted(self, topic: Topic) -> float | None:
        name, labels = "tradepulse_newer_values_total", {"topic": topic.name}
        return self.registry.get_sample_value(name, labels)


@pytest.mark.parametrize(
    ("topic", "event", "field", "decode"),
    [
        (CANDLES, CANDLE, "source", None),
        (CANDLES, CANDLE, "source", decode_candle),
        (CONFIGURATIONS, CONFIGURATION, "stage", None),
        (ACCOUNT, ORDER, "status", None),
        (ACCOUNT, ORDER, "order_type", None),
        (ACCOUNT, TRADE, "exit_reason", None),
    ],
    ids=["candle", "fast candle", "configuration", "status", "order type", "reason"],
)
def test_a_word_by_which_nothing_is_decided_is_taken_as_it_is(
    topic: Topic, event: Event, field: str, decode: Decoder | None
) -> None:
    reader = Reader()
    found = reader.read(topic, newer(event, field, "new-word_7"), decode)
    fields = {name: getattr(found, name) for name in type(event).model_fields}
    assert fields == event.model_dump() | {field: "new-word_7"}
    assert reader.counted(topic) == 1


def test_a_fast_candle_keeps_the_word_too() -> None:
    value = CANDLE.model_dump_json().encode().replace(b'"live"', b'"new"')
    found = Reader().read(CANDLES, value, decode_candle)
    assert (found.source, found.low, found.series) == ("new", 0.1 + 0.2, "x:A/B:1h")


@pytest.mark.parametrize("decode", [decoder_of(EVALUATIONS), decode_evaluation])
def test_of_an_evaluation_only_the_signal_is_left_out(decode: Decoder) -> None:
    reader = Reader()
    found = reader.read(EVALUATIONS, newer(EVALUATION, "signals.1.action", "reverse"), decode)
    assert [signal.id.int for signal in found.signals] == [0, 2, 3]
    assert (found.series, found.close_time) == ("x:A/B:1h", HOUR)
    twice = newer(EVALUATION, "signals.1.action", "reverse").replace(b'"exit"', b'"hedge"', 2)
    assert [s.id.int for s in reader.read(EVALUATIONS, twice, decode).signals] == [3]
    assert reader.counted(EVALUATIONS) == 2


def test_of_a_feed_only_the_series_is_left_out() -> None:
    found = Reader().read(FEEDS, newer(FEED, "series.0.timeframe", "45m"))
    assert [series.symbol for series in found.series] == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("topic", "event", "field", "word"),
    [
        (CANDLES, CANDLE, "timeframe", "45m"),
        (EVALUATIONS, EVALUATION, "timeframe", "45m"),
        (CONFIGURATIONS, CONFIGURATION, "timeframe", "45m"),
        (ACCOUNT, ORDER, "timeframe", "45m"),
        (ACCOUNT, TRADE, "side", "both"),
        (ACCOUNT, ORDER, "type", "funding"),
    ],
    ids=["candle", "evaluation", "configuration", "order", "trade", "another event"],
)
def test_what_is_about_something_unknown_is_left_out(
    topic: Topic, event: Event, field: str, word: str
) -> None:
    reader = Reader()
    assert reader.read(topic, newer(event, field, word)) is None
    assert reader.counted(topic) == 1
    assert {reader.counted(other) for other in TOPICS if other is not topic} == {0}


@pytest.mark.parametrize(
    ("topic", "value", "reason"),
    [
        (CANDLES, newer(CANDLE, "source", 7), "source: Input should be 'live'"),
        (CANDLES, newer(CANDLE, "source", ""), "source: Input should be 'live'"),
        (CANDLES, newer(CANDLE, "source", "two words"), "source: Input should be"),
        (CANDLES, newer(CANDLE, "timeframe", "x" * 33), "timeframe: Input should be"),
        (CANDLES, newer(CANDLE, "open", "much"), "open: Input should be a valid number"),
        (CANDLES, newer(CANDLE, "source", "new").replace(b": 2.0", b": -2.0"), "close"),
        (CANDLES, newer(CANDLE, "source", "new").replace(b": 2.0", b": 4.0"), "high is below"),
        (ACCOUNT, newer(ORDER, "type", None), "does not match any of the expected tags"),
        (ACCOUNT, newer(ORDER, "type", {"a": 1}), "does not match any of the expected tags"),
        (ACCOUNT, b"[1]", "should be"),
        (CANDLES, b"\xff", "Invalid JSON"),
        (EVALUATIONS, newer(EVALUATION, "signals.1.action", None), "signals.1.action"),
    ],
    ids=[
        *("number", "empty", "two words", "long", "no word", "price", "prices", "no type"),
        *("odd type", "no object", "garbage", "no action"),
    ],
)
def test_what_is_wrong_is_still_refused(topic: Topic, value: bytes, reason: str) -> None:
    reader = Reader()
    with pytest.raises(ValueError, match=r".") as refused:
        reader.read(topic, value)
    assert reason in reason_of(refused.value)
    assert reader.counted(topic) == 0


def test_a_clock_is_asked_of_a_newer_candle_too() -> None:
    decode = candle_decoder(lambda: HOUR - 1, 0)
    with pytest.raises(ValueError, match="is ahead of the clock"):
        Reader().read(CANDLES, newer(CANDLE, "source", "new"), decode)


def test_a_word_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    reader = Reader()
    for word in ("new", "new", *map(str, range(100))):
        reader.read(CANDLES, newer(CANDLE, "source", word))
    assert caplog.messages[0] == (
        "tradepulse.candles: source 'new' is unknown: a newer version is running; "
        "upgrade this service"
    )
    assert (len(caplog.messages), len(set(caplog.messages))) == (50, 50)


def test_the_page_is_shown_what_is_understood() -> None:
    reader, undecodable = Reader(), list[int]()
    for topic, value, found in (
        (
            ACCOUNT,
            newer(ORDER, "status", "PARTIAL"),
            ORDER.model_copy(update={"status": "PARTIAL"}),
        ),
        (ACCOUNT, newer(ORDER, "type", "funding"), None),
    ):
        decode = reader.words.decoder_of(topic)
        watch = watching_decoder(topic, lambda: undecodable.append(1), decode)
        assert watch(value) == found
    assert (undecodable, reader.counted(ACCOUNT)) == ([], 2)


async def test_a_reading_puts_nothing_aside_for_a_newer_word() -> None:
    put_aside: list[tuple[int, str]] = []

    class Letters(DeadLetters):
        async def put_aside(self, topic: Topic, refused: Sequence[tuple[Any, str]]) -> None:
            put_aside.extend((record.offset, reason) for record, reason in refused)

    registry = CollectorRegistry()
    letters = Letters(Publisher("nowhere:1", "test"), "test", registry)
    broker = Broker("nowhere:1", "test", letters, registry, lambda _: None)

    async def take(_: Any) -> None: ...

    reading = AssignedReading(broker, CANDLES, take, begin=from_beginning, decode=decode_candle)
    values = [
        CANDLE.model_dump_json().encode(),
        newer(CANDLE, "source", "new"),
        newer(CANDLE, "timeframe", "45m"),
        newer(CANDLE, "open", None),
        None,
    ]
    records = [
        cast(ConsumerRecord, SimpleNamespace(value=value, offset=offset))
        for offset, value in enumerate(values)
    ]
    batch = await reading.decode_batch(cast(Any, SimpleNamespace(raw_message=records)))
    assert [(d.record.offset, d.event.source) for d in batch] == [(0, "live"), (1, "new")]
    assert put_aside == [(3, "cannot be decoded: open: Input should be a valid number")]
    newer_values = "tradepulse_newer_values_total"
    assert registry.get_sample_value(newer_values, {"topic": CANDLES.name}) == 2
