"""Rows of the ledger as a table that fits its terminal: what does not fit is left out and named."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich.console import Console

from tradepulse.cli.options import time_text
from tradepulse.ledger.tables import EQUITY, ORDERS, SIGNALS, TRADES, WEIGHTS, Table

_GAP = 2
_DIGITS = 8
SHORT = 8
"""Characters of an id: so many say which one is meant wherever an id is asked for."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is drawn.

    Attributes:
        name: in the row.
        head: above it.
        text: of a value that is not null.
        rank: what is higher is left out first; 0 stays.
        is_number: whether it stands at the right.
    """

    name: str
    head: str
    text: Callable[[Any], str] = str
    rank: int = 0
    is_number: bool = False


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


def _id(name: str, head: str, rank: int = 0) -> Column:
    return Column(name, head, _short, rank)


def _time(name: str, head: str) -> Column:
    return Column(name, head, time_text)


def _number(name: str, head: str, text: Callable[[Any], str], rank: int = 0) -> Column:
    return Column(name, head, text, rank, is_number=True)


_CONFIGURATION = (_id("configuration_id", "config"), Column("strategy", "strategy", rank=4))
DRAWN: Mapping[str, tuple[Column, ...]] = {
    TRADES.name: (
        _time("exit_time", "closed (UTC)"),
        *_CONFIGURATION,
        Column("symbol", "symbol"),
        Column("side", "side", rank=1),
        _number("quantity", "quantity", _digits, 8),
        _number("entry_price", "entry", _digits, 3),
        _number("exit_price", "exit", _digits, 3),
        Column("exit_reason", "by", rank=2),
        _number("fees", "fees", _money, 9),
        _number("profit", "profit", _money),
    ),
    ORDERS.name: (
        _time("decided_at", "decided (UTC)"),
        _id("order_id", "order"),
        *_CONFIGURATION,
        Column("symbol", "symbol"),
        Column("side", "side"),
        Column("order_type", "type", rank=5),
        _number("quantity", "quantity", _digits, 6),
        _number("notional", "notional", _money, 9),
        _number("fill_price", "filled at", _digits, 2),
        _number("fee", "fee", _money, 8),
        Column("status", "status"),
    ),
    EQUITY.name: (
        _time("close_time", "close (UTC)"),
        _number("equity", "equity", _money),
        _number("cash", "cash", _money),
        _number("exposure", "held", _money),
        _number("open_positions", "positions", str),
    ),
    WEIGHTS.name: (
        _time("close_time", "close (UTC)"),
        Column("instrument", "instrument"),
        _number("weight", "weight", "{:.4f}".format),
        Column("policy", "policy", rank=2),
        _number("budget", "budget", "{:g}".format, 3),
        _id("model_id", "model", 4),
        Column("fallback", "in place of it", rank=1),
    ),
    SIGNALS.name: (
        _time("decided_at", "decided (UTC)"),
        _id("signal_id", "signal"),
        *_CONFIGURATION,
        Column("symbol", "symbol"),
        Column("action", "action"),
        _number("reference_price", "price", _digits, 1),
        _number("stop_price", "stop", _digits, 2),
        _number("take_profit_price", "target", _digits, 3),
        _number("confidence", "sure", "{:.2f}".format, 6),
    ),
}


def show(table: Table, rows: Sequence[Sequence[Any]], *, wide: bool) -> None:
    """Print rows: as many columns as the terminal has room for, or all of them whole."""
    drawn = _every(table) if wide else DRAWN[table.name]
    texts = {one.name: _texts(one, table, rows) for one in drawn}
    widths = {one.name: max(map(len, (one.head, *texts[one.name]))) for one in drawn}
    kept, left_out = (drawn, []) if wide else fitting(drawn, widths, Console().width)
    for line in zip(*([one.head, *texts[one.name]] for one in kept), strict=True):
        cells = (
            text.rjust(widths[one.name]) if one.is_number else text.ljust(widths[one.name])
            for one, text in zip(kept, line, strict=True)
        )
        print((" " * _GAP).join(cells).rstrip())
    if table is ORDERS and not wide:
        _tell_reasons(table, rows)
    if left_out:
        print(f"--wide shows {', '.join(one.head for one in left_out)} and more, and ids whole")


def fitting(
    columns: Sequence[Column], widths: Mapping[str, int], room: int
) -> tuple[list[Column], list[Column]]:
    """Return the columns that fit, in their order, and those that are left out.

    Columns of one rank are shown together or not at all; those of rank 0 are always shown.
    """
    kept: set[str] = set()
    for rank in sorted({one.rank for one in columns}):
        more = kept | {one.name for one in columns if one.rank == rank}
        if not rank or sum(widths[name] + _GAP for name in more) - _GAP <= room:
            kept = more
    return (
        [one for one in columns if one.name in kept],
        [one for one in columns if one.name not in kept],
    )


def _texts(column: Column, table: Table, rows: Sequence[Sequence[Any]]) -> list[str]:
    number = list(table.row.kinds()).index(column.name)
    return ["" if row[number] is None else column.text(row[number]) for row in rows]


def _every(table: Table) -> tuple[Column, ...]:
    forms: dict[str, Callable[[Any], str]] = {"time": time_text}
    numbers = {"amount", "number", "count"}
    return tuple(
        Column(name, name, forms.get(kind, str), is_number=kind in numbers)
        for name, kind in table.row.kinds().items()
    )


def _tell_reasons(table: Table, rows: Sequence[Sequence[Any]]) -> None:
    names = list(table.row.kinds())
    status, reason = names.index("status"), names.index("reason")
    told = Counter((row[status], row[reason]) for row in rows if row[reason])
    for (what, why), count in told.most_common():
        print(f"{count:,} {what}: {why}")
