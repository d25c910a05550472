"""Optimizers of nevergrad: CMA-ES and differential evolution."""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

import numpy as np

from tradepulse.research.search.samplers._sampler import FloatArray
from tradepulse.research.search.samplers._sources import Fresh, population

REDRAWS = 20
"""Candidates asked for until one is fresh, before a repeat is taken."""


@contextmanager
def aside() -> Iterator[None]:
    """Leave NumPy's global random numbers alone, of which nevergrad draws seeds that it drops."""
    state = np.random.get_state()  # noqa: NPY002 - what others may use
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002 - as above


with aside(), warnings.catch_warnings():
    # its CMA-ES imports this at its first use, and it would warn of missing matplotlib there
    warnings.simplefilter("ignore")
    import_module("cma")
    import nevergrad

Made = Callable[..., nevergrad.optimizers.base.Optimizer]


class Optimizer:
    """An optimizer of one goal over the unit cube.

    Args:
        made: what makes the optimizer of a space.
        batch: points in a generation.
        axes: of the cube.
        trials: the most there will be.
        rng: what seeds it.
    """

    def __init__(
        self, made: Made, batch: int, axes: int, trials: int, rng: np.random.Generator
    ) -> None:
        self.batch = batch
        self._made = made
        self._axes = axes
        self._trials = trials
        self._rng = rng
        self._search = self._begin()
        self._asked: list[nevergrad.p.Array] = []

    def _begin(self) -> nevergrad.optimizers.base.Optimizer:
        # of a single axis its CMA-ES is in another package; a second one that means nothing helps
        middle = np.full(max(self._axes, 2), 0.5)
        seeded = np.random.RandomState(self._rng.integers(2**32))
        with aside():
            space = nevergrad.p.Array(init=middle).set_mutation(sigma=1 / 6)
            # bounds that are given at once would have it begin around the middle only
            space.set_bounds(0.0, 1.0, full_range_sampling=True)
            space.random_state = seeded
            return self._made(space, budget=self._trials, num_workers=self.batch)

    def propose(self, fresh: Fresh) -> FloatArray:
        """See `Proposer`."""
        self._ask(fresh)
        if not any(fresh(self._point(candidate)) for candidate in self._asked):
            # converged, which among whole numbers is when it finds nothing new
            self._search = self._begin()
            self._ask(fresh)
        return np.stack([self._point(candidate) for candidate in self._asked])

    def learn(self, _points: FloatArray, losses: FloatArray, violation: FloatArray) -> None:
        """See `Proposer`."""
        for candidate, row, amount in zip(self._asked, losses, violation, strict=True):
            self._search.tell(candidate, _loss(float(row[0]), float(amount)))

    def _ask(self, fresh: Fresh) -> None:
        self._asked = []
        for _ in range(self.batch):
            for _ in range(REDRAWS):
                candidate = self._search.ask()
                if fresh(self._point(candidate)):
                    break
            self._asked.append(candidate)

    def _point(self, candidate: nevergrad.p.Array) -> FloatArray:
        return np.asarray(candidate.value[: self._axes])


def _loss(loss: float, violation: float) -> float:
    """Return one number that orders as K. Deb's rules (2000): allowed ones first.

    Both optimizers use nothing but the order, so no penalty has to be weighed.
    """
    # within 711 of 0 for every number there is
    return math.asinh(loss) if violation == 0 else 1_000 + math.atan(violation)


def covariance_matrix(axes: int, trials: int, _goals: int, rng: np.random.Generator) -> Optimizer:
    """Return CMA-ES: a normal distribution that learns where to go and how axes hang together.

    Source: N. Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772 (2016).
    """
    batch = population(trials, 50, least=4 + math.floor(3 * math.log(axes)))
    made = nevergrad.families.ParametrizedCMA(popsize=batch)
    return Optimizer(made, batch, axes, trials, rng)


def differential_evolution(
    axes: int, trials: int, _goals: int, rng: np.random.Generator
) -> Optimizer:
    """Return a population whose members move towards the best and by the difference of two others.

    A stretch of neighbouring axes is taken over. Source: R. Storn and K. Price, "Differential
    Evolution" (1997), in nevergrad's variant TwoPointsDE, which measured best.
    """
    batch = population(trials, 25, least=10)
    made = nevergrad.families.DifferentialEvolution(crossover="twopoints", popsize=batch)
    return Optimizer(made, batch, axes, trials, rng)
