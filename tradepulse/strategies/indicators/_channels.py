"""Channels: rolling extremes and Bollinger's bands."""

import math

import numpy as np

from tradepulse.strategies.compiled import compiled
from tradepulse.strategies.indicators._indicator import FloatArray, Indicator, factor_of, window_of

ExtremeState = tuple[int, float, FloatArray, FloatArray]
"""Rows seen, greatest of the block so far, its rows, and the greatest of the block before."""
SpreadState = tuple[int, float, float, FloatArray, FloatArray, FloatArray]
"""Rows seen, mean and squares of the block so far, its rows, means and squares of the block
before. Squares are the sum of squared distances from the mean."""


def extreme_state(window: int) -> ExtremeState:
    """Return `rolling_max`'s state before the first row."""
    return 0, -np.inf, np.zeros(window), np.full(window + 1, -np.inf)


def spread_state(window: int) -> SpreadState:
    """Return `rolling_spread`'s state before the first row."""
    return 0, 0.0, 0.0, np.zeros(window), np.zeros(window + 1), np.zeros(window + 1)


@compiled
def rolling_max(x: FloatArray, window: int, state: ExtremeState) -> tuple[FloatArray, ExtremeState]:
    """Return the greatest of each row and the `window - 1` rows before it, in O(n).

    By blocks, as `rolling_sum`; that is van Herk's own use of them.
    """
    seen, greatest, block, ends = state
    out = np.full(len(x), np.nan)
    for i in range(len(x)):
        at = seen % window
        block[at] = x[i]
        greatest = max(greatest, x[i])
        seen += 1
        if seen >= window:
            out[i] = max(ends[at + 1], greatest)
        if at == window - 1:
            greatest = -np.inf
            for j in range(at, -1, -1):
                ends[j] = max(ends[j + 1], block[j])
    return out, (seen, greatest, block, ends)


@compiled
def rolling_spread(
    x: FloatArray, window: int, state: SpreadState
) -> tuple[FloatArray, FloatArray, SpreadState]:
    """Return mean and standard deviation (of the population) of each window.

    By blocks, as `rolling_sum`. Their means and squared distances are merged as T. Chan,
    G. Golub and R. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
    Variances" (1979); the textbook's mean of squares less the squared mean loses all digits
    where a high price hardly moves.
    """
    seen, mean, squares, block, means, ends = state
    middle = np.full(len(x), np.nan)
    spread = np.full(len(x), np.nan)
    for i in range(len(x)):
        at = seen % window
        block[at] = x[i]
        away = x[i] - mean
        mean += away / (at + 1)
        squares += away * (x[i] - mean)
        seen += 1
        if seen >= window:
            older = window - 1 - at
            apart = means[at + 1] - mean
            middle[i] = mean + apart * older / window
            merged = ends[at + 1] + squares + apart * apart * older * (at + 1) / window
            spread[i] = math.sqrt(max(merged, 0.0) / window)
        if at == window - 1:
            mean = 0.0
            squares = 0.0
            means[window] = 0.0
            for j in range(at, -1, -1):
                away = block[j] - means[j + 1]
                means[j] = means[j + 1] + away / (window - j)
                ends[j] = ends[j + 1] + away * (block[j] - means[j])
    return middle, spread, (seen, mean, squares, block, means, ends)


@compiled
def _highest_rows(
    high: FloatArray, window: int, state: ExtremeState
) -> tuple[tuple[FloatArray], ExtremeState]:
    upper, state = rolling_max(high, window, state)
    return (upper,), state


@compiled
def _lowest_rows(
    low: FloatArray, window: int, state: ExtremeState
) -> tuple[tuple[FloatArray], ExtremeState]:
    upper, state = rolling_max(-low, window, state)
    return (-upper,), state


@compiled
def _donchian_rows(
    high: FloatArray, low: FloatArray, window: int, state: tuple[ExtremeState, ExtremeState]
) -> tuple[tuple[FloatArray, FloatArray, FloatArray], tuple[ExtremeState, ExtremeState]]:
    upper, upper_state = rolling_max(high, window, state[0])
    lower, lower_state = rolling_max(-low, window, state[1])
    return (-lower, (upper - lower) / 2.0, upper), (upper_state, lower_state)


@compiled
def _bollinger_rows(
    close: FloatArray, window: int, deviations: float, state: SpreadState
) -> tuple[tuple[FloatArray, FloatArray, FloatArray], SpreadState]:
    middle, spread, state = rolling_spread(close, window, state)
    return (middle - deviations * spread, middle, middle + deviations * spread), state


def highest(window: int) -> Indicator:
    """Return the highest high of the last candles.

    Raises:
        ValueError: the window is no whole number of at least 1.
    """
    length = window_of("window", window)
    name = f"highest({length})"
    return Indicator(
        name, ("high",), ("highest",), _highest_rows, (length,), lambda: extreme_state(length)
    )


def lowest(window: int) -> Indicator:
    """Return the lowest low of the last candles.

    Raises:
        ValueError: the window is no whole number of at least 1.
    """
    length = window_of("window", window)
    name = f"lowest({length})"
    return Indicator(
        name, ("low",), ("lowest",), _lowest_rows, (length,), lambda: extreme_state(length)
    )


def donchian(window: int) -> Indicator:
    """Return Donchian's channel: the lowest low, the middle and the highest high.

    Raises:
        ValueError: the window is no whole number of at least 1.
    """
    length = window_of("window", window)
    return Indicator(
        f"donchian({length})",
        ("high", "low"),
        ("lower", "middle", "upper"),
        _donchian_rows,
        (length,),
        lambda: (extreme_state(length), extreme_state(length)),
    )


def bollinger(window: int = 20, deviations: float = 2.0) -> Indicator:
    """Return Bollinger's bands around the simple average of the closes.

    Args:
        window: candles, at least 1.
        deviations: standard deviations (of the population) from the middle to a band.

    Raises:
        ValueError: the window is no whole number of at least 1, or the factor not above 0.
    """
    length = window_of("window", window)
    factor = factor_of("deviations", deviations)
    return Indicator(
        f"bollinger({length}, {factor:g})",
        ("close",),
        ("lower", "middle", "upper"),
        _bollinger_rows,
        (length, factor),
        lambda: spread_state(length),
    )
