"""What a strategy is: its parameters, its features, and the decision of one row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.candles.series import OnSeries
from tradepulse.strategies import _kernels
from tradepulse.strategies._evaluations import NO_REASONS, NO_ROWS, Evaluations
from tradepulse.strategies._feature import MAX_FEATURES, Feature
from tradepulse.strategies._kernels import (
    LEVELS,
    UNUSED,
    ActionArray,
    Columns,
)
from tradepulse.strategies._names import FEATURES, PARAMETERS, naming
from tradepulse.strategies._params import Param, Params, is_common_atr, no_rule
from tradepulse.strategies._windows import FloatArray
from tradepulse.strategies.answers import EXIT, NONE, Answer
from tradepulse.strategies.compiled import Compiled, instance, step, words_in
from tradepulse.strategies.faults import StrategyError, located
from tradepulse.strategies.faults import named as said
from tradepulse.strategies.market import Market, columns_of
from tradepulse.strategies.read_only import read_only
from tradepulse.strategies.sources import Sources, reference_of, rows_of

Rule = Callable[[int, Market, Any, Any], Answer]


@lru_cache(maxsize=2)
def _off(rows: int) -> FloatArray:
    return read_only(np.full(rows, np.nan))


@dataclass(frozen=True, eq=False)
class Strategy:
    """A decision of one row with its parameters and features.

    Attributes:
        name: key in the registry and in every configuration.
        space: the parameters, in the order of the vector; `COMMON` are the last.
        defaults: a value for each parameter.
        features: the columns that `decide` reads, in this order.
        names: of the features that the rule reads; the last one may be there for `COMMON` only.
        rule: `(i, c, f, p) -> Answer`, which knows features and parameters by their names.
        description: the idea and its source.
        shift: how many rows before row i the rule reads at most.
        fill_gaps: its series are filled where candles are missing, see docs/guides/gaps.md.
    """

    name: str
    space: tuple[Param, ...]
    defaults: Mapping[str, float]
    features: tuple[Feature, ...]
    names: tuple[str, ...]
    rule: Compiled[[int, Market, Any, Any], Answer]
    description: str
    constraint: Callable[[Params], str | None] = no_rule
    shift: int = 1
    fill_gaps: bool = False

    def complete(self, params: Params) -> dict[str, float]:
        """Return all parameters, in order, with defaults for those not given.

        Raises:
            ValueError: a name is unknown, a value is out of bounds, or they contradict each
                other (as a fast average slower than the slow one).
        """
        unknown = sorted(set(params) - {param.name for param in self.space})
        if unknown:
            known = ", ".join(param.name for param in self.space)
            raise ValueError(f"{self.name} has no parameter {unknown[0]!r}; it has {known}")
        whole: dict[str, float] = {}
        try:
            for param in self.space:
                given = param.check(params.get(param.name, self.defaults[param.name]))
                off = param.only_if is not None and not whole[param.only_if] > 0
                whole[param.name] = float(self.defaults[param.name]) if off else given
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        try:
            problem = self.constraint(whole)
        except Exception as error:
            raise StrategyError(f"{self.name}: its constraint raises {said(error)}") from error
        if problem:
            raise ValueError(f"{self.name}: {problem}")
        return whole

    def valid(self, params: Params) -> bool:
        """Tell whether `complete` would take these parameters."""
        try:
            self.complete(params)
        except ValueError:
            return False
        return True

    def vector(self, params: Params) -> FloatArray:
        """Return the parameter vector, float64 `(len(space),)`, not to be written to.

        Raises:
            ValueError: as `complete`.
        """
        vector = np.array(list(self.complete(params).values()), dtype=np.float64)
        # compiled code knows arrays that may be written to from others, and is compiled for each
        vector.flags.writeable = False
        return vector

    def lookback(self, params: Params, timeframe: str | None = None) -> int:
        """Return how many candles, the last included, a row's output depends on.

        Rows with fewer have action `NONE`. Of another instrument a row depends on no more.

        Args:
            params: those not given are defaults.
            timeframe: of the series; needed where a feature is `on` a higher one.

        Raises:
            ValueError: as `complete`, or a feature is `on` what is no multiple of the timeframe.
        """
        return self.lookback_of(self.vector(params), timeframe)

    def lookback_of(self, vector: FloatArray, timeframe: str | None = None) -> int:
        """Return `lookback` for parameters from `vector()`."""
        return self._lookback(vector, timeframe, is_near=False)

    def near_of(self, vector: FloatArray, timeframe: str) -> int:
        """Return how many candles suffice where closed higher ones are given."""
        return self._lookback(vector, timeframe, is_near=True)

    def _lookback(self, vector: FloatArray, timeframe: str | None, *, is_near: bool) -> int:
        needed = 1
        for feature in self.features:
            if self.is_on(feature, vector):
                try:
                    rows = rows_of(*self.chosen(feature, vector), timeframe, is_near=is_near)
                except ValueError as error:
                    raise type(error)(f"{self.name}: {error}") from error.__cause__
                needed = max(needed, rows)
        return needed + self.shift

    def is_on(self, feature: Feature, vector: FloatArray) -> bool:
        """Tell whether a feature is computed for these parameters."""
        switches = feature.only_if
        return not switches or any(vector[self.index[name]] > 0 for name in switches)

    def chosen(self, feature: Feature, vector: FloatArray) -> tuple[Feature, Sequence[float]]:
        """Return a feature as these parameters ask for it, and the values of its arguments."""
        return feature.chosen([float(vector[self.index[name]]) for name in feature.reads])

    @cached_property
    def index(self) -> dict[str, int]:
        """Where each parameter stands in the vector."""
        return {param.name: i for i, param in enumerate(self.space)}

    def run(self, candles: Candles, params: Params) -> Evaluations:
        """Evaluate every candle of a series.

        Raises:
            ValueError: as `complete`.
        """
        return self.evaluate(candles, self.vector(params))

    def evaluate(self, candles: Candles, vector: FloatArray, first: int = 0) -> Evaluations:
        """Evaluate every candle of a series from row `first` on; rows before it say nothing.

        Args:
            candles: the series.
            vector: parameters from `vector()`.
            first: a live window needs its last rows only.

        Raises:
            StrategyError: the strategy failed, see `faults.py`.
        """
        asked = max(first, self._first(vector.tobytes(), candles.timeframe) - candles.before)
        try:
            action, levels = self.answers(candles, vector, asked)
        except StrategyError:
            # it lacks candles of a reference
            raise
        except Exception as error:
            raise located(self, candles, vector, asked, error) from error
        refused, refused_for = NO_ROWS, NO_REASONS
        if len(candles) and action.max() > EXIT:
            refused = np.flatnonzero(action > EXIT)
            refused_for = action[refused]
            action[refused] = NONE
        return Evaluations(
            action,
            levels[0],
            levels[1],
            levels[2],
            levels[3],
            int(vector[self.index["max_candles"]]),
            refused,
            refused_for,
            levels[LEVELS] if self.is_confident else None,
            levels[LEVELS + 1 :] if self.has_steps else None,
            cooldown=int(vector[self.index["cooldown"]]),
        )

    def answers(
        self, candles: Candles, vector: FloatArray, first: int
    ) -> tuple[ActionArray, FloatArray]:
        """Return what the kernel says, refused entries among the actions; raises what it raises."""
        market = columns_of(candles)
        if not self.has_sources:
            return self._evaluate(market, vector, first)
        columns = self.columns(candles, vector, asked=first < len(candles))
        return self._evaluate_given(market, columns, vector, first)

    def columns(self, candles: Candles, vector: FloatArray, *, asked: bool = True) -> Columns:
        """Compute the features, `MAX_FEATURES` columns of float64 `(n,)`, NaN for those off.

        Args:
            candles: the series, with the references that features look at.
            vector: parameters from `vector()`.
            asked: see `Sources`.

        Raises:
            StrategyError: the candles of a reference are not there.
        """
        sources = Sources(candles, asked=asked)
        found = [_off(len(candles))] * MAX_FEATURES
        for place, feature in enumerate(self.features):
            if self.is_on(feature, vector):
                found[place] = sources.column(*self.chosen(feature, vector))
        return tuple(found)

    @cached_property
    def _first(self) -> Callable[[bytes, str], int]:
        # live, the same few vectors are evaluated at every candle
        @lru_cache(maxsize=4_096)
        def first(vector: bytes, timeframe: str) -> int:
            return self.lookback_of(np.frombuffer(vector), timeframe) - 1

        return first

    @property
    def is_bundled(self) -> bool:
        """Tell whether it comes along: its rules are tested."""
        return self.rule.python.__module__.startswith("tradepulse.")

    @cached_property
    def has_sources(self) -> bool:
        """Whether it looks at other candles than those of its series."""
        return any(feature.has_source for feature in self.features)

    @property
    def looks_at_others(self) -> bool:
        """Whether it looks at other instruments than its series' own."""
        return any(feature.of is not None for feature in self.features)

    def higher(self, timeframe: str) -> frozenset[str]:
        """Return the higher timeframes that it looks at of a series of this one."""
        named = (one.timeframes for one in self.features if one.of is None)
        return frozenset(set().union(*named) - {timeframe})

    def references(self, series: OnSeries) -> tuple[str, ...]:
        """Return the instruments, `exchange:symbol`, that it looks at beside its series' own."""
        named = {reference_of(one.of, series) for one in self.features if one.of is not None}
        return tuple(sorted(named - {series.instrument}))

    @cached_property
    def is_confident(self) -> bool:
        """Whether its entries have a confidence."""
        return "confidence" in words_in(self.rule)

    @cached_property
    def has_steps(self) -> bool:
        """Whether its entries have falling targets."""
        return "targets" in words_in(self.rule)

    @cached_property
    def decide(self) -> Compiled[[int, Market, Columns, FloatArray], Answer]:
        """Compiled, for compiled code: the rule, given its features and parameters by place."""
        return instance(
            _kernels.decide, self.name, self._named_parts, row_by_row=True, inlined=True
        )

    @cached_property
    def asked(self) -> Compiled[[int, Market, Columns, FloatArray], Answer]:
        """Compiled: `decide`, to be called by Python."""
        # of another name, or the cache would give it what Python cannot call
        return instance(_kernels.decide, f"{self.name}_asked", self._named_parts, row_by_row=True)

    @property
    def _named_parts(self) -> Mapping[str, Any]:
        return {
            "_rule": self.rule,
            "_features": step(naming(FEATURES, self.names)),
            "_values": step(naming(PARAMETERS, tuple(self.index))),
        }

    @cached_property
    def signal(self) -> Compiled[[int, Market, Columns, FloatArray], Answer]:
        """Compiled: `decide`, with the common parameters' limit and trail."""
        return instance(
            _kernels.signal,
            self.name,
            {
                "_decide": self.decide,
                "TRAIL_ATR": self.index["trail_atr"],
                "LIMIT_ATR": self.index["limit_atr"],
                "ATR_COLUMN": next(
                    i for i, feature in enumerate(self.features) if is_common_atr(feature)
                ),
                "MORE": self._says_more,
            },
            row_by_row=True,
        )

    @property
    def _says_more(self) -> bool:
        return self.is_confident or self.has_steps

    @cached_property
    def _columns(self) -> Compiled[[Market, FloatArray], Columns]:
        functions = {f"_column_{i}": feature.function for i, feature in enumerate(self.features)}
        wires = [_kernels.wire_of(feature, self.index) for feature in self.features]
        wires += [UNUSED] * (MAX_FEATURES - len(wires))
        return instance(_kernels.columns, self.name, {"WIRES": tuple(wires), **functions})

    @cached_property
    def _evaluate(self) -> Compiled[[Market, FloatArray, int], tuple[ActionArray, FloatArray]]:
        names = {"_evaluate_given": self._evaluate_given, **self._parts}
        return instance(_kernels.evaluate, self.name, names)

    @cached_property
    def _evaluate_given(
        self,
    ) -> Compiled[[Market, Columns, FloatArray, int], tuple[ActionArray, FloatArray]]:
        names = {"_signal": self.signal, "MORE": self._says_more}
        return instance(_kernels.evaluate_given, self.name, names)

    @cached_property
    def last(self) -> Compiled[..., tuple[float, ...]]:
        """Compiled: what `evaluate` says of one candle, refused entries among the actions."""
        return instance(_kernels.last, self.name, self._parts)

    @property
    def _parts(self) -> Mapping[str, Any]:
        return {"_signal": self.signal, "_columns": self._columns, "MORE": self._says_more}
