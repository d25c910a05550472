"""What a feature is: a column, by the parameters that it is made from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from tradepulse.strategies._windows import FloatArray
from tradepulse.strategies.compiled import Compiled, compiled

MAX_FEATURES = 8
"""Columns that one strategy may read."""
MAX_ARGS = 3
"""Parameters that one feature may take."""

Args = tuple[float, float, float]
Column = Compiled[
    [FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, Args],
    FloatArray,
]


@dataclass(frozen=True, slots=True, init=False)
class Choice:
    """A timeframe that a parameter chooses: `Choice("trend_on", "4h", "1d")`, 0 for the first.

    Attributes:
        param: name of the parameter, of whole numbers from 0 on.
        timeframes: in the order of its values.
    """

    param: str
    timeframes: tuple[str, ...]

    def __init__(self, param: str, *timeframes: str) -> None:
        object.__setattr__(self, "param", param)
        object.__setattr__(self, "timeframes", timeframes)


@dataclass(frozen=True, slots=True)
class Feature:
    """One column, by the parameters it is made from.

    Attributes:
        function: `(open, high, low, close, volume, args) -> float64 (n,)`, compiled. `args` are
            three floats: the values of the parameters named below, then zeros.
        args: names of up to three parameters.
        rows: how many rows, the last included, a row of the column depends on; called with the
            values of the parameters. The column's rows before that are never read.
        only_if: names of parameters; where none of them is above 0 the column is not computed,
            and reads as NaN. Empty: always computed.
        on: a higher timeframe, of whose closed candles it is computed, or a choice of several; None
            for the series' own.
        of: another instrument that it is computed from, by its base, as `BTC`, or in full, as
            `kraken:BTC/USD`; None for the series' own.
        python: computes the column instead of `function`, see `columns.py`.
        is_age: the column is how old the value of such a feature is, in candles of its source.
    """

    function: Column
    args: tuple[str, ...]
    rows: Callable[..., int]
    only_if: tuple[str, ...] = ()
    on: str | Choice | None = None
    of: str | None = None
    is_age: bool = False
    python: Callable[..., FloatArray] | None = None

    @property
    def has_source(self) -> bool:
        """Whether it may be computed from other candles than those of the series."""
        return self.on is not None or self.of is not None or self.python is not None

    @property
    def timeframes(self) -> tuple[str, ...]:
        """The higher timeframes that it may be on."""
        if isinstance(self.on, Choice):
            return self.on.timeframes
        return () if self.on is None else (self.on,)

    @property
    def reads(self) -> tuple[str, ...]:
        """The parameters that it depends on: its arguments, and last the one that chooses."""
        return (*self.args, self.on.param) if isinstance(self.on, Choice) else self.args

    def chosen(self, values: Sequence[float]) -> "tuple[Feature, Sequence[float]]":
        """Return it on one timeframe, with the values of its arguments.

        Args:
            values: of the parameters that it `reads`.
        """
        if not isinstance(self.on, Choice):
            return self, values
        return replace(self, on=self.on.timeframes[int(values[-1])]), values[:-1]

    @property
    def timeframe(self) -> str | None:
        """The one that it is on, None for the series' own.

        Raises:
            TypeError: none is `chosen` yet.
        """
        if isinstance(self.on, Choice):
            raise TypeError(f"none of {', '.join(self.on.timeframes)} is chosen yet")
        return self.on


class Source(TypedDict, total=False):
    """Which candles a feature is computed from, see `Feature`."""

    on: str | Choice
    of: str


def padded(values: Sequence[float]) -> Args:
    """Return up to three arguments as a feature's function takes them."""
    a, b, c = (*values, 0.0, 0.0, 0.0)[:MAX_ARGS]
    return a, b, c


@compiled
def _no_column(
    open_: FloatArray,  # noqa: ARG001 - every feature has the same arguments
    high: FloatArray,  # noqa: ARG001
    low: FloatArray,  # noqa: ARG001
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001
    args: Args,  # noqa: ARG001
) -> FloatArray:
    return np.full(len(close), np.nan)


AGE = _no_column
"""Stands in for the function of a column that is worked out of times, see `sources.py`."""
