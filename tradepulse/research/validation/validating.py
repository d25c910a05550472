"""Put a configuration before all gates.

What each gate looks at:

- The search saw the candles in sample only. Holdout, bootstrap and cost stress are judged out of
  sample, where nothing was chosen; neighbours on both sides.
- The reality check judges the choice in sample, against all trials ever made on the market.
- Overfitting, walk-forward and combinatorial paths judge the procedure, done again with parameter
  sets that were drawn without any look at the data. Overfitting takes the days in sample;
  walk-forward and paths all days: each choice is tested on days that it did not see.
- The order of the trades is shuffled over both ranges.
- The detectors evaluate the strategy on the last candles.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.research.objectives import FIGURES, Goal
from tradepulse.research.validation import procedure, search_verdicts, verdicts
from tradepulse.research.validation.gates import Gate
from tradepulse.research.validation.procedure import Kind, Paths, Walked, WindowTrader
from tradepulse.research.validation.report import SHARPE, Report, body, heat_map
from tradepulse.research.validation.request import DATA_FREE, ValidationRequest, check, record
from tradepulse.research.validation.robustness import neighbours, stressed
from tradepulse.strategies import get_strategy
from tradepulse.strategies.detectors import look_ahead, recursive
from tradepulse.trading.metrics import DAY_MS
from tradepulse.trading.orders import Trade

FloatArray = NDArray[np.float64]
Progress = Callable[[int, int], None]
Result = TypeVar("Result")

DRAWS = 300
"""Candidates of the walk-forward and the combinatorial paths."""
TESTS = 8
"""Windows of each kind of walk-forward."""
KINDS: tuple[Kind, ...] = ("rolling", "anchored")
EMBARGO_DAYS = 1
HELD = 0.95
"""Share of the trades that are held at most as long as is purged."""
STRESS = 2.0
STEP = 0.1
FEWEST_TRIED = 20
"""Trials below which the search's own are too few to judge a choice among them."""
EXAMINED = 5_000
"""Candles that the detectors look at; ten times the lookback, where that is more."""
STEPS = 9 + len(KINDS) * TESTS
PROFIT = FIGURES.index("net_profit_pct")


def validate(
    request: ValidationRequest, candles: Candles, progress: Progress | None = None
) -> Report:
    """Judge a configuration by every gate.

    The same request gives the same report.

    Args:
        request: the configuration and how it was found.
        candles: its series; candles before `request.ranges.start` only warm up.
        progress: called with (steps done, steps in all).

    Raises:
        ValueError: the candles are impossible or too few, or the request contradicts itself.
    """
    check(request, candles)
    ranges, asked, seed = request.ranges, request.thresholds, request.seed
    done = _Steps(progress)
    strategy = get_strategy(request.strategy)
    params = strategy.complete(request.params)
    drawn = procedure.candidates(strategy, params, request.varied(), DRAWS, seed)
    # the account sizes by the share, so must the simulator
    fraction = min(request.simulation.fraction, request.share)
    vectors = (strategy.vector(params), *drawn)
    trader = WindowTrader(
        candles,
        strategy,
        replace(request.simulation, fraction=fraction),
        max(strategy.lookback_of(one, candles.timeframe) for one in vectors),
        request.threads,
    )
    trade = partial(record, request, candles)
    inside = done(trade(ranges.start, ranges.split, request.account))
    outside = done(trade(ranges.split, ranges.end, request.account))
    costly = done(trade(ranges.split, ranges.end, stressed(request.account, STRESS)))
    spread, source = done(_trials(request, trader, drawn))
    windows = [done(window) for window in _walk(request, trader, drawn)]
    gates = (
        *verdicts.holdout(outside, inside, asked),
        verdicts.bootstrap(outside, asked, seed),
        verdicts.cost_stress(outside, costly, STRESS, asked),
        done(_neighbourhood(request, trader)),
        search_verdicts.reality_check(inside, spread, request.searches, request.all_trials, asked),
        *done(search_verdicts.overfitting(spread, source, asked)),
        *search_verdicts.walked(windows, asked),
        done(search_verdicts.joined_paths(_paths(request, trader, drawn, inside.trades), asked)),
        verdicts.drawdown(inside, outside, asked, seed),
        *done(_examined(request, trader)),
    )
    shown = heat_map(
        strategy,
        params,
        request.varied(),
        partial(_figures, trader, ranges.start, ranges.split),
        partial(_figures, trader, ranges.split, ranges.end),
    )
    whole = body(request, candles, params, inside, outside, windows, shown)
    done.all()
    return Report(gates, whole)


