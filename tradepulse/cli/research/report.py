"""What a backtest found: as tables for people, as JSON for programs."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tradepulse.cli.options import time_text
from tradepulse.cli.research.equity_plot import equity_plot
from tradepulse.cli.tables import Column, replaced, show
from tradepulse.library.drawn import entries_text
from tradepulse.library.runs import BUY_AND_HOLD, CASH, Run, Told
from tradepulse.market_data.instrument_rules import FIELDS
from tradepulse.strategies import COMMON, get_strategy
from tradepulse.strategies.divisions import Divisions
from tradepulse.strategies.evaluate import Configuration, Entries
from tradepulse.trading.backtest import BacktestResult
from tradepulse.trading.orders import Trade
from tradepulse.trading.policies.weighing import FALLBACKS
from tradepulse.trading.sizing import InstrumentRules

_TRADE = (
    *("position_id", "configuration_id", "exchange", "symbol", "timeframe", "side", "quantity"),
    *("entry_time", "entry_price", "exit_time", "exit_price", "exit_reason", "fees", "profit"),
)
_EQUITY = ("close_time", "cash", "equity", "exposure", "open_positions")
UNDEFINED = "-"
_HELD = "bought and held"


@dataclass(frozen=True, slots=True)
class Report:
    """One backtest with what it was told."""

    file: Path
    run: Run

    @property
    def told(self) -> Told:
        """What it was told."""
        return self.run.told

    @property
    def result(self) -> BacktestResult:
        """What the account did."""
        return self.run.exact

    def as_json(self) -> dict[str, Any]:
        """Return everything; money is text so that no digit is lost, times are epoch ms."""
        told, rules = self.told, self.told.rules
        limits = rules.limits
        start, end = told.between
        return {
            "candles": {
                "file": self.file.name,
                "series": [one.series for one in told.series],
                "finer": [one.series for one in told.finer],
                "from": start,
                "to": end,
            },
            "account": {
                "cash": money_text(told.cash),
                "weights": told.policy.name,
                "budget": told.policy.budget,
                "fee": money_text(rules.fee),
                "maker_fee": money_text(rules.fee_of(is_maker=True)),
                "slippage": rules.slippage,
                "impact": rules.impact,
                "max_symbol_notional": money_text(limits.max_symbol_notional),
                "max_total_notional": money_text(limits.max_total_notional),
                "max_open_positions": limits.max_open_positions,
                "risk_per_trade": None
                if limits.risk_per_trade is None
                else money_text(limits.risk_per_trade),
                "allows_margin": any(m.allows_margin for m in rules.markets.values()),
                "markets": {n: _accepted(m) for n, m in rules.markets.items()},
            },
            "configurations": [
                {
                    "configuration_id": str(one.configuration_id),
                    "strategy": one.strategy,
                    "exchange": one.exchange,
                    "symbol": one.symbol,
                    "timeframe": one.timeframe,
                    "params": dict(one.params),
                    "share": one.share,
                }
                for one in self.told.configurations
            ],
            "metrics": self.run.figures.as_dict(),
            "benchmarks": {name: found.as_dict() for name, found in self.run.benchmarks.items()},
            "trades": [_plain(trade, _TRADE) for trade in self.result.trades],
            "equity": [_plain(point, _EQUITY) for point in self.result.equity],
            "refused": dict(self._refused().most_common()),
            "entries": self._entries(),
            "ruined_at": self.result.ruined_at,
            "fallbacks": dict(self.result.fallbacks),
        }

    def _entries(self) -> list[dict[str, Any]]:
        return [
            {
                "configuration_id": str(one.configuration_id),
                "asked": asked.asked,
                "refused": dict(asked.refused),
                "first_refused": asked.first_refused,
                "without_stop": asked.without_stop,
                "without_target": asked.without_target,
                "divisions_by_zero": self._divisions(one.configuration_id),
            }
            for one in self.told.configurations
            if (asked := self.result.entries.get(one.configuration_id)) is not None
        ]

    def show(self, *, plot: bool = False) -> None:
        """Print the figures, each configuration's trades, and why entries were refused.

        Args:
            plot: draw the equity, too.
        """
        console = Console()
        equity = self.result.equity
        span = f"{time_text(equity[0].close_time)} to {time_text(equity[-1].close_time)} UTC"
        console.print(f"{len(equity):,} closes, {span}", style="dim")
        if plot:
            held, of_account = self.run.held.equity, [float(one.equity) for one in equity]
            lines = [
                ("equity", "bright_blue", np.array(of_account)), (_HELD, "yellow", held),
            ]  # fmt: skip
            times = [one.close_time for one in equity]
            console.print(equity_plot(times, lines, min(console.width, 100)))
        console.print(self._figures())
        console.print()
        self._show_configurations()
        if self.result.ruined_at is not None:
            console.print(
                f"the account was ruined at {time_text(self.result.ruined_at)} UTC: its equity was "
                "not above zero. All that it held was liquidated, nothing was traded after that",
                style="red",
            )
        if unknown := [n for n, market in self.told.rules.markets.items() if not market.is_known]:
            console.print(
                f"{escape(', '.join(unknown))}: no rules of the venue are known; prices keep their "
                "digits, the least notional is 0 (--markets-file, or --tick, --step, "
                "--min-notional)",
                style="dim",
            )
        for line in self._decided_otherwise():
            console.print(line, style="yellow")
        for one in self.told.configurations:
            asked = self.result.entries.get(one.configuration_id)
            refused, lacks = ((), ()) if asked is None else entry_notes(asked)
            for line in refused:
                console.print(f"{one.strategy} on {one.series}: {line}", style="yellow")
            for line in lacks:
                console.print(f"{one.strategy} on {one.series}: {line}", style="dim")
            divided = self.run.divided.get(one.configuration_id)
            for line in () if divided is None else division_notes(divided):
                console.print(f"{one.strategy} on {one.series}: {line}", style="yellow")

    def _figures(self) -> Table:
        """Return the figures beside those of buying and holding, and of cash."""
        table = Table("", box=None, padding=(0, 3, 0, 0), header_style="dim")
        for name in ("strategy", _HELD, "cash"):
            table.add_column(name, justify="right")
        benchmarks = self.run.benchmarks
        held = self.run.held.equity[-1]
        last = self.result.equity[-1].equity
        table.add_row("equity", f"{last:,.2f}", f"{held:,.2f}", f"{self.told.cash:,.2f}")
        of_each = [
            figure_texts(one.as_dict())
            for one in (self.run.figures, benchmarks[BUY_AND_HOLD], benchmarks[CASH])
        ]
        for label in of_each[0]:
            table.add_row(label, *(texts[label] for texts in of_each))
        return table

    def _decided_otherwise(self) -> list[str]:
        """Say where a model did not decide, and which entries were refused."""
        of = f"of {len(self.result.equity):,} closes decided by inverse volatility"
        return [
            *(
                f"{count:,} {of} in place of the policy: {FALLBACKS[reason]}"
                for reason, count in self.result.fallbacks.most_common()
            ),
            *(
                f"{entries_text(n)} refused: {escape(why)}"
                for why, n in self._refused().most_common()
            ),
        ]

    def _divisions(self, configuration_id: UUID) -> int | None:
        """Return in how many of the last rows a strategy divides by zero; None if not asked."""
        found = self.run.divided.get(configuration_id)
        return None if found is None else found.rows

    def _refused(self) -> Counter[str]:
        return Counter(order.reason for order in self.result.refused)

    def _show_configurations(self) -> None:
        trades: dict[UUID, list[Trade]] = {}
        for trade in self.result.trades:
            trades.setdefault(trade.configuration_id, []).append(trade)
        rows = [(one, trades.get(one.configuration_id, [])) for one in self.told.configurations]
        show(_COLUMNS, rows)


def _profit(trades: Sequence[Trade]) -> str:
    profit = sum((trade.profit for trade in trades), Decimal(0))
    color = "green" if profit > 0 else "red" if profit < 0 else "dim"
    return f"[{color}]{profit:,.2f}[/]"


_COLUMNS: list[Column[tuple[Configuration, list[Trade]]]] = [
    Column("symbol", lambda row: escape(f"{row[0].symbol} {row[0].timeframe}")),
    Column("strategy", lambda row: escape(row[0].strategy)),
    Column("parameters", lambda row: "\n".join(params_lines(row[0].strategy, row[0].params))),
    Column("trades", lambda row: f"{len(row[1]):,}", is_number=True),
    Column("won", lambda row: _won(row[1]), is_number=True),
    Column("profit", lambda row: _profit(row[1]), is_number=True),
    Column("fees", lambda row: f"{sum((t.fees for t in row[1]), Decimal(0)):,.2f}", is_number=True),
]


def entry_notes(entries: Entries) -> tuple[list[str], list[str]]:
    """Say which entries are refused for their levels, and what the levels of the others lack."""
    refused = [
        f"{count:,} of {entries.asked:,} entries refused: {reason}, first at the candle of "
        f"{time_text(entries.first_refused)} UTC"
        for reason, count in entries.refused.items()
    ]
    made = entries.asked - sum(entries.refused.values())
    lacks = []
    if entries.without_stop:
        lacks.append(f"{entries.without_stop:,} of {made:,} entries have no stop (NaN)")
    # none at all is a choice, some is not
    if 0 < entries.without_target < made:
        lacks.append(f"{entries.without_target:,} of {made:,} entries have no target (NaN)")
    return refused, lacks


def division_notes(found: Divisions) -> list[str]:
    """Say where a strategy divides by zero."""
    goes_on = "compiled code goes on with infinity or NaN"
    features = [f"a feature divides by zero; {goes_on}"] if found.features else []
    rows = f"in {found.rows:,} of {found.of:,} rows, first in row {found.first}"
    return [*features, *([f"its rule divides by zero {rows}; {goes_on}"] if found.rows else [])]


_LABELS = {
    "net_profit_pct": ("net profit", "{:+.2f} %"),
    "max_drawdown_pct": ("largest drawdown", "{:.2f} %"),
    "trades": ("trades", "{:,}"),
    "gross_win_rate": ("won before fees", "{:.1%}"),
    "sharpe": ("Sharpe", "{:.2f}"),
    "sortino": ("Sortino", "{:.2f}"),
    "calmar": ("Calmar", "{:.2f}"),
    "volatility": ("volatility a year", "{:.1%}"),
    "profit_factor": ("profit factor", "{:.2f}"),
    "expectancy": ("mean profit of a trade", "{:,.2f}"),
    "exposure": ("mean exposure", "{:.1%}"),
}


def figure_texts(figures: dict[str, Any]) -> dict[str, str]:
    """Return the figures by their label, written for people; a dash where one is undefined."""
    return {
        label: UNDEFINED if figures.get(name) is None else form.format(figures[name])
        for name, (label, form) in _LABELS.items()
    }


def params_text(strategy: str, params: Mapping[str, float]) -> str:
    """Return what differs from the strategy's defaults, in one short line."""
    return " ".join(params_lines(strategy, params))


