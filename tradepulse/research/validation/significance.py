"""How likely it is that a Sharpe ratio is not luck.

Sharpe ratios here are those of one period, not of a year, with the sample deviation (`ddof` 1).
Sources: D. Bailey and M. Lopez de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15
(2012), and "The Deflated Sharpe Ratio", Journal of Portfolio Management 40 (2014).
"""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

NORMAL = NormalDist()
FEWEST = 3
"""Returns below which skewness and kurtosis say nothing."""


def sharpe(returns: FloatArray) -> float | None:
    """Return mean over sample deviation, None where the returns are too few or all the same."""
    if len(returns) < FEWEST or np.ptp(returns) == 0:
        return None
    return float(returns.mean() / returns.std(ddof=1))


def probabilistic_sharpe(returns: FloatArray, benchmark: float = 0.0) -> float | None:
    """Return the probability that the true Sharpe ratio is above a benchmark.

    With the estimate s, n returns, their skewness g3 and kurtosis g4 (3 for the normal), it is
    the normal distribution function at

        (s - benchmark) * sqrt(n - 1) / sqrt(1 - g3 * s + (g4 - 1) / 4 * s^2)

    Args:
        returns: float64 `(n,)`, finite.
        benchmark: Sharpe ratio of one period.

    Returns:
        0 to 1; None where the ratio or its variance is undefined.
    """
    found = sharpe(returns)
    if found is None:
        return None
    variance = _variance(returns, found)
    if variance <= 0:
        return None
    return NORMAL.cdf((found - benchmark) * math.sqrt((len(returns) - 1) / variance))


def _variance(returns: FloatArray, found: float) -> float:
    """Return the variance of a Sharpe ratio's estimate, times n - 1."""
    centred = returns - returns.mean()
    second = (centred**2).mean()
    third = (centred**3).mean() / second**1.5
    fourth = (centred**4).mean() / second**2
    return float(1 - third * found + (fourth - 1) / 4 * found**2)


def expected_maximum(trials: int, deviation: float) -> float:
    """Return the highest Sharpe ratio to be expected among trials without any edge.

    Args:
        trials: how many were made, at least 1; they count as independent.
        deviation: of the trials' Sharpe ratios.

    Raises:
        ValueError: no trial, or a deviation that is none.
    """
    if trials < 1:
        raise ValueError(f"{trials} trials; at least 1 was made")
    if not 0 <= deviation < math.inf:
        raise ValueError(f"the deviation of the trials is {deviation}")
    if trials == 1:
        return 0.0
    gamma = float(np.euler_gamma)
    return deviation * (
        (1 - gamma) * NORMAL.inv_cdf(1 - 1 / trials)
        + gamma * NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    )


def deflated_sharpe(returns: FloatArray, trials: int, deviation: float) -> float | None:
    """Return the probability that the best of many trials has a true Sharpe ratio above 0.

    It is the probabilistic Sharpe ratio with `expected_maximum` as the benchmark.

    Args:
        returns: float64 `(n,)`, of the trial that was chosen.
        trials: how many were made in all.
        deviation: of the trials' Sharpe ratios, each of one period.

    Raises:
        ValueError: as `expected_maximum`.
    """
    return probabilistic_sharpe(returns, expected_maximum(trials, deviation))


def chance_deviation(periods: int) -> float:
    """Return the deviation that chance alone gives the Sharpe ratios of trials without an edge."""
    return 1 / math.sqrt(max(periods - 1, 1))
