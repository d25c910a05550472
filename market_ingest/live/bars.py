"""The figures of one live candle."""

from dataclasses import dataclass
from math import isclose

_ALIKE = 1e-9


@dataclass(frozen=True, slots=True)
class Bar:
    """The figures of one candle; `open_time` in epoch ms."""

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def is_alike(one: Bar, other: Bar) -> bool:
    """Tell whether two candles of a slot agree; sums of volume may differ in the last digits."""
    mine = (one.open, one.high, one.low, one.close, one.volume)
    theirs = (other.open, other.high, other.low, other.close, other.volume)
    return all(
        isclose(a, b, rel_tol=_ALIKE, abs_tol=1e-12) for a, b in zip(mine, theirs, strict=True)
    )
