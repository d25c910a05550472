"""What was trained, put before the gates: the mean of the seeds, each seed, all that was tried."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl_svc.training.export import Layers, logits_of
from rl_svc.training.fresh import checked
from rl_svc.training.ground import Ground
from rl_svc.training.told import PpoSettings, Trained
from tradepulse.research.model_registry import NewModel
from tradepulse.research.policies.baselines import EQUAL, Baselines, baselines_of
from tradepulse.research.policies.gates import Checks
from tradepulse.research.policies.proving import Candidate, prove
from tradepulse.research.policies.replays import follow
from tradepulse.research.policies.report import PolicyReport
from tradepulse.research.policy_spec import PolicySpec
from tradepulse.research.sized import Sized
from tradepulse.research.virtual.market import decided_weights
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.model import Model
from tradepulse.trading.policies.model_bytes import bytes_of
from tradepulse.trading.policies.softmax import allocate

FloatArray = NDArray[np.float64]
NOT_ASKED = ("name", "allow_overlap")
"""Of a spec: what changes nothing of the model."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that does not depend on how often the range was looked at."""

    baselines: Baselines
    weights: FloatArray
    seeds: Sequence[FloatArray]
    checkpoints: FloatArray
    checks: Checks


def table_of(ground: Ground, layers: Layers) -> FloatArray:
    """Return what one network alone decides at each close, float64 `(T, N)`."""
    course = ground.course
    logits = logits_of(layers, course.observations)
    return allocate(logits, course.mask, course.max_weight, ground.scene.budget)


def evidence_of(ground: Ground, trained: Sequence[Trained], model: Model, seed: int) -> Evidence:
    """Trade with everything that is compared. Computes for a minute.

    Args:
        ground: of the training.
        trained: the seeds.
        model: their mean.
        seed: of the baselines' draws.
    """
    scene = ground.scene
    baselines = baselines_of(scene, ground.ready, seed=seed)
    part = scene.split.validation
    equal = follow(scene, baselines.tables[EQUAL], part).daily
    tried = [
        follow(scene, table_of(ground, layers), part).daily - equal
        for one in trained
        for layers in one.tried
    ]
    reload_equal, decision_ms = checked(model, len(ground.course.market.instruments))
    return Evidence(
        baselines,
        decided_weights(ground.ready, LearnedPolicy(model, scene.budget)),
        [table_of(ground, one.layers) for one in trained],
        np.column_stack(tried),
        Checks(max(one.export_difference for one in trained), reload_equal, decision_ms),
    )


def report_of(
    ground: Ground, evidence: Evidence, model: Model, looks: int, warnings: tuple[str, ...]
) -> PolicyReport:
    """Put the policy before the gates.

    Args:
        ground: of the training.
        evidence: of it.
        model: what is judged.
        looks: policies judged on this test range so far, this one among them.
        warnings: besides those of the ground.
    """
    candidate = Candidate(
        name=LearnedPolicy(model).name,
        weights=evidence.weights,
        seeds=evidence.seeds,
        checkpoints=evidence.checkpoints,
        looks=looks,
        checks=evidence.checks,
        warnings=(*ground.warnings, *warnings),
    )
    return prove(ground.scene, evidence.baselines, candidate)


def config_of(spec: PolicySpec, sized: Sequence[Sized]) -> dict[str, Any]:
    """Return what a training was asked for: the same on the same candles gives the same model."""
    told = spec.model_dump(mode="json")
    kept = {name: value for name, value in told.items() if name not in NOT_ASKED}
    return {**kept, "revisions": {str(one.configuration_id): one.revision for one in sized}}


def best_step(one: Trained, settings: PpoSettings) -> int:
    """Return after how many steps a seed was at its best."""
    return min(one.best_update * settings.accounts * settings.rollout, one.steps)


def new_model(
    model: Model, report: PolicyReport, ground: Ground, trained: Sequence[Trained]
) -> NewModel:
    """Return what the registry keeps of a training; who it is for is added there."""
    told = report.as_json()
    own, *others = told["table"]
    return NewModel(
        artifact=bytes_of(model),
        portfolio="",
        name="",
        passed=report.passed,
        gates=told["gates"],
        data=ground.data,
        seeds=[one.seed for one in trained],
        steps=max(one.steps for one in trained),
        metrics=own["parts"],
        baselines={row["name"]: row["parts"] for row in others},
        report=told,
    )
