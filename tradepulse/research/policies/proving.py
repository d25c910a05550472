"""A policy put to the proof: everything replayed, compared and told in one report."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.policies.baselines import (
    HELD,
    SCALED,
    TITLES,
    Baselines,
)
from tradepulse.research.policies.gates import COSTLY, SAME, Checks, PolicyThresholds
from tradepulse.research.policies.judging import Evidence, Judgement, judge
from tradepulse.research.policies.paired import Excess
from tradepulse.research.policies.replays import (
    Records,
    Scene,
    follow,
    held_instruments,
    in_parts,
)
from tradepulse.research.policies.report import Compared, Figures, PolicyReport, Row, Span
from tradepulse.research.policies.verdicts import faults_of
from tradepulse.research.validation.significance import NORMAL
from tradepulse.trading.metrics import DAYS_PER_YEAR

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A policy to be judged.

    Attributes:
        name: as it appears on published vectors.
        weights: float64 `(T, N)`, what it decides at each close: the mean of its seeds.
        seeds: float64 `(T, N)`, what each seed alone decides.
        checkpoints: float64 `(days, seeds x checkpoints)`, see `Evidence`; of each checkpoint
            `follow(scene, weights, split.validation).daily` less that of equal weights.
        looks: policies judged on this test range so far, this one among them.
        checks: of its model.
        warnings: that the report is to tell, as `check_overlaps` returns them.
    """

    name: str
    weights: FloatArray
    seeds: Sequence[FloatArray]
    checkpoints: FloatArray
    looks: int
    checks: Checks = field(default_factory=Checks)
    warnings: tuple[str, ...] = ()


def prove(
    scene: Scene,
    baselines: Baselines,
    candidate: Candidate,
    asked: PolicyThresholds | None = None,
    seed: int = 0,
) -> PolicyReport:
    """Judge a policy beside simple ones.

    Weights that are no numbers are not traded: there they count as 0, and the report says so.

    Args:
        scene: on what.
        baselines: on the same scene.
        candidate: the policy.
        asked: thresholds.
        seed: of the days that are drawn.

    Raises:
        ValueError: the weights are of another shape, or no policy was judged so far, itself.
    """
    if candidate.looks < 1:
        raise ValueError(f"{candidate.looks} looks at the test range; this one is the first")
    asked = asked or PolicyThresholds()
    faults = faults_of(candidate.weights, scene.budget)
    weights = _usable(candidate.weights)
    own, test = in_parts(scene, weights), scene.split.test
    evidence = Evidence(
        policy=own["test"],
        baselines={name: records["test"] for name, records in baselines.records.items()},
        costly=_costly(scene, baselines, weights),
        seeds=[follow(scene, _usable(one), test).daily for one in candidate.seeds],
        checkpoints=candidate.checkpoints,
        looks=candidate.looks,
        faults=faults,
        checks=candidate.checks,
        seed=seed,
    )
    table = [Row(name=candidate.name, title=candidate.name, parts=_figures(own))]
    table += [
        Row(name=name, title=TITLES[name], parts=_figures(records))
        for name, records in baselines.records.items()
    ]
    return _told(scene, baselines, candidate, judge(evidence, asked), tuple(table), asked)


def _told(
    scene: Scene,
    baselines: Baselines,
    candidate: Candidate,
    judgement: Judgement,
    table: tuple[Row, ...],
    asked: PolicyThresholds,
) -> PolicyReport:
    alone = judgement.alone
    return PolicyReport(
        policy=candidate.name,
        label=judgement.label,
        parts={
            name: Span(start=part.start, end=part.end, days=part.days)
            for name, part in scene.split.parts().items()
        },
        embargo_days=scene.split.embargo_days,
        looks=candidate.looks,
        seeds=len(candidate.seeds),
        budget=scene.budget,
        rival=judgement.rival,
        smallest_excess_pct=alone.over_all(alone.reach) if alone.reach > SAME else None,
        smallest_sharpe=NORMAL.inv_cdf(1 - asked.level) / (alone.days / DAYS_PER_YEAR) ** 0.5,
        scale=baselines.scale,
        constant=dict(baselines.constant),
        held=held_instruments(scene.market.instruments),
        table=table,
        compared=_compared(judgement),
        gates=judgement.gates,
        warnings=candidate.warnings,
    )


def _usable(weights: FloatArray) -> FloatArray:
    return np.clip(np.nan_to_num(weights, nan=0.0, posinf=0.0, neginf=0.0), 0.0, 1.0)


def _figures(records: Records) -> dict[str, Figures]:
    return {name: record.figures for name, record in records.items()}


def _costly(scene: Scene, baselines: Baselines, weights: FloatArray) -> dict[str, FloatArray]:
    """Return daily log growth on the test range at higher costs; cash has none."""
    dear, test = scene.at_costs(COSTLY), scene.split.test
    found = {"policy": follow(dear, weights, test).daily}
    for name, records in baselines.records.items():
        if name in baselines.tables:
            budget = scene.budget * (baselines.scale if name == SCALED else 1)
            found[name] = follow(dear, baselines.tables[name], test, budget).daily
        elif name != HELD:
            found[name] = records["test"].daily
    return found


def _compared(judgement: Judgement) -> tuple[Compared, ...]:
    def told(name: str, one: Excess) -> Compared:
        dear = judgement.costly.get(name)
        return Compared(
            name=name,
            title=TITLES[name],
            is_judged=dear is not None,
            excess_pct=one.over_all(one.mean),
            lower_pct=one.over_all(one.lower),
            smallest_pct=one.over_all(one.reach),
            chance=one.chance,
            joint_chance=one.joint,
            costly_lower_pct=None if dear is None else dear.over_all(dear.lower),
        )

    return tuple(told(name, one) for name, one in judgement.excesses.items())
