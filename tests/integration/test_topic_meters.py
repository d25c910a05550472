"""What a broker that answers lets a service tell of the topics that it reads and publishes."""

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from contracts.events import PortfolioWeightsDecided
from contracts.topics import WEIGHTS
from tradepulse.runtime import broker as broker_module
from tradepulse.runtime.broker import Broker
from tradepulse.runtime.dead_letters import DeadLetters
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.sharing import SharedReading
from tradepulse.runtime.topics import create_topics

pytestmark = pytest.mark.integration
PATIENCE_S = 120
TOPIC = {"topic": WEIGHTS.name}


def weights(number: int) -> tuple[str, bytes]:
    event = PortfolioWeightsDecided(
        portfolio="main", close_time=number * 60_000, policy="equal", weights={}
    )
    return "main", event.model_dump_json().encode()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what comes tells nobody
            await asyncio.sleep(0.02)


async def test_who_is_busy_is_told_how_much_lies_ahead_of_him(
    kafka_bootstrap: str, no_topics: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_module, "MEASURED_EVERY_S", 0.2)
    await create_topics(kafka_bootstrap)
    registry = CollectorRegistry()
    publisher = await Publisher(kafka_bootstrap, "test", registry=registry).start()
    publisher.allow(WEIGHTS)
    failures: list[BaseException] = []
    letters = DeadLetters(publisher, "test", registry)
    broker = Broker(kafka_bootstrap, "test", letters, registry, failures.append)
    may_go_on = asyncio.Event()
    taken: list[Delivery] = []

    async def take(batch: list[Delivery]) -> None:
        taken.extend(batch)
        await may_go_on.wait()

    broker.then(SharedReading(broker, WEIGHTS, take, group="busy", forget=lambda: None))

    def told(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"tradepulse_{name}", TOPIC | labels)

    assert told("partitions_held") == 0
    await publisher.send_many(WEIGHTS, [weights(1)])
    await broker.start()
    measuring = asyncio.create_task(broker.keep_measuring())
    await until(lambda: len(taken) == 1)
    # it holds the first in its hands, and fetches no more than is there already
    await publisher.send_many(WEIGHTS, [weights(number) for number in range(2, 9)])
    await until(lambda: told("consumer_lag_messages", partition="0") == 7)
    assert told("handle_seconds_count") == 0
    may_go_on.set()
    await until(lambda: told("consumer_lag_messages", partition="0") == 0)
    await until(lambda: len(taken) == 8)
    assert told("partitions_held") == 1
    assert told("rebalances_total") == 1
    assert told("messages_consumed_total") == 8
    assert told("message_age_seconds_count") == told("handle_seconds_count")
    assert told("handle_failures_total") == 0
    assert told("published_total") == 8
    assert told("publish_seconds_count") == 2
    await broker.stop()
    measuring.cancel()
    await publisher.stop()
    assert failures == []
