"""Searches of parameters: `sweep`, and what it found."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.times import Time, time_ms
from tradepulse.library.progress import Tell, shown
from tradepulse.research.objectives import FIGURES, Goal
from tradepulse.research.reality_check import NONE, Luck, with_trials
from tradepulse.research.search.ranges import (
    HELD_BACK,
    Range,
    check_candles,
    lookback_of_space,
    range_of,
)
from tradepulse.research.search.samplers import Sampler, make_sampler
from tradepulse.research.search.trials import (
    TrialSetup,
    batch_size,
    luck_seed,
    measure,
    next_size,
    sweep_of,
    vectors,
)
from tradepulse.research.simulate import SimulationRules
from tradepulse.research.space import space_of
from tradepulse.strategies import Strategy, get_strategy
from tradepulse.trading.sizing import AccountRules

if TYPE_CHECKING:
    import polars as pl

    from tradepulse.library.heat import HeatMap

FloatArray = NDArray[np.float64]

SHOWN = 10
"""Parameter sets that a notebook shows of what was found."""


@dataclass(frozen=True, slots=True)
class Best:
    """A parameter set that a search found; `backtest` and `validate` take it.

    Attributes:
        strategy: its name.
        params: all of its parameters.
        goal: by which it is the best.
        trial: its number within the search.
        figures: in sample, None where undefined.
    """

    strategy: str
    params: Mapping[str, float]
    goal: Goal
    trial: int
    figures: Mapping[str, float | None]


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
        series: `exchange:symbol:timeframe`.
        used: which candles it saw, and where those begin that it never saw, epoch ms.
        params: float64 `(t, p)`, the sets in the order in which they were tried.
        figures: float64 `(t, len(FIGURES))`, NaN where undefined.
        luck: what the search could have found without any edge; `validate` counts it.
    """

    asked: Asked
    series: str
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
                f"{strategy.name} on {self.series}: {goal.why_none(self.figures)}: ask for less, "
                "try more sets, or take more candles"
            )
        row = int(ranked[0])
        return Best(
            strategy.name,
            dict(zip(strategy.index, self.params[row].tolist(), strict=True)),
            goal,
            row,
            self._figures_of(row),
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
            f"{asked.strategy.name} on {self.series}: {self.trials:,} parameter sets, "
            f"{asked.method}, seed {asked.seed}"
        )

    def _figures_of(self, row: int) -> dict[str, float | None]:
        values = self.figures[row].tolist()
        return {
            name: None if np.isnan(value) else value
            for name, value in zip(FIGURES, values, strict=True)
        }


def sweep(
    candles: Candles,
    strategy: str,
    *,
    trials: int = 100,
    method: str = "random",
    seed: int = 1,
    start: Time | None = None,
    until: Time | None = None,
    end: Time | None = None,
    held_back: float = HELD_BACK,
    objective: str = "sharpe",
    min_trades: int = 10,
    max_drawdown_pct: float | None = None,
    fixed: Mapping[str, float] | None = None,
    account: AccountRules | None = None,
    threads: int | None = None,
) -> Found:
    """Search parameters, as `tradepulse optimize` does, without a server.

    What comes from `until` on is not seen: it is what `validate` judges by. Ctrl-C ends the search
    within seconds.

    Args:
        candles: the series.
        strategy: its name.
        trials: how many parameter sets to try.
        method: random, quasi_random or grid; bayesian, nsga2, cma_es and differential_evolution
            learn of what they tried, and need `pip install 'tradepulse[optimizer]'`.
        seed: of everything random: the same search finds the same.
        start: first open time that is traded; candles before it only warm up.
        until: first open time that the search does not see; None for what `held_back` says.
        end: open time before which the data ends.
        held_back: fraction at the end that it does not see.
        objective: what is raised: sharpe, sortino, calmar, net_profit_pct, profit_factor,
            expectancy, or profit_drawdown, which weighs two.
        min_trades: a set with fewer closed trades is not allowed.
        max_drawdown_pct: a set with a deeper drawdown is not allowed.
        fixed: parameters that are not searched, and their values.
        account: fees, slippage, limits; None for the usual ones.
        threads: None for one on each core; nothing that is found depends on it.

    Raises:
        ValueError: an argument makes no sense, or there are too few candles.
        StrategyError: the strategy failed.
    """
    found = get_strategy(strategy)
    given = dict(fixed or {})
    asked = Asked(
        found,
        given,
        method,
        seed,
        Goal(objective, min_trades, max_drawdown_pct),
        AccountRules() if account is None else account,
    )
    try:
        sampler = make_sampler(
            method, found, given, trials=trials, seed=seed, goals=asked.goal.goals
        )
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the method {method} needs {error.name}: pip install 'tradepulse[optimizer]', or take "
            "random or grid"
        ) from None
    lookback = lookback_of_space(found, given, candles.timeframe)
    first, split, last = (_ms(*one) for one in (("start", start), ("until", until), ("end", end)))
    seen = _with_warm_up(candles, lookback, first, last)
    check_candles(seen)
    used = range_of(seen, lookback, first, held_back=held_back, split=split)
    with shown(f"Searching {strategy}") as tell:
        tried = _Search(asked, seen.between(None, used.split), used, threads or os.cpu_count() or 1)
        return tried.through(sampler, trials, tell)


class _Search:
    """One search, from its first set to its last."""

    def __init__(self, asked: Asked, seen: Candles, used: Range, threads: int) -> None:
        self._asked, self._seen, self._used, self._threads = asked, seen, used, threads
        self._setup = TrialSetup(
            asked.strategy.name,
            used.start,
            SimulationRules.of(asked.account, seen.instrument),
            seed=luck_seed(asked.seed, seen.series, asked.strategy.name),
            min_trades=asked.goal.min_trades,
        )

    def through(self, sampler: Sampler, trials: int, tell: Tell) -> Found:
        """Ask for sets and measure them until there are no more."""
        sweep = sweep_of(self._seen, self._setup, self._threads)
        luck, params, figures = NONE, [], []
        most = batch_size(self._used.rows)
        size, done = min(self._threads, most), 0
        while asked := sampler.ask(size):
            tried, began = vectors(asked), time.monotonic()
            found = measure(sweep, tried, self._setup)
            size = next_size(len(asked), time.monotonic() - began, self._threads, most)
            sampler.tell(asked, *self._asked.goal.losses(found.figures))
            luck = with_trials(luck, found.largest, len(asked))
            params.append(tried)
            figures.append(found.figures)
            done += len(asked)
            tell(done, trials)
        return Found(
            self._asked,
            self._seen.series,
            self._used,
            np.concatenate(params),
            np.concatenate(figures),
            luck,
        )


def _with_warm_up(candles: Candles, lookback: int, start: int | None, end: int | None) -> Candles:
    """Return the candles of a range, and as many before it as a strategy may look back."""
    ended = candles.between(None, end)
    if start is None:
        return ended
    first = int(np.searchsorted(ended.open_time, start))
    return ended.rows(max(0, first - lookback), len(ended))


def _ms(what: str, value: Time | None) -> int | None:
    try:
        return None if value is None else time_ms(value)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
