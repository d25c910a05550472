"""Columns that any Python function computes: NumPy, polars, TA-Lib.

What such a function says of a row may depend on where its array begins, in the last digits or far
more. So where it begins follows from the candle's time alone: candles lie in blocks of `rows` by
their `open_time`, and a row is computed from the beginning of the block before its own. A live
window and all candles then give the same, to the bit. Where none is missing each row sees more than
`rows` and at most `2 * rows` candles; after a hole of so many the function begins anew.
"""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from traceback import extract_tb
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.strategies.faults import StrategyError, named
from tradepulse.strategies.features import AGE, Feature, Source
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
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise ValueError(
            f"column {function.__name__}: rows is {rows!r}; give a whole number of candles"
        )
    return Feature(
        AGE, params, lambda *_: 2 * rows, only_if, **source, python=_InBlocks(function, rows)
    )


class _InBlocks:
    """The function, asked block by block."""

    def __init__(self, function: Callable[..., FloatArray], rows: int) -> None:
        self._function = function
        self._rows = rows

    def __call__(self, candles: Candles, values: Sequence[float]) -> FloatArray:
        """Return the column over closed candles, float64 `(n,)`.

        Raises:
            StrategyError: the function raises, or gives something else than as many floats.
        """
        out = np.full(len(candles), np.nan)
        number = candles.open_time // timeframe_ms(candles.timeframe)
        block = number // self._rows
        begins = np.flatnonzero(np.diff(block, prepend=-1))
        ends = np.append(begins[1:], len(candles))
        firsts = np.searchsorted(number, (block[begins] - 1) * self._rows)
        for first, begin, end in zip(firsts, begins, ends, strict=True):
            out[begin:end] = self._asked(candles.rows(first, end), values)[begin - first :]
        return out

    def _asked(self, candles: Candles, values: Sequence[float]) -> FloatArray:
        name = self._function.__name__
        try:
            found = np.asarray(self._function(columns_of(candles), *values), dtype=np.float64)
        except Exception as error:
            raise StrategyError(
                f"column {name}{self._line(error)} raises {named(error)}"
            ) from error
        if found.shape != (len(candles),):
            raise StrategyError(
                f"column {name} gives an array {found.shape} for {len(candles)} candles; it must"
                " give one float for each candle"
            )
        return found

    def _line(self, error: Exception) -> str:
        """Name the last line of the function's own file that the error came through."""
        file = inspect.getsourcefile(self._function)
        lines = [one.lineno for one in extract_tb(error.__traceback__) if one.filename == file]
        return f", {Path(file).name} line {lines[-1]}," if file and lines else ""
