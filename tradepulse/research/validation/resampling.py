"""What the same trades could have come to: in another order, or drawn again.

A trade's return is its profit after costs over the equity before it, so the equity after all
trades is the product of `1 + return`. Positions of one configuration do not overlap.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

ELEMENTS = 2_000_000
"""Samples times trades that are held in memory at once."""


def returns_of_trades(initial_equity: float, profits: FloatArray) -> FloatArray:
    """Return each trade's profit over the equity before it, float64 `(trades,)`.

    Args:
        initial_equity: before the first trade, quote currency.
        profits: float64 `(trades,)`, after costs, in the order in which they closed.

    Raises:
        ValueError: the equity was not positive before some trade.
    """
    before = initial_equity + np.concatenate(([0.0], np.cumsum(profits)[:-1]))
    if len(profits) and before.min() <= 0:
        raise ValueError("the equity is not above 0 before every trade")
    return np.asarray(profits / before[: len(profits)])


def permuted_drawdowns(returns: FloatArray, samples: int, seed: int) -> FloatArray:
    """Return the deepest drawdown of the same trades in random orders.

    The end is the same in any order; the way there is not. A drawdown is seen after a trade only,
    not within it.

    Args:
        returns: float64 `(trades,)`, of each trade.
        samples: how many orders.
        seed: the same gives the same.

    Returns:
        float64 `(samples,)`, percent of the peak, positive.
    """
    random = np.random.default_rng(seed)

    def shuffle(growth: FloatArray, count: int) -> FloatArray:
        return random.permuted(np.tile(growth, (count, 1)), axis=1)

    return _sampled(returns, samples, shuffle, _drawdowns)


def bootstrapped_profits(returns: FloatArray, samples: int, seed: int) -> FloatArray:
    """Return the profit of as many trades drawn again, with replacement.

    Source: B. Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of Statistics 7
    (1979). Trades count as independent of each other.

    Args:
        returns: float64 `(trades,)`, of each trade.
        samples: how many draws of all trades.
        seed: the same gives the same.

    Returns:
        float64 `(samples,)`, percent of the initial equity.
    """
    random = np.random.default_rng(seed)

    def draw(growth: FloatArray, count: int) -> FloatArray:
        return growth[random.integers(0, len(growth), (count, len(growth)))]

    return _sampled(returns, samples, draw, lambda growth: 100 * (growth[:, -1] - 1))


def _sampled(
    returns: FloatArray,
    samples: int,
    pick: Callable[[FloatArray, int], FloatArray],
    figure: Callable[[FloatArray], FloatArray],
) -> FloatArray:
    if len(returns) == 0:
        raise ValueError("there are no trades to draw from")
    rows = max(1, ELEMENTS // len(returns))
    # a trade that loses everything ends the account
    growth: FloatArray = np.maximum(1 + returns, 0.0).astype(np.float64)
    found = [
        figure(np.cumprod(pick(growth, min(rows, samples - lo)), axis=1, dtype=np.float64))
        for lo in range(0, samples, rows)
    ]
    return np.concatenate(found)


def _drawdowns(growth: FloatArray) -> FloatArray:
    peak = np.maximum(np.maximum.accumulate(growth, axis=1), 1.0)
    return np.asarray(100 * (1 - growth / peak).max(axis=1))
