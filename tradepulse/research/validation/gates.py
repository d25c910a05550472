"""The gates: one figure each, its threshold, and the verdict in words.

docs/guides/validation.md tells what each one measures, on which data, and why its threshold is what
it is.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

Comparison = Literal[">", ">=", "<="]
_COMPARED = {">": operator.gt, ">=": operator.ge, "<=": operator.le}
Details = Mapping[str, float | int | str | None]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a configuration must reach.

    Attributes:
        trades: closed trades out of sample.
        profit_pct: net profit out of sample, after costs.
        sharpe: Sharpe ratio out of sample, a year.
        windows: share of walk-forward windows with a profit.
        walk_forward_sharpe: Sharpe ratio of all walk-forward tests joined, a year.
        path_sharpe: lower quartile of the Sharpe ratios of the combinatorial paths, a year.
        overfitting: greatest probability of backtest overfitting.
        loss: greatest probability that what was best in one half of the time loses in the other.
        luck: greatest probability that the best of all trials ever made on the market shows as
            much in sample without any edge.
        drawdown_pct: greatest drawdown of all but 5 % of the orders of the trades.
        bootstrap: share of bootstrap samples of the trades out of sample with a profit.
        stressed_profit_pct: net profit out of sample at higher costs.
        neighbours: share of the neighbouring parameter sets with a profit.
    """

    trades: int = 20
    profit_pct: float = 0.0
    sharpe: float = 0.0
    windows: float = 0.6
    walk_forward_sharpe: float = 0.0
    path_sharpe: float = 0.0
    overfitting: float = 0.25
    loss: float = 0.2
    luck: float = 0.05
    drawdown_pct: float = 30.0
    bootstrap: float = 0.9
    stressed_profit_pct: float = 0.0
    neighbours: float = 0.8


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate.

    Attributes:
        name: key in the report.
        title: for people.
        figure: what was measured; None where it is undefined, which does not pass.
        unit: of figure and threshold.
        threshold: that the figure is compared with.
        comparison: how.
        verdict: a sentence.
        details: further figures.
    """

    name: str
    title: str
    figure: float | int | None
    unit: str
    threshold: float | int
    comparison: Comparison
    verdict: str
    details: Details = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the figure is defined and on the right side of its threshold."""
        return reached(self.figure, self.comparison, self.threshold)

    def as_json(self) -> dict[str, Any]:
        """Return the gate as the report holds it."""
        return {**asdict(self), "passed": self.passed}


def reached(figure: float | None, comparison: Comparison, threshold: float) -> bool:
    """Tell whether a figure is defined and on the right side of a threshold."""
    return figure is not None and bool(_COMPARED[comparison](figure, threshold))


class Judged(Protocol):
    """What `verdict_on` needs of a gate."""

    @property
    def title(self) -> str: ...  # noqa: D102 - see class

    @property
    def passed(self) -> bool: ...  # noqa: D102 - see class


def verdict_on(gates: Sequence[Judged], manner: str = "") -> str:
    """Say in a sentence what all gates say; `manner` is how what passes does."""
    refusing = [gate.title for gate in gates if not gate.passed]
    if not refusing:
        return f"Passed all {len(gates)} gates{manner}."
    return f"Refused by {len(refusing)} of {len(gates)} gates: {'; '.join(refusing)}."


def gate(
    name: str,
    figure: float | None,
    threshold: float,
    verdict: str,
    details: Details | None = None,
) -> Gate:
    """Return a gate of `GATES` with what was measured."""
    title, unit, comparison = GATES[name]
    return Gate(name, title, figure, unit, threshold, comparison, verdict, details or {})


GATES: Mapping[str, tuple[str, str, Comparison]] = {
    "trades": ("Trades out of sample", "", ">="),
    "holdout_profit": ("Net profit out of sample", "%", ">="),
    "holdout_sharpe": ("Sharpe ratio out of sample", "", ">="),
    "bootstrap": ("Chance of a profit if the trades are drawn again", "probability", ">="),
    "cost_stress": ("Net profit out of sample at double costs", "%", ">="),
    "neighbours": ("Neighbours that stay profitable", "fraction", ">="),
    "reality_check": ("Chance that the best of all trials shows this by luck", "probability", "<="),
    "overfitting": ("Probability of backtest overfitting", "probability", "<="),
    "loss": ("Chance that the best of one half loses in the other", "probability", "<="),
    "walk_forward_windows": ("Walk-forward windows with a profit", "fraction", ">="),
    "walk_forward_sharpe": ("Sharpe ratio of the walk-forward", "", ">="),
    "combinatorial_paths": ("Sharpe ratio of combinatorial paths, lower quartile", "", ">="),
    "drawdown": ("Drawdown if the trades come in another order", "%", "<="),
    "look_ahead": ("Knows the future (look-ahead)", "", "<="),
    "recursive": ("Needs more history than it says (recursive)", "", "<="),
}
"""Title, unit and comparison of every gate, in the order of the report."""
