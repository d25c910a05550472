"""Samplers of optuna: a tree-structured Parzen estimator, and NSGA-II."""

import warnings

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from optuna.samplers.nsgaii import PolynomialMutation, SBXCrossover
from optuna.trial import Trial, TrialState

from tradepulse.research.search.samplers._sampler import FloatArray
from tradepulse.research.search.samplers._sources import Fresh, population

REDRAWS = 3
"""Trials asked for until one is fresh, before a random point is taken; each takes milliseconds."""
POINTS = 20
"""Random points of which the first fresh one is taken."""
PARZEN_BATCH = 10

# its handler is its own, so nobody else's logs change; else it reports every study and trial
optuna.logging.set_verbosity(optuna.logging.WARNING)
with warnings.catch_warnings():
    # those of the paper, without state; they say that they are new, here and not in each search
    warnings.simplefilter("ignore")
    CROSSOVER, MUTATION = SBXCrossover(), PolynomialMutation()


class Study:
    """A study in memory, one parameter for each axis.

    Args:
        sampler: whose points to propose.
        batch: points in a generation.
        axes: of the cube.
        goals: 1 or 2.
        rng: of the points that the sampler does not propose.
    """

    def __init__(
        self, sampler: BaseSampler, batch: int, axes: int, goals: int, rng: np.random.Generator
    ) -> None:
        self.batch = batch
        self._study = optuna.create_study(sampler=sampler, directions=["minimize"] * goals)
        self._axes: dict[str, BaseDistribution] = {
            f"x{axis}": FloatDistribution(0, 1) for axis in range(axes)
        }
        self._rng = rng
        self._asked: list[Trial] = []

    def propose(self, fresh: Fresh) -> FloatArray:
        """See `Proposer`."""
        self._asked = [self._ask(fresh) for _ in range(self.batch)]
        return np.stack([self._point(trial) for trial in self._asked])

    def learn(self, _points: FloatArray, losses: FloatArray, violation: FloatArray) -> None:
        """See `Proposer`."""
        for trial, row, amount in zip(self._asked, losses, violation, strict=True):
            trial.set_constraint("violation", amount)
            # what is not allowed is ordered by its violation alone, but NaN would be an error
            self._study.tell(trial, row.tolist() if amount == 0 else [0.0] * len(row))

    def _ask(self, fresh: Fresh) -> Trial:
        for _ in range(REDRAWS):
            trial = self._study.ask(self._axes)
            if fresh(self._point(trial)):
                return trial
            self._study.tell(trial, state=TrialState.FAIL)
        # where all is known that is promising, something else is worth more than a repeat
        points = self._rng.random((POINTS, len(self._axes)))
        point = next(filter(fresh, points), points[0])
        self._study.enqueue_trial(dict(zip(self._axes, point.tolist(), strict=True)))
        return self._study.ask(self._axes)

    def _point(self, trial: Trial) -> FloatArray:
        return np.array([trial.params[name] for name in self._axes])


def parzen_estimator(axes: int, _trials: int, goals: int, rng: np.random.Generator) -> Study:
    """Return a study that proposes where good points are dense and others are not.

    Source: J. Bergstra, R. Bardenet, Y. Bengio and B. Kegl, "Algorithms for Hyper-Parameter
    Optimization" (2011); S. Watanabe, arXiv:2304.11127 (2023).
    """
    sampler = TPESampler(seed=int(rng.integers(2**32)))
    return Study(sampler, PARZEN_BATCH, axes, goals, rng)


def non_dominated_sorting(axes: int, trials: int, goals: int, rng: np.random.Generator) -> Study:
    """Return a study whose members cross and mutate; the best fronts live on.

    Source: K. Deb, A. Pratap, S. Agarwal and T. Meyarivan, "A Fast and Elitist Multiobjective
    Genetic Algorithm: NSGA-II" (2002), with its simulated binary crossover and polynomial mutation.
    """
    batch = population(trials, 12, least=10)
    sampler = NSGAIISampler(
        population_size=batch,
        crossover=CROSSOVER,
        mutation=MUTATION,
        seed=int(rng.integers(2**32)),
    )
    return Study(sampler, batch, axes, goals, rng)
