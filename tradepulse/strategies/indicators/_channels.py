"""Channels: extremes of windows and Bollinger's bands."""

from tradepulse.strategies._recursions import window_spread
from tradepulse.strategies._windows import window_max, window_mean, window_min
from tradepulse.strategies.indicators._indicator import (
    FloatArray,
    Indicator,
    factor_of,
    window_of,
    windowed,
)


def highest(window: int) -> Indicator:
    """Return the highest high of the last candles.

    Raises:
        ValueError: the window is no whole number of at least 1.
    """
    length = window_of("window", window)
    return windowed(
        f"highest({length})",
        ("high",),
        ("highest",),
        length,
        lambda high: (window_max(high, length),),
    )


def lowest(window: int) -> Indicator:
    """Return the lowest low of the last candles.

    Raises:
        ValueError: the window is no whole number of at least 1.
    """
    length = window_of("window", window)
    return windowed(
        f"lowest({length})", ("low",), ("lowest",), length, lambda low: (window_min(low, length),)
    )


def donchian(window: int) -> Indicator:
    """Return Donchian's channel: the lowest low, the middle and the highest high.

    Raises:
        ValueError: the window is no whole number of at least 1.
    """
    length = window_of("window", window)

    def channel(high: FloatArray, low: FloatArray) -> tuple[FloatArray, ...]:
        lower, upper = window_min(low, length), window_max(high, length)
        return lower, (lower + upper) / 2.0, upper

    return windowed(
        f"donchian({length})", ("high", "low"), ("lower", "middle", "upper"), length, channel
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

    def bands(close: FloatArray) -> tuple[FloatArray, ...]:
        middle, spread = window_mean(close, length), window_spread(close, length)
        return middle - factor * spread, middle, middle + factor * spread

    return windowed(
        f"bollinger({length}, {factor:g})",
        ("close",),
        ("lower", "middle", "upper"),
        length,
        bands,
    )
