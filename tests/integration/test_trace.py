"""An order is followed back to its candle, on what a replay left in Kafka and PostgreSQL."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from system import System, announcement, candle_events, configurations_for, demo_candles
from topic_reader import TopicReader

from contracts.events import trace_id
from contracts.topics import ACCOUNT, CANDLES, EVALUATIONS, Topic
from tests.command import invoke
from tradepulse.market_data.store import store_candles
from tradepulse.runtime.db import connect, migrate, ms
from tradepulse.runtime.publisher import Publisher

pytestmark = pytest.mark.integration
HALF_HOUR = 1_800_000


async def replayed(system: System) -> None:
    """Replay ten days of two symbols, one batch a close, to the end."""
    candles = demo_candles(10)[:2]
    await system.prepare(configurations_for(candles))
    connection = await connect(system.database_url)
    await store_candles(connection, candles, "replay")
    await connection.close()
    publisher = await Publisher(system.bootstrap, "test").start()
    try:
        for name in ("signal_svc", "rl_svc", "executor_svc"):
            system.start(name, LOG_LEVEL="DEBUG")
        await system.announce(announcement(candles))
        events = [event for one in candles for event in candle_events(one)]
        events.sort(key=lambda one: one.close_time)
        messages = [(one.instrument, one.model_dump_json().encode()) for one in events]
        await publisher.send_many(CANDLES, messages)
        await system.wait_settled(events[-1].close_time, 240)
        await system.outbox_is_empty()
    finally:
        system.stop()
        await publisher.stop()


async def places(bootstrap: str, topic: Topic) -> dict[str, str]:
    """Return where each event of a topic stands first, as `topic/partition offset N`."""
    found: dict[str, str] = {}
    async with TopicReader(bootstrap, topic) as reader:
        ends = await reader._consumer.end_offsets(reader._partitions)
        for partition, end in ends.items():
            while await reader._consumer.position(partition) < end:
                for event, record in await reader.next_batch():
                    at = f"{record.topic}/{record.partition} offset {record.offset}"
                    found.setdefault(event.id, at)
    return found


async def traced(id_: object) -> str:
    out, _ = await asyncio.to_thread(invoke, "trace", id_)
    return out


def lines_of(out: str, step: str) -> list[str]:
    """Return the line of a step and those below it."""
    [block] = re.findall(rf"^{step} .*\n(?:^ .*\n)*", out, re.MULTILINE)
    return [line[12:] for line in block.splitlines()]


def logged(system: System, service: str) -> list[dict[str, Any]]:
    return [json.loads(one) for one in (system.folder / f"{service}.log").read_text().splitlines()]


async def emptied(bootstrap: str, topic: Topic) -> None:
    """Delete every message of a topic, as its retention does in time."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        await admin.delete_records({one: RecordsToDelete(before_offset=-1) for one in partitions})
    finally:
        await admin.close()


async def test_an_order_is_followed_back_to_its_candle(
    kafka_bootstrap: str,
    database_url: str,
    no_topics: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    monkeypatch.setenv("DATABASE_URL", database_url)
    system = System(kafka_bootstrap, database_url, tmp_path)
    await replayed(system)
    where = {
        name: at
        for topic in (ACCOUNT, EVALUATIONS, CANDLES)
        for name, at in (await places(kafka_bootstrap, topic)).items()
    }
    connection = await connect(database_url)
    rows = await connection.fetch("select * from orders order by decided_at, order_id")
    await connection.close()
    entry = next(one for one in rows if one["opens_position"] and one["status"] == "FILLED")
    stopped = next(one for one in rows if one["exit_reason"] == "stop")

    out = await traced(entry["order_id"])
    close_time = ms(entry["decided_at"])
    series = f"bitfinex:{entry['symbol']}:30m"
    open_time = close_time - HALF_HOUR
    assert out.splitlines()[0] == f"trace_id    {series}:{close_time}"
    head, *events = lines_of(out, "order")
    assert head.startswith(f"{entry['side']} {entry['quantity']:f} {entry['symbol']}, ")
    assert "FILLED; account main; decided at the close of 2018-01-" in head
    ids = [f"order:{entry['order_id']}:OPEN", f"order:{entry['order_id']}:FILLED"]
    assert [line.split()[0] for line in events[:2]] == ids
    assert len(events) == 3
    assert events[2].startswith("fill:")
    for line in events:
        name, at = line.split("  ")
        assert re.fullmatch(
            rf"{re.escape(where[name])}, \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{{3}}", at
        )
    [said] = lines_of(out, "signal")
    assert said.startswith(f"{entry['signal_id']}  enter_")
    assert str(entry["configuration_id"]) in said
    for step, name in (
        ("evaluation", f"evaluation:{series}:{open_time}"),
        ("candle", f"{series}:{open_time}"),
    ):
        _, found = lines_of(out, step)
        assert found.startswith(f"{name}  {where[name]}, ")

    # the signal leads to the same
    assert await traced(entry["signal_id"]) == out
    # as the tables show it
    assert await traced(str(entry["signal_id"])[:8]) == out
    _, err = await asyncio.to_thread(invoke, "trace", "0000-0", status=1)
    assert "no order and no signal in this database of an id that begins with 00000; " in err
    # the logs of all services have the id that it begins with
    wanted = trace_id(series, close_time)
    order_lines = [one for one in logged(system, "executor_svc") if one.get("trace_id") == wanted]
    assert f"order:{entry['order_id']}:OPEN" in {one["event_id"] for one in order_lines}
    signals = [one for one in logged(system, "signal_svc") if one.get("trace_id") == wanted]
    assert str(entry["signal_id"]) in {one["event_id"] for one in signals}

    # what leaves by its stop names the entry
    out = await traced(f"order:{stopped['order_id']}:FILLED")
    opened = re.search("exit by stop of the position that order ([0-9a-f-]{36}) opened", out)
    assert opened is not None
    by_id = {one["order_id"]: one for one in rows}
    opener = by_id[UUID(opened[1])]
    assert opener["opens_position"]
    assert opener["configuration_id"] == stopped["configuration_id"]
    assert lines_of(out, "signal") == ["none: stop needs none"]

    # what is deleted is said, step by step; the database still knows the candle
    await emptied(kafka_bootstrap, EVALUATIONS)
    await emptied(kafka_bootstrap, CANDLES)
    out = await traced(entry["order_id"])
    gone = "not found in tradepulse.{}: it is deleted after 30 days, or was never there"
    assert lines_of(out, "evaluation") == ["not kept", gone.format("evaluations")]
    head, below = lines_of(out, "candle")
    assert head.endswith(", replay; as it is stored now")
    assert below == gone.format("candles")
    assert len(lines_of(out, "order")) == 4


@pytest.mark.parametrize(
    ("id_", "why"),
    [
        ("7", "tradepulse trace: 7: no id; `tradepulse trace` takes that of an order or of a"),
        ("00000000-0000-0000-0000-000000000000", "no order and no signal has the id 0000"),
    ],
)
async def test_what_is_not_there_is_one_line(
    database_url: str,
    no_topics: object,
    monkeypatch: pytest.MonkeyPatch,
    id_: str,
    why: str,
) -> None:
    await migrate(database_url)
    monkeypatch.setenv("DATABASE_URL", database_url)
    _, err = await asyncio.to_thread(invoke, "trace", id_, status=1)
    assert why in err
    assert len(err.splitlines()) == 1
