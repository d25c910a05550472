"""Columns as a strategy is shown them: compiled code that writes into one does not compile."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return a view that can only be read, in one memory layout.

    Compiled code knows arrays that may be written to from others, and the layouts, and is compiled
    for each: so one compiled variant serves all callers.
    """
    shown = np.ascontiguousarray(array).view()
    shown.flags.writeable = False
    return shown
