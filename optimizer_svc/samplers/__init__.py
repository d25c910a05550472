"""Which parameter sets a search tries next, from what it has learnt of those before."""

from collections.abc import Callable, Mapping

import numpy as np

from optimizer_svc.samplers._bayesian import ParzenEstimator
from optimizer_svc.samplers._evolution import (
    CovarianceMatrixAdaptation,
    DifferentialEvolution,
    NonDominatedSorting,
)
from optimizer_svc.samplers._plain import QuasiRandom, Random
from optimizer_svc.samplers._sampler import Sampler
from optimizer_svc.samplers._sources import Cube, Listed, Proposer
from optimizer_svc.samplers._space import Space
from tradepulse.trading.search import grid_within
from tradepulse.trading.strategies import Strategy

__all__ = ["METHODS", "ONE_GOAL", "Sampler", "make_sampler"]

_PROPOSERS: Mapping[str, Callable[[int, int, np.random.Generator], Proposer]] = {
    "random": Random,
    "quasi_random": QuasiRandom,
    "bayesian": ParzenEstimator,
    "cma_es": CovarianceMatrixAdaptation,
    "differential_evolution": DifferentialEvolution,
    "nsga2": NonDominatedSorting,
}
METHODS = ("grid", *_PROPOSERS)
"""The names that `make_sampler` knows."""
ONE_GOAL = frozenset({"cma_es", "differential_evolution"})
"""Those that cannot trade two goals off."""


def make_sampler(
    method: str,
    strategy: Strategy,
    fixed: Mapping[str, float],
    *,
    trials: int,
    seed: int,
    goals: int = 1,
) -> Sampler:
    """Return a new sampler; the same arguments and answers always give the same parameter sets.

    Args:
        method: one of `METHODS`.
        strategy: whose parameters to search.
        fixed: values of parameters that are not varied.
        trials: the most parameter sets it asks for; a small space may end before.
        seed: of everything random, 0 or more.
        goals: losses of each set, 1 or 2.

    Raises:
        ValueError: the method is unknown or has one goal only, a number is out of range, the space
            is empty or a fixed name or value is wrong.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; known are {', '.join(METHODS)}")
    if trials < 1:
        raise ValueError(f"{trials} trials; at least 1 is needed")
    if goals not in {1, 2}:
        raise ValueError(f"{goals} goals; a search has 1 or 2")
    if goals > 1 and method in ONE_GOAL:
        able = ", ".join(name for name in METHODS if name not in ONE_GOAL)
        raise ValueError(f"{method} has one goal; for {goals} take one of {able}")
    if method == "grid":
        return Sampler(Listed(grid_within(strategy, trials, fixed)), trials, goals)
    space = Space(strategy, fixed)
    # two streams of one seed: what one draws does not depend on how often the other does
    proposing, filling = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    if space.listed is not None and len(space.listed) <= trials:
        # all of it will be tried, so there is nothing to choose but the order
        sets = list(space.listed.values())
        return Sampler(Listed([sets[i] for i in filling.permutation(len(sets))]), trials, goals)
    proposer = _PROPOSERS[method](space.dimensions, trials, proposing)
    return Sampler(Cube(space, proposer, goals, filling), trials, goals)
