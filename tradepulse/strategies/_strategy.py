"""What a strategy is: its parameters, its features, and the decision of one row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.strategies import _kernels
from tradepulse.strategies._evaluations import NO_REASONS, NO_ROWS, Evaluations
from tradepulse.strategies._kernels import (
    ALWAYS,
    LEVELS,
    MAX_SWITCHES,
    NEVER,
    UNUSED,
    ActionArray,
    Columns,
    Wire,
)
from tradepulse.strategies._names import FEATURES, PARAMETERS, naming
from tradepulse.strategies._params import Param, Params, is_common_atr, no_rule
from tradepulse.strategies._windows import FloatArray
from tradepulse.strategies.answers import EXIT, NONE, Answer
from tradepulse.strategies.compiled import Compiled, instance, step, words_in
from tradepulse.strategies.faults import StrategyError, located
from tradepulse.strategies.faults import named as said
from tradepulse.strategies.features import MAX_ARGS, MAX_FEATURES, Feature, padded
from tradepulse.strategies.market import Market, columns_of
from tradepulse.strategies.read_only import read_only

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

    def lookback(self, params: Params) -> int:
        """Return how many candles, the last included, a row's output depends on.

        Rows with fewer have action `NONE`.

        Raises:
            ValueError: as `complete`.
        """
        return self.lookback_of(self.vector(params))

    def lookback_of(self, vector: FloatArray) -> int:
        """Return `lookback` for parameters from `vector()`."""
        needed = 1
        for feature in self.features:
            if self.is_on(feature, vector):
                values = [float(vector[self.index[name]]) for name in feature.args]
                try:
                    needed = max(needed, int(feature.rows(*values)))
                except Exception as error:
                    raise StrategyError(
                        f"{self.name}: the rows of a feature raise {said(error)}"
                    ) from error
        return needed + self.shift

    def is_on(self, feature: Feature, vector: FloatArray) -> bool:
        """Tell whether a feature is computed for these parameters."""
        switches = feature.only_if
        return not switches or any(vector[self.index[name]] > 0 for name in switches)

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
        asked = max(first, self._first(vector.tobytes()))
        try:
            action, levels = self.answers(candles, vector, asked)
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
            int(vector[-1]),
            refused,
            refused_for,
            levels[LEVELS] if self.is_confident else None,
            levels[LEVELS + 1 :] if self.has_steps else None,
        )

    def answers(
        self, candles: Candles, vector: FloatArray, first: int
    ) -> tuple[ActionArray, FloatArray]:
        """Return what the kernel says, refused entries among the actions; raises what it raises."""
        return self._evaluate(columns_of(candles), vector, first)

    def columns(self, candles: Candles, vector: FloatArray) -> Columns:
        """Compute the features, `MAX_FEATURES` columns of float64 `(n,)`, NaN for those off."""
        off, market = _off(len(candles)), columns_of(candles)[:5]
        found = [off] * MAX_FEATURES
        for place, feature in enumerate(self.features):
            if self.is_on(feature, vector):
                values = [float(vector[self.index[name]]) for name in feature.args]
                found[place] = read_only(feature.function(*market, padded(values)))
        return tuple(found)

    @cached_property
    def _first(self) -> Callable[[bytes], int]:
        # live, the same few vectors are evaluated at every candle
        @lru_cache(maxsize=4_096)
        def first(vector: bytes) -> int:
            return self.lookback_of(np.frombuffer(vector)) - 1

        return first

    @property
    def is_bundled(self) -> bool:
        """Tell whether it comes along: its rules are tested."""
        return self.rule.python.__module__.startswith("tradepulse.")

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
        wires = [self._wire(feature) for feature in self.features]
        wires += [UNUSED] * (MAX_FEATURES - len(wires))
        return instance(_kernels.columns, self.name, {"WIRES": tuple(wires), **functions})

    @cached_property
    def _evaluate(self) -> Compiled[[Market, FloatArray, int], tuple[ActionArray, FloatArray]]:
        return instance(_kernels.evaluate, self.name, self._parts)

    @cached_property
    def last(self) -> Compiled[..., tuple[float, ...]]:
        """Compiled: what `evaluate` says of one candle, refused entries among the actions."""
        return instance(_kernels.last, self.name, self._parts)

    @property
    def _parts(self) -> Mapping[str, Any]:
        return {"_signal": self.signal, "_columns": self._columns, "MORE": self._says_more}

    def _wire(self, feature: Feature) -> Wire:
        args = [self.index[name] for name in feature.args]
        switches = [self.index[name] for name in feature.only_if] or [ALWAYS]
        args += [ALWAYS] * (MAX_ARGS - len(args))
        switches += [NEVER] * (MAX_SWITCHES - len(switches))
        a, b, c = args
        d, e, f, g, h = switches
        return a, b, c, d, e, f, g, h
