"""What a search found: every parameter set with its figures, the best of them, a heat map."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.library.drawn import params_text
from tradepulse.library.uses import Use
from tradepulse.research.objectives import FIGURES, OBJECTIVES, Goal
from tradepulse.research.reality_check import Luck
from tradepulse.research.report_page.text import short
from tradepulse.research.search.ranges import Range
from tradepulse.research.space import space_of
from tradepulse.strategies import Strategy
from tradepulse.trading.sizing import AccountRules

if TYPE_CHECKING:
    import polars as pl

    from tradepulse.library.heat import HeatMap

FloatArray = NDArray[np.float64]

SHOWN = 10
"""Parameter sets that a notebook shows of what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Best(Use):
    """A parameter set that a search found; `backtest` and `validate` take it.

    Attributes:
        goal: by which it is the best.
        trial: its number within the search.
        figures: in sample, None where undefined.
    """

    goal: Goal
    trial: int
    figures: Mapping[str, float | None]

    def __repr__(self) -> str:
        names = (name for name, _ in OBJECTIVES[self.goal.objective])
        shown = ", ".join(f"{name} {short(self.figures[name])}" for name in names)
        return f"{self.strategy} {params_text(self.strategy, self.params)}: {shown}"


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What a search was asked for, see `sweep`."""

    strategy: Strategy
    fixed: Mapping[str, float]
    method: str
    seed: int
    goal: Goal
    account: AccountRules


@dataclass(frozen=True, eq=False)
class Found:
    """What a search tried, and what each parameter set came to in sample.

    Attributes:
        asked: what was searched.
        seen: the candles that it saw: in sample, and before it those that only warm up.
        used: how its candles are divided, epoch ms.
        params: float64 `(t, p)`, the sets in the order in which they were tried.
        figures: float64 `(t, len(FIGURES))`, NaN where undefined.
        luck: what the search could have found without any edge; `validate` counts it.
    """

    asked: Asked
    seen: Candles
    used: Range
    params: FloatArray
    figures: FloatArray
    luck: Luck

    @property
    def trials(self) -> int:
        """How many parameter sets were tried; a small space has fewer than were asked for."""
        return len(self.params)

    @cached_property
    def frame(self) -> "pl.DataFrame":
        """Every parameter set, best first: its number, what was searched, its figures in sample.

        A set is allowed that keeps to the search's constraints and has a defined objective; the
        others come after those. Undefined figures are null.
        """
        import polars as pl  # noqa: PLC0415 - slow to import

        strategy, best = self.asked.strategy, self.asked.goal.rank(self.figures)
        order = np.concatenate((best, np.setdiff1d(np.arange(self.trials), best)))
        columns = {"trial": pl.Series(order, dtype=pl.Int64)}
        for param in space_of(strategy, self.asked.fixed):
            values = self.params[order, strategy.index[param.name]]
            columns[param.name] = pl.Series(values.astype(np.int64) if param.integer else values)
        for name, values in zip(FIGURES, self.figures[order].T, strict=True):
            columns[name] = pl.Series(values).fill_nan(None)
        columns["trades"] = columns["trades"].cast(pl.Int64)
        columns["allowed"] = pl.Series(np.arange(self.trials) < len(best))
        return pl.DataFrame(columns)

    def best(
        self,
        objective: str | None = None,
        *,
        min_trades: int | None = None,
        max_drawdown_pct: float | None = None,
    ) -> Best:
        """Return the best set in sample; the earlier one wins a tie.

        Args:
            objective: see `sweep`; None for that of the search.
            min_trades: closed trades that it needs; None for those of the search, and never fewer.
            max_drawdown_pct: deepest drawdown; None for that of the search.

        Raises:
            ValueError: no set is allowed, or an argument makes no sense.
        """
        own = self.asked.goal
        goal = Goal(
            own.objective if objective is None else objective,
            own.min_trades if min_trades is None else min_trades,
            own.max_drawdown_pct if max_drawdown_pct is None else max_drawdown_pct,
        )
        if goal.min_trades < own.min_trades:
            raise ValueError(
                f"min_trades is {goal.min_trades}, and luck was counted among sets of at least "
                f"{own.min_trades} trades: sweep again with min_trades={goal.min_trades}"
            )
        strategy, ranked = self.asked.strategy, goal.rank(self.figures)
        if not len(ranked):
            raise ValueError(
                f"{strategy.name} on {self.seen.series}: {goal.why_none(self.figures)}: ask for "
                "less, try more sets, or take more candles"
            )
        row = int(ranked[0])
        return Best(
            strategy.name,
            dict(zip(strategy.index, self.params[row].tolist(), strict=True)),
            goal=goal,
            trial=row,
            figures=self._figures_of(row),
        )

    def heatmap(self, x: str, y: str, figure: str = "sharpe") -> "HeatMap":
        """Draw a figure over two parameters, as inline SVG; a notebook shows it.

        Each cell has the median of the sets in it, whatever their other parameters: one lucky set
        colours no cell. How many they are, and their best, is told under the pointer.

        Args:
            x: the parameter from left to right.
            y: the parameter from the bottom up.
            figure: one of the figures of `frame`.

        Raises:
            ValueError: a name is none of those that were searched, or no figure.
        """
        from tradepulse.library.heat import heat_map  # noqa: PLC0415 - only who looks waits for it

        strategy, searched = self.asked.strategy, space_of(self.asked.strategy, self.asked.fixed)
        known = {param.name: param for param in searched}
        for name in (x, y):
            if name not in known:
                raise ValueError(
                    f"{name} was not searched; searched were {', '.join(sorted(known))}"
                )
        if figure not in FIGURES:
            raise ValueError(f"{figure} is no figure; there are {', '.join(FIGURES)}")
        places = [strategy.index[name] for name in (x, y)]
        values = self.figures[:, FIGURES.index(figure)]
        return heat_map((known[x], known[y]), self.params[:, places], figure, values)

    def __repr__(self) -> str:
        return f"{self._title()}; {self.frame['allowed'].sum():,} allowed"

    def _repr_html_(self) -> str:
        from tradepulse.research.report_page.markup import Html, el  # noqa: PLC0415 - for notebooks

        return el("p", repr(self)) + Html(self.frame.head(SHOWN)._repr_html_())

    def _title(self) -> str:
        asked = self.asked
        return (
            f"{asked.strategy.name} on {self.seen.series}: {self.trials:,} parameter sets, "
            f"{asked.method}, seed {asked.seed}"
        )

    def _figures_of(self, row: int) -> dict[str, float | None]:
        values = self.figures[row].tolist()
        return {
            name: None if np.isnan(value) else value
            for name, value in zip(FIGURES, values, strict=True)
        }
