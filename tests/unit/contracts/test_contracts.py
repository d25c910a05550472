"""The contracts: ids, and schemas that may only grow."""

import json
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.events import CandleClosed, CandleEvaluated, Signal, Timeframe, signal_id
from contracts.topics import TOPICS
from studio_svc.stream.feed import TOPICS as STUDIO_TOPICS
from tradepulse.candles.timeframes import TIMEFRAMES_MS
from tradepulse.cli.asyncapi import SERVICES, document, write_documents
from tradepulse.runtime.codec import decode_candle
from tradepulse.runtime.dead_letters import LetterHeaders

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


def test_events_are_frozen_and_ignore_what_a_newer_writer_adds():
    with pytest.raises(ValidationError):
        CANDLE.open = 5.0
    newer = json.loads(CANDLE.model_dump_json()) | {"trades": 7}
    assert CandleClosed.model_validate(newer) == CANDLE


def test_the_timeframes_of_the_contract_are_those_with_a_grid():
    assert get_args(Timeframe) == tuple(TIMEFRAMES_MS)


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


def test_both_decoders_read_the_same_candle():
    wire = decode_candle(CANDLE.model_dump_json().encode())
    assert {n: getattr(wire, n) for n in CandleClosed.model_fields} == CANDLE.model_dump()
    assert (wire.series, wire.instrument) == (CANDLE.series, CANDLE.instrument)


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
        exchange="x", symbol="A/B", timeframe="1h", open_time=0, close_time=1, signals=(signal,)
    )
    assert CandleEvaluated.model_validate_json(event.model_dump_json()) == event


if __name__ == "__main__":
    SNAPSHOTS.mkdir(exist_ok=True)
    for one in TOPICS:
        text = json.dumps(TypeAdapter(one.event).json_schema(), indent=1, sort_keys=True)
        (SNAPSHOTS / f"{one.name}.json").write_text(text + "\n")
