"""What `import tradepulse` and a backtest through the library cost over the engine's own call.

    python bench/library.py

Both calls trade the same candles in turns, after one of each that compiles; the medians of their
processor time are told, which other work on the machine disturbs least.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal

from backtest import ROWS, walk

import tradepulse as tp
from tradepulse.strategies import get_strategy
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import backtest
from tradepulse.trading.sizing import AccountRules
from tradepulse.trading.weights import EqualWeights


def seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def importing() -> float:
    """Return how long a process of its own says that the import took, seconds."""
    code = "import time; t = time.perf_counter(); import tradepulse; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS // 5)
    parser.add_argument("--turns", type=int, default=11)
    asked = parser.parse_args()
    candles = walk(asked.rows, seed=1)
    params = get_strategy("sma_cross").complete({"fast": 20, "slow": 100})
    names = (candles.exchange, candles.symbol, candles.timeframe)
    one = Configuration(tp.backtest(candles, "sma_cross", params).told.configurations[0]
                        .configuration_id, "sma_cross", *names, params)  # fmt: skip

    def engine() -> object:
        return backtest([candles], [one], AccountRules(), EqualWeights(), cash=Decimal(100_000))

    def library() -> object:
        return tp.backtest(candles, "sma_cross", params)

    engine()
    turns = [(seconds(engine), seconds(library)) for _ in range(asked.turns)]
    own, through = (statistics.median(times) for times in zip(*turns, strict=True))
    share = statistics.median(b / a - 1 for a, b in turns)
    imported = statistics.median(importing() for _ in range(asked.turns))
    print(f"import tradepulse        {imported * 1000:8.1f} ms")
    print(f"the engine, {len(candles):,} rows {own * 1000:8.1f} ms")
    print(f"tp.backtest              {through * 1000:8.1f} ms, {100 * share:+.1f} %")


if __name__ == "__main__":
    main()
