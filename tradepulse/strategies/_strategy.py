"""What a strategy is: its parameters, its features, and the decision of one row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.strategies import _kernels
from tradepulse.strategies._evaluations import NO_REASONS, NO_ROWS, Evaluations
from tradepulse.strategies._kernels import (
    ALWAYS,
    EXIT,
    MAX_SWITCHES,
    NEVER,
    NONE,
    UNUSED,
    ActionArray,
    Columns,
    Decision,
    Wire,
)
from tradepulse.strategies._windows import FloatArray
from tradepulse.strategies.compiled import Compiled, instance
from tradepulse.strategies.faults import StrategyError, located, named
from tradepulse.strategies.features import MAX_ARGS, MAX_FEATURES, Feature, atr, padded
from tradepulse.strategies.read_only import columns_of, read_only

Decide = Compiled[
    [int, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, Columns, FloatArray],
    Decision,
]
Params = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a strategy.

    Attributes:
        name: its key in a configuration's `params`.
        low: least allowed value.
        high: greatest allowed value.
        integer: only whole numbers are allowed.
        log: searched evenly in its logarithm, as fits lengths and factors.
        searched: a search varies it; otherwise it keeps its default unless told.
        only_if: name of a parameter that stands before this one; where that is not above 0,
            this one means nothing and `Strategy.complete` sets it to its default.
    """

    name: str
    low: float
    high: float
    integer: bool = False
    log: bool = False
    searched: bool = True
    only_if: str | None = None

    def check(self, value: float) -> float:
        """Return the value as a float.

        Raises:
            ValueError: it is no number, outside the bounds, or not whole where it must be.
        """
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            # what users give is judged here, so it is a wrong value, whatever its type
            raise ValueError(  # noqa: TRY004 - see above
                f"parameter {self.name!r} is {value!r}, not a number"
            )
        number = float(value)
        if not self.low <= number <= self.high:
            raise ValueError(
                f"parameter {self.name!r} is {number:g}; it must be from {self.low:g}"
                f" to {self.high:g}"
            )
        if self.integer and not number.is_integer():
            raise ValueError(f"parameter {self.name!r} is {number:g}; it must be a whole number")
        return number


COMMON = (
    Param("trail_atr", 0, 40, searched=False),
    Param("limit_atr", 0, 10, searched=False),
    Param("max_candles", 0, 100_000, integer=True, searched=False),
    Param("cooldown", 0, 100_000, integer=True, searched=False),
)
"""Parameters of every strategy, 0 for none: a trailing stop that many average true ranges behind,
an entry by a limit order that far from the close, the candles after which it leaves, and those
after a stop for which it enters nothing."""
ATR_WINDOW = Param("atr_window", 2, 100, integer=True, log=True, searched=False)
ATR_WINDOW_DEFAULT = 14
COMMON_ATR = atr("atr_window", only_if=("trail_atr", "limit_atr"))


@lru_cache(maxsize=2)
def _off(rows: int) -> FloatArray:
    return read_only(np.full(rows, np.nan))


def is_common_atr(feature: Feature) -> bool:
    """Tell whether a feature is the range that trail and limit are measured in."""
    return feature.function is COMMON_ATR.function and feature.args == COMMON_ATR.args


def no_rule(_params: Params) -> str | None:
    """Find nothing wrong: the constraint of a strategy that has none."""
    return None


@dataclass(frozen=True, eq=False)
class Strategy:
    """A decision of one row with its parameters and features.

    Attributes:
        name: key in the registry and in every configuration.
        space: the parameters, in the order of the vector; `COMMON` are the last.
        defaults: a value for each parameter.
        features: the columns that `decide` reads, in this order.
        decide: `(i, open, high, low, close, volume, f, p) -> (action, stop, take_profit)`.
        description: the idea and its source.
        shift: how many rows before row i `decide` reads at most.
        fill_gaps: its series are filled where candles are missing, see docs/guides/gaps.md.
    """

    name: str
    space: tuple[Param, ...]
    defaults: Mapping[str, float]
    features: tuple[Feature, ...]
    decide: Decide
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
            raise StrategyError(f"{self.name}: its constraint raises {named(error)}") from error
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
                        f"{self.name}: the rows of a feature raise {named(error)}"
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
            int(vector[self.index["max_candles"]]),
            refused,
            refused_for,
            cooldown=int(vector[self.index["cooldown"]]),
        )

    def answers(
        self, candles: Candles, vector: FloatArray, first: int
    ) -> tuple[ActionArray, FloatArray]:
        """Return what the kernel says, refused entries among the actions; raises what it raises."""
        return self._evaluate(*columns_of(candles), vector, first)

    def columns(self, candles: Candles, vector: FloatArray) -> Columns:
        """Compute the features, `MAX_FEATURES` columns of float64 `(n,)`, NaN for those off."""
        off, market = _off(len(candles)), columns_of(candles)
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

    @cached_property
    def signal(self) -> Compiled[..., _kernels.SignalOf]:
        """Compiled: `decide`, with the common parameters' limit and trail."""
        return instance(
            _kernels.signal,
            self.name,
            {
                "_decide": Compiled(self.decide.python, row_by_row=True),
                "TRAIL_ATR": self.index["trail_atr"],
                "LIMIT_ATR": self.index["limit_atr"],
                "ATR_COLUMN": next(
                    i for i, feature in enumerate(self.features) if is_common_atr(feature)
                ),
            },
            row_by_row=True,
        )

    @cached_property
    def _evaluate(self) -> Compiled[..., tuple[ActionArray, FloatArray]]:
        columns = {f"_column_{i}": feature.function for i, feature in enumerate(self.features)}
        wires = [self._wire(feature) for feature in self.features]
        wires += [UNUSED] * (MAX_FEATURES - len(wires))
        names = {"_signal": self.signal, "WIRES": tuple(wires), **columns}
        return instance(_kernels.evaluate, self.name, names)

    @cached_property
    def last(self) -> Compiled[[FloatArray, int, int, FloatArray], _kernels.SignalOf]:
        """Compiled: what `evaluate` says of one candle, refused entries among the actions."""
        return instance(_kernels.last, self.name, {"_evaluate": self._evaluate})

    def _wire(self, feature: Feature) -> Wire:
        args = [self.index[name] for name in feature.args]
        switches = [self.index[name] for name in feature.only_if] or [ALWAYS]
        args += [ALWAYS] * (MAX_ARGS - len(args))
        switches += [NEVER] * (MAX_SWITCHES - len(switches))
        a, b, c = args
        d, e, f, g, h = switches
        return a, b, c, d, e, f, g, h
