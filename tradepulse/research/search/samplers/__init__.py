"""Which parameter sets a search tries next, from what it has learnt of those before."""

from collections.abc import Callable, Mapping

import numpy as np

from tradepulse.research.search.samplers._plain import QuasiRandom, Random
from tradepulse.research.search.samplers._sampler import Sampler
from tradepulse.research.search.samplers._sources import Cube, Listed, Proposer
from tradepulse.research.search.samplers._space import Space
from tradepulse.research.space import grid_within
from tradepulse.strategies import Strategy

__all__ = ["METHODS", "ONE_GOAL", "Sampler", "make_sampler"]

Proposers = Callable[[int, int, int, np.random.Generator], Proposer]
"""What makes a proposer of axes, trials, goals and random numbers."""
_PLAIN: Mapping[str, Proposers] = {"random": Random, "quasi_random": QuasiRandom}
METHODS = (
    "grid",
    *_PLAIN,
    "bayesian",
    "cma_es",
    "differential_evolution",
    "nsga2",
)
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
    proposer = _proposers(method)(space.dimensions, trials, goals, proposing)
    return Sampler(Cube(space, proposer, goals, filling), trials, goals)


def _proposers(method: str) -> Proposers:
    if method in _PLAIN:
        return _PLAIN[method]
    # the libraries take seconds to import, which only a search that needs them should wait for
    if method in {"bayesian", "nsga2"}:
        from tradepulse.research.search.samplers import _optuna  # noqa: PLC0415 - see above

        return {"bayesian": _optuna.parzen_estimator, "nsga2": _optuna.non_dominated_sorting}[
            method
        ]
    from tradepulse.research.search.samplers import _nevergrad  # noqa: PLC0415 - see above

    return {
        "cma_es": _nevergrad.covariance_matrix,
        "differential_evolution": _nevergrad.differential_evolution,
    }[method]
