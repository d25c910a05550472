"""Points that do not depend on what was found."""

from collections.abc import Callable

import numpy as np
from scipy.stats import qmc

from optimizer_svc.samplers._sampler import FloatArray
from optimizer_svc.samplers._sources import Fresh

BATCH = 128
"""Points of a generation; a power of two keeps a Sobol sequence balanced."""
REDRAWS = 20
"""Draws for a fresh point before one is looked for elsewhere."""


class Random:
    """Independent draws, evenly over the cube."""

    batch = BATCH

    def __init__(self, axes: int, _trials: int, rng: np.random.Generator) -> None:
        self._axes = axes
        self._rng = rng

    def propose(self, _fresh: Fresh) -> FloatArray:
        """See `Proposer`."""
        return self._rng.random((BATCH, self._axes))

    def learn(self, points: FloatArray, losses: FloatArray, violation: FloatArray) -> None:
        """Learn nothing."""


class QuasiRandom:
    """A scrambled Sobol sequence: spread evenly, whatever number of points is taken.

    Source: I. M. Sobol (1967), scrambled after J. Matousek (1998).
    """

    batch = BATCH

    def __init__(self, axes: int, _trials: int, rng: np.random.Generator) -> None:
        self._sequence = qmc.Sobol(axes, scramble=True, rng=rng)

    def propose(self, _fresh: Fresh) -> FloatArray:
        """See `Proposer`."""
        return np.asarray(self._sequence.random(BATCH))

    def learn(self, points: FloatArray, losses: FloatArray, violation: FloatArray) -> None:
        """Learn nothing."""


def spread(axes: int, count: int, rng: np.random.Generator, fresh: Fresh) -> FloatArray:
    """Return evenly spread points to begin with, float64 `(count, axes)`, fresh where it can."""
    sequence = qmc.Sobol(axes, scramble=True, rng=rng)
    block = 1 << (count - 1).bit_length()
    points: list[FloatArray] = []
    for _ in range(REDRAWS):
        points += [point for point in sequence.random(block) if fresh(point)]
        if len(points) >= count:
            break
    points += list(rng.random((max(0, count - len(points)), axes)))
    return np.stack(points[:count])


def redraw(
    draw: Callable[[], FloatArray], fresh: Fresh, otherwise: Callable[[], FloatArray] | None = None
) -> FloatArray:
    """Return the first fresh point of `REDRAWS`, or of as many drawn otherwise, or any."""
    for source in (draw, otherwise or draw):
        for _ in range(REDRAWS):
            point = source()
            if fresh(point):
                return point
    return draw()


def anywhere(axes: int, rng: np.random.Generator) -> Callable[[], FloatArray]:
    """Return what draws from the whole cube."""
    return lambda: rng.random(axes)
