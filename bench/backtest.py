"""Backtests and searches, measured beside other engines on the same candles and rules.

    python bench/backtest.py                                   this engine alone
    python bench/backtest.py --peers PYTHON [--peers PYTHON]   and the peers that PYTHON has
    python bench/backtest.py --candles FILE --symbol BTC/USDT

Peers want other versions of common libraries, so each lives in an environment of its own and is
run from here as a child process; one environment may hold several:

    python -m venv peers && peers/bin/pip install "vectorbt[rust]==1.2.0" backtesting==0.6.6
    python -m venv nautilus && nautilus/bin/pip install nautilus_trader==1.221.0
    python bench/backtest.py --peers peers/bin/python --peers nautilus/bin/python

Candles are a seeded random walk unless a file is given. Two rules: a cross of two simple moving
averages, and the liquidity sweep with a stop and a target in average true ranges, for a fee and
without slippage, half of the equity in each trade. A single run makes its indicators, trades,
the equity at every candle, its figures and the list of trades. Every trade of a peer is compared
with ours; one that differs must have a known reason, or the program ends with 1.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from peer_task import CASH, FAST, FEE, FRACTION, SLOW, SWEEP, Task, Trade, Trades
from rich.console import Console
from rich.table import Table

from tradepulse.candles.arrays import Candles
from tradepulse.market_data.files import read_candles
from tradepulse.research.simulate import Simulation, SimulationRules, Simulator
from tradepulse.research.sweep import Sweep
from tradepulse.strategies import get_strategy

ROWS = 103_680
PEERS = ("vectorbt", "backtesting", "nautilus")
MODULES = {"nautilus": "nautilus_trader"}
OURS = "tradepulse"
RULES = SimulationRules(initial_cash=CASH, fee=FEE, slippage=0, fraction=FRACTION)
PARAMS: dict[str, tuple[str, dict[str, float]]] = {
    "sma": ("sma_cross", {"fast": FAST, "slow": SLOW}),
    "sweep": ("liquidity_sweep", SWEEP),
}
UNKNOWN = "for no known reason"
UNMADE: Trade = (-1, -1, 0.0, 0.0)
console = Console(width=110)


def walk(rows: int, seed: int) -> Candles:
    """Make five-minute candles of a random walk, in cents, with gaps between them."""
    rng = np.random.default_rng(seed)
    close = 30_000 * np.exp(np.cumsum(rng.normal(0, 0.001, rows)))
    open_ = np.concatenate((close[:1], close[:-1])) * np.exp(rng.normal(0, 0.0001, rows))
    high = np.maximum(open_, close) * (1 + rng.exponential(0.0005, rows))
    low = np.minimum(open_, close) * (1 - rng.exponential(0.0005, rows))
    times = 1_640_995_200_000 + np.arange(rows) * 300_000
    prices = (np.round(column, 2) for column in (open_, high, low, close))
    return Candles("bench", "BTC/USD", "5m", times, *prices, np.round(rng.exponential(10, rows), 4))


def draw(count: int, seed: int) -> tuple[Any, Any]:
    """Draw parameter sets for both searches."""
    rng = np.random.default_rng(seed)
    fast = np.round(np.exp(rng.uniform(np.log(2), np.log(100), count)))
    slow = np.minimum(400, np.round(fast * np.exp(rng.uniform(np.log(1.5), np.log(6), count))) + 2)
    sweep = np.column_stack(
        [
            np.round(np.exp(rng.uniform(np.log(5), np.log(200), count))),
            rng.uniform(0, 1, count),
            rng.uniform(0, 2, count),
            np.exp(rng.uniform(np.log(0.5), np.log(5), count)),
            np.exp(rng.uniform(np.log(0.5), np.log(10), count)),
        ]
    )
    return np.column_stack([fast, slow]), sweep


def vectors(task: str, sets: Any) -> Any:
    """Return parameter sets as our engine takes them."""
    name, params = PARAMS[task]
    found = get_strategy(name)
    return np.array([found.vector(dict(zip(params, one, strict=True))) for one in sets.tolist()])


def ours(candles: Candles, task: Task, threads: int) -> None:
    """Measure this engine: one run of each rule, then the searches."""
    simulator = Simulator(RULES)
    for kind, (name, params) in PARAMS.items():
        found = get_strategy(name)

        def run(found: Any = found, params: Any = params) -> Simulation:
            return simulator.trade(candles, found, found.vector(params))

        task.single(OURS, kind, run, trades_of)
        sets = vectors(kind, task.sma_sets if kind == "sma" else task.sweep_sets)
        for count in sorted({1, threads}):
            engine = OURS if count == threads else f"{OURS}, 1 thread"

            def search(tried: Any, found: Any = found, count: int = count) -> None:
                Sweep(candles, found, RULES, threads=count).run(tried)

            task.search(engine, f"{kind}_sets", sets, search)


def trades_of(result: Simulation) -> Trades:
    """Return the trades of a run as peers give theirs."""
    columns = (result.entry, result.exit, result.entry_price, result.exit_price)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def peers(python: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Run the peers that an interpreter has; return their answers."""
    answers: dict[str, dict[str, Any]] = {}
    for name in PEERS:
        has = [python, "-c", f"import {MODULES.get(name, name)}"]
        if subprocess.run(has, capture_output=True, check=False).returncode != 0:
            continue
        console.print(f"running {name} ...")
        script = Path(__file__).parent / f"peer_{name}.py"
        subprocess.run([python, script, folder], check=True, stdout=subprocess.DEVNULL)
        answers |= json.loads((folder / f"{name}.json").read_text())
    return answers


