"""Signals, orders, fills, positions and trades, as the API answers and the stream pushes them."""

from typing import Literal
from uuid import UUID

from contracts.events import CandleEvaluated, OrderDecided, OrderFilled, PositionClosed
from studio_svc.web_app.views import Money, View


class SignalView(View):
    """One signal of one configuration at the close of one candle."""

    signal_id: UUID
    configuration_id: UUID
    strategy: str
    series: str
    symbol: str
    action: str
    reference_price: float
    stop_price: float | None
    take_profit_price: float | None
    confidence: float
    decided_at: int


class OrderView(View):
    """One order with its fill, or with the reason of its refusal."""

    order_id: UUID
    configuration_id: UUID
    strategy: str | None = None
    """Null in what is pushed, and where the configuration is not stored here."""
    series: str
    symbol: str
    side: str
    order_type: str
    quantity: Money | None
    """Null where it is not known: of an entry at market before its fill, and of a refused one."""
    notional: Money | None
    """What an entry may spend, its costs included, quote currency."""
    reference_price: float
    status: str
    reason: str
    decided_at: int
    fill_price: Money | None = None
    fee: Money | None = None
    filled_at: int | None = None


class FillView(View):
    """The fill of an order that was told of before."""

    order_id: UUID
    fill_price: Money
    fee: Money
    filled_at: int


class TargetView(View):
    """A step of a target that falls with time."""

    price: Money
    at: int
    """It is valid from the first candle on that opens at or after this time, epoch ms."""


class PositionView(View):
    """One open position, valued at the last close that the ledger has settled."""

    position_id: UUID
    configuration_id: UUID
    strategy: str | None
    series: str
    symbol: str
    side: Literal["long", "short"]
    quantity: Money
    entry_time: int
    entry_price: Money
    stop_price: Money | None
    take_profit_price: Money | None
    """The target in the candle that follows the last settled close; of one that falls its step."""
    next_target: TargetView | None
    """The step that comes after it; null where the target does not fall any further."""
    fees: Money
    last_price: float | None
    unrealised: float | None
    """Profit at the last close after the entry fees, quote currency."""
    unrealised_pct: float | None
    """The same in percent of the entry notional."""


class TradeView(View):
    """One closed position."""

    position_id: UUID
    configuration_id: UUID
    strategy: str | None = None
    """Null in what is pushed, and where the configuration is not stored here."""
    series: str
    symbol: str
    side: Literal["long", "short"]
    quantity: Money
    entry_time: int
    entry_price: Money
    exit_time: int
    exit_price: Money
    exit_reason: str
    fees: Money
    profit: Money


def signals_of(evaluation: CandleEvaluated) -> list[SignalView]:
    """Return the signals of an evaluation event that signal_svc archives, too."""
    return [
        SignalView(
            signal_id=signal.id,
            configuration_id=signal.configuration_id,
            strategy=signal.strategy,
            series=evaluation.series,
            symbol=evaluation.symbol,
            action=signal.action,
            reference_price=signal.reference_price,
            stop_price=signal.stop_price,
            take_profit_price=signal.take_profit_price,
            confidence=signal.confidence,
            decided_at=evaluation.close_time,
        )
        for signal in evaluation.signals
        if signal.action != "move_stop"
    ]


def order_of(event: OrderDecided) -> OrderView:
    """Return an order event as the API shows it."""
    fields = event.model_dump(include=set(OrderView.model_fields))
    return OrderView(series=_series(event), **fields | {"quantity": event.quantity or None})


def fill_of(event: OrderFilled) -> FillView:
    """Return a fill event as the API shows it."""
    return FillView(
        order_id=event.order_id, fill_price=event.price, fee=event.fee, filled_at=event.filled_at
    )


def trade_of(event: PositionClosed) -> TradeView:
    """Return a closed position as the API shows it."""
    fields = event.model_dump(include=set(TradeView.model_fields))
    return TradeView(series=_series(event), **fields)


def _series(event: OrderDecided | PositionClosed) -> str:
    return f"{event.exchange}:{event.symbol}:{event.timeframe}"
