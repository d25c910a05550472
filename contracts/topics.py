"""Every topic: its events, key, partitions and retention. Nothing else creates topics."""

from dataclasses import dataclass
from typing import Any

from contracts.events import (
    AccountEvent,
    CandleClosed,
    CandleEvaluated,
    ConfigurationChanged,
    FeedAnnounced,
    PortfolioWeightsDecided,
)

DAY_MS = 86_400_000
DLQ_SUFFIX = ".dlq"
DEAD_LETTERS_MS = 90 * DAY_MS
"""How long a dead letter is kept: evidence, and someone's data, until somebody has looked."""
DEAD_LETTERS_BYTES = 1 << 30
"""How much is kept of one topic's: garbage must not fill the disk that the candles need."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One Kafka topic.

    Attributes:
        name: Kafka's name of it.
        event: the event class (or union) of its values, as JSON.
        key: what the key of a message is, in words.
        partitions: fixed for the life of the topic; keys are routed by them.
        compacted: keep the latest value of every key for ever instead of all for `retention_ms`.
        retention_ms: how long a message is kept where the topic is not compacted.
        writer: the one service that publishes to it.
        readers: the services that read it and put aside what they cannot handle.
        watchers: those that only look on.
    """

    name: str
    event: Any
    key: str
    writer: str
    partitions: int = 1
    compacted: bool = False
    retention_ms: int = 30 * DAY_MS
    readers: tuple[str, ...] = ()
    watchers: tuple[str, ...] = ()

    @property
    def dead_letters(self) -> str:
        """Name of the topic that keeps what could not be handled."""
        return self.name + DLQ_SUFFIX


CANDLES = Topic(
    "tradepulse.candles",
    CandleClosed,
    "exchange:symbol",
    "market_ingest",
    partitions=6,
    readers=("signal_svc", "rl_svc", "executor_svc"),
    watchers=("studio_svc",),
)
EVALUATIONS = Topic(
    "tradepulse.evaluations",
    CandleEvaluated,
    "exchange:symbol",
    "signal_svc",
    partitions=6,
    readers=("executor_svc",),
    watchers=("studio_svc",),
)
WEIGHTS = Topic(
    "tradepulse.weights",
    PortfolioWeightsDecided,
    "portfolio",
    "rl_svc",
    readers=("executor_svc",),
    watchers=("studio_svc",),
)
CONFIGURATIONS = Topic(
    "tradepulse.configurations",
    ConfigurationChanged,
    "configuration_id",
    "optimizer_svc",
    compacted=True,
    readers=("signal_svc", "optimizer_svc"),
    watchers=("studio_svc",),
)
FEEDS = Topic(
    "tradepulse.feeds",
    FeedAnnounced,
    "feed",
    "market_ingest",
    compacted=True,
    readers=("rl_svc", "executor_svc"),
)
ACCOUNT = Topic(
    "tradepulse.account", AccountEvent, "account", "executor_svc", readers=("studio_svc",)
)

TOPICS = (CANDLES, EVALUATIONS, WEIGHTS, CONFIGURATIONS, FEEDS, ACCOUNT)
