"""Ask and tell: parameter sets out, what they were worth in."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Key = tuple[tuple[str, float], ...]
Params = Mapping[str, float]


def key_of(params: Params) -> Key:
    """Return what tells parameter sets apart; their order does not count."""
    return tuple(sorted(params.items()))


@dataclass(frozen=True, slots=True)
class Result:
    """What a parameter set was worth: losses, float64 `(goals,)`, and its violation."""

    losses: FloatArray
    violation: float


class Source(Protocol):
    """Where the parameter sets come from, one generation after another.

    Attributes:
        batch: how many sets are best asked for at once.
    """

    @property
    def batch(self) -> int:
        """See above."""
        ...

    def generation(self, known: Mapping[Key, Result]) -> list[dict[str, float]]:
        """Return sets that are not known, none twice; empty when there are no more."""
        ...

    def learn(self, known: Mapping[Key, Result]) -> None:
        """Take in the last generation, all of which is known now."""
        ...


class Sampler:
    """What a search asks which parameter sets to try.

    The sets come in generations; the next one is made when all of the one before is told. So they
    depend on the arguments and on what was told, but neither on how many are asked for at once nor
    on the order they are told in. To go on with a search, make the sampler anew, ask again for
    what was tried and tell what was stored.
    """

    def __init__(self, source: Source, trials: int, goals: int) -> None:
        self._source = source
        self._left = trials
        self._goals = goals
        self._waiting: deque[dict[str, float]] = deque()
        self._asked: set[Key] = set()
        self._known: dict[Key, Result] = {}

    @property
    def batch(self) -> int:
        """How many sets are best asked for at once; the number of workers has no part in it."""
        return self._source.batch

    def ask(self, count: int) -> list[dict[str, float]]:
        """Return up to `count` complete parameter sets, none of them returned before.

        Fewer where a generation ends, none when the trials or the space have come to their end.

        Raises:
            ValueError: all of the generation is asked for and not all of it is told.
        """
        if not self._waiting and self._left > 0:
            if self._asked:
                raise ValueError(
                    f"{len(self._asked)} parameter sets are not told yet; tell them first"
                )
            self._waiting.extend(self._source.generation(self._known)[: self._left])
            self._left = self._left - len(self._waiting) if self._waiting else 0
        asked = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
        self._asked.update(map(key_of, asked))
        return asked

    def tell(self, params: Sequence[Params], losses: FloatArray, violation: FloatArray) -> None:
        """Say what sets were worth that were asked for, in any order.

        Args:
            params: n of them.
            losses: float64 `(n, goals)`, lower is better; finite where the violation is 0.
            violation: float64 `(n,)`, how far each is from being allowed; 0 where it is.

        Raises:
            ValueError: a set was not asked for or is told twice, or the arrays do not fit.
        """
        if losses.shape != (len(params), self._goals) or violation.shape != (len(params),):
            raise ValueError(
                f"{len(params)} parameter sets of {self._goals} goals are told with losses of shape"
                f" {losses.shape} and violation of shape {violation.shape}"
            )
        if not (violation >= 0).all() or not np.isfinite(losses[violation == 0]).all():
            raise ValueError("a violation is negative or NaN, or an allowed set has no finite loss")
        for told, row, amount in zip(params, losses, violation, strict=True):
            key = key_of(told)
            if key not in self._asked:
                raise ValueError(f"{dict(told)} was not asked for, or is told already")
            self._asked.remove(key)
            self._known[key] = Result(row, float(amount))
        if not self._asked and not self._waiting and self._left > 0:
            self._source.learn(self._known)
