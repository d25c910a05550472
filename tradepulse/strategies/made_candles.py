"""Candles to look at strategies with where there are no real ones."""

from dataclasses import replace

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.strategies._strategy import Strategy

TIMEFRAME = "30m"
"""Of candles that are made up."""


def random_walk(count: int, seed: int = 0) -> Candles:
    """Make up candles to run detectors on where there are no real ones: the same for a seed.

    Args:
        count: candles, of half an hour.
        seed: of the walk.
    """
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.005, count)))
    open_ = np.concatenate(([100.0], close[:-1]))[:count]
    high = np.maximum(open_, close) * (1.0 + rng.exponential(0.002, count))
    low = np.minimum(open_, close) / (1.0 + rng.exponential(0.002, count))
    times = np.arange(count, dtype=np.int64) * timeframe_ms(TIMEFRAME)
    volume = rng.exponential(10.0, count)
    return Candles("none", "RANDOM/WALK", TIMEFRAME, times, open_, high, low, close, volume)


def random_walks(count: int, strategy: Strategy) -> Candles:
    """Make up a series, and one for each instrument that a strategy looks at beside it."""
    walk = random_walk(count)
    names = strategy.references(walk)
    others = {name: random_walk(count, seed) for seed, name in enumerate(names, 1)}
    return replace(walk, references=others)
