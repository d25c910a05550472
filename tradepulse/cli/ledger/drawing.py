"""Rows of the ledger as a table: which columns, in which form, what can be left out of it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from rich.markup import escape

from tradepulse.cli import tables
from tradepulse.cli.options import time_text
from tradepulse.cli.tables import SHORT, Column
from tradepulse.ledger.tables import EQUITY, ORDERS, SIGNALS, TRADES, WEIGHTS, Table

Row: TypeAlias = Mapping[str, Any]
_DIGITS = 8


def _short(value: Any) -> str:
    return str(value)[:SHORT]


def _money(value: Any) -> str:
    return f"{Decimal(value):,.2f}"


def _digits(value: Any) -> str:
    """Return a price or a quantity by its first digits, never less than its whole ones."""
    number = Decimal(str(value))
    places = max(0, _DIGITS - max(1, number.adjusted() + 1))
    text = f"{number:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _text(
    name: str, head: str, rank: int = 0, form: Callable[[Any], str] = str, *, number: bool = False
) -> Column[Row]:
    def text(row: Row) -> str:
        return "" if row[name] is None else escape(form(row[name]))

    return Column(head, text, rank, number)


def _number(name: str, head: str, form: Callable[[Any], str], rank: int = 0) -> Column[Row]:
    return _text(name, head, rank, form, number=True)


_CONFIGURATION = (
    _text("configuration_id", "config", form=_short),
    _text("strategy", "strategy", 4),
)
DRAWN: Mapping[str, tuple[Column[Row], ...]] = {
    TRADES.name: (
        _text("exit_time", "closed (UTC)", form=time_text),
        *_CONFIGURATION,
        _text("symbol", "symbol"),
        _text("side", "side", 1),
        _number("quantity", "quantity", _digits, 8),
        _number("entry_price", "entry", _digits, 6),
        _number("exit_price", "exit", _digits, 7),
        _text("exit_reason", "by", 2),
        _number("fees", "fees", _money, 9),
        _number("profit", "profit", _money),
    ),
    ORDERS.name: (
        _text("decided_at", "decided (UTC)", form=time_text),
        _text("order_id", "order", form=_short),
        *_CONFIGURATION,
        _text("symbol", "symbol"),
        _text("side", "side"),
        _text("order_type", "type", 3),
        _number("quantity", "quantity", _digits, 6),
        _number("notional", "notional", _money, 9),
        _number("fill_price", "filled at", _digits, 2),
        _number("fee", "fee", _money, 8),
        _text("status", "status"),
    ),
    EQUITY.name: (
        _text("close_time", "close (UTC)", form=time_text),
        _number("equity", "equity", _money),
        _number("cash", "cash", _money),
        _number("exposure", "held", _money),
        _number("open_positions", "positions", str),
    ),
    WEIGHTS.name: (
        _text("close_time", "close (UTC)", form=time_text),
        _text("instrument", "instrument"),
        _number("weight", "weight", "{:.4f}".format),
        _text("policy", "policy", 2),
        _number("budget", "budget", "{:g}".format, 3),
        _text("model_id", "model", 4, _short),
        _text("fallback", "in place of it", 1),
    ),
    SIGNALS.name: (
        _text("decided_at", "decided (UTC)", form=time_text),
        _text("signal_id", "signal", form=_short),
        *_CONFIGURATION,
        _text("symbol", "symbol"),
        _text("action", "action"),
        _number("reference_price", "price", _digits, 1),
        _number("stop_price", "stop", _digits, 2),
        _number("take_profit_price", "target", _digits, 3),
        _number("confidence", "sure", "{:.2f}".format, 6),
    ),
}
"""What a terminal has room for; all columns stand in the rows themselves."""


def show(table: Table, rows: Sequence[Sequence[Any]], *, wide: bool) -> None:
    """Print rows: as many columns as the terminal has room for, or all of them whole."""
    names = list(table.row.model_fields)
    named = [dict(zip(names, row, strict=True)) for row in rows]
    tables.show(_every(table) if wide else DRAWN[table.name], named, wide=wide)
    if table is ORDERS and not wide:
        told = Counter((row["status"], row["reason"]) for row in named if row["reason"])
        for (what, why), count in told.most_common():
            print(f"{count:,} {what}: {why}")


def _every(table: Table) -> list[Column[Row]]:
    numbers = {"amount", "number", "count"}
    return [
        _text(name, name, form=time_text if kind == "time" else str, number=kind in numbers)
        for name, kind in table.row.kinds().items()
    ]
