"""The contracts: ids, and schemas that may only grow."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.events import (
    CandleClosed,
    CandleEvaluated,
    EquityMarked,
    FeedAnnounced,
    FeedSeries,
    PortfolioWeightsDecided,
    SeriesEvent,
    Signal,
    signal_id,
)
from contracts.times import LAST_TIME, TIMEFRAME_MS, Timeframe
from contracts.topics import DEAD_LETTERS_BYTES, DEAD_LETTERS_MS, TOPICS
from studio_svc.stream.feed import TOPICS as STUDIO_TOPICS
from tradepulse.candles.timeframes import TIMEFRAMES_MS
from tradepulse.cli.asyncapi import SERVICES, document, write_documents
from tradepulse.runtime.codec import candle_decoder, decode_candle, decode_evaluation
from tradepulse.runtime.dead_letters import LetterHeaders, reason_of

SNAPSHOTS = Path(__file__).parent / "schemas"
ROOT = Path(__file__).parents[3]

CANDLE = CandleClosed(
    exchange="kraken",
    symbol="BTC/USD",
    timeframe="1h",
    open_time=0,
    close_time=3_600_000,
    open=1.0,
    high=3.0,
    low=0.5,
    close=2.0,
    volume=0.0,
    source="live",
)


def problems(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Say how `new` breaks those who write or read `old`."""
    found = []
    olds = {"": old, **old.get("$defs", {})}
    news = {"": new, **new.get("$defs", {})}
    for name, before in olds.items():
        after = news.get(name)
        if after is None:
            found.append(f"{name} is gone")
            continue
        for field, was in before.get("properties", {}).items():
            now = after.get("properties", {}).get(field)
            if now is None:
                found.append(f"{name}.{field} is gone")
            elif _shape(now) != _shape(was) and not _gained_a_word(was, now):
                found.append(f"{name}.{field} changed")
        added = set(after.get("required", [])) - set(before.get("required", []))
        found += [f"{name}.{field} has become required" for field in sorted(added)]
    return found


def _shape(schema: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in schema.items() if k not in ("title", "description")}


def _gained_a_word(was: dict[str, Any], now: dict[str, Any]) -> bool:
    """Tell whether a field only takes more words: writers of the old ones go on as they are."""
    before, after = _shape(was), _shape(now)
    words, more = before.pop("enum", ()), after.pop("enum", ())
    return before == after and set(words) < set(more)


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_schema_only_gains_fields_with_a_default(topic):
    path = SNAPSHOTS / f"{topic.name}.json"
    now = TypeAdapter(topic.event).json_schema()
    assert path.exists(), f"write {path.name}: python tests/unit/contracts/test_contracts.py"
    before = json.loads(path.read_text())
    assert problems(before, now) == []
    assert before == now, "the schema grew: write the snapshot again and commit it"


def test_the_snapshot_test_can_fail():
    before = CandleClosed.model_json_schema()
    renamed = json.loads(json.dumps(before).replace('"volume"', '"amount"'))
    assert problems(before, renamed) == [".volume is gone", ".amount has become required"]
    retyped = json.loads(json.dumps(before))
    retyped["properties"]["open_time"]["type"] = "string"
    assert problems(before, retyped) == [".open_time changed"]
    grown = json.loads(json.dumps(before))
    grown["properties"]["trades"] = {"type": "integer", "default": 0}
    assert problems(before, grown) == []
    worded = json.loads(json.dumps(before))
    worded["properties"]["source"]["enum"].append("rumour")
    assert problems(before, worded) == []
    assert problems(worded, before) == [".source changed"]


def test_asyncapi_documents_are_those_of_the_applications(tmp_path):
    for made in write_documents(tmp_path):
        kept = ROOT / "docs" / "reference" / "asyncapi" / made.name
        assert made.read_text() == kept.read_text(), (
            f"{made.name}: python -m tradepulse.cli.asyncapi docs/reference/asyncapi"
        )


def channels(service: str, action: str) -> set[str]:
    drawn = document(service)
    operations = drawn["operations"].values()
    used = {
        one["channel"]["$ref"].rpartition("/")[2] for one in operations if one["action"] == action
    }
    return {drawn["channels"][name]["address"] for name in used}


def test_each_topic_is_published_by_its_writer_alone():
    published = {service: channels(service, "send") for service in SERVICES}
    for topic in TOPICS:
        assert {s for s, sent in published.items() if topic.name in sent} == {topic.writer}