def differences(mine: Trades, theirs: Trades, candles: Candles) -> dict[str, int]:
    """Count where two lists of trades differ, by the reason.

    A difference of rows carries on: who is in a position ignores the signal that the other takes.
    So such a stretch counts once, and lasts until both lists have a trade of the same rows again.
    """
    found: dict[str, int] = {}
    a = b = 0
    while a < len(mine) or b < len(theirs):
        one = mine[a] if a < len(mine) else None
        other = theirs[b] if b < len(theirs) else None
        if one and other and rows_of(one) == rows_of(other):
            why = "" if same(one, other) else price_reason(one, other, candles)
            a, b = a + 1, b + 1
        else:
            before = mine[a - 1] if a > 0 else None
            why = row_reason(before, one, other, len(candles) - 1)
            while a < len(mine) or b < len(theirs):
                if a < len(mine) and b < len(theirs) and rows_of(mine[a]) == rows_of(theirs[b]):
                    break
                if b >= len(theirs) or (a < len(mine) and mine[a][0] <= theirs[b][0]):
                    a += 1
                else:
                    b += 1
        if why:
            found[why] = found.get(why, 0) + 1
    return found


def rows_of(trade: Trade) -> tuple[int, int]:
    return trade[0], trade[1]


def same(mine: Trade, theirs: Trade) -> bool:
    """Tell whether two trades have the same rows and prices."""
    prices = zip(mine[2:], theirs[2:], strict=True)
    return rows_of(mine) == rows_of(theirs) and all(close_to(p, q) for p, q in prices)


def row_reason(before: Trade | None, one: Trade | None, other: Trade | None, last: int) -> str:
    """Say why the first trades of a stretch are not of the same rows."""
    if last in ((one or UNMADE)[1], (other or UNMADE)[1]):
        return "it leaves the last position otherwise"
    is_ours_alone = one is not None and (other is None or one[0] < other[0])
    if one and is_ours_alone and before and before[1] == one[0] - 1:
        return "it drops a signal on the candle that hit a stop or target"
    return UNKNOWN


