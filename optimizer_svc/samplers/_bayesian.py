"""Bayesian search: a tree-structured Parzen estimator.

What was tried is split into the best and the rest, each is made a density, and the next point is
the one, of some drawn from the density of the best, at which it is largest over that of the rest:
the expected improvement rises with that ratio. Source: J. Bergstra, R. Bardenet, Y. Bengio and
B. Kegl, "Algorithms for Hyper-Parameter Optimization" (2011); kernels over all axes at once after
S. Falkner, A. Klein and F. Hutter (2018) and S. Watanabe, arXiv:2304.11127 (2023).
"""

import math

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

from optimizer_svc.samplers._order import order
from optimizer_svc.samplers._plain import anywhere, redraw, spread
from optimizer_svc.samplers._sampler import FloatArray
from optimizer_svc.samplers._sources import Fresh

BATCH = 10
CANDIDATES = 24
"""Points drawn for each that is proposed."""
BEST = {1: 0.1, 2: 0.3}
"""Share of what was tried that counts as the best, by goals: a front needs many points."""
MOST_BEST = {1: 25, 2: 100}
MOST_REST = 300
"""Points that make up the rest, so that a trial costs the same however many there were."""


class Density:
    """An even density and, of the same weight each, a normal one around every point.

    A normal one is cut off at the cube, and in each axis as wide as the point is far from its
    neighbours there.
    """

    def __init__(self, points: FloatArray) -> None:
        count = len(points)
        sequence = np.argsort(points, axis=0, kind="stable")
        ordered = np.take_along_axis(points, sequence, axis=0)
        gaps = np.diff(ordered, axis=0, prepend=0, append=1)
        if count > 1:
            # the edge of the cube is no neighbour, unless there is only one point
            gaps[[0, -1]] = 0
        width = np.empty_like(points)
        np.put_along_axis(width, sequence, np.maximum(gaps[:-1], gaps[1:]), axis=0)
        self._points = points
        self._width = np.clip(width, 1 / min(100, 2 + count), 1)
        inside = ndtr((1 - points) / self._width) - ndtr(-points / self._width)
        self._peak = -np.log(inside * self._width * math.sqrt(2 * math.pi)).sum(axis=1)

    def draw(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Return random points, float64 `(count, axes)`."""
        kernel = rng.integers(len(self._points) + 1, size=count)
        drawn = rng.random((count, self._points.shape[1]))
        normal = kernel < len(self._points)
        centre, width = self._points[kernel[normal]], self._width[kernel[normal]]
        low, high = ndtr(-centre / width), ndtr((1 - centre) / width)
        steps = ndtri(low + drawn[normal] * (high - low))
        drawn[normal] = np.clip(centre + width * steps, 0, 1)
        return drawn

    def log_sum(self, points: FloatArray) -> FloatArray:
        """Return the logarithm of the density at points, up to a constant, float64 `(n,)`."""
        logs = np.tile(self._peak, (len(points), 1))
        for axis in range(points.shape[1]):
            distance = points[:, axis, None] - self._points[:, axis]
            logs -= (distance / self._width[:, axis]) ** 2 / 2
        return np.asarray(np.logaddexp(logsumexp(logs, axis=1), 0.0))


class ParzenEstimator:
    """Proposes where good points are dense and others are not."""

    batch = BATCH

    def __init__(self, axes: int, _trials: int, rng: np.random.Generator) -> None:
        self._axes = axes
        self._rng = rng
        self._points = np.empty((0, axes))
        self._losses = np.empty((0, 1))
        self._violation = np.empty(0)

    def propose(self, fresh: Fresh) -> FloatArray:
        """See `Proposer`."""
        if len(self._points) == 0:
            return spread(self._axes, BATCH, self._rng, fresh)
        ranked = self._points[order(self._losses, self._violation)]
        goals = self._losses.shape[1]
        best = min(MOST_BEST[goals], math.ceil(BEST[goals] * len(ranked)))
        good, rest = Density(ranked[:best]), ranked[best:]
        if len(rest) > MOST_REST:
            rest = rest[np.linspace(0, len(rest) - 1, MOST_REST).astype(int)]
        chosen: list[FloatArray] = []
        for _ in range(BATCH):
            # what is under way counts as bad, or all of a batch would be proposed at one place
            others = Density(np.concatenate([rest, np.reshape(chosen, (-1, self._axes))]))
            drawn = good.draw(CANDIDATES, self._rng)
            ratio = good.log_sum(drawn) - others.log_sum(drawn)
            promising = drawn[np.argsort(-ratio, kind="stable")]
            new = next((point for point in promising if fresh(point)), None)
            # where all is known that is promising, something else is worth more than a repeat
            chosen.append(redraw(anywhere(self._axes, self._rng), fresh) if new is None else new)
        return np.stack(chosen)

    def learn(self, points: FloatArray, losses: FloatArray, violation: FloatArray) -> None:
        """See `Proposer`."""
        before = self._losses.reshape(-1, losses.shape[1]) if len(self._points) else losses[:0]
        self._points = np.concatenate([self._points, points])
        self._losses = np.concatenate([before, losses])
        self._violation = np.concatenate([self._violation, violation])