def test_what_is_read_is_documented_with_its_events_and_its_dead_letters():
    read = {service: channels(service, "receive") for service in SERVICES}
    assert {topic for topics in read.values() for topic in topics} == {t.name for t in TOPICS}
    assert read["studio_svc"] == {topic.name for topic in STUDIO_TOPICS}
    drawn = document("executor_svc")["components"]
    candle = drawn["schemas"]["tradepulse.candles:Message:Payload"]["properties"]
    assert set(candle) == set(CandleClosed.model_fields)
    letter = drawn["messages"]["tradepulse.candles.dlq:Message"]
    assert set(letter["headers"]["properties"]) == set(LetterHeaders.model_fields)
    for service, topics in read.items():
        # who only looks on leaves the dead letters to those who act
        letters = {"tradepulse.account"} if service == "studio_svc" else topics
        sent = {name for name in channels(service, "send") if name.endswith(".dlq")}
        assert sent == {name + ".dlq" for name in letters}


def test_how_long_messages_are_kept():
    assert {topic.retention_ms for topic in TOPICS} == {30 * 86_400_000}
    assert (DEAD_LETTERS_MS, DEAD_LETTERS_BYTES) == (90 * 86_400_000, 2**30)


def test_events_are_frozen_and_ignore_what_a_newer_writer_adds():
    with pytest.raises(ValidationError):
        CANDLE.open = 5.0
    newer = json.loads(CANDLE.model_dump_json()) | {"trades": 7}
    assert CandleClosed.model_validate(newer) == CANDLE


def test_the_timeframes_of_the_contract_are_those_with_a_grid():
    assert get_args(Timeframe) == tuple(TIMEFRAMES_MS)
    assert TIMEFRAME_MS == TIMEFRAMES_MS


def test_ids_say_what_the_event_is_about():
    assert CANDLE.id == "kraken:BTC/USD:1h:0"
    ids = {
        signal_id(UUID(int=c), s, t) for c in (1, 2) for s in ("a:b:1h", "a:b:1d") for t in (0, 1)
    }
    assert len(ids) == 8
    # a changed derivation would let old signals trade twice
    assert str(signal_id(UUID(int=1), "kraken:BTC/USD:1h", 0)) == (
        "418e6a50-00a9-5c1e-80e5-46c66cf8bfbe"
    )


IMPOSSIBLE = [
    {"high": 1.5},
    {"low": 1.5},
    {"low": 2.5, "open": 3.0},
    {"high": 0.25, "low": 0.5},
    {"open": 1.0, "close": 1.0, "high": 1.0, "low": 1.5},
    {"open": None},
    {"close": True},
    {"close": "2.0"},
    {"volume": "1e999"},
    {"exchange": ""},
    {"exchange": "a:b"},
    {"exchange": "x" * 65},
    {"symbol": "BTC USD"},
    {"symbol": "BTC/USD\n"},
    {"open_time": 1, "close_time": 3_600_001},
    {"open_time": -3_600_000, "close_time": 0},
    {"close_time": 7_200_000},
    {"close_time": 3_599_999},
    {"timeframe": "2h"},
    {"timeframe": "1w"},
    {"open_time": "0"},
    {"open_time": 0.0},
    {"open_time": False},
    {"open_time": LAST_TIME, "close_time": LAST_TIME + 3_600_000},
    {"open_time": 10**15 * 3_600_000, "close_time": (10**15 + 1) * 3_600_000},
    {"open_time": 10**30, "close_time": 10**30 + 3_600_000},
    {"open": 0.0},
    {"low": -1.0},
    {"volume": -1.0},
    {"close_time": 0},
    {"symbol": None},
    {"timeframe": "7m"},
    {"open": "1e999"},
    {"source": "rumour"},
]


@pytest.mark.parametrize("change", IMPOSSIBLE, ids=str)
def test_both_decoders_refuse_an_impossible_candle(change):
    value = json.dumps(json.loads(CANDLE.model_dump_json()) | change).encode()
    value = value.replace(b'"1e999"', b"1e999")
    with pytest.raises(ValueError, match=r"."):
        CandleClosed.model_validate_json(value)
    with pytest.raises(ValueError, match=r"."):
        decode_candle(value)


