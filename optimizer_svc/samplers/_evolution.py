"""Populations that move to where the results are better."""

import math
from functools import partial

import numpy as np
from cmaes import CMA  # type: ignore[import-untyped]  # has no types

from optimizer_svc.samplers._order import order
from optimizer_svc.samplers._plain import anywhere, redraw, spread
from optimizer_svc.samplers._sampler import FloatArray
from optimizer_svc.samplers._sources import Fresh
from tradepulse.trading.objectives import IntArray

LARGEST = 50
"""Greatest population: beyond it, generations are worth more than members."""


def _population(trials: int, generations: int, least: int) -> int:
    return min(max(trials // generations, least), LARGEST)


class CovarianceMatrixAdaptation:
    """CMA-ES: a normal distribution that learns where to go and how axes hang together.

    Begins in the middle, and anew at a random place when it has converged, which among whole
    numbers is when it finds nothing new. Source: N. Hansen,
    "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772 (2016), as in the package cmaes.
    """

    def __init__(self, axes: int, trials: int, rng: np.random.Generator) -> None:
        self._axes = axes
        self._rng = rng
        self.batch = _population(trials, 50, least=4 + math.floor(3 * math.log(axes)))
        self._search = self._begin(np.full(axes, 0.5))

    def _begin(self, mean: FloatArray) -> CMA:
        return CMA(
            mean=mean,
            sigma=0.25,
            bounds=np.tile([0.0, 1.0], (self._axes, 1)),
            seed=int(self._rng.integers(2**32)),
            population_size=self.batch,
        )

    def propose(self, fresh: Fresh) -> FloatArray:
        """See `Proposer`."""
        points = [redraw(self._search.ask, fresh) for _ in range(self.batch)]
        if not any(map(fresh, points)):
            self._search = self._begin(self._rng.random(self._axes))
            points = [redraw(self._search.ask, fresh) for _ in range(self.batch)]
        return np.stack(points)

    def learn(self, points: FloatArray, losses: FloatArray, violation: FloatArray) -> None:
        """See `Proposer`."""
        # it uses no more than the ranks, so that constraints can be part of them
        rank = np.empty(len(points))
        rank[order(losses, violation)] = np.arange(len(points))
        self._search.tell(list(zip(points, rank.tolist(), strict=True)))
        if self._search.should_stop():
            self._search = self._begin(self._rng.random(self._axes))


class DifferentialEvolution:
    """JADE: each member moves towards one of the best, and by the difference of two others.

    How far, and along how many axes, is learnt from what succeeded. Source: J. Zhang and
    A. C. Sanderson, "JADE: Adaptive Differential Evolution with Optional External Archive" (2009),
    with a success after K. Deb's rules (2000): allowed before not, then by violation or loss.
    """

    LEARNT = 0.1
    """Share of a generation in what is learnt."""
    TOP = 5
    """One in so many members is one of the best."""

    def __init__(self, axes: int, trials: int, rng: np.random.Generator) -> None:
        self._axes = axes
        self._rng = rng
        self.batch = _population(trials, 25, least=10)
        self._members = np.empty((0, axes))
        self._losses = np.empty((0, 1))
        self._violation = np.empty(0)
        self._archive = np.empty((0, axes))
        self._mean_step, self._mean_rate = 0.5, 0.9
        self._steps, self._rates = np.empty(self.batch), np.empty(self.batch)

    def propose(self, fresh: Fresh) -> FloatArray:
        """See `Proposer`."""
        if len(self._members) == 0:
            return spread(self._axes, self.batch, self._rng, fresh)
        best = order(self._losses, self._violation)[: self.batch // self.TOP]
        others = np.concatenate([self._members, self._archive])
        moves = (partial(self._moved, row, best, others) for row in range(self.batch))
        return np.stack([redraw(move, fresh, anywhere(self._axes, self._rng)) for move in moves])

    def _moved(self, row: int, best: IntArray, others: FloatArray) -> FloatArray:
        rng = self._rng
        step = 0.0
        while step <= 0:
            step = min(1.0, self._mean_step + 0.1 * rng.standard_cauchy())
        rate = min(max(rng.normal(self._mean_rate, 0.1), 0.0), 1.0)
        self._steps[row], self._rates[row] = step, rate

        here = self._members[row]
        towards = self._members[rng.choice(best)] - here
        difference = self._members[rng.integers(self.batch)] - rng.choice(others)
        there = here + step * (towards + difference)
        # half way back to the edge, so that the edge itself is not searched too often
        there = np.where(there < 0, here / 2, np.where(there > 1, (1 + here) / 2, there))
        taken = rng.random(self._axes) < rate
        taken[rng.integers(self._axes)] = True
        return np.asarray(np.where(taken, there, here))

    def learn(self, points: FloatArray, losses: FloatArray, violation: FloatArray) -> None:
        """See `Proposer`."""
        if len(self._members) == 0:
            self._members, self._losses, self._violation = points, losses, violation
            return
        loss = np.where(violation == 0, losses[:, 0], 0)
        former = np.where(self._violation == 0, self._losses[:, 0], 0)
        same = violation == self._violation
        better = (violation < self._violation) | same & (loss < former)
        if better.any():
            steps, rates = self._steps[better], self._rates[better]
            # the contraharmonic mean, as small steps succeed more often and win less
            step = float((steps**2).sum() / steps.sum())
            self._mean_step += self.LEARNT * (step - self._mean_step)
            self._mean_rate += self.LEARNT * (float(rates.mean()) - self._mean_rate)
            left = np.concatenate([self._archive, self._members[better]])
            kept = self._rng.permutation(len(left))[: self.batch]
            self._archive = left[kept]
        # equal ones too, or a population would never leave a level stretch
        replaced = better | same & (loss == former)
        self._members = np.where(replaced[:, None], points, self._members)
        self._losses = np.where(replaced[:, None], losses, self._losses)
        self._violation = np.where(replaced, violation, self._violation)


class NonDominatedSorting:
    """NSGA-II: the best of parents and children live on, by front and then by spacing.

    Source: K. Deb, A. Pratap, S. Agarwal and T. Meyarivan, "A Fast and Elitist Multiobjective
    Genetic Algorithm: NSGA-II" (2002), with its crossover (simulated binary) and mutation
    (polynomial) of K. Deb and R. B. Agrawal (1995) and K. Deb and M. Goyal (1996).
    """

    CROSSOVER = 15.0
    MUTATION = 20.0
    """The higher these two, the closer are children to their parents."""

    def __init__(self, axes: int, trials: int, rng: np.random.Generator) -> None:
        self._axes = axes
        self._rng = rng
        self.batch = _population(trials, 12, least=10)
        self._members = np.empty((0, axes))
        self._losses = np.empty((0, 1))
        self._violation = np.empty(0)

    def propose(self, fresh: Fresh) -> FloatArray:
        """See `Proposer`."""
        if len(self._members) == 0:
            return spread(self._axes, self.batch, self._rng, fresh)
        elsewhere = anywhere(self._axes, self._rng)
        return np.stack([redraw(self._child, fresh, elsewhere) for _ in range(self.batch)])

    def _parent(self) -> FloatArray:
        # a tournament of two: members stand in their order
        return np.asarray(self._members[self._rng.integers(self.batch, size=2).min()])

    def _child(self) -> FloatArray:
        rng = self._rng
        a, b = self._parent(), self._parent()
        power = 1 / (self.CROSSOVER + 1)
        # between the parents or beyond them, and nearer to the one or to the other
        apart = rng.random(self._axes) ** rng.choice((power, -power), self._axes)
        side = rng.choice((-1.0, 1.0), self._axes) * apart
        child = ((1 + side) * a + (1 - side) * b) / 2

        u = rng.uniform(-1, 1, self._axes)
        moved = np.sign(u) * (1 - (1 - np.abs(u)) ** (1 / (self.MUTATION + 1)))
        child += np.where(rng.random(self._axes) < 1 / self._axes, moved, 0)
        # what leaves the cube is reflected into it
        return np.asarray(np.clip(1 - np.abs(1 - np.abs(child)), 0, 1))

    def learn(self, points: FloatArray, losses: FloatArray, violation: FloatArray) -> None:
        """See `Proposer`."""
        if len(self._members) > 0:
            points = np.concatenate([self._members, points])
            losses = np.concatenate([self._losses, losses])
            violation = np.concatenate([self._violation, violation])
        best = order(losses, violation)[: self.batch]
        self._members, self._losses, self._violation = points[best], losses[best], violation[best]
