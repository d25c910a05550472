"""Candles to look at strategies with where there are no real ones."""

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms


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
    times = np.arange(count, dtype=np.int64) * timeframe_ms("30m")
    volume = rng.exponential(10.0, count)
    return Candles("none", "RANDOM/WALK", "30m", times, open_, high, low, close, volume)
