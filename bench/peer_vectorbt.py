"""vectorbt, with each of its engines: see bench/peer_task.py."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt
from peer_task import ATR_WINDOW, CASH, FAST, FEE, FRACTION, SLOW, SWEEP, Task, Trades, answer

COLUMNS = {"numba": 25, "rust": 10}
"""Sets simulated at once, by engine: other numbers were slower here, and more take gigabytes."""


def portfolio(task: Task, engine: str, entries: Any, exits: Any, **stops: Any) -> Any:
    # an order decided at a close fills at the next open, so that the entry candle's stop counts
    following = np.append(task.open[1:], task.close[-1])
    return vbt.Portfolio.from_signals(
        task.close_series,
        entries,
        exits,
        price=following if entries.ndim == 1 else following[:, None],
        size=FRACTION,
        size_type="percent",
        fees=FEE,
        init_cash=CASH,
        freq=pd.Timedelta(task.candle_ms, "ms"),
        engine=engine,
        **stops,
    )


def figures(made: Any) -> list[Any]:
    """Take the three figures that a search needs at least; our sweep takes eleven."""
    return [made.total_return(), made.sharpe_ratio(), made.max_drawdown()]


def mean_of(task: Task, window: int) -> Any:
    return vbt.MA.run(task.close_series, window, short_name=f"ma{window}").ma.to_numpy()


def crosses(fast: Any, slow: Any) -> tuple[Any, Any]:
    over, under = fast > slow, fast < slow
    known = ~np.isnan(slow)
    entries, exits = np.zeros(over.shape, bool), np.zeros(over.shape, bool)
    entries[1:] = over[1:] & ~over[:-1] & known[:-1]
    exits[1:] = under[1:] & ~under[:-1] & known[:-1]
    entries[-1] = exits[-1] = False  # there is no next open
    return entries, exits


class Sweep:
    """The columns of the liquidity sweep, each made once, and the signals of a set."""

    def __init__(self, task: Task) -> None:
        self.task = task
        before = np.roll(task.close, 1)
        ranges = np.maximum(task.high, before) - np.minimum(task.low, before)
        ranges[0] = np.nan
        self.unit = pd.Series(ranges).vbt.rolling_mean(ATR_WINDOW).shift(1).to_numpy()
        self.by_window: dict[int, tuple[Any, Any]] = {}

    def columns(self, window: int) -> tuple[Any, Any]:
        """Return the least low and the mean volume of the candles before each."""
        if window not in self.by_window:
            self.by_window[window] = (
                pd.Series(self.task.low).vbt.rolling_min(window).shift(1).to_numpy(),
                pd.Series(self.task.volume).vbt.rolling_mean(window).shift(1).to_numpy(),
            )
        return self.by_window[window]

    def signals(self, params: dict[str, float]) -> tuple[Any, Any, Any]:
        """Return entries, and stop and target as fractions of the signal's close."""
        task, unit = self.task, self.unit
        floor, usual = self.columns(int(params["window"]))
        entries = (
            (task.low < floor)
            & (task.low <= floor - params["sweep_atr"] * unit)
            & (task.close > floor)
            & (task.volume >= params["volume_factor"] * usual)
        )
        entries[-1] = False
        stop = 1 - (task.low - params["stop_atr"] * unit) / task.close
        return entries, stop, params["target_atr"] * unit / task.close


def trades_of(made: Any, exit_shift: int, last: int) -> Trades:
    found = made.trades.records
    is_open = found["status"].to_numpy() == 0
    exits = np.where(is_open, last, found["exit_idx"].to_numpy() + exit_shift)
    rows = zip(
        found["entry_idx"] + 1, exits, found["entry_price"], found["exit_price"], strict=True
    )
    return [(int(a), int(b), float(p), float(q)) for a, b, p, q in rows]


def work(task: Task) -> None:
    task.close_series = pd.Series(task.close, pd.to_datetime(task.open_time, unit="ms"))
    last = len(task.close) - 1
    ohlc = {"open": task.open, "high": task.high, "low": task.low}
    engines = ["numba", "rust"] if vbt._engine.is_rust_available() else ["numba"]  # noqa: SLF001 - it has no other way to ask
    for engine in engines:
        vbt.settings["engine"] = engine
        name = f"vectorbt {vbt.__version__} {engine}"

        def sma(engine: str = engine) -> Any:
            entries, exits = crosses(mean_of(task, FAST), mean_of(task, SLOW))
            made = portfolio(task, engine, entries, exits)
            return made, figures(made)

        def sweep(engine: str = engine) -> Any:
            entries, stop, target = Sweep(task).signals(SWEEP)
            exits = np.zeros(len(entries), bool)
            made = portfolio(task, engine, entries, exits, sl_stop=stop, tp_stop=target, **ohlc)
            return made, figures(made)

        task.single(name, "sma", sma, lambda found: trades_of(found[0], 1, last))
        task.single(name, "sweep", sweep, lambda found: trades_of(found[0], 0, last))
        task.search(name, "sma_sets", task.sma_sets, partial(sma_sets, task, engine))
        task.search(name, "sweep_sets", task.sweep_sets, partial(sweep_sets, task, engine))


def sma_sets(task: Task, engine: str, sets: Any) -> None:
    means = {int(window): mean_of(task, int(window)) for window in np.unique(sets)}
    for begin in range(0, len(sets), COLUMNS[engine]):
        part = sets[begin : begin + COLUMNS[engine]]
        fast = np.column_stack([means[int(a)] for a, _ in part])
        slow = np.column_stack([means[int(b)] for _, b in part])
        figures(portfolio(task, engine, *crosses(fast, slow)))


def sweep_sets(task: Task, engine: str, sets: Any) -> None:
    sweep = Sweep(task)
    ohlc = {"open": task.open[:, None], "high": task.high[:, None], "low": task.low[:, None]}
    for begin in range(0, len(sets), COLUMNS[engine]):
        part = sets[begin : begin + COLUMNS[engine]]
        found = [sweep.signals(dict(zip(SWEEP, one, strict=True))) for one in part]
        entries, stop, target = (np.column_stack(columns) for columns in zip(*found, strict=True))
        exits = np.zeros(entries.shape, bool)
        figures(portfolio(task, engine, entries, exits, sl_stop=stop, tp_stop=target, **ohlc))


if __name__ == "__main__":
    answer("vectorbt", work)
