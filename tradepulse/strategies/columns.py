"""Columns that any Python function computes: NumPy, polars, TA-Lib.

What such a function says of a row may depend on where its array begins, in the last digits or far
more. So where it begins follows from the candle's time alone: candles lie in blocks of `rows` by
their `open_time`, and a row is computed from the beginning of the block before its own. A live
window and all candles then give the same, to the bit. Where none is missing each row sees more than
`rows` and at most `2 * rows` candles; after a hole of so many the function begins anew.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any, Unpack
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.strategies._feature import AGE, Feature, Source
from tradepulse.strategies.faults import StrategyError, named
from tradepulse.strategies.market import columns_of

FloatArray = NDArray[np.float64]


def column(
    function: Callable[..., FloatArray],
    *params: str,
    rows: int,
    only_if: tuple[str, ...] = (),
    **source: Unpack[Source],
) -> Feature:
    """Return a feature that a Python function computes; it need not compile.

    Args:
        function: `(c, *values) -> float64 (n,)`; `c` is `Market`, to be read only. Row i may
            depend on rows up to i only.
        params: names of the parameters whose values it gets, as floats.
        rows: whole number of candles, at least 1, after which its values have forgotten where they
            began. Fewer make them less accurate, and never different live.
        only_if: as `Feature`.
        source: as `Feature`.

    Raises:
        ValueError: `rows` is no whole number of at least 1.
    """
    found = columns(function, *params, names=("",), rows=rows, only_if=only_if, **source)
    return found[""]


def columns(
    function: Callable[..., FloatArray | Sequence[FloatArray]],
    *params: str,
    names: tuple[str, ...],
    rows: int,
    only_if: tuple[str, ...] = (),
    **source: Unpack[Source],
) -> dict[str, Feature]:
    """Return features that one Python function computes together.

        features={"fast": sma("fast"), **columns(bands, "n", names=("upper", "lower"), rows=50)}

    Args:
        function: as of `column`; it returns as many columns as there are names.
        params: as of `column`.
        names: of the features.
        rows: as of `column`.
        only_if: as `Feature`.
        source: as `Feature`.

    Raises:
        ValueError: `rows` is no whole number of at least 1, or there are no names.
    """
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise ValueError(
            f"column {function.__name__}: rows is {rows!r}; give a whole number of candles"
        )
    if isinstance(names, str) or not names:
        raise ValueError(
            f"column {function.__name__}: names is {names!r}; give names, as ('upper', 'lower')"
        )
    together = _InBlocks(function, rows, len(names))
    return {
        name: Feature(
            AGE, params, lambda *_: 2 * rows, only_if, **source, python=_Part(together, place)
        )
        for place, name in enumerate(names)
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One column of several that are computed together."""

    together: "_InBlocks"
    place: int

    def __call__(self, candles: Candles, values: Sequence[float]) -> FloatArray:
        found: FloatArray = self.together(candles, values)[self.place]
        return found


class _InBlocks:
    """The function, asked block by block; what it said last is remembered for its other columns."""

    def __init__(self, function: Callable[..., Any], rows: int, count: int) -> None:
        self._function = function
        self._rows = rows
        self._count = count
        self._last: tuple[ref[Candles], tuple[float, ...], FloatArray] | None = None

    def __call__(self, candles: Candles, values: Sequence[float]) -> FloatArray:
        """Return the columns over closed candles, float64 `(count, n)`.

        Raises:
            StrategyError: the function raises, or gives something else than as many floats.
        """
        if self._count == 1:
            return self._computed(candles, values)
        last, asked = self._last, tuple(values)
        if last is not None and last[0]() is candles and last[1] == asked:
            return last[2]
        found = self._computed(candles, values)
        self._last = ref(candles), asked, found
        return found

    def _computed(self, candles: Candles, values: Sequence[float]) -> FloatArray:
        out = np.full((self._count, len(candles)), np.nan)
        number = candles.open_time // timeframe_ms(candles.timeframe)
        block = number // self._rows
        begins = np.flatnonzero(np.diff(block, prepend=-1))
        ends = np.append(begins[1:], len(candles))
        firsts = np.searchsorted(number, (block[begins] - 1) * self._rows)
        for first, begin, end in zip(firsts, begins, ends, strict=True):
            out[:, begin:end] = self._asked(candles.rows(first, end), values)[:, begin - first :]
        return out

    def _asked(self, candles: Candles, values: Sequence[float]) -> FloatArray:
        name = self._function.__name__
        try:
            said = self._function(columns_of(candles), *values)
            found = np.asarray((said,) if self._count == 1 else said, dtype=np.float64)
        except Exception as error:
            raise StrategyError(
                f"column {name}{self._line(error)} raises {named(error)}"
            ) from error
        if found.shape != (self._count, len(candles)):
            shape = found.shape[1:] if self._count == 1 else found.shape
            each = "" if self._count == 1 else f" in each of {self._count} columns"
            raise StrategyError(
                f"column {name} gives an array {shape} for {len(candles)} candles; it must give one"
                f" float for each candle{each}"
            )
        return found

    def _line(self, error: Exception) -> str:
        """Name the last line of the function's own file that the error came through."""
        file = inspect.getsourcefile(self._function)
        lines = [one.lineno for one in extract_tb(error.__traceback__) if one.filename == file]
        return f", {Path(file).name} line {lines[-1]}," if file and lines else ""
