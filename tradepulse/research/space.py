"""The space a search moves in, and the plain ways through it: a grid, or random draws.

A space of d parameters is searched as the unit cube [0, 1]^d: each parameter owns one axis, even in
its logarithm where it is `log`, with an equal stretch for every whole number where it is `integer`.
Deterministic.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradepulse.strategies import Param, Params, Strategy

FloatArray = NDArray[np.float64]

OFF = 0.1
"""Share of a switch's axis at which it is off."""
MOST_REFUSED = 8
"""A grid may be this often as large as the trials, its refused combinations included."""
DRAWS_PER_TRIAL = 1_000
"""Random draws that may break the strategy's constraint before the search is given up."""


def space_of(strategy: Strategy, fixed: Mapping[str, float]) -> tuple[Param, ...]:
    """Return what a search varies: the searched parameters that are not fixed.

    Raises:
        ValueError: a fixed name is unknown or its value out of bounds, bounds do not fit the
            scale, or nothing is left.
    """
    return tuple(axis.param for axis in axes_of(strategy, fixed))


@dataclass(frozen=True, slots=True)
class Axis:
    """A parameter as one axis of the unit cube.

    Attributes:
        param: what varies.
        switch: 0 turns something off, and `OFF` of the axis stands for it. Otherwise a search
            would never try the one value 0 among all numbers.
    """

    param: Param
    switch: bool

    def at(self, step: float) -> float:
        """Return the value at a number from 0 to 1."""
        if not self.switch:
            return _at(self.param, step)
        return 0.0 if step < OFF else _at(self.param, (step - OFF) / (1 - OFF))


def axes_of(strategy: Strategy, fixed: Mapping[str, float]) -> tuple[Axis, ...]:
    """Return the axes of `space_of`, in its order.

    Raises:
        ValueError: as `space_of`.
    """
    names = {param.name: param for param in strategy.space}
    for name, value in fixed.items():
        if name not in names:
            known = ", ".join(names)
            raise ValueError(f"{strategy.name} has no parameter {name!r}; it has {known}")
        names[name].check(value)
    searched = {p.name for p in strategy.space if p.searched and p.name not in fixed}
    off = {
        name
        for name in names
        if name not in searched and not fixed.get(name, strategy.defaults[name]) > 0
    }
    for param in strategy.space:
        # what means nothing because of a parameter that is off for good keeps its default
        if param.only_if in off:
            searched.discard(param.name)
            off.discard(param.name)
            if not strategy.defaults[param.name] > 0:
                off.add(param.name)
    if not searched:
        raise ValueError(f"{strategy.name}: every parameter is fixed, nothing is left to search")
    switches = {param.only_if for param in strategy.space}
    switches.update(name for feature in strategy.features for name in feature.only_if)
    space = [param for param in strategy.space if param.name in searched]
    for param in space:
        _check(param)
    return tuple(
        Axis(p, p.name in switches and p.low == 0 < p.high and not p.integer) for p in space
    )


def at(
    strategy: Strategy,
    axes: Sequence[Axis],
    fixed: Mapping[str, float],
    point: Sequence[float] | FloatArray,
) -> dict[str, float] | None:
    """Return the complete parameters at a point of the unit cube, None where they are refused.

    Args:
        strategy: whose constraint judges.
        axes: from `axes_of`.
        fixed: values of parameters that are not varied.
        point: as many numbers from 0 to 1.
    """
    drawn = {a.param.name: a.at(float(step)) for a, step in zip(axes, point, strict=True)}
    return _complete(strategy, {**fixed, **drawn})


def points(param: Param, count: int) -> list[float]:
    """Return up to `count` values from the lower to the upper bound, evenly spaced.

    Evenly in the logarithm for a `log` parameter; whole and without repeats for an integer.

    Raises:
        ValueError: fewer than one point, or bounds that do not fit the spacing.
    """
    _check(param)
    if count < 1:
        raise ValueError(f"parameter {param.name!r}: {count} points; at least 1 is needed")
    steps = [0.5] if count == 1 else [i / (count - 1) for i in range(count)]
    return sorted({_at(param, step) for step in steps})


def grid(
    strategy: Strategy,
    values: int | Mapping[str, Sequence[float]],
    fixed: Mapping[str, float] | None = None,
) -> Iterator[dict[str, float]]:
    """Yield every combination that the strategy allows, the last parameter varying fastest.

    Args:
        strategy: whose parameters to try.
        values: points per parameter, or the values of each (one not named keeps its default).
        fixed: values of parameters that are not varied.

    Raises:
        ValueError: the space is empty, or a name or value is wrong.
    """
    fixed = dict(fixed or {})
    if isinstance(values, int):
        axes = {param.name: points(param, values) for param in space_of(strategy, fixed)}
    else:
        axes = {name: [float(v) for v in listed] for name, listed in values.items()}
        by_name = {param.name: param for param in strategy.space}
        for name, listed in axes.items():
            if name not in by_name:
                known = ", ".join(by_name)
                raise ValueError(f"{strategy.name} has no parameter {name!r}; it has {known}")
            if not listed:
                raise ValueError(f"{strategy.name}: the grid of {name!r} is empty")
            for value in listed:
                by_name[name].check(value)
    found: set[tuple[float, ...]] = set()
    for params in _allowed(strategy, axes, fixed):
        key = tuple(params.values())
        if key not in found:
            found.add(key)
            yield params
    if not found:
        raise ValueError(f"{strategy.name}: no combination of this grid is allowed")


