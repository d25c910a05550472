"""The parameter sets that a strategy allows, as points of the unit cube."""

import itertools
import math
from collections.abc import Mapping, Sequence

from tradepulse.research.search.samplers._sampler import FloatArray, Key, key_of
from tradepulse.research.space import at, axes_of
from tradepulse.strategies import Param, Strategy

LISTED = 20_000
"""A space of whole numbers with at most so many combinations is listed, so that it can end."""


class Space:
    """What is searched of a strategy's parameters.

    Attributes:
        strategy: whose parameters.
        dimensions: of the cube.
        listed: every parameter set there is, by its key; None where there are too many.
    """

    def __init__(self, strategy: Strategy, fixed: Mapping[str, float]) -> None:
        """Look at a space.

        Raises:
            ValueError: it is empty, or a fixed name or value is wrong.
        """
        self.strategy = strategy
        self._fixed = dict(fixed)
        self._axes = axes_of(strategy, fixed)
        self.dimensions = len(self._axes)
        self.listed = self._list()

    def at(self, point: FloatArray) -> dict[str, float] | None:
        """Return the complete parameters at a point, None where the strategy refuses them."""
        return at(self.strategy, self._axes, self._fixed, point)

    def _list(self) -> dict[Key, dict[str, float]] | None:
        values = [_values(axis.param) for axis in self._axes]
        if math.prod(len(listed) for listed in values) > LISTED:
            return None
        names = [axis.param.name for axis in self._axes]
        found = {}
        for combination in itertools.product(*values):
            try:
                params = self.strategy.complete(
                    {**self._fixed, **dict(zip(names, combination, strict=True))}
                )
            except ValueError:
                continue
            found[key_of(params)] = params
        if not found:
            raise ValueError(
                f"{self.strategy.name}: its constraint refuses every combination; "
                "fix fewer parameters or search wider bounds"
            )
        return found


def _values(param: Param) -> Sequence[float]:
    """Return every value of a parameter, or too many where there is no end of them."""
    if param.low == param.high:
        return (param.low,)
    if param.integer:
        return range(math.ceil(param.low), math.floor(param.high) + 1)
    return range(LISTED + 1)