def price_reason(one: Trade, other: Trade, candles: Candles) -> str:
    """Say why two trades of the same rows have other prices."""
    if one[1] == len(candles) - 1:
        return "it leaves the last position otherwise"
    is_entry = close_to(one[2], other[2]) or close_to(candles.close[one[0] - 1], other[2])
    is_exit = close_to(one[3], other[3]) or close_to(candles.close[one[1] - 1], other[3])
    if is_entry and is_exit:
        return "its market orders fill at the close that decides, not at the next open"
    if is_entry and close_to(one[3], candles.open[one[1]]):
        return "it fills at a level that the open is beyond"
    if is_entry and candles.low[one[1]] <= other[3] <= candles.high[one[1]]:
        return "a candle touches stop and target, and it takes the other"
    return UNKNOWN


def close_to(price: float, other: float) -> bool:
    """Tell whether two prices are the same but for ticks: one part in a million."""
    return abs(price - other) <= 1e-6 * price


def report(answers: dict[str, dict[str, Any]], candles: Candles) -> bool:
    """Print all figures; return whether every difference of trades has a known reason."""
    rows = len(candles)
    own = answers[OURS]
    table = Table("engine", "rule", "one run", "candles/s", "ratio", "trades", "same rows")
    is_clean = True
    notes: list[str] = []
    for engine, answer in answers.items():
        for kind in ("sma", "sweep"):
            if kind not in answer:
                continue
            seconds, trades = answer[kind]["seconds"], answer[kind]["trades"]
            equal = len({*map(rows_of, trades)} & {*map(rows_of, own[kind]["trades"])})
            table.add_row(
                engine, kind, f"{1e3 * seconds:,.2f} ms", f"{rows / seconds:,.0f}",
                f"{seconds / own[kind]['seconds']:,.1f}", f"{len(trades):,}", f"{equal:,}",
            )  # fmt: skip
            for why, count in differences(own[kind]["trades"], trades, candles).items():
                notes.append(f"{engine}, {kind}: differs {count} times: {why}")
                is_clean = is_clean and why != UNKNOWN
    console.print(table)
    for note in notes:
        console.print(note)
    table = Table("engine", "search", "sets", "seconds", "trials/s", "ratio")
    for engine, answer in answers.items():
        for kind in ("sma_sets", "sweep_sets"):
            if kind in answer:
                seconds, sets = answer[kind]["seconds"], answer[kind]["sets"]
                rate = own[kind]["sets"] / own[kind]["seconds"]
                table.add_row(
                    engine, kind.removesuffix("_sets"), f"{sets:,}", f"{seconds:,.2f}",
                    f"{sets / seconds:,.1f}", f"{rate * seconds / sets:,.1f}",
                )  # fmt: skip
    console.print(table)
    return is_clean


def memory(candles: Candles, threads: int) -> None:
    """Print the resident memory while the trials of one search grow."""
    found = get_strategy("liquidity_sweep")
    sweep = Sweep(candles, found, RULES, threads=threads)
    process = psutil.Process()
    for count in (500, 1_000, 2_000, 4_000):
        sweep.run(vectors("sweep", draw(count, count)[1]))
        megabytes = process.memory_info().rss / 1e6
        console.print(f"resident memory after {count:,} more trials: {megabytes:,.0f} MB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", action="append", default=[], metavar="PYTHON")
    parser.add_argument("--candles", type=Path, help="candles of a file instead of a random walk")
    parser.add_argument("--symbol", help="of the file")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--sets", type=int, default=1_000, help="of each search")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if given.candles is None:
        candles = walk(given.rows, 1)
    else:
        candles = read_candles(given.candles, [given.symbol] if given.symbol else None)[0]
        candles = candles.rows(0, given.rows)
    columns = {name: getattr(candles, name) for name in candles.__slots__[3:]}
    sma_sets, sweep_sets = draw(given.sets, 2)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        np.savez(folder / "task.npz", **columns, sma_sets=sma_sets, sweep_sets=sweep_sets)
        task = Task(folder)
        console.print(f"{len(candles):,} candles, {given.sets:,} sets, {given.threads} threads")
        ours(candles, task, given.threads)
        answers = dict(task.answers)
        for python in given.peers:
            answers |= peers(python, folder)
        is_clean = report(answers, candles)
    memory(candles, given.threads)
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