@pytest.mark.parametrize(
    "change",
    [
        {"open": 3.0},
        {"open": 3.0, "close": 3.0},
        {"close": 3.0},
        {"low": 1.0},
        {"low": 1.0, "close": 1.0},
        {"low": 1.5, "open": 2.0, "close": 1.5},
        {"open": 2.0, "high": 2.0, "low": 2.0},
        {"volume": 1e300},
    ],
    ids=str,
)
def test_both_decoders_take_a_candle_whose_prices_meet(change):
    value = json.dumps(json.loads(CANDLE.model_dump_json()) | change).encode()
    for decode in (CandleClosed.model_validate_json, decode_candle):
        candle = decode(value)
        assert {name: getattr(candle, name) for name in change} == change


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-3, 3).map(lambda n: n * 3_600_000),
    st.sampled_from([LAST_TIME - 3_600_000, LAST_TIME, LAST_TIME + 3_600_000]),
    st.floats(),
    st.sampled_from([0.0, -0.0, 0.5, 1.0, 2.0, 3.0, 3.5]),
    st.text(max_size=70),
    st.text(alphabet="aB/:. \t\n\u00a0\u2028", max_size=5),
    st.sampled_from(["0", "1.0", "live", "1h", "30m", "kraken"]),
    st.lists(st.integers(), max_size=1),
)


@given(st.dictionaries(st.sampled_from([*CandleClosed.model_fields, "more"]), ANYTHING))
def test_both_decoders_take_and_refuse_the_same(changes):
    value = json.dumps(json.loads(CANDLE.model_dump_json()) | changes).encode()
    answers = []
    for decode in (CandleClosed.model_validate_json, decode_candle):
        try:
            candle = decode(value)
        except ValueError:
            answers.append(None)
        else:
            answers.append({name: getattr(candle, name) for name in CandleClosed.model_fields})
    assert answers[0] == answers[1]


SIGNAL = Signal(
    id=UUID(int=3),
    configuration_id=UUID(int=4),
    strategy="s",
    action="enter_long",
    reference_price=2.0,
    stop_price=1.5,
    take_profit_price=3.0,
    limit_price=1.75,
    trail=0.5,
    confidence=0.5,
    share=0.25,
    expires_at=5,
    max_holding_ms=7,
)
EVALUATION = CandleEvaluated(
    exchange="kraken",
    symbol="BTC/USD",
    timeframe="1h",
    open_time=0,
    close_time=3_600_000,
    configurations=2,
    signals=(SIGNAL,),
)
LITTLE = st.sampled_from(
    [0, 1, 2, -1, 0.0, 0.5, 1.0, 1.0 + 2**-52, 1.5, -0.5, 1e300, 10**30, "1", "0.5", True, None]
)
SAID = st.dictionaries(
    st.sampled_from([*Signal.model_fields, "more"]),
    ANYTHING
    | LITTLE
    | st.sampled_from(["enter_short", "exit", str(UUID(int=9)), UUID(int=9).hex, "{" + "9" * 32]),
    max_size=3,
)


def both(decode: Any, event: type[SeriesEvent], value: bytes) -> tuple[Any, Any]:
    """Return what a decoder and the contract read, None where they refuse."""
    read: list[Any] = []
    for one in (decode, event.model_validate_json):
        try:
            found = one(value)
        except ValueError:
            read.append(None)
        else:
            fields = {name: getattr(found, name) for name in event.model_fields}
            if "signals" in fields:
                fields["signals"] = [
                    {name: getattr(signal, name) for name in Signal.model_fields}
                    for signal in found.signals
                ]
            read.append(fields | {"series": found.series, "instrument": found.instrument})
    return read[0], read[1]


@given(
    st.dictionaries(st.sampled_from([*CandleEvaluated.model_fields, "more"]), ANYTHING, max_size=2),
    st.lists(SAID, max_size=2) | st.just([{}]),
)
def test_both_decoders_take_and_refuse_the_same_evaluation(changes, said):
    whole = json.loads(EVALUATION.model_dump_json())
    (signal,) = whole["signals"]
    value = json.dumps(whole | {"signals": [signal | one for one in said]} | changes).encode()
    ours, contract = both(decode_evaluation, CandleEvaluated, value)
    assert ours == contract


@pytest.mark.parametrize("name", Signal.model_fields)
@pytest.mark.parametrize("value", [0, 1, -1, 0.5, 1.5, 1e300, "1e999", "NaN", "0.5", True, None, 2])
def test_both_decoders_judge_each_field_of_a_signal_alike(name, value):
    whole = json.loads(EVALUATION.model_dump_json())
    whole["signals"][0][name] = value
    raw = json.dumps(whole).replace('"1e999"', "1e999").replace('"NaN"', "NaN").encode()
    ours, contract = both(decode_evaluation, CandleEvaluated, raw)
    assert ours == contract
    del whole["signals"][0][name]
    ours, contract = both(decode_evaluation, CandleEvaluated, json.dumps(whole).encode())
    assert ours == contract


