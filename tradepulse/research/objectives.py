"""What a search looks for: an objective, its constraints, and which parameter sets are best.

An objective is one figure of `FIGURES` to be raised, or two to be traded off. Constraints are a
least number of trades and a greatest drawdown. A set that breaks one, or whose figure is undefined,
is never chosen; how far it is from being allowed tells a sampler where to go on.
"""

import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tradepulse.trading.metrics import FIGURES

__all__ = ["FIGURES", "OBJECTIVES", "Goal", "fronts"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RAISED = -1.0
LOWERED = 1.0

OBJECTIVES: Mapping[str, tuple[tuple[str, float], ...]] = MappingProxyType(
    {
        "sharpe": (("sharpe", RAISED),),
        "sortino": (("sortino", RAISED),),
        "calmar": (("calmar", RAISED),),
        "net_profit_pct": (("net_profit_pct", RAISED),),
        "profit_factor": (("profit_factor", RAISED),),
        "expectancy": (("expectancy", RAISED),),
        "profit_drawdown": (("net_profit_pct", RAISED), ("max_drawdown_pct", LOWERED)),
    }
)
"""By name, the figures of an objective, and the factor that makes each a loss."""


@dataclass(frozen=True, slots=True)
class Goal:
    """An objective with its constraints.

    Attributes:
        objective: a key of `OBJECTIVES`.
        min_trades: a set with fewer trades is not allowed.
        max_drawdown_pct: a set with a deeper drawdown is not allowed; None for any.

    Raises:
        ValueError: the objective is unknown or a constraint makes no sense.
    """

    objective: str
    min_trades: int = 0
    max_drawdown_pct: float | None = None

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            known = ", ".join(OBJECTIVES)
            raise ValueError(f"unknown objective {self.objective!r}; known are {known}")
        if self.min_trades < 0:
            raise ValueError(f"min_trades is {self.min_trades}; it must be 0 or more")
        if self.max_drawdown_pct is not None and not self.max_drawdown_pct > 0:
            raise ValueError(f"max_drawdown_pct is {self.max_drawdown_pct:g}; it must be above 0")

    @property
    def goals(self) -> int:
        """How many losses a parameter set has."""
        return len(OBJECTIVES[self.objective])

    def losses(self, figures: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return what a sampler lowers, and how far each set is from being allowed.

        The violation adds up the lacking share of `min_trades`, the drawdown beyond
        `max_drawdown_pct` in hundredths, and 1 for each figure of the objective or a constraint
        that is undefined. It is 0 for an allowed set, and only then are its losses all finite.

        Args:
            figures: float64 `(t, len(FIGURES))`, NaN where undefined.

        Returns:
            losses, float64 `(t, goals)`, lower is better, NaN where undefined; and violation,
            float64 `(t,)`.

        Raises:
            ValueError: the figures have another number of columns.
        """
        if figures.ndim != 2 or figures.shape[1] != len(FIGURES):  # noqa: PLR2004 - rows, columns
            raise ValueError(f"figures have shape {figures.shape}, not (t, {len(FIGURES)})")
        losses = np.column_stack(
            [factor * _column(figures, name) for name, factor in OBJECTIVES[self.objective]]
        )
        losses[~np.isfinite(losses)] = np.nan
        violation = np.isnan(losses).sum(axis=1).astype(np.float64)
        if self.min_trades > 0:
            lacking = self.min_trades - _column(figures, "trades")
            violation += _excess(lacking, scale=self.min_trades)
        if self.max_drawdown_pct is not None:
            drawdown = _column(figures, "max_drawdown_pct")
            violation += _excess(drawdown - self.max_drawdown_pct, scale=100)
        return losses, violation

    def rank(self, figures: FloatArray) -> IntArray:
        """Return the rows of the allowed sets, best first; the lower row wins a tie.

        Two goals are ranked by fronts: first the sets that no other one beats in both, then those
        that only these beat, and so on (N. Srinivas and K. Deb, 1994). Within a front the set
        nearest to its ideal point comes first (M. Zeleny, 1973): the best of each goal in that
        front, with either goal measured from its best, 0, to its worst, 1. Of two that are as near,
        the one that is better in the first goal comes first.

        Args:
            figures: float64 `(t, len(FIGURES))`, NaN where undefined.

        Raises:
            ValueError: as `losses`.
        """
        losses, violation = self.losses(figures)
        allowed = np.flatnonzero(violation == 0)
        losses = losses[allowed]
        if self.goals == 1:
            return allowed[np.argsort(losses[:, 0], kind="stable")]
        front = fronts(losses)
        distance = np.empty(len(allowed))
        for number in range(int(front.max(initial=-1)) + 1):
            members = np.flatnonzero(front == number)
            distance[members] = _from_ideal(losses[members])
        return allowed[np.lexsort((losses[:, 0], distance, front))]

    def why_none(self, figures: FloatArray) -> str:
        """Say why no set is allowed, where `rank` returns none.

        Args:
            figures: float64 `(t, len(FIGURES))`, of at least one set.
        """
        if not _column(figures, "trades").any():
            return f"not one trade in {len(figures)} trials"
        wanted = f"made {self.min_trades} trades and a defined {self.objective}"
        if self.max_drawdown_pct is not None:
            wanted += f" with a drawdown of at most {self.max_drawdown_pct:g} %"
        return f"none of {len(figures)} trials {wanted}"


def fronts(losses: FloatArray) -> IntArray:
    """Return the number of each row's front, 0 for the rows that no other row dominates.

    A row dominates another that is not less in any goal and greater in one.

    Args:
        losses: float64 `(t, 2)`, finite.

    Returns:
        int64 `(t,)`. Takes t log t (M. T. Jensen, 2003).
    """
    number = np.zeros(len(losses), dtype=np.int64)
    # by the first goal, then the second: what comes later cannot dominate what came before
    least: list[float] = []
    before: tuple[float, float] | None = None
    last = 0
    for row in np.lexsort((losses[:, 1], losses[:, 0])):
        here = (float(losses[row, 0]), float(losses[row, 1]))
        # the least second goal of the fronts rises from front to front
        if here != before:
            last = bisect.bisect_right(least, here[1])
            least[last : last + 1] = [here[1]]
            before = here
        number[row] = last
    return number


def _from_ideal(losses: FloatArray) -> FloatArray:
    # the span of two floats may be larger than a float holds, half of it is not
    losses = losses / 2
    best = losses.min(axis=0)
    span = losses.max(axis=0) - best
    scaled = (losses - best) / np.where(span > 0, span, 1)
    return np.asarray(np.sqrt((scaled**2).sum(axis=1)))


def _column(figures: FloatArray, name: str) -> FloatArray:
    return figures[:, FIGURES.index(name)]


def _excess(amount: FloatArray, scale: float) -> FloatArray:
    """Return by how many `scale` an amount is above 0; 1 where it is undefined."""
    return np.where(np.isfinite(amount), np.maximum(amount, 0) / scale, 1.0)
