"""Which of several results are better, for a sampler."""

import numpy as np

from optimizer_svc.samplers._sampler import FloatArray
from tradepulse.trading.objectives import IntArray, fronts


def order(losses: FloatArray, violation: FloatArray) -> IntArray:
    """Return the rows, best first; the lower row wins a tie.

    Allowed ones come before others, which are ordered by their violation (K. Deb, 2000). Of two
    goals, the earlier front is better, and in a front the less crowded row (K. Deb et al., 2002).

    Args:
        losses: float64 `(n, goals)`, finite where the violation is 0.
        violation: float64 `(n,)`.
    """
    allowed = violation == 0
    first = np.where(allowed, 0.0, np.inf)
    second = violation.copy()
    if losses.shape[1] == 1:
        second[allowed] = losses[allowed, 0]
    else:
        front = fronts(losses[allowed])
        first[allowed] = front
        second[allowed] = -_spacing(losses[allowed], front)
    return np.lexsort((second, first))


def _spacing(losses: FloatArray, front: IntArray) -> FloatArray:
    """Return how far each row is from its neighbours in its front; infinite at the ends."""
    spacing = np.zeros(len(losses))
    for number in range(int(front.max(initial=-1)) + 1):
        members = np.flatnonzero(front == number)
        for column in losses[members].T:
            sequence = members[np.argsort(column, kind="stable")]
            values = np.sort(column)
            span = values[-1] - values[0]
            spacing[sequence[[0, -1]]] = np.inf
            if span > 0:
                spacing[sequence[1:-1]] += (values[2:] - values[:-2]) / span
    return spacing