@pytest.mark.parametrize(
    ("targets", "is_taken"),
    [
        ([], True),
        ([[0, 3.5], [60, 2.5]], True),
        ([[k, 2.5] for k in range(4)], True),
        ([[k, 2.5] for k in range(5)], False),
        ([[60, 2.5], [0, 3.5]], False),
        ([[60, 2.5], [60, 3.5]], False),
        ([[-1, 2.5]], False),
        ([[0.5, 2.5]], False),
        ([[0, 0]], False),
        ([[0, 2.5, 1]], False),
        ([0, 2.5], False),
    ],
    ids=lambda value: str(value)[:30],
)
def test_steps_of_a_target_grow_in_time_and_are_four_at_most(targets, is_taken):
    whole = json.loads(EVALUATION.model_dump_json())
    whole["signals"][0]["targets"] = targets
    ours, contract = both(decode_evaluation, CandleEvaluated, json.dumps(whole).encode())
    assert ours == contract
    assert (ours is not None) == is_taken


def test_the_defaults_of_an_evaluation_are_those_of_the_contract():
    short = {
        name: getattr(EVALUATION, name)
        for name in ("exchange", "symbol", "timeframe", "open_time", "close_time")
    }
    ours, contract = both(decode_evaluation, CandleEvaluated, json.dumps(short).encode())
    assert ours == contract == {**contract, "configurations": 0, "signals": []}


@pytest.mark.parametrize(
    ("decode", "event"),
    [(decode_candle, CANDLE), (decode_evaluation, EVALUATION)],
    ids=["candle", "evaluation"],
)
@pytest.mark.parametrize(
    "more",
    [b"7", b"NaN", b'"\xff"', b'"\\ud800"', b"[" * 300 + b"]" * 300, b"01", b'{"a":[1e999]}'],
    ids=lambda more: repr(more)[:20],
)
def test_what_a_newer_writer_adds_is_judged_by_the_contract(decode, event, more):
    value = event.model_dump_json().encode().replace(b"}", b', "more": ' + more + b"}", 1)
    ours, contract = both(decode, type(event), value)
    assert ours == contract


@pytest.mark.parametrize(
    ("decode", "value", "reason"),
    [
        (decode_candle, CANDLE.model_copy(update={"high": 1.5}), "high is below open or close"),
        (decode_candle, CANDLE.model_copy(update={"open_time": 1}), "open_time is off the grid"),
        (decode_evaluation, EVALUATION.model_copy(update={"close_time": 1}), "not 1h after open"),
        (
            decode_evaluation,
            EVALUATION.model_copy(update={"signals": (SIGNAL.model_copy(update={"share": 2.0}),)}),
            "signals.0.share: Input should be less than or equal to 1",
        ),
    ],
    ids=["prices", "grid", "length", "signal"],
)
def test_what_is_refused_is_refused_in_the_words_of_the_contract(decode, value, reason):
    with pytest.raises(ValidationError) as refused:
        decode(value.model_dump_json().encode())
    assert reason in reason_of(refused.value)
    with pytest.raises(ValidationError) as refused:
        decode(b"{}")
    assert reason_of(refused.value).startswith("exchange: Field required; symbol: Field required;")
    with pytest.raises(ValidationError) as refused:
        decode(b"nothing")
    assert reason_of(refused.value).startswith("message: Invalid JSON")


@pytest.mark.parametrize("timeframe", TIMEFRAMES_MS)
def test_every_timeframe_has_its_own_grid(timeframe):
    length = TIMEFRAMES_MS[timeframe]
    for open_time, is_right in (
        (7 * length, True),
        (7 * length + 60_000 % length, length == 60_000),
        (7 * length + 1, False),
        (LAST_TIME - length, LAST_TIME % length == 0),
        (LAST_TIME, False),
    ):
        change = {"timeframe": timeframe, "open_time": open_time, "close_time": open_time + length}
        value = json.dumps(json.loads(CANDLE.model_dump_json()) | change).encode()
        for decode in (CandleClosed.model_validate_json, decode_candle):
            if is_right:
                assert decode(value).open_time == open_time
            else:
                with pytest.raises(ValueError, match=r"."):
                    decode(value)


def test_both_decoders_read_the_same_candle():
    wire = decode_candle(CANDLE.model_dump_json().encode())
    assert {n: getattr(wire, n) for n in CandleClosed.model_fields} == CANDLE.model_dump()
    assert (wire.series, wire.instrument) == (CANDLE.series, CANDLE.instrument)


