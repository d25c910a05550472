"""What a backtest found: as tables for people, as JSON for programs."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tradepulse.candles.arrays import Candles
from tradepulse.cli.errors import CliError
from tradepulse.cli.options import time_text
from tradepulse.market_data.instrument_rules import FIELDS
from tradepulse.strategies import COMMON, get_strategy
from tradepulse.strategies.divisions import Divisions
from tradepulse.strategies.evaluate import Configuration, Entries
from tradepulse.trading.backtest import BacktestResult
from tradepulse.trading.metrics import Metrics, ledger_metrics
from tradepulse.trading.orders import Trade
from tradepulse.trading.policies.weighing import FALLBACKS
from tradepulse.trading.sizing import AccountRules, InstrumentRules

_TRADE = (
    *("position_id", "configuration_id", "exchange", "symbol", "timeframe", "side", "quantity"),
    *("entry_time", "entry_price", "exit_time", "exit_price", "exit_reason", "fees", "profit"),
)
_EQUITY = ("close_time", "cash", "equity", "exposure", "open_positions")
UNDEFINED = "-"


@dataclass(frozen=True, slots=True)
class Report:
    """One backtest with what it was told."""

    file: Path
    series: Sequence[Candles]
    configurations: Sequence[Configuration]
    rules: AccountRules
    weights: str
    cash: Decimal
    result: BacktestResult
    finer: Sequence[Candles] = ()
    divided: Mapping[UUID, Divisions] = field(default_factory=dict)
    """By configuration whose strategy is the user's own, where it divides by zero."""
    budget: float = 1.0

    def figures(self) -> Metrics:
        """Return the figures of the account."""
        return ledger_metrics(float(self.cash), self.result.equity, self.result.trades)

    def as_json(self, start: int | None, end: int | None) -> dict[str, Any]:
        """Return everything; money is text so that no digit is lost, times are epoch ms."""
        limits = self.rules.limits
        return {
            "candles": {
                "file": self.file.name,
                "series": [one.series for one in self.series],
                "finer": [one.series for one in self.finer],
                "from": start,
                "to": end,
            },
            "account": {
                "cash": money_text(self.cash),
                "weights": self.weights,
                "budget": self.budget,
                "fee": money_text(self.rules.fee),
                "maker_fee": money_text(self.rules.fee_of(is_maker=True)),
                "slippage": self.rules.slippage,
                "impact": self.rules.impact,
                "max_symbol_notional": money_text(limits.max_symbol_notional),
                "max_total_notional": money_text(limits.max_total_notional),
                "max_open_positions": limits.max_open_positions,
                "risk_per_trade": None
                if limits.risk_per_trade is None
                else money_text(limits.risk_per_trade),
                "allows_margin": any(m.allows_margin for m in self.rules.markets.values()),
                "markets": {n: _accepted(m) for n, m in self.rules.markets.items()},
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
                for one in self.configurations
            ],
            "metrics": self.figures().as_dict(),
            "trades": [_plain(trade, _TRADE) for trade in self.result.trades],
            "equity": [_plain(point, _EQUITY) for point in self.result.equity],
            "refused": dict(self._refused().most_common()),
            "entries": [
                {
                    "configuration_id": str(one.configuration_id),
                    "asked": asked.asked,
                    "refused": dict(asked.refused),
                    "first_refused": asked.first_refused,
                    "without_stop": asked.without_stop,
                    "without_target": asked.without_target,
                    "divisions_by_zero": self._divisions(one.configuration_id),
                }
                for one in self.configurations
                if (asked := self.result.entries.get(one.configuration_id)) is not None
            ],
            "ruined_at": self.result.ruined_at,
            "fallbacks": dict(self.result.fallbacks),
        }

    def show(self) -> None:
        """Print the figures, each configuration's trades, and why entries were refused."""
        console = Console()
        equity = self.result.equity
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        if equity:
            span = f"{time_text(equity[0].close_time)} to {time_text(equity[-1].close_time)} UTC"
            table.add_row("closes", f"{len(equity):,}, {span}")
            table.add_row("equity", f"{self.cash:,.2f} → {equity[-1].equity:,.2f}")
        for name, text in figure_texts(self.figures().as_dict()).items():
            table.add_row(name, text)
        console.print(table)
        console.print(self._by_configuration())
        if self.result.ruined_at is not None:
            console.print(
                f"the account was ruined at {time_text(self.result.ruined_at)} UTC: its equity was "
                "not above zero. All that it held was liquidated, nothing was traded after that",
                style="red",
            )
        if unknown := [n for n, market in self.rules.markets.items() if not market.is_known]:
            console.print(
                f"{escape(', '.join(unknown))}: no rules of the venue are known; prices keep their "
                "digits, the least notional is 0 (--markets-file, or --tick, --step, "
                "--min-notional)",
                style="dim",
            )
        for line in self._decided_otherwise():
            console.print(line, style="yellow")
        for one in self.configurations:
            asked = self.result.entries.get(one.configuration_id)
            refused, lacks = ((), ()) if asked is None else entry_notes(asked)
            for line in refused:
                console.print(f"{one.strategy} on {one.series}: {line}", style="yellow")
            for line in lacks:
                console.print(f"{one.strategy} on {one.series}: {line}", style="dim")
            divided = self.divided.get(one.configuration_id)
            for line in () if divided is None else division_notes(divided):
                console.print(f"{one.strategy} on {one.series}: {line}", style="yellow")

    def _decided_otherwise(self) -> list[str]:
        """Say where a model did not decide, and which entries were refused."""
        of = f"of {len(self.result.equity):,} closes decided by inverse volatility"
        return [
            *(
                f"{count:,} {of} in place of the policy: {FALLBACKS[reason]}"
                for reason, count in self.result.fallbacks.most_common()
            ),
            *(f"{n:,} entries refused: {escape(why)}" for why, n in self._refused().most_common()),
        ]

    def _divisions(self, configuration_id: UUID) -> int | None:
        """Return in how many of the last rows a strategy divides by zero; None if not asked."""
        found = self.divided.get(configuration_id)
        return None if found is None else found.rows

    def _refused(self) -> Counter[str]:
        return Counter(order.reason for order in self.result.refused)

    def _by_configuration(self) -> Table:
        table = Table("symbol", "strategy", "parameters")
        for name in ("trades", "won", "profit", "fees"):
            table.add_column(name, justify="right")
        for one in self.configurations:
            trades = [t for t in self.result.trades if t.configuration_id == one.configuration_id]
            profit = sum((t.profit for t in trades), Decimal(0))
            table.add_row(
                f"{one.symbol} {one.timeframe}",
                one.strategy,
                "\n".join(params_lines(one.strategy, one.params)),
                f"{len(trades):,}",
                _won(trades),
                f"[{'green' if profit > 0 else 'red' if profit < 0 else 'dim'}]{profit:,.2f}[/]",
                f"{sum((t.fees for t in trades), Decimal(0)):,.2f}",
            )
        return table


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
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise CliError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if partial.exists():
            partial.unlink()


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
