"""The gates that a learned policy must pass, and their thresholds.

docs/guides/weights-by-learning.md explains each one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tradepulse.research.policies.baselines import HELD, TITLES
from tradepulse.research.policies.paired import DRAWS
from tradepulse.research.policies.report import PolicyGate
from tradepulse.research.validation.gates import Comparison, reached

GateName = Literal[
    "test_days", "baselines", "cost_stress", "seeds", "seeds_agree", "seeds_mean", "overfitting",
    "deflated_sharpe", "drawdown", "exposure", "sanity",
]  # fmt: skip

COSTLY = 1.5
"""Times fees, slippage and impact."""
SAME = 1e-12
"""What is below it, as log growth of a day, is rounding."""

GATES: Mapping[GateName, tuple[str, str, Comparison]] = {
    "test_days": ("Days of the test range", "days", ">="),
    "baselines": ("Beats every baseline", "%", ">"),
    "cost_stress": (f"Beats them at {COSTLY:g} times the costs", "%", ">"),
    "seeds": ("Seeds of the training", "", ">="),
    "seeds_agree": ("Seeds that end above", "fraction", ">="),
    "seeds_mean": ("Interquartile mean of the seeds", "%", ">"),
    "overfitting": ("Overfitting of the choice", "probability", "<="),
    "deflated_sharpe": ("Deflated Sharpe ratio of the excess", "probability", ">="),
    "drawdown": ("Drawdown", "%", "<="),
    "exposure": ("Exposure beside equal weights", "fraction", ">="),
    "sanity": ("Faults of model and weights", "", "<="),
}
"""Title, unit and comparison of every gate, in the order of the report."""


@dataclass(frozen=True, slots=True)
class PolicyThresholds:
    """What a policy must reach.

    Attributes:
        judged: the baselines that must be beaten; the others are told only.
        draws: of the days, by which chance is known.
        level: probability that it is said to beat all baselines by chance.
        test_days: of the test range.
        seeds: of the training.
        agreeing: share of the seeds that end above the rival.
        overfitting: greatest probability that what is best in one half of the validation days does
            harm in the other.
        deflated: least deflated Sharpe ratio.
        drawdown: greatest, beside that of equal weights.
        exposure: least, beside that of equal weights, of what is not de-risking.
        decision_ms: 99 of 100 decisions take no longer.
        export_difference: greatest difference of a logit between model and network.
    """

    judged: tuple[str, ...] = tuple(name for name in TITLES if name != HELD)
    draws: int = DRAWS
    level: float = 0.05
    test_days: int = 90
    seeds: int = 8
    agreeing: float = 0.75
    overfitting: float = 0.2
    deflated: float = 0.95
    drawdown: float = 1.2
    exposure: float = 0.5
    decision_ms: float = 2.0
    export_difference: float = 1e-5


@dataclass(frozen=True, slots=True)
class Checks:
    """What the job has found of the model; None for what it has not looked at, which is a fault.

    Attributes:
        export_difference: greatest difference of a logit between the exported model and torch.
        reload_equal: whether a fresh process decides the same, to the bit.
        decision_ms: of 100 decisions 99 took no longer.
    """

    export_difference: float | None = None
    reload_equal: bool | None = None
    decision_ms: float | None = None


def gate(name: GateName, figure: float | None, threshold: float, verdict: str) -> PolicyGate:
    """Return a gate of `GATES` with what was measured."""
    title, unit, comparison = GATES[name]
    return PolicyGate(
        name=name,
        title=title,
        passed=reached(figure, comparison, threshold),
        figure=figure,
        unit=unit,
        threshold=threshold,
        comparison=comparison,
        verdict=verdict,
    )
