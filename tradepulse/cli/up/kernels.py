"""Compile what the first training job and its trading call, ahead of those who will call it.

A fresh clone spends many seconds of one core on this; `tradepulse up` does it while the broker and
the database start, and every service then loads what is in the cache.
"""

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.cli.up.replay import STRATEGIES
from tradepulse.research.simulate import SimulationRules
from tradepulse.research.sweep import Sweep
from tradepulse.strategies import get_strategy


def compile_all() -> None:
    """Search and evaluate each of the strategies of `tradepulse up` once, on flat candles."""
    count = 100
    flat = np.ones(count)
    times = np.arange(count) * timeframe_ms("1h")
    candles = Candles("none", "NONE/NONE", "1h", times, flat, flat, flat, flat, flat)
    for name in STRATEGIES:
        strategy = get_strategy(name)
        Sweep(candles, strategy, SimulationRules()).run(strategy.vector({})[np.newaxis])
        strategy.run(candles, {})


if __name__ == "__main__":
    compile_all()
