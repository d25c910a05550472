"""Where generations of parameter sets come from: a list, or points of the unit cube."""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from tradepulse.research.search.samplers._sampler import FloatArray, Key, Result, key_of
from tradepulse.research.search.samplers._space import Space

STALE = 3
"""Generations in a row without anything new after which a search looks elsewhere."""
DRAWS = 1_000
"""Random points that may be refused, or known already, before a search ends."""

Fresh = Callable[[FloatArray], bool]
"""Whether the strategy takes a point, and its parameters are not known yet."""
LARGEST = 50
"""Greatest population: beyond it, generations are worth more than members."""


def population(trials: int, generations: int, least: int) -> int:
    """Return how many points a generation has, so that there are about so many generations."""
    return min(max(trials // generations, least), LARGEST)


class Proposer(Protocol):
    """Points of the unit cube, one generation after another.

    Attributes:
        batch: points in a generation.
    """

    batch: int

    def propose(self, fresh: Fresh) -> FloatArray:
        """Return the next points, float64 `(batch, axes)`, fresh ones where it can."""
        ...

    def learn(self, points: FloatArray, losses: FloatArray, violation: FloatArray) -> None:
        """Take in the last points, losses `(batch, goals)` and violation `(batch,)`.

        A point that the strategy refuses has an infinite violation.
        """
        ...


class Listed:
    """Parameter sets that are known beforehand, as one generation."""

    batch = 128

    def __init__(self, sets: list[dict[str, float]]) -> None:
        self._sets = sets

    def generation(self, known: Mapping[Key, Result]) -> list[dict[str, float]]:
        """See `Source`."""
        return [] if known else self._sets

    def learn(self, known: Mapping[Key, Result]) -> None:
        """Learn nothing."""


class Cube:
    """Parameter sets at a proposer's points.

    A set that is known already is not tried again: the proposer is told what it was worth.
    """

    def __init__(
        self, space: Space, proposer: Proposer, goals: int, rng: np.random.Generator
    ) -> None:
        self._space = space
        self._proposer = proposer
        self._rng = rng
        self._points = np.empty((0, space.dimensions))
        self._keys: list[Key] = []
        self._refused = Result(np.full(goals, np.nan), np.inf)

    @property
    def batch(self) -> int:
        """See `Source`."""
        return self._proposer.batch

    def generation(self, known: Mapping[Key, Result]) -> list[dict[str, float]]:
        """See `Source`.

        Raises:
            ValueError: the strategy's constraint refuses nearly everything.
        """
        for _ in range(STALE):
            new = self._next(known)
            if new:
                return new
            self.learn(known)
        return self._elsewhere(known)

    def learn(self, known: Mapping[Key, Result]) -> None:
        """See `Source`."""
        if len(self._points) == 0:
            return
        results = [known.get(key, self._refused) for key in self._keys]
        self._proposer.learn(
            self._points,
            np.stack([result.losses for result in results]),
            np.array([result.violation for result in results]),
        )

    def _next(self, known: Mapping[Key, Result]) -> list[dict[str, float]]:
        """Take the proposer's next points."""

        def fresh(point: FloatArray) -> bool:
            params = self._space.at(point)
            return params is not None and key_of(params) not in known

        self._points = self._proposer.propose(fresh)
        sets = [self._space.at(point) for point in self._points]
        self._keys = [key_of(params or {}) for params in sets]
        new = {key_of(params): params for params in sets if params is not None}
        return [params for key, params in new.items() if key not in known]

    def _elsewhere(self, known: Mapping[Key, Result]) -> list[dict[str, float]]:
        """Return random sets that the proposer does not learn of."""
        self._points = self._points[:0]
        listed = self._space.listed
        if listed is not None:
            left = [key for key in listed if key not in known]
            return [listed[left[i]] for i in self._rng.permutation(len(left))[: self.batch]]
        found: dict[Key, dict[str, float]] = {}
        for _ in range(DRAWS):
            params = self._space.at(self._rng.random(self._space.dimensions))
            if params is not None and key_of(params) not in known:
                found[key_of(params)] = params
            if len(found) == self.batch:
                break
        if not known and not found:
            raise ValueError(
                f"{self._space.strategy.name}: {DRAWS} random draws broke its constraints; "
                "fix fewer parameters or search wider bounds"
            )
        return list(found.values())
