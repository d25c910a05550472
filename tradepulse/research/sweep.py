"""Thousands of parameter sets of one strategy on one series: figures and daily returns only.

Features are computed once for all sets that share them. The loop has the strategy in it
(`loop.py`), so a trial makes no signals and writes nothing but its figures. Threads share the
arrays; compiled code holds no lock. Memory does not grow with the number of trials but for the
results themselves.
"""

from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.research.accounts import KEPT
from tradepulse.research.arrays import NOTHING, finer_of, span_of
from tradepulse.research.loop import Trials
from tradepulse.research.results import Record, Results
from tradepulse.research.said import TILE
from tradepulse.research.simulate import SimulationRules, loops_by
from tradepulse.strategies import Strategy
from tradepulse.strategies._feature import MAX_FEATURES, Feature
from tradepulse.strategies.faults import StrategyError, explained
from tradepulse.strategies.market import columns_of
from tradepulse.strategies.read_only import read_only
from tradepulse.strategies.sources import Sources, rows_needed
from tradepulse.trading.metrics import FIGURES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Key = tuple[Feature, tuple[float, ...]]
"""A feature without the names of its parameters, and their values."""

__all__ = ["FIGURES", "Sweep", "SweepResult"]

CACHE_BYTES = 128_000_000
"""Memory for the columns of features; so many of them at most:"""
MAX_COLUMNS = 1_000
MAX_TRIALS = 1_000
"""Sets of a batch: each keeps its days while it is traded."""

NO_RECORD = Record(NOTHING, NOTHING, np.empty((4, 0), dtype=np.int64), np.empty((4, 0)))


@dataclass(frozen=True, slots=True, eq=False)
class SweepResult:
    """What the trials came to.

    Attributes:
        figures: float64 `(t, len(FIGURES))`, NaN where one is undefined.
        daily: float64 `(t, days)`, returns of the UTC days, a row of NaN for a trial whose equity
            fell to zero; None if not asked for.
    """

    figures: FloatArray
    daily: FloatArray | None


class Sweep:
    """One strategy on one series, ready to try parameter sets. Not for two threads at once."""

    def __init__(
        self,
        candles: Candles,
        strategy: Strategy,
        rules: SimulationRules,
        *,
        first: int = 0,
        threads: int = 1,
        finer: Candles | None = None,
    ) -> None:
        """Prepare.

        Args:
            candles: the series, its last row the last one traded.
            strategy: the strategy.
            rules: costs and sizes.
            first: first row that is traded; those before only feed the strategy.
            threads: how many threads work on a batch.
            finer: lower-timeframe candles that settle what a candle cannot tell itself.

        Raises:
            ValueError: there are no threads, `first` is no row of the candles, or the finer ones
                do not divide them.
        """
        if threads < 1:
            raise ValueError(f"{threads} threads; at least 1 is needed")
        self.strategy = strategy
        self.rules = rules
        self.threads = threads
        self._series = candles
        self._span = span_of(candles, first)
        self._candles = columns_of(candles)
        self._finer = finer_of(candles, finer)
        self._columns = _Columns(candles)

    @property
    def days(self) -> int:
        """How many UTC days are traded."""
        return len(self._span.days)

    def run(self, vectors: FloatArray, *, daily: bool = False) -> SweepResult:
        """Try parameter sets.

        Args:
            vectors: float64 `(t, p)`, each from `Strategy.vector()`.
            daily: also return the daily returns.

        Raises:
            ValueError: the vectors do not have the strategy's parameters.
            StrategyError: the strategy failed.
        """
        trials, width = vectors.shape
        if width != len(self.strategy.space):
            raise ValueError(
                f"{width} parameters for {self.strategy.name}, which has {len(self.strategy.space)}"
            )
        vectors = np.ascontiguousarray(vectors)
        result = SweepResult(
            np.empty((trials, len(FIGURES))),
            np.empty((trials, len(self._span.days))) if daily else None,
        )
        plan = _plan(self.strategy, np.ascontiguousarray(vectors), self._series.timeframe)
        try:
            self._run(plan, result)
        except StrategyError:
            raise
        except Exception as error:
            first = self._span.first
            raise explained(self.strategy, self._series, vectors, first, error) from error
        return result

    def _run(self, plan: "_Plan", result: SweepResult) -> None:
        with ThreadPoolExecutor(self.threads) as pool:
            for rows in plan.batches(self._columns.capacity):
                slots = self._columns.slots(plan, rows, pool)
                part = partial(self._trade, plan, slots, result)
                # every so manieth: neighbours are alike, and the parts are to take as long
                for _ in pool.map(part, (rows[k :: self.threads] for k in range(self.threads))):
                    pass

    def _trade(self, plan: "_Plan", slots: IntArray, result: SweepResult, rows: IntArray) -> None:
        figures = np.empty((len(rows), len(FIGURES)))
        daily = np.empty((len(rows), len(self._span.days)))
        places = [self.strategy.index[name] for name in ("max_candles", "cooldown")]
        candles = np.ascontiguousarray(plan.vectors[rows][:, places].T).astype(np.int64)
        held, rests = candles * self._span.candle_ms
        trials = Trials(
            self._columns.shown,
            slots[rows],
            read_only(plan.vectors[rows]),
            np.maximum(self._span.first, plan.lookback[rows] - 1),
            held - self._span.candle_ms,
            rests,
            np.empty((len(rows), KEPT)),
        )
        loops_by(self.strategy).many(
            self._candles,
            self._finer,
            self.rules.values(),
            trials,
            Results(daily, figures, NO_RECORD, self._span),
            np.empty((2, TILE), dtype=np.uint64),
        )
        result.figures[rows] = figures
        if result.daily is not None:
            result.daily[rows] = daily


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """Which columns each parameter set reads.

    Attributes:
        vectors: float64 `(t, p)`, the sets.
        keys: the distinct columns; the first stands for none.
        columns: int64 `(t, MAX_FEATURES)`, for each set and feature a place in `keys`.
        lookback: int64 `(t,)`, as `Strategy.lookback`.
    """

    vectors: FloatArray
    keys: list[Key | None]
    columns: IntArray
    lookback: IntArray

    def batches(self, capacity: int) -> Iterator[IntArray]:
        """Yield rows of the sets, in parts that read at most so many columns."""
        for rows in self._fitting(capacity):
            for begin in range(0, len(rows), MAX_TRIALS):
                yield rows[begin : begin + MAX_TRIALS]

    def _fitting(self, capacity: int) -> Iterator[IntArray]:
        if len(self.keys) <= capacity:
            yield np.arange(len(self.vectors))
            return
        # by the feature of most variants first: the others' few columns stay
        variants = [len(np.unique(column)) for column in self.columns.T]
        order = np.lexsort(self.columns.T[np.argsort(variants)])
        begin = 0
        used = {0}
        for at, row in enumerate(order):
            wider = used | set(self.columns[row].tolist())
            if len(wider) > capacity:
                yield order[begin:at]
                begin, wider = at, {0, *self.columns[row].tolist()}
            used = wider
        yield order[begin:]


