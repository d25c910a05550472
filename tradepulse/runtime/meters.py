"""What every service tells of its topics, its database, its loop and what it waits for.

Batches are measured, not messages: a message takes a few microseconds, and so would its measure.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import asyncpg
from aiokafka import ConsumerRecord
from aiokafka import TopicPartition as Partition
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from contracts.topics import Topic
from tradepulse.runtime.metrics import on_scrape, touch

TOOK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
AGES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
LOOP_LOOKED_AT_S = 0.5
DB_CODES = ("08", "22", "23", "40", "53", "55", "57", "away", "other")
"""Classes of SQLSTATE that are told; `away` where the server said nothing."""


class TopicMeters:
    """Of one topic that is read.

    Args:
        of: the families.
        topic: its name.
    """

    def __init__(self, of: "ReadingMeters", topic: str) -> None:
        self.consumed = of.consumed.labels(topic)
        self.held = of.held.labels(topic)
        self._seconds = of.seconds.labels(topic)
        self._failures = of.failures.labels(topic)
        self._age = of.age.labels(topic)

    def measured(
        self, handle: Callable[[Any], Awaitable[None]]
    ) -> Callable[[Any], Awaitable[None]]:
        """Return a handler that is measured."""

        async def measured(batch: Any) -> None:
            begun = time.perf_counter()
            try:
                await handle(batch)
            except Exception:
                self._failures.inc()
                raise
            finally:
                self._seconds.observe(time.perf_counter() - begun)

        return measured

    def came(self, records: Sequence[ConsumerRecord]) -> None:
        """Note how long the oldest message of a batch has waited until now."""
        oldest = min(record.timestamp for record in records)
        # of another machine, whose clock may be ahead of ours
        self._age.observe(max(0.0, time.time() - oldest / 1000))


class ReadingMeters:
    """Of what a service reads, by topic."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        topic = ["topic"]
        self.consumed = Counter(
            "tradepulse_messages_consumed_total", "Messages read", topic, registry=registry
        )
        self.held = Gauge(
            "tradepulse_partitions_held", "Partitions read here", topic, registry=registry
        )
        self.seconds = Histogram(
            "tradepulse_handle_seconds",
            "Handling one batch",
            topic,
            buckets=TOOK,
            registry=registry,
        )
        self.failures = Counter(
            "tradepulse_handle_failures_total",
            "Batches whose handler failed",
            topic,
            registry=registry,
        )
        self.age = Histogram(
            "tradepulse_message_age_seconds",
            "Age of the oldest message of a batch when its handling began",
            topic,
            buckets=AGES,
            registry=registry,
        )
        self._lag = Gauge(
            "tradepulse_consumer_lag_messages",
            "Messages of a partition that were not taken yet",
            ["topic", "partition"],
            registry=registry,
        )

    def of(self, topic: Topic) -> TopicMeters:
        """Return those of a topic, all at 0."""
        return TopicMeters(self, topic.name)

    @cached_property
    def rebalances(self) -> Counter:
        """Only there where partitions are shared."""
        return Counter(
            "tradepulse_rebalances_total",
            "Times that partitions were shared out anew",
            ["topic"],
            registry=self._registry,
        )

    def show_lags(self, lags: Mapping[Partition, int]) -> None:
        """Tell the lags of the partitions that are read here; others are told no longer."""
        self._lag.clear()
        for one, lag in lags.items():
            self._lag.labels(one.topic, str(one.partition)).set(lag)


class PublishMeters:
    """Of what a service publishes, by topic."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    @cached_property
    def _families(self) -> tuple[Histogram, Counter, Counter]:
        # only there where something is published
        topic, registry = ["topic"], self._registry
        return (
            Histogram(
                "tradepulse_publish_seconds",
                "Until a batch was acknowledged",
                topic,
                buckets=TOOK,
                registry=registry,
            ),
            Counter(
                "tradepulse_published_total", "Messages acknowledged", topic, registry=registry
            ),
            Counter(
                "tradepulse_publish_failures_total",
                "Batches that were not acknowledged",
                topic,
                registry=registry,
            ),
        )

    def publishes(self, topic: str) -> None:
        """Tell a topic from now on."""
        for family in self._families:
            touch(family, [topic])

    @contextlib.contextmanager
    def measured(self, topic: str, messages: int) -> Iterator[None]:
        """Measure until so many messages are acknowledged."""
        seconds, published, failures = self._families
        begun = time.perf_counter()
        try:
            yield
        except Exception:
            failures.labels(topic).inc()
            raise
        seconds.labels(topic).observe(time.perf_counter() - begun)
        published.labels(topic).inc(messages)


class PoolMeters:
    """Of a pool of connections to the database."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._pool = Gauge("tradepulse_db_pool", "Connections", ["state"], registry=registry)
        touch(self._pool, ("used", "idle", "most"))
        self.wait = Histogram(
            "tradepulse_db_wait_seconds",
            "Until a connection was lent",
            buckets=TOOK,
            registry=registry,
        )
        self._errors = Counter(
            "tradepulse_db_errors_total", "Statements that failed", ["code"], registry=registry
        )
        touch(self._errors, DB_CODES)

    def looks_at(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Tell of this pool."""
        functions: dict[str, Callable[[], int]] = {
            "used": lambda: pool.get_size() - pool.get_idle_size(),
            "idle": pool.get_idle_size,
            "most": pool.get_max_size,
        }
        for state, count in functions.items():
            self._pool.labels(state).set_function(count)

    def on_query(self, query: Any) -> None:
        """Count a statement that failed; asyncpg calls it after each."""
        error = query.exception
        if error is None or isinstance(error, asyncio.CancelledError):
            return
        code = getattr(error, "sqlstate", None)
        told = "away" if code is None else code[:2]
        self._errors.labels(told if told in DB_CODES else "other").inc()


def tell_ready(registry: CollectorRegistry, readiness: Mapping[str, Callable[[], bool]]) -> None:
    """Tell each condition of /readyz."""

    def look() -> None:
        for name, holds in readiness.items():
            ready.labels(name).set(holds())

    on_scrape(registry, look)
    ready = Gauge(
        "tradepulse_ready", "1: the condition of /readyz holds", ["condition"], registry=registry
    )


class LoopMeter:
    """How late the event loop comes to what is due."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Histogram(
            "tradepulse_event_loop_lag_seconds",
            "How late the event loop came to what was due",
            buckets=TOOK,
            registry=registry,
        )

    async def run(self) -> None:
        """Look for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOP_LOOKED_AT_S
            await asyncio.sleep(LOOP_LOOKED_AT_S)
            self._lag.observe(max(0.0, loop.time() - due))
