"""The report on a policy as data: what the table, the page and a terminal show.

Percents of growth and excess are over the whole part, not of a year: an excess of 3 over a baseline
means that the account ends 3 % above the baseline's.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tradepulse.research.validation.gates import Comparison, verdict_on

Label = Literal["sizing", "de-risking"]


class Told(BaseModel):
    """What is told stays so."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Figures(Told):
    """How an account did in a part of time; None where a figure is undefined.

    Attributes:
        growth_pct: of the equity.
        sharpe: of the daily returns, a year.
        max_drawdown_pct: the deepest fall below an earlier peak.
        exposure: mean of the positions' notional over the equity.
        costs_pct: how much higher the equity would have ended without costs, in percent of the
            cash that it began with.
        trades: that were closed.
    """

    growth_pct: float
    sharpe: float | None
    max_drawdown_pct: float | None
    exposure: float | None
    costs_pct: float
    trades: int


class Row(Told):
    """A policy in the table of all.

    Attributes:
        name: of the policy, or of a baseline.
        title: for people.
        parts: figures by `train`, `validation` and `test`.
    """

    name: str
    title: str
    parts: dict[str, Figures]


class Compared(Told):
    """The policy against one baseline on the test range.

    Attributes:
        name: of the baseline.
        title: for people.
        is_judged: whether a gate asks for it.
        excess_pct: by which the policy ended above it.
        lower_pct: of it, at the level that Holm's rule asks; the gate wants it above 0.
        smallest_pct: the smallest excess that the range could have shown there.
        chance: probability that chance alone gives such an excess.
        joint_chance: the same for all that are judged together; `chance` where it is not judged.
        costly_lower_pct: `lower_pct` at higher costs; None where it is not judged.
    """

    name: str
    title: str
    is_judged: bool
    excess_pct: float
    lower_pct: float
    smallest_pct: float
    chance: float
    joint_chance: float
    costly_lower_pct: float | None = None


class PolicyGate(Told):
    """One gate.

    Attributes:
        name: of `GATES`.
        title: for people.
        passed: whether it lets the policy pass.
        figure: what was measured; None where it is undefined, which does not pass.
        unit: of figure and threshold.
        threshold: that the figure is compared with.
        comparison: how.
        verdict: a sentence.
    """

    name: str
    title: str
    passed: bool
    figure: float | None
    unit: str
    threshold: float
    comparison: Comparison
    verdict: str

    @property
    def margin(self) -> float | None:
        """By how much the figure is on the right side, below 0 on the wrong one."""
        if self.figure is None:
            return None
        sign = -1 if self.comparison == "<=" else 1
        return sign * (self.figure - self.threshold)


class Span(Told):
    """A part of time: closes after `start`, up to `end`, epoch ms."""

    start: int
    end: int
    days: int


class PolicyReport(Told):
    """All that was found.

    Attributes:
        policy: its name.
        label: `de-risking` for one that mainly trades less, else `sizing`.
        parts: `train`, `validation` and `test`.
        embargo_days: between two parts.
        looks: policies that were judged on this test range so far, this one among them.
        seeds: of the training.
        budget: of all policies.
        rival: the baseline that seeds, Sharpe ratio and overfitting are judged against.
        smallest_excess_pct: over the rival, that this range could have shown were it the only
            baseline; None where the policy did the same every day.
        smallest_sharpe: a year, of the excess, that this range could have shown.
        scale: of `equal_scaled`, chosen on validation.
        constant: of `best_constant`, by instrument, chosen on train.
        held: what `buy_and_hold` bought.
        table: the policy, then all baselines.
        compared: the policy against each baseline.
        gates: in their order.
        warnings: each a line; among them why figures prove nothing, where a person allowed it.
    """

    version: Literal[1] = 1
    policy: str
    label: Label
    parts: dict[str, Span]
    embargo_days: int
    looks: int
    seeds: int
    budget: float
    rival: str
    smallest_excess_pct: float | None
    smallest_sharpe: float
    scale: float
    constant: dict[str, float]
    held: tuple[str, ...]
    table: tuple[Row, ...]
    compared: tuple[Compared, ...]
    gates: tuple[PolicyGate, ...]
    warnings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every gate was passed."""
        return all(gate.passed for gate in self.gates)

    @property
    def verdict(self) -> str:
        """Say it in a sentence."""
        return verdict_on(self.gates, f" as {self.label}")

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON takes it, with what follows from it for those that show it."""
        told = self.model_dump(mode="json")
        for gate, one in zip(told["gates"], self.gates, strict=True):
            gate["margin"] = one.margin
        return {**told, "passed": self.passed, "verdict": self.verdict}

    @classmethod
    def of_json(cls, told: dict[str, Any]) -> "PolicyReport":
        """Read what `as_json` gave.

        Raises:
            ValueError: it is no such report.
        """
        derived = {"passed", "verdict"}
        kept = {name: value for name, value in told.items() if name not in derived}
        kept["gates"] = [
            {name: value for name, value in gate.items() if name != "margin"}
            for gate in kept.get("gates", [])
        ]
        return cls.model_validate(kept)
