"""What a strategy says of a whole series."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tradepulse.strategies._kernels import ActionArray
from tradepulse.strategies._windows import FloatArray
from tradepulse.strategies.answers import (
    REFUSED_LIMIT,
    REFUSED_STOP,
    REFUSED_STOP_BEFORE_LIMIT,
    REFUSED_TARGET,
)
from tradepulse.strategies.compiled import row_by_row

REFUSALS = {
    REFUSED_STOP: "its stop is on the wrong side of the price",
    REFUSED_TARGET: "its target is on the wrong side of the price",
    REFUSED_LIMIT: "its limit is at or below zero",
    REFUSED_STOP_BEFORE_LIMIT: "its stop comes before its limit",
}
"""Why an entry is not made for its levels."""
NO_ROWS = np.empty(0, dtype=np.int64)
NO_REASONS = np.empty(0, dtype=np.int8)

_LONGEST = 1e9


@row_by_row
def step_ms(minutes: float, price: float) -> int:
    """Return how long after its entry a step of a falling target begins, ms; -1 for no step.

    A step of NaN, of a price at or below zero or of a time that nobody lives to see is none; one
    before the entry begins with it, one within a minute with the next minute, which is when the
    next candle may open.
    """
    # false for NaN
    if not (price > 0.0 and minutes < _LONGEST):
        return -1
    return math.ceil(max(minutes, 0.0)) * 60_000


@dataclass(frozen=True, slots=True, eq=False)
class Evaluations:
    """What a strategy says at the close of each candle. Levels are NaN where there are none.

    Attributes:
        action: int8 `(n,)`: `NONE`, `ENTER_LONG`, `ENTER_SHORT`, `EXIT` or `MOVE`.
        stop: float64 `(n,)`, stop price of an entry, or where `MOVE` moves the stop to.
        take_profit: float64 `(n,)`, target price of an entry.
        limit: float64 `(n,)`, limit price of an entry; NaN for an entry at market.
        trail: float64 `(n,)`, how far an entry's stop trails, in the price's unit.
        max_candles: candles after which a position is left, 0 for no such end.
        refused: int64 `(m,)`, rows of entries that are not made for their levels; their action
            is `NONE`.
        refused_for: int8 `(m,)`, keys of `REFUSALS`.
        confidence: float64 `(n,)`, of entries, above 0, at most 1; NaN, or None for all, is 1.
        targets: float64 `(8, n)`, the falling target of entries: minutes since the entry and price
            of each step in turn, see `step_ms`; None where the strategy gives none.
        cooldown: candles after a stop for which nothing is entered, 0 for none.
    """

    action: ActionArray
    stop: FloatArray
    take_profit: FloatArray
    limit: FloatArray
    trail: FloatArray
    max_candles: int = 0
    refused: NDArray[np.int64] = field(default_factory=lambda: NO_ROWS)
    refused_for: NDArray[np.int8] = field(default_factory=lambda: NO_REASONS)
    confidence: FloatArray | None = None
    targets: FloatArray | None = None
    cooldown: int = 0
