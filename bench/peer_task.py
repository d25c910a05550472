"""What bench/backtest.py asks of its peers, each run by an interpreter of its own.

    PYTHON bench/peer_NAME.py FOLDER

The folder holds `task.npz`: columns of the candles, and the parameter sets of the searches. The
answer is `NAME.json`: for each engine and task the seconds, the trades of a single run as
`[entry row, exit row, entry price, exit price]`, and how many sets a search tried.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CASH = 1e9  # some engines trade whole units only
FRACTION = 0.5
FEE = 0.001
FAST, SLOW = 20, 50
SWEEP = {"window": 20, "sweep_atr": 0.1, "volume_factor": 1.0, "stop_atr": 1.5, "target_atr": 3.0}
ATR_WINDOW = 14
Trade = tuple[int, int, float, float]
Trades = list[Trade]


class Task:
    """The candles, and the answers so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        data = np.load(folder / "task.npz")
        self.open_time: Any = data["open_time"]
        self.candle_ms = int(np.diff(self.open_time).min())
        self.open: Any = data["open"]
        self.high: Any = data["high"]
        self.low: Any = data["low"]
        self.close: Any = data["close"]
        self.volume: Any = data["volume"]
        self.sma_sets: Any = data["sma_sets"]
        self.sweep_sets: Any = data["sweep_sets"]
        self.answers: dict[str, dict[str, Any]] = {}

    def single(
        self, engine: str, task: str, run: Callable[[], Any], trades: Any, budget: float = 3.0
    ) -> None:
        """Time a single run, the best of several, and keep its trades.

        Args:
            engine: name to print.
            task: `sma` or `sweep`.
            run: the work that is timed.
            trades: makes `Trades` of what it returns.
            budget: seconds for repeated runs; 0 times the first, where nothing is compiled.
        """
        begin = time.perf_counter()
        result = run()
        seconds = time.perf_counter() - begin
        if budget > 0:
            seconds = best_of(run, budget)
        self.answers.setdefault(engine, {})[task] = {"seconds": seconds, "trades": trades(result)}

    def search(self, engine: str, task: str, sets: Any, run: Callable[[Any], Any]) -> None:
        """Time a search of these sets, once; two sets before it compile what is to be compiled."""
        run(sets[:2])
        begin = time.perf_counter()
        run(sets)
        seconds = time.perf_counter() - begin
        self.answers.setdefault(engine, {})[task] = {"seconds": seconds, "sets": len(sets)}


def best_of(run: Callable[[], Any], budget: float) -> float:
    """Return the least seconds of a run, repeated until the budget of seconds is spent."""
    best, spent, runs = float("inf"), 0.0, 0
    while runs < 2 or (spent < budget and runs < 200):
        begin = time.perf_counter()
        run()
        seconds = time.perf_counter() - begin
        best, spent, runs = min(best, seconds), spent + seconds, runs + 1
    return best


def answer(name: str, work: Callable[[Task], None]) -> None:
    """Do the work in the folder of the command line."""
    task = Task(Path(sys.argv[1]))
    work(task)
    (task.folder / f"{name}.json").write_text(json.dumps(task.answers))
