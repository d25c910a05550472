"""What a run's drawing and page are made of, and the drawing itself."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.research.report_page import run_drawing
from tradepulse.research.report_page.text import number, time
from tradepulse.research.validation.report import thinned, trade_of
from tradepulse.strategies import Params, get_strategy
from tradepulse.trading.policies.weighing import FALLBACKS

if TYPE_CHECKING:
    from tradepulse.library.runs import Run

MOST_CANDLES = 400
"""Candles that a drawing has room for; of more, neighbours are drawn as one."""


class Drawing:
    """Equity, drawdown and candles with trades; a notebook shows it, `str` gives its HTML."""

    def __init__(self, report: dict[str, Any]) -> None:
        self._report = report

    def __str__(self) -> str:
        return str(run_drawing(self._report))

    def _repr_html_(self) -> str:
        return str(self)


def run_report(run: "Run", symbol: str | None = None) -> dict[str, Any]:
    """Return a run as `report_page.run` shows it.

    Args:
        run: the run.
        symbol: whose prices and trades are drawn; None for the series with the most trades.

    Raises:
        ValueError: it was not traded.
    """
    told, traded = run.told, run.traded
    shown = _shown(run, traded, symbol)
    start = min(int(one.open_time[0]) for one in traded)
    end = int(run.close_time[-1])
    strategies = {one.configuration_id: one.strategy for one in told.configurations}
    own = (shown.exchange, shown.symbol, shown.timeframe)
    return {
        "title": _title(run),
        "facts": _facts(run, start, end),
        "notes": _notes(run),
        "configurations": [_configuration(run, one) for one in told.configurations],
        "ranges": {"start": start, "end": end, "split": None},
        "figures": {
            "strategy": run.figures.as_dict(),
            **{name: found.as_dict() for name, found in run.benchmarks.items()},
        },
        "equity": _equity(run),
        "price": _prices(shown),
        "trades": [
            trade_of(one)
            for one in run.exact.trades
            if (one.exchange, one.symbol, one.timeframe) == own
        ],
        "all_trades": [
            {**trade_of(one), "symbol": one.symbol, "strategy": strategies[one.configuration_id]}
            for one in run.exact.trades
        ],
    }


def _shown(run: "Run", traded: list[Candles], symbol: str | None) -> Candles:
    found = [one for one in traded if symbol in (None, one.symbol, one.instrument)]
    if not found:
        there = ", ".join(dict.fromkeys(one.symbol for one in traded))
        raise ValueError(f"{symbol} was not traded; {there} was")
    counts = dict.fromkeys((one.series for one in found), 0)
    for trade in run.exact.trades:
        name = f"{trade.exchange}:{trade.symbol}:{trade.timeframe}"
        if name in counts:
            counts[name] += 1
    return max(found, key=lambda one: counts[one.series])


def _title(run: "Run") -> str:
    told = run.told
    if len(told.configurations) == 1:
        (one,) = told.configurations
        return f"{one.strategy} on {one.symbol} {one.timeframe}"
    symbols = dict.fromkeys(one.symbol for one in told.configurations)
    return f"{len(told.configurations)} configurations on {', '.join(symbols)}"


def _facts(run: "Run", start: int, end: int) -> list[tuple[str, str]]:
    told, equity = run.told, run.exact.equity
    rules, limits = told.rules, told.rules.limits
    return [
        ("Range", f"{time(start)} to {time(end)}"),
        ("Equity", f"{number(float(told.cash))} to {number(float(equity[-1].equity))}"),
        ("Weights", told.policy.name),
        ("Fee", f"{rules.fee:f}, of orders that rested {rules.fee_of(is_maker=True):f}"),
        ("Slippage", f"{rules.slippage:g}"),
        ("Most in one symbol", f"{limits.max_symbol_notional:f} of the equity"),
        ("Most in all", f"{limits.max_total_notional:f} of the equity"),
    ]  # fmt: skip


def _notes(run: "Run") -> list[str]:
    """Say what a reader of the figures must know besides."""
    refused = Counter(order.reason for order in run.exact.refused)
    told = [f"{entries_text(count)} refused: {why}." for why, count in refused.most_common()]
    closes = f"{len(run.exact.equity):,} closes"
    told += [
        f"{count:,} of {closes} decided by inverse volatility in place of the policy: "
        f"{FALLBACKS[why]}."
        for why, count in run.exact.fallbacks.most_common()
    ]
    if run.exact.ruined_at is not None:
        told.append(
            f"The account was ruined at {time(run.exact.ruined_at)}: its equity was not above "
            "zero, and nothing was traded after that."
        )
    for one in run.told.configurations:
        divided = run.divided.get(one.configuration_id)
        if divided is not None and (divided.rows or divided.features):
            told.append(
                f"{one.strategy} on {one.series} divides by zero: `tradepulse strategies check`."
            )
    return told


def _configuration(run: "Run", one: Any) -> dict[str, Any]:
    trades = [t for t in run.exact.trades if t.configuration_id == one.configuration_id]
    return {
        "series": one.series,
        "strategy": one.strategy,
        "params": params_text(one.strategy, one.params),
        "trades": len(trades),
        "profit": float(sum(t.profit for t in trades)),
    }


def entries_text(count: int) -> str:
    """Return a number of entries in words."""
    return f"{count:,} {'entry' if count == 1 else 'entries'}"


def params_text(strategy: str, params: Params) -> str:
    """Return what differs from the strategy's defaults, in one short line."""
    usual = get_strategy(strategy).defaults
    shown = [f"{name}={value:g}" for name, value in params.items() if usual.get(name) != value]
    return " ".join(shown) or "defaults"


def _equity(run: "Run") -> dict[str, Any]:
    equity = np.array([float(point.equity) for point in run.exact.equity])
    peak = np.maximum(np.maximum.accumulate(equity), float(run.told.cash))
    drawdown = 100 * (1 - equity / peak)
    kept = thinned(len(equity), (int(drawdown.argmax()), len(equity) - 1))
    return {
        "close_time": run.close_time[kept].tolist(),
        "equity": equity[kept].tolist(),
        "drawdown_pct": drawdown[kept].tolist(),
        "buy_and_hold": run.held.equity[kept].tolist(),
    }


def _prices(candles: Candles) -> dict[str, Any]:
    """Return candles, neighbours as one where there are too many."""
    every = -(-len(candles) // MOST_CANDLES)
    first = np.arange(0, len(candles), every)
    last = np.append(first[1:], len(candles)) - 1
    length = timeframe_ms(candles.timeframe)
    each = "" if every == 1 else f", {every} candles as one"
    return {
        "title": f"{candles.symbol} {candles.timeframe} and trades, price{each}",
        "close_time": (candles.open_time[last] + length).tolist(),
        "open": candles.open[first].tolist(),
        "high": np.maximum.reduceat(candles.high, first).tolist(),
        "low": np.minimum.reduceat(candles.low, first).tolist(),
        "close": candles.close[last].tolist(),
    }
