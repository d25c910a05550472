"""Minimum variance, long only, of a covariance that is shrunk as Ledoit and Wolf (2004) do.

skfolio's `MeanRisk` with scikit-learn's `LedoitWolf` does the same by a solver; a test compares
them.
"""

import numpy as np

from tradepulse.trading.policies.by_covariance import ByCovariance
from tradepulse.trading.policies.features import Floats

_DUST = 1e-12
"""A gain below this is rounding."""


class MinimumVariance(ByCovariance):
    """The long-only weights of the least variance."""

    name = "min_variance"

    def shares(self, returns: Floats) -> Floats:
        """Return what each column of returns (rows, instruments) has of 1."""
        covariance = ledoit_wolf(returns)
        # of any scale: so that what is dust is told by its size
        found = _least(covariance / np.diag(covariance).mean())
        shares: Floats = found / found.sum()
        return shares


def ledoit_wolf(returns: Floats) -> Floats:
    """Return the covariance of returns (rows, instruments), shrunk to a scaled identity."""
    rows, columns = returns.shape
    centred = returns - returns.mean(axis=0)
    covariance = centred.T @ centred / rows
    mean = float(np.trace(covariance)) / columns
    identity = mean * np.eye(columns)
    distance = float(np.square(covariance - identity).sum())
    squares = np.square(centred)
    noise = float((squares.T @ squares / rows - np.square(covariance)).sum()) / rows
    shrinkage = min(noise / distance, 1.0) if distance > 0 else 0.0
    found: Floats = (1.0 - shrinkage) * covariance + shrinkage * identity
    return found


def _least(matrix: Floats) -> Floats:
    """Return the x, not negative, of the least x'Mx/2 less the sum of x: minimum variance.

    By active sets, as Lawson and Hanson's (1974) for least squares.
    """
    size = len(matrix)
    # two that move as one to the last bit are told apart by nothing
    matrix = matrix + _DUST * np.eye(size)
    found = np.zeros(size)
    free = np.zeros(size, np.bool_)
    for _ in range(3 * size):
        gain = 1.0 - matrix @ found
        gain[free] = -np.inf
        best = int(np.argmax(gain))
        if gain[best] <= _DUST:
            break
        free[best] = True
        while True:
            wanted = np.zeros(size)
            wanted[free] = np.linalg.solve(matrix[np.ix_(free, free)], np.ones(int(free.sum())))
            below = free & (wanted <= 0)
            if not below.any():
                break
            # as far as the first of them allows, which is fixed at zero then
            way = found[below] / (found[below] - wanted[below])
            found += way.min() * (wanted - found)
            free[np.flatnonzero(below)[way == way.min()]] = False
            found[~free] = 0.0
        found = wanted
    return found
