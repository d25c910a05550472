"""Columns as a strategy is shown them: compiled code that writes into one does not compile."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles

FloatArray = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return a view that can only be read, in one memory layout.

    Compiled code knows arrays that may be written to from others, and the layouts, and is compiled
    for each: so one compiled variant serves all callers.
    """
    shown = np.ascontiguousarray(array).view()
    shown.flags.writeable = False
    return shown


def columns_of(
    candles: Candles,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return open, high, low, close and volume."""
    return (
        read_only(candles.open),
        read_only(candles.high),
        read_only(candles.low),
        read_only(candles.close),
        read_only(candles.volume),
    )
