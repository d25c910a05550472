"""Which candles a search sees, and which it never sees. Pure."""

from dataclasses import dataclass

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.candles.checks import first_problem
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.research.space import random, space_of
from tradepulse.strategies import Params, Strategy

HELD_BACK = 0.25
"""Fraction at the end that no search sees, where nothing else is said."""
SAMPLES = 100
"""Parameter sets that are looked at where a strategy refuses its own upper bounds."""


@dataclass(frozen=True, slots=True)
class Range:
    """Which candles of a series a search uses.

    A job stores it when it begins, so that a resume uses the same.

    Attributes:
        first: first open time loaded, epoch ms; up to `start` candles only warm up.
        start: first open time traded in sample.
        split: first open time out of sample; `end` where nothing is.
        end: open time before which the data ends.
        rows: candles from `first` to `end`.
    """

    first: int
    start: int
    split: int
    end: int
    rows: int


def lookback_of_space(strategy: Strategy, fixed: Params, timeframe: str) -> int:
    """Return the most candles of a timeframe that a strategy's parameter sets need.

    Raises:
        ValueError: the search space is empty, or the strategy cannot be on this timeframe.
    """
    upper = {param.name: param.high for param in space_of(strategy, fixed)}
    try:
        return strategy.lookback({**upper, **fixed}, timeframe)
    except ValueError:  # its constraint refuses them together
        drawn = random(strategy, SAMPLES, 0, fixed)
        return max(strategy.lookback(params, timeframe) for params in drawn)


def range_of(
    candles: Candles,
    lookback: int,
    start: int | None = None,
    *,
    held_back: float = HELD_BACK,
    split: int | None = None,
) -> Range:
    """Divide a series into warm-up, in-sample and out-of-sample.

    Args:
        candles: the series with candles before `start`, where there are, for the warm-up.
        lookback: most candles that a strategy needs.
        start: first open time that is traded, epoch ms; None for the first there is.
        held_back: fraction at the end that is out of sample.
        split: first open time out of sample, epoch ms; None for what `held_back` says.

    Raises:
        ValueError: there are no candles, or too few.
    """
    times = candles.open_time
    begin = 0 if start is None else int(np.searchsorted(times, start))
    usable = len(times) - begin
    if usable <= 0:
        raise ValueError(
            f"no candles of {candles.series} in the range of the search; import them or widen it"
        )
    in_sample = usable - int(usable * held_back)
    if split is not None:
        in_sample = max(0, int(np.searchsorted(times, split)) - begin)
    if begin + in_sample <= lookback:
        raise ValueError(
            f"{in_sample} in-sample candles of {candles.series} are too few: the longest lookback "
            f"of the search is {lookback}; import more candles or fix shorter parameters"
        )
    end = int(times[-1]) + timeframe_ms(candles.timeframe)
    last = begin + in_sample
    return Range(
        first=int(times[0]),
        start=int(times[begin]),
        split=int(times[last]) if last < len(times) else end,
        end=end,
        rows=len(times),
    )


def check_candles(candles: Candles) -> None:
    """Refuse candles that no market made.

    Raises:
        ValueError: a figure is NaN, or another rule is broken; the first such candle is named.
    """
    problem = first_problem(candles)
    if problem is not None:
        raise ValueError(
            f"candle {problem.row + 1} of {len(candles)} of {candles.series} cannot be used: "
            f"{problem.reason}; import it again"
        )