def test_a_candle_ahead_of_the_clock_can_be_refused():
    decode = candle_decoder(lambda: 3_600_000 - 60_000, 60_000)
    assert decode(CANDLE.model_dump_json().encode()).close_time == 3_600_000
    decode = candle_decoder(lambda: 3_600_000 - 60_001, 60_000)
    with pytest.raises(ValueError, match="close_time 3600000 is ahead of the clock, 3539999"):
        decode(CANDLE.model_dump_json().encode())


EVENTS = [
    *(
        CANDLE.model_copy(update=change)
        for change in (
            {},
            {"exchange": "x"},
            {"symbol": "X/Y"},
            {"timeframe": "30m"},
            {"open_time": 3_600_000},
        )
    ),
    *(
        CandleEvaluated.model_validate(
            CANDLE.model_dump() | {"close_time": time + 3_600_000} | change
        )
        for time in (0, 3_600_000)
        for change in ({"open_time": time}, {"open_time": time, "symbol": "X/Y"})
    ),
    *(
        PortfolioWeightsDecided(portfolio=name, close_time=time, policy="p", weights={})
        for name in ("a", "b")
        for time in (1, 11)
    ),
    *(FeedAnnounced(feed=name, series=()) for name in ("a", "b", "a1")),
    *(
        EquityMarked(
            account=name,
            close_time=time,
            cash=Decimal(0),
            equity=Decimal(0),
            exposure=Decimal(0),
            open_positions=0,
        )
        for name in ("a", "b")
        for time in (1, 11)
    ),
]


def test_no_two_events_have_one_id():
    assert len({event.id for event in EVENTS}) == len(EVENTS)


WRONG = [
    (CandleEvaluated, {"open_time": 1, "close_time": 3_600_001}, "off the grid of 1h"),
    (CandleEvaluated, {"close_time": 1}, "close_time is not 1h after open_time"),
    (FeedSeries, {"first_open_time": 1}, "first_open_time is off the grid of 1h"),
    (FeedSeries, {"first_open_time": LAST_TIME + 1}, "from 1970 to 2100"),
    (FeedSeries, {"last_close_time": 3_600_002}, "last_close_time is off the grid of 1h"),
    (FeedSeries, {"first_open_time": 7_200_000}, "last_close_time is before first_open_time"),
    (PortfolioWeightsDecided, {"close_time": LAST_TIME + 1}, "from 1970 to 2100"),
    (PortfolioWeightsDecided, {"close_time": -1}, "from 1970 to 2100"),
    (PortfolioWeightsDecided, {"weights": {"a:b": 0.6, "a:c": 0.5}}, "weights sum to more than 1"),
    (
        PortfolioWeightsDecided,
        {"weights": {"a:b": 0.9, "a:c": 0.7}, "budget": 1.5},
        "weights sum to more than 1.5",
    ),
    (PortfolioWeightsDecided, {"budget": 0.0}, "greater than 0"),
    (PortfolioWeightsDecided, {"budget": 1_001.0}, "less than or equal to 1000"),
]


@pytest.mark.parametrize(("event", "change", "reason"), WRONG, ids=lambda one: str(one)[:40])
def test_what_no_clock_and_no_grid_tells_is_refused(event, change, reason):
    right = CANDLE.model_dump() | {
        "first_open_time": 0,
        "last_close_time": 3_600_001,
        "portfolio": "main",
        "policy": "p",
        "weights": {"a:b": 0.6, "a:c": 0.4},
    }
    event.model_validate(right)
    with pytest.raises(ValidationError, match=reason):
        event.model_validate(right | change)


def test_a_signal_travels_unchanged():
    signal = Signal(
        id=UUID(int=3),
        configuration_id=UUID(int=4),
        strategy="s",
        action="enter_long",
        reference_price=0.1 + 0.2,
        expires_at=5,
    )
    event = CandleEvaluated(
        exchange="x",
        symbol="A/B",
        timeframe="1h",
        open_time=0,
        close_time=3_600_000,
        signals=(signal,),
    )
    assert CandleEvaluated.model_validate_json(event.model_dump_json()) == event


if __name__ == "__main__":
    SNAPSHOTS.mkdir(exist_ok=True)
    for one in TOPICS:
        text = json.dumps(TypeAdapter(one.event).json_schema(), indent=1, sort_keys=True)
        (SNAPSHOTS / f"{one.name}.json").write_text(text + "\n")
