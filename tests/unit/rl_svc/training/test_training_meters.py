"""What the trainer tells of its seeds ends with their training."""

from typing import Any

from prometheus_client import CollectorRegistry

from rl_svc.training.meters import TrainingMeters
from rl_svc.training.told import Point


def point(seed: int, step: int, **told: Any) -> Point:
    figures: dict[str, Any] = {"reward": None, "validation_excess": None, **told}
    return Point(
        seed=seed,
        update=1,
        step=step,
        entropy=0.5,
        std=1.0,
        kl=0.25,
        clip_fraction=0.0,
        explained_variance=None,
        steps_per_s=1.0,
        **figures,
    )


def test_seeds_are_told_by_their_place_and_steps_that_come_again_once() -> None:
    registry = CollectorRegistry()
    meters = TrainingMeters(registry)

    def told(name: str, slot: str) -> float | None:
        labels = {"kind": "policy", "slot": slot}
        return registry.get_sample_value(f"tradepulse_rl_{name}", labels)

    meters.begin([70, 71], {71: 1_000})
    assert (told("steps_total", "0"), told("steps_total", "1")) == (0, 0)
    meters.on_point(point(70, 500, reward=1.5))
    # a checkpoint lay before what was told last
    meters.on_point(point(71, 800))
    meters.on_point(point(71, 1_200, validation_excess=0.125))
    meters.on_point(point(70, 700))
    assert (told("steps_total", "0"), told("steps_total", "1")) == (700, 200)
    assert (told("reward", "0"), told("reward", "1")) == (1.5, None)
    assert (told("eval_excess", "0"), told("eval_excess", "1")) == (None, 0.125)
    assert (told("entropy", "1"), told("kl", "1")) == (0.5, 0.25)
    meters.end()
    assert told("entropy", "1") is None
    assert told("steps_total", "0") == 700
    meters.begin([9], {})
    meters.on_point(point(9, 50))
    assert told("steps_total", "0") == 750
