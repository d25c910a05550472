"""What a decision of a learned policy takes, beside one by inverse volatility.

    python bench/decision.py                     8 and 50 instruments, 1 and 8 networks
    python bench/decision.py --decisions 20000

Times are of the thread's processor, in microseconds; a decision begins with the history of returns
and ends with the weights of all instruments.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from tests.candle_series import random_walk
from tests.made_models import made_model
from tradepulse.trading.policies.features import LOOKBACK, observe_rows
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.model_bytes import bytes_of
from tradepulse.trading.policies.weighing import weigh
from tradepulse.trading.weights import InverseVolatility, ReturnHistory, WeightPolicy

console = Console(width=120)
LAYERS = (20, 32, 32, 1)


def took(policy: WeightPolicy, count: int, decisions: int) -> list[float]:
    history, names = ReturnHistory(LOOKBACK), []
    for seed in range(count):
        one = random_walk(f"{seed}/USD", LOOKBACK + 1, seed=seed)
        history.begin(one.series, zip(one.close_time.tolist(), one.close.tolist(), strict=True))
        names.append(one.series)
    times = []
    for _ in range(decisions):
        start = time.thread_time_ns()
        weigh(policy, history, names)
        times.append((time.thread_time_ns() - start) / 1_000)
    return times


def policies() -> Iterator[tuple[str, WeightPolicy]]:
    yield "inverse volatility", InverseVolatility()
    for seeds in (1, 8):
        model = made_model(1, layers=LAYERS, seeds=seeds)
        size = len(bytes_of(model))
        yield f"{seeds} networks {LAYERS}, {size:,} bytes", LearnedPolicy(model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=3_000)
    given = parser.parse_args()
    table = Table("policy", "instruments", "p50", "p99", title="one decision, microseconds")
    for name, policy in policies():
        for count in (8, 50):
            p50, p99 = np.percentile(took(policy, count, given.decisions), [50, 99])
            table.add_row(name, str(count), f"{p50:.0f}", f"{p99:.0f}")
    console.print(table)
    series = [random_walk(f"{seed}/USD", 3_000, seed=seed) for seed in range(8)]
    start = time.thread_time_ns()
    observe_rows(series, series[0].close_time)
    each = (time.thread_time_ns() - start) / 1_000 / 3_000
    console.print(f"features of a block of 3,000 rows, 8 instruments: {each:.0f} us a row")


if __name__ == "__main__":
    main()