def _plan(strategy: Strategy, vectors: FloatArray, timeframe: str) -> _Plan:
    keys: dict[Key | None, int] = {None: 0}
    columns = np.zeros((len(vectors), MAX_FEATURES), dtype=np.int64)
    needed = np.ones(len(vectors), dtype=np.int64)
    for place, feature in enumerate(strategy.features):
        switches = vectors[:, [strategy.index[name] for name in feature.only_if]]
        on = (switches > 0).any(axis=1) | (not feature.only_if)
        args = vectors[on][:, [strategy.index[name] for name in feature.reads]]
        distinct, which = np.unique(args, axis=0, return_inverse=True)
        which = which.reshape(-1)
        plain = replace(feature, args=(), only_if=())
        asked = [plain.chosen(tuple(row)) for row in distinct.tolist()]
        found = [keys.setdefault((one, tuple(own)), len(keys)) for one, own in asked]
        columns[on, place] = np.array(found, dtype=np.int64)[which]
        wanted = (rows_needed(int(a.rows(*own)), a.timeframe, timeframe) for a, own in asked)
        rows = np.fromiter(wanted, dtype=np.int64)
        needed[on] = np.maximum(needed[on], rows[which])
    return _Plan(vectors, list(keys), columns, needed + strategy.shift)


class _Columns:
    """The features computed so far, the least recently used given up for others."""

    def __init__(self, candles: Candles) -> None:
        rows = max(1, len(candles))
        fitting = min(MAX_COLUMNS, CACHE_BYTES // (8 * rows))
        self.capacity = max(MAX_FEATURES + 1, fitting)
        self.table = np.empty((self.capacity, len(candles)))
        self.table[0] = np.nan
        self.shown = read_only(self.table)
        self._sources = Sources(candles)
        self._slots: OrderedDict[Key, int] = OrderedDict()

    def slots(self, plan: _Plan, rows: IntArray, pool: ThreadPoolExecutor) -> IntArray:
        """Have all columns that these sets read in the table; return where, `(t, MAX_FEATURES)`."""
        used = np.unique(plan.columns[rows])
        wanted = {key: int(k) for k in used if (key := plan.keys[k]) is not None}
        for key in wanted.keys() & self._slots.keys():
            self._slots.move_to_end(key)
        missing = [key for key in wanted if key not in self._slots]
        for key in missing:
            if len(self._slots) < self.capacity - 1:
                self._slots[key] = len(self._slots) + 1
            else:
                # never one of this batch: those were just moved to the end, or come after
                self._slots[key] = self._slots.popitem(last=False)[1]
        for _ in pool.map(self._compute, missing):
            pass
        slot_of = np.zeros(len(plan.keys), dtype=np.int64)
        for key, k in wanted.items():
            slot_of[k] = self._slots[key]
        return np.asarray(slot_of[plan.columns])

    def _compute(self, key: Key) -> None:
        self.table[self._slots[key]] = self._sources.column(*key)
