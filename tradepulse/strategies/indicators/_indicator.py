"""What an indicator is: a pass over rows that goes on from a state."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles

FloatArray = NDArray[np.float64]
State = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Indicator:
    """One indicator with its lengths chosen.

    Attributes:
        name: as in `macd(12, 26, 9)`.
        columns: what it reads of a candle: attributes of `Candles` and of one candle.
        fields: names of its values.
        rows: `(*columns, *arguments, state) -> (one array for each field, state)`.
        arguments: lengths and factors.
        begin: makes the state before the first row. A state may hold buffers, so each run gets
            its own.
    """

    name: str
    columns: tuple[str, ...]
    fields: tuple[str, ...]
    rows: Callable[..., tuple[tuple[FloatArray, ...], State]]
    arguments: tuple[float, ...]
    begin: Callable[[], State]

    def of(self, candles: Candles) -> tuple[FloatArray, ...]:
        """Return float64 `(n,)` for each of `fields`; NaN in the rows before its first value."""
        return self.over(*(getattr(candles, name) for name in self.columns))

    def over(self, *columns: NDArray[Any]) -> tuple[FloatArray, ...]:
        """Return what `of` does, from the columns themselves, each `(n,)` and without NaN.

        Raises:
            ValueError: not as many columns as the indicator reads, or not equally long.
        """
        lengths = {len(column) for column in columns}
        if len(columns) != len(self.columns) or len(lengths) != 1:
            raise ValueError(
                f"{self.name} reads {', '.join(self.columns)}, equally long; it was given columns "
                f"of {', '.join(str(len(column)) for column in columns) or 'nothing'} rows"
            )
        values, _ = self.rows(
            *(np.ascontiguousarray(column) for column in columns), *self.arguments, self.begin()
        )
        return values

    def live(self) -> "Live":
        """Start the incremental form, before its first candle."""
        return Live(self)


class Live:
    """An indicator that is told one candle after another."""

    def __init__(self, indicator: Indicator) -> None:
        self.indicator = indicator
        self._state = indicator.begin()

    def update(self, candle: Any) -> tuple[float, ...]:
        """Take the next candle and return the values at its close, one for each of `fields`.

        Args:
            candle: anything with the indicator's `columns` as attributes, as `CandleClosed`.

        Returns:
            NaN where there are too few candles yet.
        """
        columns = (np.array([getattr(candle, name)]) for name in self.indicator.columns)
        values, self._state = self.indicator.rows(*columns, *self.indicator.arguments, self._state)
        return tuple(float(value[0]) for value in values)


def windowed(
    name: str,
    columns: tuple[str, ...],
    fields: tuple[str, ...],
    memory: int,
    function: Callable[..., tuple[FloatArray, ...]],
) -> Indicator:
    """Make an indicator of a function that strategies' features are made of, too.

    Args:
        name: as in `Indicator`.
        columns: as in `Indicator`.
        fields: as in `Indicator`.
        memory: how many rows, the last included, a row depends on, to the bit. So the state is
            the `memory - 1` rows before.
        function: `(*columns) -> (one array for each field)`, over any number of rows.
    """

    def rows(*given: Any) -> tuple[tuple[FloatArray, ...], State]:
        new, before = given[:-1], given[-1]
        whole = [np.concatenate(parts) for parts in zip(before, new, strict=True)]
        values = function(*whole)
        kept = tuple(column[max(0, len(column) - memory + 1) :] for column in whole)
        return tuple(value[len(before[0]) :] for value in values), kept

    return Indicator(name, columns, fields, rows, (), lambda: (np.empty(0),) * len(columns))


def window_of(name: str, value: int, least: int = 1) -> int:
    """Return a window's length.

    Raises:
        ValueError: it is not a whole number of at least `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} is {value!r}; it must be a whole number of at least {least}")
    return int(value)


def factor_of(name: str, value: float) -> float:
    """Return a factor.

    Raises:
        ValueError: it is not a finite number above 0.
    """
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} is {value!r}; it must be a number above 0")
    return float(value)
