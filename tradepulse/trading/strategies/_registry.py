"""What a strategy is, and which there are."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradepulse.trading.candles import Candles

FloatArray = NDArray[np.float64]
ActionArray = NDArray[np.int8]
Kernel = Callable[
    [FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray],
    tuple[ActionArray, FloatArray, FloatArray],
]
Params = Mapping[str, float]

NONE = 0
ENTER_LONG = 1
ENTER_SHORT = -1
EXIT = 2


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
    """

    name: str
    low: float
    high: float
    integer: bool = False
    log: bool = False
    searched: bool = True

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


@dataclass(frozen=True, slots=True, eq=False)
class Evaluations:
    """What a strategy says at the close of each candle.

    Attributes:
        action: int8 `(n,)`: `NONE`, `ENTER_LONG`, `ENTER_SHORT` or `EXIT`.
        stop: float64 `(n,)`, stop price of an entry; NaN where there is none.
        take_profit: float64 `(n,)`, target price of an entry; NaN where there is none.
    """

    action: ActionArray
    stop: FloatArray
    take_profit: FloatArray


def _no_rule(_params: Params) -> str | None:
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Strategy:
    """A kernel with its parameters.

    Attributes:
        name: key in the registry and in every configuration.
        space: the parameters, in the order of the kernel's vector.
        defaults: a value for each parameter.
        kernel: `(open, high, low, close, volume, params) -> (action, stop, take_profit)`.
        description: the idea and its source.
    """

    name: str
    space: tuple[Param, ...]
    defaults: Mapping[str, float]
    kernel: Kernel
    description: str
    lookback_rule: Callable[[Params], int]
    constraint: Callable[[Params], str | None] = _no_rule

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
        try:
            whole = {
                param.name: param.check(params.get(param.name, self.defaults[param.name]))
                for param in self.space
            }
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        problem = self.constraint(whole)
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
        """Return the kernel's parameter vector, float64 `(len(space),)`.

        Raises:
            ValueError: as `complete`.
        """
        return np.array(list(self.complete(params).values()), dtype=np.float64)

    def lookback(self, params: Params) -> int:
        """Return how many candles, the last included, a row's output depends on.

        Rows with fewer have action `NONE`.

        Raises:
            ValueError: as `complete`.
        """
        return self.lookback_rule(self.complete(params))

    def run(self, candles: Candles, params: Params) -> Evaluations:
        """Evaluate every candle of a series.

        Raises:
            ValueError: as `complete`.
        """
        return self.evaluate(candles, self.vector(params))

    def evaluate(self, candles: Candles, vector: FloatArray) -> Evaluations:
        """Evaluate every candle of a series with parameters from `vector()`."""
        # one memory layout, so that one compiled variant serves all callers
        action, stop, take_profit = self.kernel(
            np.ascontiguousarray(candles.open),
            np.ascontiguousarray(candles.high),
            np.ascontiguousarray(candles.low),
            np.ascontiguousarray(candles.close),
            np.ascontiguousarray(candles.volume),
            vector,
        )
        return Evaluations(action, stop, take_profit)


STRATEGIES: dict[str, Strategy] = {}


def strategy(
    *,
    name: str,
    space: tuple[Param, ...],
    defaults: Mapping[str, float],
    lookback: Callable[[Params], int],
    constraint: Callable[[Params], str | None] = _no_rule,
) -> Callable[[Kernel], Kernel]:
    """Register the decorated kernel as a strategy.

    The output of row i may depend on the last `lookback(params)` rows up to i only, to the bit:
    live trading runs the kernel over a window, the backtest over all rows. Fewer rows give no
    action. So sum over fixed windows in a fixed order (`_windows.py`), never by running sums or
    smoothing from the array's start.

    Args:
        name: unique name.
        space: parameters in the order of the kernel's vector.
        defaults: a value for every parameter.
        lookback: rows needed, from the complete parameters.
        constraint: says what is wrong among parameters that are each within bounds, else None.

    Raises:
        ValueError: the name is taken, or the defaults do not fit the space.
    """

    def register(kernel: Kernel) -> Kernel:
        if name in STRATEGIES:
            raise ValueError(f"two strategies are called {name!r}")
        for param in space:
            if not (math.isfinite(param.low) and param.low <= param.high < math.inf):
                raise ValueError(f"{name}: bounds of {param.name!r} are empty or infinite")
        if set(defaults) != {param.name for param in space}:
            raise ValueError(f"{name}: defaults and space name different parameters")
        found = Strategy(
            name=name,
            space=space,
            defaults=dict(defaults),
            kernel=kernel,
            description=(kernel.__doc__ or "").strip(),
            lookback_rule=lookback,
            constraint=constraint,
        )
        found.complete({})
        STRATEGIES[name] = found
        return kernel

    return register


def get_strategy(name: str) -> Strategy:
    """Return a strategy by its name.

    Raises:
        ValueError: there is none of that name.
    """
    try:
        return STRATEGIES[name]
    except KeyError:
        known = ", ".join(strategy_names())
        raise ValueError(f"unknown strategy {name!r}; known are {known}") from None


def strategy_names() -> tuple[str, ...]:
    """Return the names of all strategies, sorted."""
    return tuple(sorted(STRATEGIES))
