"""What the trainer tells of the seeds that it trains, by their place among those of the job."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge

if TYPE_CHECKING:
    # what is told comes with torch
    from rl_svc.training.told import Point

KIND = "policy"
_LABELS = ("kind", "slot")


class TrainingMeters:
    """The seeds of the present training; what stands of it ends with it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._slots: dict[int, str] = {}
        self._stood: dict[int, int] = {}
        self._steps = Counter("tradepulse_rl_steps_total", "Steps", _LABELS, registry=registry)
        self._reward = Gauge(
            "tradepulse_rl_reward", "Mean of the last episodes", _LABELS, registry=registry
        )
        self._entropy = Gauge("tradepulse_rl_entropy", "Of actions", _LABELS, registry=registry)
        self._kl = Gauge(
            "tradepulse_rl_kl", "How far an update moved the policy", _LABELS, registry=registry
        )
        self._excess = Gauge(
            "tradepulse_rl_eval_excess",
            "Log growth in validation over that of equal weights",
            _LABELS,
            registry=registry,
        )

    def begin(self, seeds: Sequence[int], steps: Mapping[int, int]) -> None:
        """Tell of these seeds from now on, which stand where earlier trainers left them."""
        self.end()
        self._slots = {seed: str(slot) for slot, seed in enumerate(seeds)}
        self._stood = {seed: steps.get(seed, 0) for seed in seeds}
        for slot in self._slots.values():
            self._steps.labels(KIND, slot)

    def on_point(self, point: "Point") -> None:
        """Tell where a seed stands after an update."""
        slot = self._slots[point.seed]
        # who goes on from a checkpoint repeats some
        self._steps.labels(KIND, slot).inc(max(0, point.step - self._stood[point.seed]))
        self._stood[point.seed] = max(self._stood[point.seed], point.step)
        for gauge, value in (
            (self._reward, point.reward),
            (self._entropy, point.entropy),
            (self._kl, point.kl),
            (self._excess, point.validation_excess),
        ):
            if value is not None:
                gauge.labels(KIND, slot).set(value)

    def end(self) -> None:
        """Tell of no seed any more."""
        for gauge in (self._reward, self._entropy, self._kl, self._excess):
            gauge.clear()
