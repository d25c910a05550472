"""Reads what was signalled, ordered, is held and was traded."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from studio_svc.orders import queries
from studio_svc.orders.views import OrderView, PositionView, SignalView, TargetView, TradeView
from studio_svc.shared.rows import LENGTHS, Record, fields_of, series_of
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.runtime.db import ms
from tradepulse.trading.orders import Position


class OrderStore:
    """One account's orders and positions, and the signals that led to them."""

    def __init__(self, pool: "asyncpg.Pool[Record]", account: str) -> None:
        self.pool = pool
        self._account = account

    async def positions(self) -> list[PositionView]:
        """Return the open positions, valued at the last settled closes."""
        settled = await self.pool.fetchval(queries.SETTLED_TIME, self._account)
        rows = await self.pool.fetch(
            queries.POSITIONS, self._account, None if settled is None else ms(settled), *LENGTHS
        )
        return [_position(row, None if settled is None else ms(settled)) for row in rows]

    async def trades(
        self, limit: int, series: str | None, configuration: UUID | None
    ) -> list[TradeView]:
        """Return the closed positions, newest first."""
        key = series.split(":") if series else [None, None, None]
        rows = await self.pool.fetch(queries.TRADES, self._account, *key, limit, configuration)
        return [TradeView(series=series_of(row), **fields_of(row)) for row in rows]

    async def signals(self, limit: int, configuration: UUID | None) -> list[SignalView]:
        """Return the signals, newest first."""
        rows = await self.pool.fetch(queries.SIGNALS, limit, configuration)
        return [SignalView(series=series_of(row), **fields_of(row)) for row in rows]

    async def orders(self, limit: int, configuration: UUID | None) -> list[OrderView]:
        """Return the orders with their fills or refusals, newest first."""
        rows = await self.pool.fetch(queries.ORDERS, self._account, limit, configuration)
        return [OrderView(series=series_of(row), **fields_of(row)) for row in rows]


def _position(row: Record, settled: int | None) -> PositionView:
    """Return an open position as it stands after a settled close, epoch ms."""
    quantity, entry = float(row["quantity"]), float(row["entry_price"])
    unrealised = None
    if row["last_price"] is not None:
        sign = 1 if row["side"] == "long" else -1
        unrealised = sign * (row["last_price"] - entry) * quantity - float(row["fees"])
    notional = quantity * entry
    fields = fields_of(row)
    return PositionView(
        series=series_of(row),
        unrealised=unrealised,
        unrealised_pct=None if unrealised is None or not notional else unrealised / notional * 100,
        **fields | _targets(fields, settled),
    )


def _targets(fields: dict[str, Any], settled: int | None) -> dict[str, Any]:
    """Return the target that is valid in the candle after a settled close, and the next one."""
    steps = tuple((minutes, Decimal(price)) for minutes, price in fields["targets"] or ())
    columns = {name: fields[name] for name in Position.__struct_fields__}
    held = Position(**columns | {"targets": steps})
    # the ledger may stand at a close of a shorter series, in the midst of this one's candle
    opened = (
        held.entry_time if settled is None else settled - settled % timeframe_ms(held.timeframe)
    )
    coming = [(held.entry_time + minutes * 60_000, price) for minutes, price in steps]
    later = [TargetView(price=price, at=at) for at, price in coming if at > opened]
    return {
        "take_profit_price": held.target_in(opened),
        "next_target": later[0] if later else None,
    }
