"""The ledger's values as rows of its tables, and back."""

import json
from decimal import Decimal
from typing import Any

import asyncpg

from tradepulse.runtime.db import at, ms
from tradepulse.trading.orders import Order, Position, Steps, Trade


def order_row(account: str, o: Order) -> tuple[Any, ...]:
    """Return an order as its insert takes it."""
    return (
        o.order_id,
        account,
        o.signal_id,
        o.configuration_id,
        o.exchange,
        o.symbol,
        o.timeframe,
        o.side,
        o.order_type,
        o.quantity,
        o.reference_price,
        o.stop_price,
        o.take_profit_price,
        o.opens_position,
        o.exit_reason,
        o.status,
        o.reason,
        at(o.decided_at),
        o.limit_price,
        o.trail,
        o.max_holding_ms,
        o.notional,
        _written(o.targets),
    )


def position_row(account: str, p: Position, closed: Trade | None) -> tuple[Any, ...]:
    """Return a position as its insert takes it, with the trade that it became, if any."""
    return (
        p.position_id,
        account,
        p.configuration_id,
        p.exchange,
        p.symbol,
        p.timeframe,
        p.side,
        p.quantity,
        at(p.entry_time),
        p.entry_price,
        p.stop_price,
        p.take_profit_price,
        *((None, None, None, p.fees, None) if closed is None else closing_row(closed)[1:]),
        p.trail,
        None if p.exit_at is None else at(p.exit_at),
        _written(p.targets),
    )


def closing_row(t: Trade) -> tuple[Any, ...]:
    """Return what a trade changes of its position."""
    return (t.position_id, at(t.exit_time), t.exit_price, t.exit_reason, t.fees, t.profit)


def position_of(row: asyncpg.Record) -> Position:
    """Return a row of `positions` as the account holds it."""
    return Position(
        position_id=row["position_id"],
        configuration_id=row["configuration_id"],
        exchange=row["exchange"],
        symbol=row["symbol"],
        timeframe=row["timeframe"],
        side=row["side"],
        quantity=row["quantity"],
        entry_time=ms(row["entry_time"]),
        entry_price=row["entry_price"],
        fees=row["fees"],
        stop_price=row["stop_price"],
        take_profit_price=row["take_profit_price"],
        trail=row["trail"],
        exit_at=None if row["exit_at"] is None else ms(row["exit_at"]),
        targets=_read(row["targets"]),
    )


def order_of(row: asyncpg.Record) -> Order:
    """Return a row of `orders` as the account holds it."""
    return Order(
        order_id=row["order_id"],
        signal_id=row["signal_id"],
        configuration_id=row["configuration_id"],
        exchange=row["exchange"],
        symbol=row["symbol"],
        timeframe=row["timeframe"],
        side=row["side"],
        order_type=row["order_type"],
        quantity=row["quantity"],
        reference_price=row["reference_price"],
        opens_position=row["opens_position"],
        status=row["status"],
        decided_at=ms(row["decided_at"]),
        reason=row["reason"],
        exit_reason=row["exit_reason"],
        stop_price=row["stop_price"],
        take_profit_price=row["take_profit_price"],
        limit_price=row["limit_price"],
        trail=row["trail"],
        max_holding_ms=row["max_holding_ms"],
        notional=row["notional"],
        targets=_read(row["targets"]),
    )


def _written(targets: Steps) -> str | None:
    """Return a falling target as JSON, its prices as text: they keep their digits."""
    return json.dumps([[minutes, str(price)] for minutes, price in targets]) if targets else None


def _read(kept: list[tuple[int, str]] | None) -> Steps:
    return tuple((minutes, Decimal(price)) for minutes, price in kept or ())
