"""Features: the columns that a strategy reads, computed once and shared by a whole search.

A feature is a column over all candles, as an average or a channel. Row i depends on a fixed
number of rows up to i, to the bit (see `_windows.py`), so it is the same live and in a backtest.
The factories below name the parameters that a feature takes its lengths from:

    features={"fast": sma("fast"), "unit": atr("atr_window", only_if=("stop_atr",))}

A feature of one's own is a compiled function and the rows that it needs:

    @compiled
    def _spread(open_, high, low, close, volume, args):
        return window_max(high, int(args[0])) - window_min(low, int(args[0]))

    def spread(window, only_if=()):
        return Feature(_spread, (window,), rows=int, only_if=only_if)
"""

from typing import Unpack

import numpy as np

from tradepulse.strategies._feature import Args, Feature, Source
from tradepulse.strategies._recursions import (
    atr_wilder_rows,
    ema_rows,
    rsi_rows,
    supertrend_rows,
    window_atr_wilder,
    window_ema,
    window_rsi,
    window_spread,
    window_supertrend,
)
from tradepulse.strategies._windows import (
    FloatArray,
    mean_true_range,
    window_max,
    window_mean,
    window_min,
)
from tradepulse.strategies.compiled import compiled


@compiled
def _sma(
    open_: FloatArray,  # noqa: ARG001 - every feature has the same arguments
    high: FloatArray,  # noqa: ARG001
    low: FloatArray,  # noqa: ARG001
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001
    args: Args,
) -> FloatArray:
    return window_mean(close, int(args[0]))


@compiled
def _mean_volume(
    open_: FloatArray,  # noqa: ARG001 - every feature has the same arguments
    high: FloatArray,  # noqa: ARG001
    low: FloatArray,  # noqa: ARG001
    close: FloatArray,  # noqa: ARG001
    volume: FloatArray,
    args: Args,
) -> FloatArray:
    return window_mean(volume, int(args[0]))


@compiled
def _atr(
    open_: FloatArray,  # noqa: ARG001 - every feature has the same arguments
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001
    args: Args,
) -> FloatArray:
    return mean_true_range(high, low, close, int(args[0]))


@compiled
def _lowest(
    open_: FloatArray,  # noqa: ARG001 - every feature has the same arguments
    high: FloatArray,  # noqa: ARG001
    low: FloatArray,
    close: FloatArray,  # noqa: ARG001
    volume: FloatArray,  # noqa: ARG001
    args: Args,
) -> FloatArray:
    return window_min(low, int(args[0]))


@compiled
def _highest(
    open_: FloatArray,  # noqa: ARG001 - every feature has the same arguments
    high: FloatArray,
    low: FloatArray,  # noqa: ARG001
    close: FloatArray,  # noqa: ARG001
    volume: FloatArray,  # noqa: ARG001
    args: Args,
) -> FloatArray:
    return window_max(high, int(args[0]))


@compiled
def _ema(
    open_: FloatArray,  # noqa: ARG001 - every feature has the same arguments
    high: FloatArray,  # noqa: ARG001
    low: FloatArray,  # noqa: ARG001
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001
    args: Args,
) -> FloatArray:
    return window_ema(close, int(args[0]))


@compiled
def _rsi(
    open_: FloatArray,  # noqa: ARG001 - every feature has the same arguments
    high: FloatArray,  # noqa: ARG001
    low: FloatArray,  # noqa: ARG001
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001
    args: Args,
) -> FloatArray:
    return window_rsi(close, int(args[0]))


@compiled
def _stdev(
    open_: FloatArray,  # noqa: ARG001 - every feature has the same arguments
    high: FloatArray,  # noqa: ARG001
    low: FloatArray,  # noqa: ARG001
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001
    args: Args,
) -> FloatArray:
    return window_spread(close, int(args[0]))


@compiled
def _change(
    open_: FloatArray,  # noqa: ARG001 - every feature has the same arguments
    high: FloatArray,  # noqa: ARG001
    low: FloatArray,  # noqa: ARG001
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001
    args: Args,
) -> FloatArray:
    window = min(int(args[0]), len(close))
    change = np.full(len(close), np.nan)
    for i in range(window, len(close)):
        change[i] = close[i] / close[i - window] - 1.0
    return change


@compiled
def _supertrend(
    open_: FloatArray,  # noqa: ARG001 - every feature has the same arguments
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001
    args: Args,
) -> FloatArray:
    return window_supertrend(high, low, close, int(args[0]), args[1])


def _one_more(window: float) -> int:
    return int(window) + 1


def sma(window: str, only_if: tuple[str, ...] = (), **source: Unpack[Source]) -> Feature:
    """Return the simple moving average of the closes."""
    return Feature(_sma, (window,), int, only_if, **source)


def mean_volume(window: str, only_if: tuple[str, ...] = (), **source: Unpack[Source]) -> Feature:
    """Return the mean volume of a candle, base currency."""
    return Feature(_mean_volume, (window,), int, only_if, **source)


def atr(window: str, only_if: tuple[str, ...] = (), **source: Unpack[Source]) -> Feature:
    """Return the average true range: the plain mean, in the price's unit, see `atr_wilder`."""
    return Feature(_atr, (window,), _one_more, only_if, **source)


def lowest(window: str, only_if: tuple[str, ...] = (), **source: Unpack[Source]) -> Feature:
    """Return the lowest low of the window."""
    return Feature(_lowest, (window,), int, only_if, **source)


def highest(window: str, only_if: tuple[str, ...] = (), **source: Unpack[Source]) -> Feature:
    """Return the highest high of the window."""
    return Feature(_highest, (window,), int, only_if, **source)


def ema(window: str, only_if: tuple[str, ...] = (), **source: Unpack[Source]) -> Feature:
    """Return the exponential moving average of the closes, over 11 windows' rows."""
    return Feature(_ema, (window,), ema_rows, only_if, **source)


def rsi(window: str, only_if: tuple[str, ...] = (), **source: Unpack[Source]) -> Feature:
    """Return Wilder's relative strength index, 0 to 100, over 21 windows' rows."""
    return Feature(_rsi, (window,), rsi_rows, only_if, **source)


def stdev(window: str, only_if: tuple[str, ...] = (), **source: Unpack[Source]) -> Feature:
    """Return the standard deviation (of the population) of the closes."""
    return Feature(_stdev, (window,), int, only_if, **source)


def change(window: str, only_if: tuple[str, ...] = (), **source: Unpack[Source]) -> Feature:
    """Return how far the close is from that of `window` candles before, relative: 0.01 is 1 %."""
    return Feature(_change, (window,), _one_more, only_if, **source)


def supertrend(
    window: str, multiplier: str, only_if: tuple[str, ...] = (), **source: Unpack[Source]
) -> Feature:
    """Return Supertrend: the line while it lies below the price, minus the line while above.

    Its bands are made of the ranges of `atr`; those of the indicator, of `atr_wilder`'s.
    """
    return Feature(_supertrend, (window, multiplier), supertrend_rows, only_if, **source)


@compiled
def _atr_wilder(
    open_: FloatArray,  # noqa: ARG001 - every feature has the same arguments
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,  # noqa: ARG001
    args: Args,
) -> FloatArray:
    return window_atr_wilder(high, low, close, int(args[0]))


def atr_wilder(window: str, only_if: tuple[str, ...] = (), **source: Unpack[Source]) -> Feature:
    """Return Wilder's average true range, in the price's unit, over 21 windows' rows."""
    return Feature(_atr_wilder, (window,), atr_wilder_rows, only_if, **source)
