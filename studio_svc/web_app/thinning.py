"""Thins what is drawn; no peak and no fall is lost."""

import itertools

import numpy as np
from numpy.typing import NDArray


def extremes(values: NDArray[np.float64], limit: int) -> NDArray[np.intp]:
    """Choose at most `limit` row numbers that keep the first, the last and every extreme.

    The rows are cut into equal buckets and each gives its lowest and its highest, so a peak
    or a drawdown between two drawn points cannot be lost.

    Args:
        values: float64 `(n,)`.
        limit: at least 4.

    Returns:
        Row numbers, increasing, `(min(n, limit) or fewer,)`.
    """
    n = len(values)
    if n <= limit:
        return np.arange(n)
    edges = np.linspace(0, n, (limit - 2) // 2 + 1).astype(np.intp)
    chosen = {0, n - 1}
    for lo, hi in itertools.pairwise(edges.tolist()):
        chosen.add(lo + int(np.argmin(values[lo:hi])))
        chosen.add(lo + int(np.argmax(values[lo:hi])))
    return np.array(sorted(chosen), dtype=np.intp)