def params_lines(strategy: str, params: Mapping[str, float]) -> list[str]:
    """Return what differs from the strategy's defaults, a parameter a line."""
    try:
        usual = get_strategy(strategy).defaults
    except ValueError:  # a strategy of a file, or of another version of this program
        usual = {one.name: 0.0 for one in COMMON}
    shown = [f"{name}={v:g}" for name, v in params.items() if usual.get(name) != v]
    return shown or ["defaults"]


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON, whole or not at all.

    Raises:
        CliError: it cannot be written.
    """
    with replaced(path) as file:
        file.write(json.dumps(content, allow_nan=False).encode())


def _won(trades: Sequence[Trade]) -> str:
    if not trades:
        return UNDEFINED
    return f"{sum(t.profit + t.fees > 0 for t in trades) / len(trades):.0%}"


def money_text(value: Decimal) -> str:
    """Write an amount with all its digits; `str` writes a zero of eight places as 0E-8."""
    return f"{value:f}"


def _accepted(market: InstrumentRules) -> dict[str, str | None]:
    told = {name: getattr(market, name) for name in FIELDS}
    return {name: None if value is None else money_text(value) for name, value in told.items()}


def _plain(item: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: _json(getattr(item, name)) for name in names}


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return money_text(value)
    return value if isinstance(value, int) else str(value)
