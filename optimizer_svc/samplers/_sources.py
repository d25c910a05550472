"""Where generations of parameter sets come from: a list, or points of the unit cube."""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from optimizer_svc.samplers._sampler import FloatArray, Key, Result
from optimizer_svc.samplers._space import Space

STALE = 100
"""Generations in a row without anything new after which a search looks elsewhere."""
DRAWS = 1_000
"""Random points that may be refused, or known already, before a search ends."""

Allowed = Callable[[FloatArray], bool]


class Proposer(Protocol):
    """Points of the unit cube, one generation after another.

    Attributes:
        batch: points in a generation.
    """

    batch: int

    def propose(self, allowed: Allowed) -> FloatArray:
        """Return the next points, float64 `(batch, axes)`, preferably allowed ones."""
        ...

    def learn(self, points: FloatArray, losses: FloatArray, violation: FloatArray) -> None:
        """Take in the last points, float64 `(n, axes)`, `(n, goals)`, `(n,)`; n <= batch."""
        ...


class Listed:
    """Parameter sets that are known beforehand, as one generation."""

    def __init__(self, sets: list[dict[str, float]]) -> None:
        self._sets = sets
        self.batch = len(sets)

    def generation(self, known: Mapping[Key, Result]) -> list[dict[str, float]]:
        """See `Source`."""
        return [params for params in self._sets if tuple(params.values()) not in known]

    def learn(self, known: Mapping[Key, Result]) -> None:
        """Learn nothing."""


class Cube:
    """Parameter sets at a proposer's points.

    A set that is known already is not tried again: the proposer is told what it was worth.
    """

    def __init__(self, space: Space, proposer: Proposer, rng: np.random.Generator) -> None:
        self._space = space
        self._proposer = proposer
        self._rng = rng
        self._points = np.empty((0, len(space.axes)))
        self._keys: list[Key] = []

    @property
    def batch(self) -> int:
        """See `Source`."""
        return self._proposer.batch

    def generation(self, known: Mapping[Key, Result]) -> list[dict[str, float]]:
        """See `Source`.

        Raises:
            ValueError: the strategy's constraint refuses nearly everything.
        """
        listed = self._space.listed
        if listed is not None and len(known) >= len(listed):
            return []
        for _ in range(STALE):
            new = self._next(known)
            if new:
                return new
            self.learn(known)
        return self._elsewhere(known)

    def learn(self, known: Mapping[Key, Result]) -> None:
        """See `Source`."""
        if self._keys:
            results = [known[key] for key in self._keys]
            self._proposer.learn(
                self._points,
                np.stack([result.losses for result in results]),
                np.array([result.violation for result in results]),
            )

    def _next(self, known: Mapping[Key, Result]) -> list[dict[str, float]]:
        """Take the proposer's next points, those at a refused set left out."""
        points = self._proposer.propose(lambda point: self._space.at(point) is not None)
        sets = [self._space.at(point) for point in points]
        self._points = points[[params is not None for params in sets]]
        self._keys = [tuple(params.values()) for params in sets if params is not None]
        new = {tuple(params.values()): params for params in sets if params is not None}
        return [params for key, params in new.items() if key not in known]

    def _elsewhere(self, known: Mapping[Key, Result]) -> list[dict[str, float]]:
        """Return a new set that the proposer does not know of."""
        self._keys = []
        if self._space.listed is not None:
            left = [params for key, params in self._space.listed.items() if key not in known]
            return [left[int(self._rng.integers(len(left)))]]
        for _ in range(DRAWS):
            params = self._space.at(self._rng.random(len(self._space.axes)))
            if params is not None and tuple(params.values()) not in known:
                return [params]
        if not known:
            raise ValueError(
                f"{self._space.strategy.name}: {DRAWS} random draws broke its constraints; "
                "fix fewer parameters or search wider bounds"
            )
        return []
