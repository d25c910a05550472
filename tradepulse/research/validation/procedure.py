"""The search done again where it could not have looked: walk-forward and combinatorial paths.

What is judged here is not one parameter set but the way to find one. The candidates are drawn at
random from the strategy's space, so they know nothing of any candle, and every choice among them
is made on training days alone. That is why all of the data may serve: no test day of a choice was
among the days that it was made on.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.research.objectives import FIGURES, Goal
from tradepulse.research.simulate import SimulationRules
from tradepulse.research.space import random
from tradepulse.research.sweep import Sweep
from tradepulse.research.validation.splits import (
    Window,
    combinatorial,
    group_bounds,
    paths,
    walk_forward,
)
from tradepulse.strategies import Params, Strategy
from tradepulse.trading.metrics import DAY_MS, DAYS_PER_YEAR

FloatArray = NDArray[np.float64]
Figures = dict[str, float | int | None]
Kind = Literal["rolling", "anchored"]

TRAINED_FOR = 3
"""Tests that the first training window is as long as."""
SHORTEST_TEST_DAYS = 2
GROUPS = 10
TESTED = 2
"""Groups of the combinatorial splits, and how many of them are tested on: 45 folds, 9 paths."""
SHORTEST_PATH_DAYS = 4 * GROUPS
"""Days below which a group is too short to purge."""
NOTHING: Figures = dict.fromkeys(FIGURES, None) | {"net_profit_pct": 0.0, "trades": 0}
"""Figures of a window in which nothing was traded."""


@dataclass(frozen=True, slots=True, eq=False)
class WindowTrader:
    """A strategy on a series, with what its trades cost.

    Attributes:
        candles: all of them; those before a range warm up the features.
        warm_up: candles that the longest parameters need.
        threads: how many share the work; no figure depends on it.
    """

    candles: Candles
    strategy: Strategy
    rules: SimulationRules
    warm_up: int
    threads: int = 1

    def has_candles(self, start: int, end: int) -> bool:
        """Tell whether a candle opens at `start <= open_time < end`."""
        return len(self.candles.between(start, end)) > 0

    def sweep(self, start: int, end: int) -> Sweep:
        """Return a sweep that trades candles with `start <= open_time < end`.

        Raises:
            ValueError: there are none.
        """
        lo, hi = (int(np.searchsorted(self.candles.open_time, time)) for time in (start, end))
        begin = max(0, lo - self.warm_up)
        return Sweep(
            self.candles.rows(begin, hi),
            self.strategy,
            self.rules,
            first=lo - begin,
            threads=self.threads,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """One window of a walk-forward; times are epoch ms, `start <= t < end`.

    Attributes:
        params: chosen on the training days; None where no candidate was allowed.
        inside: its figures in training.
        outside: its figures in the test, from flat.
        daily: float64 `(days,)`, its returns in the test.
    """

    kind: Kind
    train: tuple[int, int]
    test: tuple[int, int]
    params: dict[str, float] | None
    inside: Figures
    outside: Figures
    daily: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Combinatorial paths through the same days.

    Attributes:
        sharpe: float64 `(paths,)`, a year; 0 for one that never moved.
        purge: days left out on both sides of a test.
        embargo: further days left out after it.
    """

    sharpe: FloatArray
    purge: int
    embargo: int


def candidates(
    strategy: Strategy, params: Params, varied: Sequence[str], count: int, seed: int
) -> FloatArray:
    """Return parameter vectors drawn at random, float64 `(count, p)`.

    Args:
        strategy: whose space.
        params: complete; what is not varied keeps its value.
        varied: names of the parameters to draw. With none there is one candidate.
        count: how many.
        seed: the same gives the same.
    """
    own = strategy.complete(params)
    if not varied:
        return strategy.vector(own)[np.newaxis]
    fixed = {name: value for name, value in own.items() if name not in varied}
    drawn = random(strategy, count, seed, fixed)
    return np.array([list(one.values()) for one in drawn], dtype=np.float64)


