"""Parameters of a strategy: their bounds, and those that every strategy has."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tradepulse.strategies._feature import Feature
from tradepulse.strategies.features import atr

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


def is_common_atr(feature: Feature) -> bool:
    """Tell whether a feature is the range that trail and limit are measured in."""
    own = feature.function is COMMON_ATR.function and feature.args == COMMON_ATR.args
    return own and not feature.has_source


def no_rule(_params: Params) -> str | None:
    """Find nothing wrong: the constraint of a strategy that has none."""
    return None
