"""Is the difference of two accounts more than chance? The same days of both, drawn again in pairs.

The figure is the mean of the daily differences of log growth, so what both have in common (the
market, the signals) stays out of it. Its chance is the stationary bootstrap's: the differences less
their mean are drawn again in runs of days, and what their mean then is, chance alone gives. Several
comparisons are judged together by Holm's rule: where each of them is called won, the probability
that any is so by chance is at most the level.

Sources: D. N. Politis and J. P. Romano, "The Stationary Bootstrap", Journal of the American
Statistical Association 89 (1994); S. Holm, "A Simple Sequentially Rejective Multiple Test
Procedure", Scandinavian Journal of Statistics 6 (1979); R. Agarwal and others, "Deep Reinforcement
Learning at the Edge of the Statistical Precipice", NeurIPS (2021), for the interquartile mean.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.reality_check import drawn_days, t_scale

FloatArray = NDArray[np.float64]

DRAWS = 10_000
LEVEL = 0.05
FEWEST_DAYS = 20
"""Days below which runs of five of them tell nothing."""
ROUNDING = 1e-12
"""A difference below this is rounding: log growth of a day."""
TRIMMED = 0.25
"""Share that the interquartile mean leaves out at each end."""


@dataclass(frozen=True, slots=True)
class Excess:
    """What an account gained over another.

    Attributes:
        days: that were compared.
        mean: of the daily differences of log growth.
        chance: probability that chance alone gives at least this mean.
        joint: the same by Holm's rule, for all comparisons that are judged together.
        level: that Holm's rule asks of this one.
        reach: the largest mean that chance alone gives at that level, so also the smallest excess
            that these days could have shown; 0 where the difference never changes.
    """

    days: int
    mean: float
    chance: float
    joint: float
    level: float
    reach: float

    @property
    def lower(self) -> float:
        """The lower bound of the mean at the level."""
        return self.mean - self.reach

    def over_all(self, mean: float) -> float:
        """Return a mean as percent over all days: how far the one account ends above the other."""
        return 100 * math.expm1(min(mean * self.days, 700.0))


def compare(
    differences: FloatArray, *, seed: int, level: float = LEVEL, draws: int = DRAWS
) -> list[Excess]:
    """Judge differences together.

    Args:
        differences: float64 `(days, m)`, daily log growth less that of m others, finite.
        seed: of the days that are drawn.
        level: the probability that any is called won by chance.
        draws: of the days.

    Returns:
        One for each column. All are won, jointly, where every `joint` is at most the level; then
        every `lower` is above 0, and the other way round.

    Raises:
        ValueError: too few days, or a difference that is no number.
    """
    days, count = differences.shape
    if days < FEWEST_DAYS:
        raise ValueError(f"{days} days are compared; at least {FEWEST_DAYS} are needed")
    if not np.isfinite(differences).all():
        raise ValueError("a day's difference is no number")
    means = differences.mean(axis=0)
    by_chance = _by_chance(differences - means, drawn_days(days, seed, draws))
    tells = np.abs(means) > ROUNDING
    reached = (by_chance >= means).sum(axis=0)
    chances = np.where(tells, (1 + reached) / (1 + draws), 1.0)
    joint = np.empty(count)
    levels = np.empty(count)
    so_far = 0.0
    for rank, column in enumerate(np.argsort(chances, kind="stable").tolist()):
        left = count - rank
        so_far = max(so_far, min(1.0, left * float(chances[column])))
        joint[column], levels[column] = so_far, level / left
    return [
        Excess(
            days,
            float(means[column]),
            float(chances[column]),
            float(joint[column]),
            float(levels[column]),
            _reach(by_chance[:, column], float(levels[column])),
        )
        for column in range(count)
    ]


def _by_chance(centred: FloatArray, drawn: NDArray[np.float32]) -> FloatArray:
    """Return the mean of each column in every draw of the days, `(draws, m)`."""
    days = len(centred)
    deviation = centred.std(axis=0)
    moves = deviation > ROUNDING
    # in units of its own deviation: float32 is exact enough then
    unit = np.where(moves, centred / np.where(moves, deviation, 1.0), 0.0).astype(np.float32)
    scale = t_scale(days) / math.sqrt(days)
    return np.asarray((drawn @ unit) / days * scale * np.where(moves, deviation, 0.0))


def _reach(by_chance: FloatArray, level: float) -> float:
    """Return the mean that must be exceeded for a chance of at most the level."""
    draws = len(by_chance)
    beyond = math.floor(level * (1 + draws) - 1 + 1e-9)
    if beyond < 0:
        return math.inf
    return max(float(np.sort(by_chance)[draws - 1 - beyond]), 0.0)


def interquartile_mean(values: FloatArray) -> float:
    """Return the mean without the lowest and the highest quarter, whole values only."""
    return float(_interquartile(values[np.newaxis])[0])


def interquartile_interval(
    values: FloatArray, *, seed: int, draws: int = DRAWS
) -> tuple[float, float]:
    """Return the interval that holds 95 % of the interquartile means of values drawn again."""
    random = np.random.default_rng(seed)
    found = _interquartile(values[random.integers(0, len(values), (draws, len(values)))])
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def _interquartile(rows: FloatArray) -> FloatArray:
    cut = int(TRIMMED * rows.shape[1])
    ordered = np.sort(rows, axis=1)[:, cut : rows.shape[1] - cut]
    return np.asarray(ordered.mean(axis=1))


def interquartile_bands(
    rows: FloatArray, *, seed: int, draws: int = 1_000
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the interquartile mean of each row, and both ends of its interval.

    Args:
        rows: values of the same seeds, float64 `(rows, seeds)`.
        seed: of what is drawn, the same seeds for all rows.
        draws: fewer than a gate's: for the eye.

    Returns:
        Means, lower and upper ends, each float64 `(rows,)`.
    """
    count = rows.shape[1]
    chosen = np.random.default_rng(seed).integers(0, count, (draws, count))
    ends = np.empty((2, len(rows)))
    for n, row in enumerate(rows):
        ends[:, n] = np.quantile(_interquartile(row[chosen]), (0.025, 0.975))
    return _interquartile(rows), ends[0], ends[1]
