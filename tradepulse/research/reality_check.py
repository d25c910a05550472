"""How likely is it that the best of all that was tried looks so good without any edge? Pure.

White's reality check, joined over searches. The measure of a trial is the t of its daily returns:
mean over standard error. Of a search it is known how the largest t of all its trials would be
distributed if none had an edge: their centred returns are drawn again, the same days for all
trials, so that what the trials have in common stays in common. Over all searches that were ever
made on a market, the best one stays below t with a probability of at least the product of what
each alone would (searches that resemble each other make the check careful, not careless).

Sources: H. White, "A Reality Check for Data Snooping", Econometrica 68 (2000); P. R. Hansen, "A
Test for Superior Predictive Ability", Journal of Business & Economic Statistics 23 (2005), whose
statistic this is; D. N. Politis and J. P. Romano, "The Stationary Bootstrap", Journal
of the American Statistical Association 89 (1994).
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Drawn = NDArray[np.float32]

DRAWS = 1_000
"""Of the days of a search: its distribution is known by so many values."""
BLOCK_DAYS = 5
"""Mean length of the runs of days that are drawn together: what lasts for days stays together."""
TAIL = 0.1
"""Share of the draws that the tail is fitted to: of many searches each must be surer than 1 in
1,000 draws can tell."""
AT_ONCE = 256
"""Trials that are looked at together."""
KEPT = 3
"""Decimals of a t that are kept: beyond them it depends on how the work was shared."""
HALVINGS = 40
FAR = 8.0
NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, eq=False)
class Luck:
    """What one search could have found without any edge.

    Attributes:
        trials: that it made.
        covered: how many of them `largest` knows; the others count as independent of all.
        largest: `(DRAWS,)`, the largest t of those, 0 at the least (cash), in every draw of the
            days; empty where none is covered.
    """

    trials: int
    covered: int
    largest: FloatArray


NONE = Luck(0, 0, np.zeros(0))


def with_trials(luck: Luck, largest: FloatArray, trials: int) -> Luck:
    """Return the luck of a search that has made more trials, with their largest t in each draw."""
    joined = np.maximum(luck.largest, largest) if luck.covered else largest
    return Luck(luck.trials + trials, luck.covered + trials, joined)


@lru_cache(maxsize=4)
def drawn_days(days: int, seed: int, draws: int = DRAWS) -> Drawn:
    """Draw days again, in runs: the stationary bootstrap.

    Returns:
        float32 `(draws, days)`, how often each day was drawn. The same array every time.
    """
    random = np.random.default_rng(seed)
    begins = random.random((draws, days), dtype=np.float32) < 1 / BLOCK_DAYS
    begins[:, :1] = True
    place = np.arange(days, dtype=np.int32)
    begun = np.maximum.accumulate(np.where(begins, place, np.int32(0)), axis=1)
    first = random.integers(0, max(days, 1), (draws, days), dtype=np.int32)
    # after the last day comes the first
    day = (np.take_along_axis(first, begun, axis=1) + place - begun) % max(days, 1)
    drawn = np.empty((draws, days), dtype=np.float32)
    for counts, of in zip(drawn, day, strict=True):
        counts[:] = np.bincount(of, minlength=days)
    drawn.flags.writeable = False
    return drawn


def largest_t(daily: FloatArray, drawn: Drawn, threads: int = 1) -> FloatArray:
    """Return the largest t of trials without their edge, in every draw of the days.

    Each trial's returns are centred, so that its true mean is 0 where days are drawn again. A
    trial that never moved or was ruined has no t.

    Args:
        daily: float64 `(t, days)`, a row of NaN for a trial that was ruined.
        drawn: from `drawn_days`.
        threads: how many share the work; nothing depends on it.

    Returns:
        float64 `(DRAWS,)`, at least 0, which is what cash has; rounded to `KEPT` decimals.
    """
    days = daily.shape[1]
    # of no trial at all the largest would be no array
    if days <= 2 * BLOCK_DAYS or len(daily) == 0:
        return np.zeros(len(drawn))
    parts = [daily[lo : lo + AT_ONCE] for lo in range(0, len(daily), AT_ONCE)]
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(partial(_largest, drawn), parts))
    largest = np.maximum.reduce(found, initial=0.0).astype(np.float64)
    return np.asarray(np.round(largest * t_scale(days), KEPT))


def _largest(drawn: Drawn, daily: FloatArray) -> NDArray[np.float32]:
    """Return the largest mean over deviation in every draw, 0 where none is above."""
    with np.errstate(invalid="ignore"):
        moving = daily[np.ptp(daily, axis=1) > 0]
    if len(moving) == 0:
        return np.zeros(len(drawn), dtype=np.float32)
    centred = moving - moving.mean(axis=1, keepdims=True)
    # in units of its own deviation: float32 is exact enough then
    unit = (centred / moving.std(axis=1, keepdims=True)).astype(np.float32)
    return np.asarray((drawn @ unit.T).max(axis=1) / np.float32(daily.shape[1]))


def t_scale(days: int) -> float:
    """Return what makes a drawn mean over its deviation a t.

    Days in runs that begin anywhere vary less together than independent days do: a finite circle
    of days has correlations of -1 / (days - 1) in the mean, of which a run takes in some.
    """
    lost = 2 * (BLOCK_DAYS - 1) / (days - 1)
    return math.sqrt(days / (1 - lost))


def t_of(daily: FloatArray) -> float | None:
    """Return mean over standard error of daily returns, None where they do not move."""
    if len(daily) < 2 or np.ptp(daily) == 0:  # noqa: PLR2004 - one return has no deviation
        return None
    return float(daily.mean() / daily.std() * math.sqrt(len(daily)))


def chance_of(t: float, searches: Sequence[Luck], trials: int) -> float:
    """Return how likely the best of all trials shows at least this t without any edge.

    Args:
        t: of the one that was chosen.
        searches: all that were made on the market.
        trials: all that were made; what the searches do not cover counts as independent of
            everything, each with a normal t.
    """
    uncovered = max(trials, sum(one.trials for one in searches)) - sum(
        one.covered for one in searches
    )
    below = uncovered * math.log1p(-_above(t)) if uncovered else 0.0
    for one in searches:
        if one.covered:
            below += math.log1p(-min(survival(t, one.largest), 1 - 1e-12))
    return -math.expm1(below)


def survival(t: float, largest: FloatArray) -> float:
    """Return how likely the largest t of a search reaches this one.

    Up to the last tenth of the draws it is their share; beyond, it falls as a normal tail does
    whose deviation is fitted to them. The largest of any number of normal t has such a tail, with
    a deviation of 1.
    """
    tail = float(np.quantile(largest, 1 - TAIL))
    reached = (1 + int((largest >= min(t, tail)).sum())) / (1 + len(largest))
    beyond = largest[largest > tail]
    if t <= tail or len(beyond) == 0:
        return reached if t <= tail else 0.0
    deviation = _deviation(tail, float((beyond**2).mean()))
    return reached * _above(t / deviation) / _above(tail / deviation)


def _deviation(tail: float, square: float) -> float:
    """Return the deviation of normal numbers whose mean square beyond `tail` is this one."""
    low, high = 0.0, math.sqrt(square)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        x = tail / middle
        # beyond 8 deviations all that is known of a number is that it is hardly more
        hazard = NORMAL.pdf(x) / _above(x) if x < FAR else x + 1 / x
        if middle**2 + tail * middle * hazard < square:
            low = middle
        else:
            high = middle
    return high


def _above(t: float) -> float:
    """Return how likely a normal number is above t, which is exact far out as well."""
    return min(max(0.5 * math.erfc(t / math.sqrt(2)), 1e-300), 1 - 1e-12)