def walk(
    trader: WindowTrader,
    drawn: FloatArray,
    goal: Callable[[int], Goal],
    between: tuple[int, int],
    *,
    tests: int,
    embargo: int,
    kind: Kind,
) -> Iterator[Walked]:
    """Choose the best candidate of every training window and trade it in the test after it.

    A trade that is open when its training ends is closed there, and a test begins flat, so no
    trade reaches from one into the other: nothing is left to purge.

    Args:
        trader: what is traded.
        drawn: float64 `(t, p)`, from `candidates`.
        goal: by the days of a training window, what is best in it.
        between: first and end time of the walk, epoch ms.
        tests: how many.
        embargo: days between training and test.
        kind: whether training windows roll or begin at the first day.

    Yields nothing where the days are too few for a test of two days.
    """
    for window in _windows(between, tests, embargo, kind):
        train, tested = _times(window.train, between), _times(window.test, between)
        if not (trader.has_candles(*train) and trader.has_candles(*tested)):
            continue  # a hole in the data
        figures = trader.sweep(*train).run(drawn).figures
        ranked = goal(window.train[1] - window.train[0]).rank(figures)
        if len(ranked) == 0:
            flat = np.zeros(window.test[1] - window.test[0])
            yield Walked(kind, train, tested, None, NOTHING, NOTHING, flat)
            continue
        best = int(ranked[0])
        result = trader.sweep(*tested).run(drawn[best : best + 1], daily=True)
        yield Walked(
            kind,
            train,
            tested,
            dict(zip(trader.strategy.index, drawn[best].tolist(), strict=True)),
            named(figures[best]),
            named(result.figures[0]),
            _daily(result.daily)[0],
        )


def _windows(between: tuple[int, int], tests: int, embargo: int, kind: Kind) -> tuple[Window, ...]:
    """Return windows of days, counted from the first; none where a test would be too short."""
    days = -(-between[1] // DAY_MS) - between[0] // DAY_MS
    test = (days - embargo) // (tests + TRAINED_FOR)
    if test < SHORTEST_TEST_DAYS:
        return ()
    return walk_forward(
        days,
        train=days - embargo - tests * test,
        test=test,
        embargo=embargo,
        anchored=kind == "anchored",
    )


def _times(days: tuple[int, int], between: tuple[int, int]) -> tuple[int, int]:
    """Return the first and end time of days of the walk, epoch ms."""
    origin = between[0] // DAY_MS
    return (
        max(between[0], (origin + days[0]) * DAY_MS),
        min(between[1], (origin + days[1]) * DAY_MS),
    )


def combined(daily: FloatArray, *, purge: int, embargo: int) -> Paths:
    """Choose the best candidate of every combination of groups and join the tests to paths.

    The best is the one with the highest Sharpe ratio of the training days; where none has one, the
    test stays in cash.

    Args:
        daily: float64 `(days, candidates)`, finite.
        purge: days left out on both sides of a test; with the embargo at most half of a group.
        embargo: further days left out after it.

    Raises:
        ValueError: the days are too few.
    """
    days = len(daily)
    bounds = group_bounds(days, GROUPS)
    room = days // GROUPS // 2
    purge = min(purge, room)
    embargo = min(embargo, room - purge)
    best = []
    for fold in combinatorial(days, groups=GROUPS, tested=TESTED, purge=purge, embargo=embargo):
        ratios = yearly_sharpe(daily[fold.train])
        best.append(None if np.isnan(ratios).all() else int(np.nanargmax(ratios)))
    joined = np.zeros((days, math.comb(GROUPS - 1, TESTED - 1)))
    for number, path in enumerate(paths(GROUPS, TESTED)):
        for group, fold_number in enumerate(path):
            chosen = best[fold_number]
            rows = slice(int(bounds[group]), int(bounds[group + 1]))
            if chosen is not None:
                joined[rows, number] = daily[rows, chosen]
    return Paths(np.nan_to_num(yearly_sharpe(joined), nan=0.0), purge, embargo)


def yearly_sharpe(daily: FloatArray) -> FloatArray:
    """Return the Sharpe ratio of each column of daily returns, a year; NaN where none moved."""
    deviation = daily.std(axis=0)
    moved = np.ptp(daily, axis=0) > 0
    ratio = daily.mean(axis=0) / np.where(moved, deviation, 1) * math.sqrt(DAYS_PER_YEAR)
    return np.where(moved, ratio, np.nan)


def named(figures: FloatArray) -> Figures:
    """Return a row of figures by name, None where undefined."""
    values = (None if math.isnan(value) else value for value in figures.tolist())
    found: Figures = dict(zip(FIGURES, values, strict=True))
    found["trades"] = int(found["trades"] or 0)
    return found


def daily_of(sweep: Sweep, tried: FloatArray) -> FloatArray:
    """Return daily returns of the sets whose account was not ruined, float64 `(days, t)`."""
    daily = _daily(sweep.run(tried, daily=True).daily)
    return np.ascontiguousarray(daily[np.isfinite(daily).all(axis=1)].T)


def _daily(daily: FloatArray | None) -> FloatArray:
    if daily is None:
        raise ValueError("the sweep gave no daily returns")
    return daily
