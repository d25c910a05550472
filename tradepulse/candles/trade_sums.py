"""Sums of amounts as the venues make them: exact in decimals, rounded once at the end.

A venue adds decimal amounts, so that 0.1 and 0.2 make 0.3. Doubles added one after another make
0.30000000000000004, and after thousands of trades the last digits depend on their order; the
correctly rounded sum of the doubles (`math.fsum`) makes 0.30000000000000004 too. So each amount
stands here for the shortest decimal that reads as it (what `repr` writes, what the venue sent),
the decimals are added as whole numbers, and the sum is the double nearest to the exact result. It
does not depend on the order, and gives the volumes that venues recorded to the last bit.
"""

from decimal import Context, Decimal, Inexact
from typing import Final

import numpy as np
from numpy.typing import NDArray

_LOT_DIGITS: Final = 8
_LOTS: Final = 10**_LOT_DIGITS
_DIGITS: Final = (_LOT_DIGITS, 0, 4, 12, 15, 18)
"""Digits after the point that are tried, the usual first."""
_UNIQUE_BELOW: Final = 10**15
"""Of up to 15 digits one decimal alone reads as a given double: it is what `repr` writes."""
_EXACT_BELOW: Final = 2**53
"""Whole numbers below are exact as doubles, and a quotient of two such is rounded once."""
_EXACT: Final = Context(prec=1_000, traps=[Inexact])
"""Holds the digits of any sum of doubles: they reach from 1e-324 to 1e308."""


class ExactSum:
    """A sum of amounts, grown one at a time."""

    __slots__ = ("_lots", "_others")

    def __init__(self) -> None:
        self._lots = 0
        self._others = Decimal(0)

    def add(self, amount: float) -> None:
        """Add a finite amount, 0 or more."""
        lots = round(amount * _LOTS)
        if lots < _UNIQUE_BELOW and lots / _LOTS == amount:
            self._lots += lots
        else:
            self._others = _EXACT.add(self._others, Decimal(repr(amount)))

    def value(self) -> float:
        """Return the double nearest to the exact sum."""
        if not self._others:
            # of whole numbers of any size, Python rounds the quotient once
            return self._lots / _LOTS
        lots = _EXACT.scaleb(Decimal(self._lots), -_LOT_DIGITS)
        return float(_EXACT.add(lots, self._others))


def exact_sums(amounts: NDArray[np.float64], heads: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the sum of each run of amounts, the same as `ExactSum` gives.

    Args:
        amounts: float64 `(n,)`, finite, 0 or more.
        heads: intp `(m,)`, where each run begins: increasing, the first is 0.

    Returns:
        float64 `(m,)`.
    """
    sums = np.empty(len(heads))
    if not len(heads):
        return sums
    left = np.ones(len(heads), np.bool_)
    for digits in _DIGITS:
        scale = 10.0**digits
        # what is too large is infinite, and does not fit
        with np.errstate(over="ignore"):
            lots = np.rint(amounts * scale)
            totals = np.add.reduceat(lots, heads)
        fits = (lots < _UNIQUE_BELOW) & (lots / scale == amounts)
        plain = left & np.logical_and.reduceat(fits, heads) & (totals < _EXACT_BELOW)
        sums[plain] = totals[plain] / scale
        left &= ~plain
        if not left.any():
            return sums
    # runs of amounts that have no common precision, and sums of more than 15 digits
    ends = np.append(heads[1:], len(amounts))
    for run in np.flatnonzero(left):
        total = ExactSum()
        for amount in amounts[heads[run] : ends[run]].tolist():
            total.add(amount)
        sums[run] = total.value()
    return sums
