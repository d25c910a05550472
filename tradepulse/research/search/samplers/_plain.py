"""Points that do not depend on what was found."""

import numpy as np

from tradepulse.research.search.samplers._sampler import FloatArray
from tradepulse.research.search.samplers._sources import Fresh

BATCH = 128
"""Points of a generation; a power of two keeps a Sobol sequence balanced."""


class Random:
    """Independent draws, evenly over the cube."""

    batch = BATCH

    def __init__(self, axes: int, _trials: int, _goals: int, rng: np.random.Generator) -> None:
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

    def __init__(self, axes: int, _trials: int, _goals: int, rng: np.random.Generator) -> None:
        from scipy.stats import qmc  # noqa: PLC0415 - half a second, and only this method needs it

        self._sequence = qmc.Sobol(axes, scramble=True, rng=rng)

    def propose(self, _fresh: Fresh) -> FloatArray:
        """See `Proposer`."""
        return np.asarray(self._sequence.random(BATCH))

    def learn(self, points: FloatArray, losses: FloatArray, violation: FloatArray) -> None:
        """Learn nothing."""
