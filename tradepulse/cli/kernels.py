"""Compile the strategies' kernels and the simulator ahead of those who will call them.

A fresh clone spends ten seconds of one core on this; `tradepulse up` does it while the broker and
the database start, and every service then loads what is in the cache.
"""

import numpy as np

from tradepulse.trading.candles import Candles
from tradepulse.trading.simulate import SimulationRules, Simulator
from tradepulse.trading.strategies import get_strategy, strategy_names
from tradepulse.trading.timeframes import timeframe_ms


def compile_all() -> None:
    """Run every strategy and the simulator once, on flat candles."""
    count = 100
    flat = np.ones(count)
    times = np.arange(count) * timeframe_ms("1h")
    candles = Candles("none", "NONE/NONE", "1h", times, flat, flat, flat, flat, flat)
    simulator = Simulator(SimulationRules())
    for name in strategy_names():
        simulator.run(candles, get_strategy(name).run(candles, {}))


if __name__ == "__main__":
    compile_all()
