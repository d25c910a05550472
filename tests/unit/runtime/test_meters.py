"""What is measured of topics, of the database, of the loop, and of what a service waits for."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from contracts.topics import CANDLES, WEIGHTS
from tradepulse.runtime import meters
from tradepulse.runtime.meters import (
    LoopMeter,
    PoolMeters,
    PublishMeters,
    ReadingMeters,
    tell_ready,
)

TOPIC = {"topic": CANDLES.name}


def record(age_s: float) -> ConsumerRecord:
    return cast(ConsumerRecord, SimpleNamespace(timestamp=(time.time() - age_s) * 1000))


async def test_a_handler_is_measured_whether_it_fails_or_not() -> None:
    registry = CollectorRegistry()
    seen = []

    async def handle(batch: list[int]) -> None:
        seen.append(batch)
        if len(batch) > 1:
            raise LookupError("two")

    handler = ReadingMeters(registry).of(CANDLES).measured(handle)
    await handler([1])
    with pytest.raises(LookupError, match="two"):
        await handler([1, 2])
    assert seen == [[1], [1, 2]]
    assert registry.get_sample_value("tradepulse_handle_seconds_count", TOPIC) == 2
    assert registry.get_sample_value("tradepulse_handle_failures_total", TOPIC) == 1


def test_the_age_is_that_of_the_oldest_message_and_never_below_0() -> None:
    registry = CollectorRegistry()
    topic = ReadingMeters(registry).of(CANDLES)
    topic.came([record(2), record(20), record(1)])
    topic.came([record(-3_600)])
    name = "tradepulse_message_age_seconds"
    assert registry.get_sample_value(f"{name}_count", TOPIC) == 2
    total = registry.get_sample_value(f"{name}_sum", TOPIC)
    assert total is not None
    assert total >= 20
    assert registry.get_sample_value(f"{name}_bucket", TOPIC | {"le": "0.01"}) == 1


def test_lags_are_told_of_the_partitions_that_are_read_here_only() -> None:
    registry = CollectorRegistry()
    reading = ReadingMeters(registry)
    reading.show_lags({TopicPartition(CANDLES.name, n): n for n in (3, 4)})
    reading.show_lags({TopicPartition(CANDLES.name, 4): 9})
    name = "tradepulse_consumer_lag_messages"
    assert registry.get_sample_value(name, TOPIC | {"partition": "4"}) == 9
    assert registry.get_sample_value(name, TOPIC | {"partition": "3"}) is None


def test_what_is_published_is_counted_once_it_is_acknowledged() -> None:
    registry = CollectorRegistry()
    publishing = PublishMeters(registry)
    publishing.publishes(WEIGHTS.name)
    publishing.publishes(CANDLES.name)
    with publishing.measured(CANDLES.name, 7):
        assert registry.get_sample_value("tradepulse_published_total", TOPIC) == 0
    with pytest.raises(TimeoutError), publishing.measured(CANDLES.name, 7):
        raise TimeoutError
    assert registry.get_sample_value("tradepulse_published_total", TOPIC) == 7
    assert registry.get_sample_value("tradepulse_publish_seconds_count", TOPIC) == 1
    assert registry.get_sample_value("tradepulse_publish_failures_total", TOPIC) == 1
    other = {"topic": WEIGHTS.name}
    assert registry.get_sample_value("tradepulse_publish_failures_total", other) == 0


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (asyncpg.UniqueViolationError(""), "23"),
        (asyncpg.DeadlockDetectedError(""), "40"),
        (asyncpg.UndefinedTableError(""), "other"),
        (OSError(), "away"),
        (TimeoutError(), "away"),
        (asyncio.CancelledError(), None),
        (None, None),
    ],
    ids=["unique", "deadlock", "no-table", "gone", "late", "cancelled", "none"],
)
def test_failed_statements_are_counted_by_class(
    error: BaseException | None, code: str | None
) -> None:
    registry = CollectorRegistry()
    PoolMeters(registry).on_query(SimpleNamespace(exception=error))
    counted = {
        one: registry.get_sample_value("tradepulse_db_errors_total", {"code": one})
        for one in meters.DB_CODES
    }
    assert counted == {one: float(one == code) for one in meters.DB_CODES}


def test_each_condition_is_told_as_it_is_when_it_is_asked_for() -> None:
    registry = CollectorRegistry()
    holds = {"broker": True, "start-up": False}
    readiness: dict[str, Any] = {name: lambda name=name: holds[name] for name in holds}
    tell_ready(registry, readiness)
    readiness["partitions"] = lambda: False
    assert 'tradepulse_ready{condition="start-up"} 0.0' in generate_latest(registry).decode()
    holds["start-up"] = True
    told = generate_latest(registry).decode()
    assert 'tradepulse_ready{condition="broker"} 1.0' in told
    assert 'tradepulse_ready{condition="start-up"} 1.0' in told
    assert 'tradepulse_ready{condition="partitions"} 0.0' in told


async def test_a_loop_that_is_held_up_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meters, "LOOP_LOOKED_AT_S", 0.01)
    registry = CollectorRegistry()
    looking = asyncio.create_task(LoopMeter(registry).run())
    await asyncio.sleep(0)
    time.sleep(0.2)  # noqa: ASYNC251 - that is what it looks for
    name = "tradepulse_event_loop_lag_seconds"
    while not registry.get_sample_value(f"{name}_count"):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.001)
    looking.cancel()
    total = registry.get_sample_value(f"{name}_sum")
    assert total is not None
    assert total >= 0.18