def grid_within(
    strategy: Strategy, trials: int, fixed: Mapping[str, float] | None = None
) -> list[dict[str, float]]:
    """Return a grid of at most `trials` combinations, about as many points on every axis.

    Raises:
        ValueError: as `grid`, or fewer than one trial.
    """
    if trials < 1:
        raise ValueError(f"{trials} trials; at least 1 is needed")
    space = space_of(strategy, fixed or {})
    axes = {param.name: points(param, 1) for param in space}
    growing = list(space)
    while growing:
        # the coarsest axis first, so that no parameter is cut much finer than another
        param = min(growing, key=lambda param: len(axes[param.name]))
        finer = {**axes, param.name: _finer(param, axes[param.name])}
        if finer == axes or not _fits(strategy, finer, fixed, trials):
            growing.remove(param)
        else:
            axes = finer
    return list(grid(strategy, axes, fixed))


def random(
    strategy: Strategy, trials: int, seed: int, fixed: Mapping[str, float] | None = None
) -> Iterator[dict[str, float]]:
    """Yield `trials` independent draws that the strategy allows; a seed always gives the same.

    The first n draws of a longer search are those of a shorter one.

    Raises:
        ValueError: the space is empty, or its constraint refuses nearly everything.
    """
    fixed = dict(fixed or {})
    axes = axes_of(strategy, fixed)
    generator = np.random.default_rng(seed)
    for _ in range(trials):
        for _ in range(DRAWS_PER_TRIAL):
            params = at(strategy, axes, fixed, generator.random(len(axes)))
            if params is not None:
                yield params
                break
        else:
            raise ValueError(
                f"{strategy.name}: {DRAWS_PER_TRIAL} random draws broke its constraints; "
                "fix fewer parameters or search wider bounds"
            )


def _complete(strategy: Strategy, params: Params) -> dict[str, float] | None:
    try:
        return strategy.complete(params)
    except ValueError:
        return None


def _allowed(
    strategy: Strategy, axes: Mapping[str, Sequence[float]], fixed: Mapping[str, float] | None
) -> Iterator[dict[str, float]]:
    for combination in itertools.product(*axes.values()):
        params = _complete(strategy, {**(fixed or {}), **dict(zip(axes, combination, strict=True))})
        if params is not None:
            yield params


def _finer(param: Param, values: list[float]) -> list[float]:
    """Return the next finer points of an axis, or the same where there are none."""
    # rounding to whole numbers can give as many points for a higher count
    for count in range(len(values) + 1, 2 * len(values) + 3):
        finer = points(param, count)
        if len(finer) > len(values):
            return finer
    return values


def _fits(
    strategy: Strategy,
    axes: Mapping[str, Sequence[float]],
    fixed: Mapping[str, float] | None,
    trials: int,
) -> bool:
    """Tell whether at most `trials` combinations are allowed."""
    size = math.prod(len(values) for values in axes.values())
    if size <= trials or size > MOST_REFUSED * trials:
        return size <= trials
    # some are refused: only counting tells how many
    allowed = itertools.islice(_allowed(strategy, axes, fixed), trials + 1)
    return sum(1 for _ in allowed) <= trials


def _check(param: Param) -> None:
    if not param.low <= param.high:
        raise ValueError(
            f"parameter {param.name!r}: the lower bound {param.low:g} is above the upper"
            f" {param.high:g}"
        )
    if param.log and param.low <= 0:
        raise ValueError(f"parameter {param.name!r}: a log scale needs a lower bound above 0")
    if param.integer and math.ceil(param.low) > math.floor(param.high):
        raise ValueError(
            f"parameter {param.name!r}: no whole number from {param.low:g} to {param.high:g}"
        )


def _at(param: Param, step: float) -> float:
    """Return the value at a fraction of the way from the lower to the upper bound."""
    # a whole number owns the stretch of half a unit on each side, the bounds' included
    low = math.ceil(param.low) - 0.5 if param.integer and not param.log else param.low
    high = math.floor(param.high) + 0.5 if param.integer and not param.log else param.high
    if param.log:
        value = math.exp(math.log(low) + step * (math.log(high) - math.log(low)))
    else:
        value = low + step * (high - low)
    if param.integer:
        value = float(round(value))
        return min(max(value, math.ceil(param.low)), math.floor(param.high))
    return min(max(value, param.low), param.high)
