"""Compile what searching and trading strategies calls, ahead of those who will call it.

`python -m tradepulse.cli.up.kernels [STRATEGY...]`: all that come along where none is named. A
fresh clone spends many seconds of one core on this; `tradepulse up` does it while the broker and
the database start, an image is made with it, and every service then loads what is in the cache.
"""

import sys
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.research.simulate import SimulationRules
from tradepulse.research.sweep import Sweep
from tradepulse.strategies import get_strategy, strategy_names
from tradepulse.strategies.evaluate import Configuration, last_of
from tradepulse.strategies.read_only import read_only


def compile_all(names: Iterable[str]) -> None:
    """Search and evaluate each of the strategies once, on flat candles."""
    count = 100
    flat = np.ones(count)
    times = np.arange(count) * timeframe_ms("1h")
    candles = Candles("none", "NONE/NONE", "1h", times, flat, flat, flat, flat, flat)
    for name in names:
        strategy = get_strategy(name)
        others = dict.fromkeys(strategy.references(candles), candles)
        shown = replace(candles, references=others)
        Sweep(shown, strategy, SimulationRules()).run(strategy.vector({})[np.newaxis])
        strategy.run(shown, {})
        if strategy.has_sources:
            continue
        # as signal_svc does at each candle
        one = Configuration(UUID(int=0), name, "none", "NONE/NONE", "1h", {}, 1.0)
        last_of(one, read_only(np.ones((5, 2))), read_only(times), 0)


if __name__ == "__main__":
    compile_all(sys.argv[1:] or strategy_names())
