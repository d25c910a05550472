"""Probability of backtest overfitting, by combinatorially symmetric cross-validation.

Source: D. Bailey, J. Borwein, M. Lopez de Prado and Q. Zhu, "The Probability of Backtest
Overfitting", Journal of Computational Finance 20 (2017).
"""

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.validation.splits import group_bounds

FloatArray = NDArray[np.float64]
Measure = Literal["sharpe", "mean"]

ELEMENTS = 4_000_000
"""Combinations times trials that are held in memory at once."""
ROUNDING = 1e-12
"""A variance below this, relative to the mean square, is rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Overfitting:
    """What happens out of sample to the trial that was best in sample.

    Attributes:
        probability: share of the combinations in which it does no better than the median.
        loss: share of the combinations in which its mean return out of sample is not above 0.
        logits: float64 `(combinations,)`, log odds of its relative rank out of sample.
        inside: float64 `(combinations,)`, its Sharpe ratio (of one period), or mean, in sample.
        outside: float64 `(combinations,)`, the same out of sample.
    """

    probability: float
    loss: float
    logits: FloatArray
    inside: FloatArray
    outside: FloatArray

    @property
    def harm(self) -> float:
        """Share of the combinations in which it neither beats the median nor earns anything.

        Where nearly all trials are as good, the best of them is often below the median, and no
        harm is done.
        """
        return float(((self.logits <= 0) & (self.outside <= 0)).mean())


def cscv(returns: FloatArray, blocks: int = 16, by: Measure = "sharpe") -> Overfitting:
    """Take the best trial of every half of the time to the other half.

    Time is cut into blocks; every choice of half of them is in sample once, and the rest out of
    sample. Trials are compared as those who choose among them do: by their Sharpe ratio, where one
    that did not move has 0, like cash, or by their mean. Equal trials share the mean of their
    ranks.

    Args:
        returns: float64 `(periods, trials)`, finite.
        blocks: even; 16 gives 12,870 combinations.
        by: what trials are compared by.

    Raises:
        ValueError: fewer than two trials, blocks that are odd or fewer than 2, fewer than two
            periods to a block, or a return that is no number.
    """
    periods, trials = returns.shape
    if blocks < 2 or blocks % 2:  # noqa: PLR2004 - two halves
        raise ValueError(f"{blocks} blocks; give an even number of at least 2")
    if trials < 2:  # noqa: PLR2004 - one trial is best in every half
        raise ValueError(f"{trials} trials; at least 2 are needed to choose from")
    if periods < 2 * blocks:
        raise ValueError(f"{periods} days make no {blocks} blocks of two days or more")
    if not np.isfinite(returns).all():
        raise ValueError("a trial's return is no number")
    bounds = group_bounds(periods, blocks)
    sums = np.add.reduceat(returns, bounds[:-1])
    squares = np.add.reduceat(returns**2, bounds[:-1])
    days = np.diff(bounds).astype(np.float64)
    inside, outside, below = [], [], []
    chosen = _halves(blocks)
    rows = max(1, ELEMENTS // trials)
    for lo in range(0, len(chosen), rows):
        half = chosen[lo : lo + rows]
        # the other half is what remains of the whole
        rest = 1 - half
        one, other = (
            part @ sums / (part @ days)[:, np.newaxis]
            if by == "mean"
            else _sharpes(part @ sums, part @ squares, part @ days)
            for part in (half, rest)
        )
        for trained, tested in ((one, other), (other, one)):
            best = trained.argmax(axis=1)[:, np.newaxis]
            reached = np.take_along_axis(tested, best, axis=1)
            inside.append(np.take_along_axis(trained, best, axis=1)[:, 0])
            outside.append(reached[:, 0])
            ties = (tested == reached).sum(axis=1)
            below.append((tested < reached).sum(axis=1) + (ties + 1) / 2)
    rank = np.concatenate(below) / (trials + 1)
    logits = np.log(rank / (1 - rank))
    earned = np.concatenate(outside)
    return Overfitting(
        probability=float((logits <= 0).mean()),
        loss=float((earned <= 0).mean()),
        logits=logits,
        inside=np.concatenate(inside),
        outside=earned,
    )


def blocks_for(periods: int, most: int = 16, days: int = 5) -> int:
    """Return how many blocks to cut so many periods into: even, at most `most`.

    A block has at least `days` periods. Below four blocks there are too few combinations to
    speak of a probability: 0.
    """
    blocks = min(most, periods // days) // 2 * 2
    return blocks if blocks >= 4 else 0  # noqa: PLR2004 - see above


def _halves(blocks: int) -> FloatArray:
    """Return every choice of half of the blocks that holds the first, float64 `(c, blocks)`."""
    count = math.comb(blocks - 1, blocks // 2 - 1)
    halves = np.zeros((count, blocks))
    halves[:, 0] = 1
    for row, rest in enumerate(itertools.combinations(range(1, blocks), blocks // 2 - 1)):
        halves[row, list(rest)] = 1
    return halves


def _sharpes(sums: FloatArray, squares: FloatArray, days: FloatArray) -> FloatArray:
    """Return Sharpe ratios from sums over the chosen days, 0 where nothing moved."""
    count = days[:, np.newaxis]
    mean = sums / count
    square = squares / count
    variance = square - mean**2
    moved = variance > ROUNDING * square
    return np.where(moved, mean / np.sqrt(np.where(moved, variance, 1)), 0.0)
