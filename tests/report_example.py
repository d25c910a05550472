"""A report as the validation stores it, of a moving-average cross on made-up candles."""

import copy
from typing import Any

import numpy as np

from tests.candle_series import random_walk
from tradepulse.trading.metrics import metrics

DAY = 86_400_000
PARAMS = {"fast": 24.0, "slow": 120.0, "stop_atr": 2.5, "trail_atr": 0.0}
SPLIT = 0.7
CASH = 10_000.0
FAST, SLOW = (12.0, 18.0, 24.0, 30.0, 36.0), (80.0, 100.0, 120.0, 140.0, 160.0, 180.0)


def example_report(rows: int = 6_000, seed: int = 11, **changes: Any) -> dict[str, Any]:
    """Return a whole report; `changes` replace its parts."""
    candles = random_walk("BTC/USD", rows, seed=seed)
    close, times = candles.close, candles.close_time
    split = int(rows * SPLIT)
    equity, trades = _traded(close, times)
    kept = np.unique(np.linspace(0, rows - 1, min(rows, 2_000)).astype(int))
    peak = np.maximum.accumulate(np.concatenate(([CASH], equity)))[1:]
    inside, outside = _figures(equity, times, trades, split)
    report = {
        "version": 1,
        "configuration": {
            "strategy": "sma_cross",
            "params": dict(PARAMS),
            "exchange": candles.exchange,
            "symbol": candles.symbol,
            "timeframe": candles.timeframe,
            "share": 0.5,
        },
        "search": {"trials": 4_812, "method": "bayesian", "objective": "sharpe", "seed": 7},
        "ranges": {
            "start": int(candles.open_time[0]),
            "split": int(candles.open_time[split]),
            "end": int(times[-1]),
        },
        "figures": {"in_sample": inside, "out_of_sample": outside},
        "equity": {
            "close_time": times[kept].tolist(),
            "equity": equity[kept].tolist(),
            "drawdown_pct": (100 * (1 - equity / peak))[kept].tolist(),
        },
        "price": {"close_time": times[kept].tolist(), "close": close[kept].tolist()},
        "trades": trades,
        "heat_map": {
            "x": {"name": "fast", "values": list(FAST)},
            "y": {"name": "slow", "values": list(SLOW)},
            "figure": "sharpe",
            "in_sample": _surface(1.6),
            "out_of_sample": _surface(0.4),
        },
        "walk_forward": {"windows": _windows(candles.open_time, outside)},
        "gates": _gates(),
        "passed": False,
        "verdict": "refused: 2 of 4 gates did not pass",
    }
    return copy.deepcopy(report | changes)


def _traded(close: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Hold half of the equity while the fast mean is above the slow one, else half short."""
    sums = np.concatenate(([0.0], np.cumsum(close)))
    side = np.zeros(len(close), int)
    rows = np.arange(120, len(close))
    fast = (sums[rows + 1] - sums[rows - 23]) / 24
    slow = (sums[rows + 1] - sums[rows - 119]) / 120
    side[rows] = np.where(fast > slow, 1, -1)
    equity, cash, trades, held = np.empty(len(close)), CASH, [], 0
    entered, quantity = 0, 0.0
    for i, price in enumerate(close):
        worth = cash + held * quantity * (price - close[entered])
        if i and side[i - 1] != held:
            if held:
                profit = worth - cash - 0.002 * quantity * price
                cash += profit
                trades.append(
                    {
                        "entry_time": int(times[entered]),
                        "exit_time": int(times[i]),
                        "side": "long" if held > 0 else "short",
                        "entry_price": float(close[entered]),
                        "exit_price": float(price),
                        "profit": float(profit),
                        "exit_reason": "stop" if len(trades) % 4 == 3 else "signal",
                    }
                )
            held, entered, quantity = int(side[i - 1]), i, 0.5 * cash / price
            worth = cash
        equity[i] = worth
    return equity, trades


def _figures(
    equity: np.ndarray, times: np.ndarray, trades: list[dict[str, Any]], split: int
) -> list[dict[str, Any]]:
    sides = []
    for rows in (slice(0, split), slice(split, len(equity))):
        start = CASH if rows.start == 0 else float(equity[rows.start - 1])
        first, last = times[rows][0], times[rows][-1]
        net = np.array([t["profit"] for t in trades if first <= t["exit_time"] <= last])
        found = metrics(
            initial_equity=start,
            close_time=times[rows],
            equity=equity[rows],
            exposure=0.5 * equity[rows],
            net=net,
            gross=net * 1.01,
        )
        sides.append(found.as_dict() | {"calmar": None})
    return sides


def _surface(height: float) -> list[list[float | None]]:
    """One figure for each value of y (rows) and x (columns); none where fast is not below slow."""
    rows: list[list[float | None]] = []
    for j, slow in enumerate(SLOW):
        rows.append([])
        for i, fast in enumerate(FAST):
            hill = height * np.exp(-((fast - 24) ** 2) / 150 - ((slow - 120) ** 2) / 2500)
            rows[-1].append(None if (i, j) == (4, 0) else float(hill - 0.5 + 0.1 * (i - j)))
    return rows


def _windows(open_time: np.ndarray, figures: dict[str, Any]) -> list[dict[str, Any]]:
    days = [int(open_time[0]) + n * 14 * DAY for n in range(9)]
    windows = []
    for kind in ("rolling", "anchored"):
        for n in range(2, 8):
            train = [days[0] if kind == "anchored" else days[n - 2], days[n]]
            windows.append(
                {
                    "kind": kind,
                    "train": train,
                    "test": [days[n] + DAY, days[n + 1]],
                    "params": PARAMS | {"fast": 18.0 + 6 * (n % 3)},
                    "in_sample": figures | {"sharpe": 2.1 - 0.2 * n, "trades": 30 + n},
                    "out_of_sample": figures
                    | {"sharpe": None if n == 5 else 0.9 - 0.3 * (n % 4), "trades": 9 - n},
                }
            )
    return windows


def _gate(name: str, title: str, figure: float | None, unit: str, **rest: Any) -> dict[str, Any]:
    return {"name": name, "title": title, "figure": figure, "unit": unit, "details": {}} | rest


def _gates() -> list[dict[str, Any]]:
    return [
        _gate(
            *("deflated_sharpe", "Deflated Sharpe ratio", 0.62, "probability"),
            threshold=0.95,
            comparison=">=",
            passed=False,
            verdict="The best of 4,812 random sets would look as good with probability 0.38.",
            details={"trials": 4_812, "expected_maximum": 1.9, "skewness": -0.3},
        ),
        _gate(
            *("overfitting", "Probability of backtest overfitting", 0.18, "probability"),
            threshold=0.2,
            comparison="<=",
            passed=True,
            verdict="Of 924 splits the best in sample fell below the median out of sample in 18 %.",
        ),
        _gate(
            *("cost_stress", "Net profit at double costs", -3.42, "%"),
            threshold=0.0,
            comparison=">=",
            passed=False,
            verdict="With fees and slippage doubled the out-of-sample profit becomes a loss.",
        ),
        _gate(
            *("neighbours", "Neighbours that stay profitable", None, "fraction"),
            threshold=0.6,
            comparison=">=",
            passed=True,
            verdict="No parameter has neighbours: nothing to test.",
        ),
    ]
