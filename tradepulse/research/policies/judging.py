"""A policy before its gates.

All but overfitting are judged on the test range, which was looked at for nothing else. A policy
that holds less than half of what equal weights hold is judged against equal weights scaled alone,
and called de-risking: to trade less needs no network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.policies import verdicts
from tradepulse.research.policies.baselines import EQUAL, SCALED
from tradepulse.research.policies.gates import Checks, PolicyThresholds
from tradepulse.research.policies.paired import Excess, compare
from tradepulse.research.policies.replays import Record
from tradepulse.research.policies.report import Label, PolicyGate

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What gates look at.

    Attributes:
        policy: on the test range.
        baselines: on the test range, by the names of `TITLES`.
        costly: the same two at higher costs, daily log growth: the policy's under `policy`.
        seeds: daily log growth of each seed's own weights on the test range.
        checkpoints: float64 `(days, seeds x checkpoints)`, daily log growth on the validation range
            less that of equal weights: all that the policy was chosen from.
        looks: policies judged on this test range so far, this one among them.
        faults: of its weights, each a few words.
        checks: of its model.
        seed: of all that is drawn.
    """

    policy: Record
    baselines: Mapping[str, Record]
    costly: Mapping[str, FloatArray]
    seeds: Sequence[FloatArray]
    checkpoints: FloatArray
    looks: int
    faults: Sequence[str] = ()
    checks: Checks = field(default_factory=Checks)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gates found.

    Attributes:
        label: what the policy is.
        rival: what it must beat in every respect.
        alone: the excess over the rival, as if it were the only baseline.
        excesses: over each baseline.
        costly: the same at higher costs, of those that are judged.
        gates: in the order of `GATES`.
    """

    label: Label
    rival: str
    alone: Excess
    excesses: Mapping[str, Excess]
    costly: Mapping[str, Excess]
    gates: tuple[PolicyGate, ...]


def judge(evidence: Evidence, asked: PolicyThresholds) -> Judgement:
    """Put a policy before all gates.

    Raises:
        ValueError: too few days, records of different days, or no baseline to be judged against.
    """
    share = verdicts.exposure_share(evidence.policy, evidence.baselines[EQUAL])
    label: Label = "de-risking" if share is not None and share < asked.exposure else "sizing"
    rival = EQUAL if label == "sizing" else SCALED
    judged = [one for one in evidence.baselines if one in asked.judged]
    if label == "de-risking":
        judged = [SCALED]
    if not judged:
        raise ValueError("no baseline is judged; name at least one, as equal")
    daily = {name: record.daily for name, record in evidence.baselines.items()}
    excesses = _excesses(evidence.policy.daily, daily, judged, asked, evidence.seed)
    dear = {name: evidence.costly[name] for name in judged}
    costly = _excesses(evidence.costly["policy"], dear, judged, asked, evidence.seed)
    over = evidence.policy.daily - daily[rival]
    gates = (
        verdicts.enough_days(len(over), asked),
        verdicts.beaten("baselines", {name: excesses[name] for name in judged}, label, asked),
        verdicts.beaten("cost_stress", costly, label, asked),
        *verdicts.seeds(
            [one - daily[rival] for one in evidence.seeds], rival, asked, evidence.seed
        ),
        verdicts.overfitting(evidence.checkpoints, asked),
        verdicts.deflated(over, rival, evidence.looks, asked),
        verdicts.drawdown(evidence.policy, evidence.baselines[EQUAL], asked),
        verdicts.exposure(share, evidence.policy, evidence.baselines[EQUAL], asked),
        verdicts.sanity(evidence.faults, evidence.checks, asked),
    )
    (alone,) = compare(
        over[:, np.newaxis], seed=evidence.seed, level=asked.level, draws=asked.draws
    )
    return Judgement(label, rival, alone, excesses, costly, gates)


def _excesses(
    policy: FloatArray,
    others: Mapping[str, FloatArray],
    judged: Sequence[str],
    asked: PolicyThresholds,
    seed: int,
) -> dict[str, Excess]:
    """Compare with those that are judged together, and with each of the others alone."""

    def over(names: Sequence[str]) -> list[Excess]:
        beside = np.column_stack([policy - others[name] for name in names])
        return compare(beside, seed=seed, level=asked.level, draws=asked.draws)

    found = dict(zip(judged, over(judged), strict=True))
    found |= {name: over([name])[0] for name in others if name not in found}
    return {name: found[name] for name in others}
