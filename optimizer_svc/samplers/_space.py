"""The parameter sets that a strategy allows, as points of the unit cube."""

import itertools
import math
from collections.abc import Mapping, Sequence

from optimizer_svc.samplers._sampler import FloatArray, Key
from tradepulse.trading.search import at, space_of
from tradepulse.trading.strategies import Param, Strategy

LISTED = 20_000
"""A space of whole numbers with at most so many combinations is listed, so that it can end."""


class Space:
    """What is searched of a strategy's parameters.

    Attributes:
        strategy: whose parameters.
        axes: what varies, one axis of the cube each.
        listed: every parameter set there is, by its values; None where there are too many.
    """

    def __init__(self, strategy: Strategy, fixed: Mapping[str, float]) -> None:
        """Look at a space.

        Raises:
            ValueError: it is empty, or a fixed name or value is wrong.
        """
        self.strategy = strategy
        self.fixed = dict(fixed)
        self.axes = space_of(strategy, fixed)
        self.listed = self._list()

    def at(self, point: Sequence[float] | FloatArray) -> dict[str, float] | None:
        """Return the complete parameters at a point, None where the strategy refuses them."""
        return at(self.strategy, self.axes, self.fixed, point)

    def _list(self) -> dict[Key, dict[str, float]] | None:
        values = [_values(param) for param in self.axes]
        if math.prod(len(listed) for listed in values) > LISTED:
            return None
        found = {}
        for combination in itertools.product(*values):
            named = dict(zip((p.name for p in self.axes), combination, strict=True))
            try:
                params = self.strategy.complete({**self.fixed, **named})
            except ValueError:
                continue
            found[tuple(params.values())] = params
        if not found:
            raise ValueError(f"{self.strategy.name}: its constraint refuses every combination")
        return found


def _values(param: Param) -> Sequence[float]:
    """Return every value of a parameter, or too many where it has no end of them."""
    if param.low == param.high:
        return (param.low,)
    if param.integer:
        return range(math.ceil(param.low), math.floor(param.high) + 1)
    return range(LISTED + 1)
