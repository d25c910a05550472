"""The ledger's tables. One transaction per batch of closes, with outbox and position."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import asyncpg

from contracts.topics import ACCOUNT
from executor_svc.events import account_events
from tradepulse.runtime import outbox
from tradepulse.runtime.db import Connection, at, ms
from tradepulse.runtime.ownership import Ownership, advance
from tradepulse.trading.moments import Settlement
from tradepulse.trading.orders import Order, Position, Trade

UPSERT_ORDERS = """
insert into orders (order_id, account, signal_id, configuration_id, exchange, symbol, timeframe,
    side, order_type, quantity, reference_price, stop_price, take_profit_price, opens_position,
    exit_reason, status, reason, decided_at, limit_price, trail, max_holding_ms, notional)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
    $21, $22)
on conflict (order_id) do update
    set status = excluded.status, reason = excluded.reason, quantity = excluded.quantity
"""
INSERT_FILLS = """
insert into fills (fill_id, order_id, quantity, price, fee, filled_at)
values ($1, $2, $3, $4, $5, $6)
"""
INSERT_POSITIONS = """
insert into positions (position_id, account, configuration_id, exchange, symbol, timeframe, side,
    quantity, entry_time, entry_price, stop_price, take_profit_price, exit_time, exit_price,
    exit_reason, fees, profit, trail, exit_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
"""
MOVE_STOPS = "update positions set stop_price = $2 where position_id = $1"
CLOSE_POSITIONS = """
update positions set exit_time = $2, exit_price = $3, exit_reason = $4, fees = $5, profit = $6
where position_id = $1
"""
INSERT_EQUITY = """
insert into equity (account, close_time, cash, equity, exposure, open_positions)
values ($1, $2, $3, $4, $5, $6)
"""


class LedgerStore:
    """Loads and advances one account."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", account: str) -> None:
        self._pool = pool
        self._account = account

    async def open_account(self, initial_cash: Decimal) -> Decimal:
        """Return the account's cash; an account that is not there begins with `initial_cash`."""
        await self._pool.execute(
            "insert into accounts (account, initial_cash, cash) values ($1, $2, $2) "
            "on conflict (account) do nothing",
            self._account,
            initial_cash,
        )
        cash: Decimal = await self._pool.fetchval(
            "select cash from accounts where account = $1", self._account
        )
        return cash

    async def open_positions(self) -> list[Position]:
        """Return the positions that are held."""
        rows = await self._pool.fetch(
            "select * from positions where account = $1 and exit_time is null", self._account
        )
        return [_position(row) for row in rows]

    async def open_orders(self) -> list[Order]:
        """Return the orders that wait for their fill."""
        rows = await self._pool.fetch(
            "select * from orders where account = $1 and status = 'OPEN'", self._account
        )
        return [_order(row) for row in rows]

    async def record(
        self,
        settlements: Sequence[Settlement],
        cash: Decimal,
        owner: Ownership,
        settled: int,
        offsets: dict[str, int],
        state: dict[str, Any],
    ) -> None:
        """Write settled closes, their events and the position that they lead to, all or nothing.

        Raises:
            FencedError: another process works for this account.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await advance(connection, owner, settled, offsets, state)
            await self._write(connection, settlements)
            await connection.execute(
                "update accounts set cash = $2 where account = $1", self._account, cash
            )
            events = account_events(self._account, settlements)
            await outbox.add_many(
                connection,
                "executor_svc",
                ACCOUNT,
                [(self._account, event.model_dump_json().encode()) for event in events],
            )

    async def _write(self, connection: Connection, settlements: Sequence[Settlement]) -> None:
        # several closes may touch one order; the last state wins, in the order of the closes
        orders = {order.order_id: order for s in settlements for order in s.orders.values()}
        opened = {p.position_id: p for s in settlements for p in s.opened}
        moved = {p.position_id: p for s in settlements for p in s.moved}
        closed = {t.position_id: t for s in settlements for t in s.closed}
        writes = (
            (UPSERT_ORDERS, [self._order_row(order) for order in orders.values()]),
            (
                INSERT_FILLS,
                [
                    (f.fill_id, f.order.order_id, f.quantity, f.price, f.fee, at(f.filled_at))
                    for s in settlements
                    for f in s.fills
                ],
            ),
            (
                MOVE_STOPS,
                [
                    (p.position_id, p.stop_price)
                    for p in moved.values()
                    if p.position_id not in opened
                ],
            ),
            # a configuration's old position must be closed before its next one is there
            (
                CLOSE_POSITIONS,
                [_closing_row(t) for t in closed.values() if t.position_id not in opened],
            ),
            (
                INSERT_POSITIONS,
                [
                    self._position_row(moved.get(name, p), closed.get(name))
                    for name, p in opened.items()
                ],
            ),
            (
                INSERT_EQUITY,
                [
                    (
                        self._account,
                        at(s.equity.close_time),
                        s.equity.cash,
                        s.equity.equity,
                        s.equity.exposure,
                        s.equity.open_positions,
                    )
                    for s in settlements
                    if s.equity is not None
                ],
            ),
        )
        for sql, rows in writes:
            if rows:
                await connection.executemany(sql, rows)

    def _order_row(self, o: Order) -> tuple[Any, ...]:
        return (
            o.order_id,
            self._account,
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
        )

    def _position_row(self, p: Position, closed: Trade | None) -> tuple[Any, ...]:
        return (
            p.position_id,
            self._account,
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
            *((None, None, None, p.fees, None) if closed is None else _closing_row(closed)[1:]),
            p.trail,
            None if p.exit_at is None else at(p.exit_at),
        )


def _closing_row(t: Trade) -> tuple[Any, ...]:
    return (t.position_id, at(t.exit_time), t.exit_price, t.exit_reason, t.fees, t.profit)


def _position(row: asyncpg.Record) -> Position:
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
    )


def _order(row: asyncpg.Record) -> Order:
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
    )
