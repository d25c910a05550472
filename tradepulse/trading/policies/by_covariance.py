"""What weights by covariance share: who is known, whose returns stand beside whose, and budgets."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from tradepulse.trading.policies.features import Floats
from tradepulse.trading.weights import (
    LOOKBACK,
    checked_budget,
    equal_share,
    rounded,
)

_FEWEST = 2
"""Instruments that there is anything to be told of."""


class ByCovariance(ABC):
    """Weights out of the returns of all instruments beside one another, of one timeframe.

    An instrument with fewer than half of `lookback` returns, or with none but zero, has its equal
    share; the others share out the rest. Where fewer than two are known, or returns are too small
    or too large for a covariance, the weights are equal.

    Args:
        lookback: how many returns it looks at; where an instrument has fewer, at as many of all.
        budget: what the weights sum to.
    """

    name: str

    def __init__(self, lookback: int = LOOKBACK, budget: float = 1.0) -> None:
        self.lookback = lookback
        self.budget = checked_budget(budget)

    def weights(self, returns: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return weights that sum to the budget, each at most 1, rounded down.

        Args:
            returns: by instrument, those of one series each, the newest last.
        """
        instruments = sorted(returns)
        found = dict.fromkeys(instruments, equal_share(self.budget, len(instruments)))
        known = [one for one in instruments if self._is_known(returns[one])]
        if len(known) >= _FEWEST:
            length = min(self.lookback, *(len(returns[one]) for one in known))
            beside = np.column_stack([returns[one][-length:] for one in known])
            share = self.budget * len(known) / len(instruments)
            with np.errstate(all="ignore"):
                shares = self.shares(beside)
            # returns too small or too large for a covariance tell nothing
            if np.isfinite(shares).all():
                parts = zip(known, shares.tolist(), strict=True)
                found |= {one: min(share * part, 1.0) for one, part in parts}
        return {one: rounded(weight) for one, weight in found.items()}

    def _is_known(self, returns: Sequence[float]) -> bool:
        return 2 * len(returns) >= max(self.lookback, 4) and len(set(returns)) > 1

    @abstractmethod
    def shares(self, returns: Floats) -> Floats:
        """Return what each column of returns (rows, instruments) has of 1."""
