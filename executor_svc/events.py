"""The ledger's values as the account's events."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from contracts import events
from tradepulse.runtime.codec import struct_of
from tradepulse.trading.moments import Settlement
from tradepulse.trading.orders import EquityPoint, Fill, Order, Trade

if TYPE_CHECKING:
    from contracts.events import EquityMarked, OrderDecided, OrderFilled, PositionClosed
else:
    OrderDecided = struct_of(events.OrderDecided)
    OrderFilled = struct_of(events.OrderFilled)
    PositionClosed = struct_of(events.PositionClosed)
    EquityMarked = struct_of(events.EquityMarked)

_encode = msgspec.json.Encoder().encode


def account_events(account: str, settlements: Sequence[Settlement]) -> Iterator[bytes]:
    """Yield the events of settled closes, in order, as they are published."""
    for settled in settlements:
        for order in settled.orders.values():
            yield _encode(_decided(account, order))
        for fill in settled.fills:
            yield _encode(_filled(account, fill))
        for trade in settled.closed:
            yield _encode(_closed(account, trade))
        if settled.equity is not None:
            yield _encode(_marked(account, settled.equity))


def _decided(account: str, order: Order) -> OrderDecided:
    return OrderDecided(
        account=account,
        order_id=order.order_id,
        signal_id=order.signal_id,
        configuration_id=order.configuration_id,
        exchange=order.exchange,
        symbol=order.symbol,
        timeframe=order.timeframe,
        side=order.side,
        order_type=order.order_type,
        quantity=order.quantity,
        reference_price=order.reference_price,
        status=order.status,
        reason=order.reason,
        decided_at=order.decided_at,
        limit_price=order.limit_price,
        notional=order.notional,
    )


def _filled(account: str, fill: Fill) -> OrderFilled:
    return OrderFilled(
        account=account,
        fill_id=fill.fill_id,
        order_id=fill.order.order_id,
        configuration_id=fill.order.configuration_id,
        exchange=fill.order.exchange,
        symbol=fill.order.symbol,
        timeframe=fill.order.timeframe,
        side=fill.order.side,
        quantity=fill.quantity,
        price=fill.price,
        fee=fill.fee,
        filled_at=fill.filled_at,
    )


def _closed(account: str, trade: Trade) -> PositionClosed:
    return PositionClosed(
        account=account,
        position_id=trade.position_id,
        configuration_id=trade.configuration_id,
        exchange=trade.exchange,
        symbol=trade.symbol,
        timeframe=trade.timeframe,
        side=trade.side,
        quantity=trade.quantity,
        entry_time=trade.entry_time,
        entry_price=trade.entry_price,
        exit_time=trade.exit_time,
        exit_price=trade.exit_price,
        exit_reason=trade.exit_reason,
        fees=trade.fees,
        profit=trade.profit,
    )


def _marked(account: str, point: EquityPoint) -> EquityMarked:
    return EquityMarked(
        account=account,
        close_time=point.close_time,
        cash=point.cash,
        equity=point.equity,
        exposure=point.exposure,
        open_positions=point.open_positions,
    )
