"""Hierarchical risk parity: capital halved down a tree of what moves alike.

López de Prado 2016. Distances are the roots of half of 1 less the correlation, the tree is Ward's,
its sides are turned so that neighbours are near one another (Bar-Joseph and others 2001).
skfolio's `HierarchicalRiskParity` does the same with scipy; a test compares them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradepulse.trading.policies.by_covariance import ByCovariance
from tradepulse.trading.policies.features import Floats


class HierarchicalRiskParity(ByCovariance):
    """Halves the instruments again and again, and gives each half by the other's variance."""

    name = "hrp"

    def shares(self, returns: Floats) -> Floats:
        """Return what each column of returns (rows, instruments) has of 1."""
        covariance = np.atleast_2d(np.cov(returns, rowvar=False))
        deviation = np.sqrt(np.diag(covariance))
        correlation = np.clip(covariance / np.outer(deviation, deviation), -1.0, 1.0)
        distance = np.sqrt(0.5 * (1.0 - correlation))
        np.fill_diagonal(distance, 0.0)
        found = np.ones(len(covariance))
        parts = [ordered(distance)]
        while parts:
            halves = [(p[: len(p) // 2], p[len(p) // 2 :]) for p in parts if len(p) > 1]
            for left, right in halves:
                a, b = _variance(covariance, left), _variance(covariance, right)
                found[left] *= b / (a + b)
                found[right] *= a / (a + b)
            parts = [half for pair in halves for half in pair]
        return found


def _variance(covariance: Floats, part: NDArray[np.int64]) -> float:
    """Return the variance of some instruments in inverse proportion to theirs."""
    inverse = 1.0 / np.diag(covariance)[part]
    weights = inverse / inverse.sum()
    return float(weights @ covariance[np.ix_(part, part)] @ weights)


@dataclass(slots=True)
class _Node:
    """A part of the tree.

    Attributes:
        leaves: of its left side, then of its right one.
        cost: (leaves, leaves), the least sum of distances of neighbours in an order that begins
            with the one and ends with the other; infinite where no order does.
        sides: left and right, None of a leaf.
        is_turned: whether all of it stands the other way round.
    """

    leaves: list[int]
    cost: Floats
    sides: "tuple[_Node, _Node] | None" = None
    is_turned: bool = False

    def order(self) -> list[int]:
        """Return its leaves in their order."""
        if self.sides is None:
            return self.leaves
        found = self.sides[0].order() + self.sides[1].order()
        return found[::-1] if self.is_turned else found


def ordered(distance: Floats) -> NDArray[np.int64]:
    """Return the leaves of Ward's tree, neighbours near one another."""
    return np.array(_tree(distance).order())


def _tree(distance: Floats) -> _Node:
    """Join the two nearest parts again and again; the older part is the left side."""
    nodes = [_Node([leaf], np.zeros((1, 1))) for leaf in range(len(distance))]
    # so far from one another are the parts, by Ward's formula
    apart = distance.copy()
    np.fill_diagonal(apart, np.inf)
    # when each was made: the left side is the elder
    made = list(range(len(distance)))
    for number in range(len(distance) - 1):
        i, j = (int(place) for place in np.unravel_index(np.argmin(apart), apart.shape))
        a, b = sorted((i, j), key=made.__getitem__)
        sizes = np.array([len(one.leaves) for one in nodes], float)
        height, whole = apart[i, j], sizes[i] + sizes[j] + sizes
        squares = (
            (sizes[i] + sizes) * apart[i] ** 2
            + (sizes[j] + sizes) * apart[j] ** 2
            - sizes * height**2
        )
        with np.errstate(invalid="ignore"):
            apart[i] = apart[:, i] = np.sqrt(np.maximum(squares, 0.0) / whole)
        apart[i, i] = np.inf
        apart[j] = apart[:, j] = np.inf
        nodes[i] = _joined(nodes[a], nodes[b], distance)
        made[i] = len(distance) + number
    return nodes[i] if len(distance) > 1 else nodes[0]


def _joined(left: _Node, right: _Node, distance: Floats) -> _Node:
    size = len(left.leaves)
    between = distance[np.ix_(left.leaves, right.leaves)]
    # over the last leaf of the left side, then over the first of the right one
    through = (left.cost[:, :, None] + between[None]).min(axis=1)
    through = (through[:, :, None] + right.cost[None]).min(axis=1)
    begin, end = (int(one) for one in np.unravel_index(np.argmin(through), through.shape))
    # each side is turned once, as the part that they make likes it best, whatever joins that
    # part later: so does scipy, and the order is near the best, not always the best
    if left.sides is not None:
        left.is_turned = begin >= len(left.sides[0].leaves)
    if right.sides is not None:
        right.is_turned = end < len(right.sides[0].leaves)
    cost = np.full((size + len(right.leaves),) * 2, np.inf)
    cost[:size, size:] = through
    cost[size:, :size] = through.T
    return _Node(left.leaves + right.leaves, cost, (left, right))