class _Steps:
    """Counts the steps that are done."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._count = itertools.count(1)

    def __call__(self, result: Result) -> Result:
        """Count one step; return its result."""
        if self._progress is not None:
            self._progress(min(next(self._count), STEPS - 1), STEPS)
        return result

    def all(self) -> None:
        if self._progress is not None:
            self._progress(STEPS, STEPS)


def _trials(
    request: ValidationRequest, trader: WindowTrader, drawn: FloatArray
) -> tuple[FloatArray, str]:
    """Return daily returns in sample of parameter sets that did not depend on others' figures.

    Those are the search's own where its method never looks at what it found. A method that learns
    tries more of what did well, on all days at once: its trials say nothing of other days.
    """
    tried, source = drawn, f"{len(drawn)} random draws"
    if request.method in DATA_FREE and len(request.tried) >= FEWEST_TRIED:
        tried = request.sample()
        source = f"{len(tried)} of the {len(request.tried)} trials of the search"
    sweep = trader.sweep(request.ranges.start, request.ranges.split)
    return procedure.daily_of(sweep, tried), source


def _walk(request: ValidationRequest, trader: WindowTrader, drawn: FloatArray) -> Iterator[Walked]:
    ranges = request.ranges
    days = (ranges.split - ranges.start) / DAY_MS

    def goal(train_days: int) -> Goal:
        return request.goal(train_days / days)

    for kind in KINDS:
        yield from procedure.walk(
            trader,
            drawn,
            goal,
            (ranges.start, ranges.end),
            tests=TESTS,
            embargo=EMBARGO_DAYS,
            kind=kind,
        )


def _paths(
    request: ValidationRequest, trader: WindowTrader, drawn: FloatArray, trades: Sequence[Trade]
) -> Paths | None:
    """Return combinatorial paths through all days, None where these are too few."""
    ranges = request.ranges
    if ranges.end - ranges.start < procedure.SHORTEST_PATH_DAYS * DAY_MS:
        return None
    daily = procedure.daily_of(trader.sweep(ranges.start, ranges.end), drawn)
    held = [trade.exit_time - trade.entry_time for trade in trades]
    timeframe = trader.candles.timeframe
    lookback = trader.strategy.lookback(request.params, timeframe) * timeframe_ms(timeframe)
    return procedure.combined(
        daily,
        purge=math.ceil(float(np.quantile(held, HELD)) / DAY_MS) if held else 1,
        embargo=math.ceil(lookback / DAY_MS),
    )


def _neighbourhood(request: ValidationRequest, trader: WindowTrader) -> Gate:
    strategy, ranges = trader.strategy, request.ranges
    own = strategy.complete(request.params)
    moved = [
        param.name
        for param in strategy.space
        if param.searched or own[param.name] != strategy.defaults[param.name]
    ]
    near = neighbours(strategy, own, moved, STEP)
    if not near:
        return verdicts.neighbourhood(np.empty((0, 2)), (None, None), request.thresholds)
    vectors = np.array([list(one.values()) for one in near])
    inside = _figures(trader, ranges.start, ranges.split, vectors)
    outside = _figures(trader, ranges.split, ranges.end, vectors)
    return verdicts.neighbourhood(
        np.column_stack((inside[:, PROFIT], outside[:, PROFIT])),
        (_median(inside[:, SHARPE]), _median(outside[:, SHARPE])),
        request.thresholds,
    )


def _examined(request: ValidationRequest, trader: WindowTrader) -> list[Gate]:
    """Ask both detectors, on the last candles."""
    strategy, candles = trader.strategy, trader.candles
    lookback = strategy.lookback(request.params, candles.timeframe)
    if len(candles) <= lookback:
        return [verdicts.detected(name, None) for name in ("look_ahead", "recursive")]
    last = candles.rows(max(0, len(candles) - max(EXAMINED, 10 * lookback)), len(candles))
    seed = request.seed
    return [
        verdicts.detected("look_ahead", look_ahead(strategy, request.params, last, seed=seed)),
        verdicts.detected("recursive", recursive(strategy, request.params, last, seed=seed)),
    ]


def _figures(trader: WindowTrader, start: int, end: int, vectors: FloatArray) -> FloatArray:
    return trader.sweep(start, end).run(vectors).figures


def _median(values: FloatArray) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None
