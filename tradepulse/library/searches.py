"""A search of parameters without a server: `sweep`."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.candles.times import Time
from tradepulse.library.accounts import Account, account_rules
from tradepulse.library.found import Asked, Found
from tradepulse.library.progress import Tell, shown
from tradepulse.library.series import moment, time_range
from tradepulse.library.uses import Named, strategy_name
from tradepulse.research.objectives import Goal
from tradepulse.research.reality_check import NONE, with_trials
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
from tradepulse.strategies import Strategy, get_strategy
from tradepulse.strategies.sources import referring


class Options(Account, total=False):
    """What else may be said of a search.

    Attributes:
        start: first open time that is traded; candles before it only warm up.
        end: open time before which the data ends.
        held_back: fraction at the end that the search does not see, 0.25 by default.
        max_drawdown_pct: a set with a deeper drawdown is not allowed.
        fixed: parameters that are not searched, and their values.
        others: candles that the strategy looks at beside its own.
        threads: by default one on each core; nothing that is found depends on it.
    """

    start: Time | None
    end: Time | None
    held_back: float
    max_drawdown_pct: float | None
    fixed: Mapping[str, float]
    others: Candles | Sequence[Candles]
    threads: int


def sweep(
    candles: Candles,
    strategy: Named,
    *,
    trials: int = 100,
    method: str = "random",
    seed: int = 1,
    until: Time | None = None,
    objective: str = "sharpe",
    min_trades: int = 10,
    **options: Unpack[Options],
) -> Found:
    """Search parameters, as `tradepulse optimize` does, without a server.

    What opens at `until` or later is not seen: by it `validate` judges. Ctrl-C ends the search
    within seconds.

    Args:
        candles: the series.
        strategy: its name, the path of a file that holds one strategy, or itself.
        trials: how many parameter sets to try.
        method: random, quasi_random or grid; bayesian, nsga2, cma_es and differential_evolution
            learn from what they tried.
        seed: of everything random: the same search finds the same.
        until: first open time that the search does not see; by default the last quarter.
        objective: what is raised: sharpe, sortino, calmar, net_profit_pct, profit_factor,
            expectancy, or profit_drawdown, which weighs two.
        min_trades: a set with fewer closed trades is not allowed.
        options: of the search, see `Options`: start, end, held_back, max_drawdown_pct, fixed,
            others, threads. Of the account, see `Account`: fee, maker_fee, slippage and the others.

    Raises:
        ValueError: an argument makes no sense, or there are too few candles.
        TypeError: an option is not known.
        StrategyError: the strategy failed.
    """
    said: dict[str, Any] = dict(options)
    threads, fixed = said.pop("threads", None) or cores(), dict(said.pop("fixed", {}))
    first, last = time_range(said.pop("start", None), said.pop("end", None))
    held_back, others = said.pop("held_back", HELD_BACK), said.pop("others", ())
    found = get_strategy(strategy_name(strategy))
    asked = Asked(
        found,
        fixed,
        method,
        seed,
        Goal(objective, min_trades, said.pop("max_drawdown_pct", None)),
        account_rules([candles.instrument], said),
    )
    sampler = sampler_of(asked, trials)
    lookback = lookback_of_space(found, fixed, candles.timeframe)
    given = with_warm_up(candles.between(None, last), lookback, first)
    check_candles(given)
    split = None if until is None else moment("until", until)
    used = range_of(given, lookback, first, held_back=held_back, split=split)
    seen = beside(given.between(None, used.split), found, others)
    with shown(f"Searching {found.name}") as tell:
        return _Search(asked, seen, used, threads).through(sampler, trials, tell)


def sampler_of(asked: Asked, trials: int) -> Sampler:
    """Return what asks for parameter sets.

    Raises:
        ValueError: the method is unknown, or what it needs is not installed.
    """
    try:
        return make_sampler(
            asked.method,
            asked.strategy,
            asked.fixed,
            trials=trials,
            seed=asked.seed,
            goals=asked.goal.goals,
        )
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the method {asked.method} needs {error.name}, which is not installed: pip install "
            "'tradepulse[optimizer]', or take random or grid"
        ) from None


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
            self._seen,
            self._used,
            np.concatenate(params),
            np.concatenate(figures),
            luck,
        )


def cores() -> int:
    """Return how many threads share work where nothing else is said."""
    return os.cpu_count() or 1


def with_warm_up(candles: Candles, lookback: int, start: int | None) -> Candles:
    """Return the candles from a time on, and as many before it as a strategy may look back."""
    if start is None:
        return candles
    first = int(np.searchsorted(candles.open_time, start))
    return candles.rows(max(0, first - lookback), len(candles))


def beside(candles: Candles, strategy: Strategy, others: Candles | Sequence[Candles]) -> Candles:
    """Give a series what a strategy looks at of others."""
    there = [others] if isinstance(others, Candles) else list(others)
    return referring(candles, strategy.references(candles), [candles, *there])
