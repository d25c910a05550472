"""What /metrics tells of the weights of a portfolio."""

import time
from collections import Counter as Counts
from collections.abc import Mapping, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from contracts.events import PortfolioWeightsDecided
from tradepulse.runtime.metrics import on_scrape, touch
from tradepulse.trading.policies.weighing import FALLBACKS

MOST_TOLD = 50
"""Instruments whose weights are told: the largest."""
TOOK = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1)
TURNOVERS = (0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)


class WeightMeters:
    """What rl_svc tells of its portfolio.

    Args:
        registry: of the metrics.
        portfolio: its name.
    """

    def __init__(self, registry: CollectorRegistry, portfolio: str) -> None:
        self._portfolio = portfolio
        self._last: PortfolioWeightsDecided | None = None
        self._made_at: datetime | None = None
        on_scrape(registry, self._look)
        self.decided = Counter(
            "tradepulse_weights_decided_total", "Weight vectors", registry=registry
        )
        self.missing = Counter(
            "tradepulse_missing_total", "Instruments without a candle at a close", registry=registry
        )
        self.fallback = Counter(
            "tradepulse_policy_fallback_total",
            "Closes that inverse volatility decided in place of the policy",
            ["reason"],
            registry=registry,
        )
        touch(self.fallback, FALLBACKS)
        self.event_time = Gauge(
            "tradepulse_event_time_seconds", "Last decided close", registry=registry
        )
        one = ["portfolio"]
        self._weight = Gauge(
            "tradepulse_weight", "Of the last vector", [*one, "instrument"], registry=registry
        )
        self._is_fallback = Gauge(
            "tradepulse_rl_fallback",
            "1: the last vector is not the policy's",
            one,
            registry=registry,
        )
        self._model_age = Gauge(
            "tradepulse_rl_model_age_seconds", "Since it was registered", one, registry=registry
        )
        turnover = Histogram(
            "tradepulse_weights_turnover_ratio",
            "Half of what weights changed from one close to the next",
            one,
            buckets=TURNOVERS,
            registry=registry,
        )
        seconds = Histogram(
            "tradepulse_rl_inference_seconds",
            "Deciding one close, models in shadow included",
            one,
            buckets=TOOK,
            registry=registry,
        )
        clipped = Counter(
            "tradepulse_rl_observation_clipped_total",
            "Figures at their bound that the followed model saw",
            one,
            registry=registry,
        )
        self._turnover = turnover.labels(portfolio)
        self.seconds = seconds.labels(portfolio)
        self.clipped = clipped.labels(portfolio)

    def model_made(self, made_at: datetime | None) -> None:
        """Note when the model that is followed was registered; None where none is."""
        self._made_at = made_at

    def on_decided(self, decided: Sequence[PortfolioWeightsDecided]) -> None:
        """Count vectors that are stored, in the order of their closes."""
        self.decided.inc(len(decided))
        self.missing.inc(sum(len(event.missing) for event in decided))
        for reason, times in Counts(e.fallback for e in decided if e.fallback).items():
            self.fallback.labels(reason).inc(times)
        for event in decided:
            if self._last is not None:
                self._turnover.observe(turnover_of(self._last.weights, event.weights))
            self._last = event
        self.event_time.set(decided[-1].close_time / 1000)

    def _look(self) -> None:
        self._model_age.clear()
        if self._made_at is not None:
            age_s = time.time() - self._made_at.timestamp()
            self._model_age.labels(self._portfolio).set(age_s)
        if self._last is None:
            return
        self._is_fallback.labels(self._portfolio).set(self._last.fallback is not None)
        largest = sorted(self._last.weights.items(), key=lambda item: (-item[1], item[0]))
        # instruments that are traded no more are told no more
        self._weight.clear()
        for instrument, weight in largest[:MOST_TOLD]:
            self._weight.labels(self._portfolio, instrument).set(weight)


def turnover_of(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Return half of what weights changed: 1 where all of it went elsewhere."""
    changed = (abs(weight - before.get(name, 0.0)) for name, weight in after.items())
    gone = (weight for name, weight in before.items() if name not in after)
    return (sum(changed) + sum(gone)) / 2
