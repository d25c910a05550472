"""The orders that are decided at a close, or that a candle's touch of a level makes."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from uuid import UUID, uuid5

from contracts.events import ExitReason, OrderType, Signal
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.trading.moments import Moment, Weights
from tradepulse.trading.orders import Order, Position
from tradepulse.trading.sizing import Levels, Refused, Size
from tradepulse.trading.weights import equal_share


def binding_weight(
    weights: Weights | None,
    series: str,
    instruments: frozenset[str],
    now: int,
    max_age_ms: int,
) -> tuple[float, bool]:
    """Return the weight of a series' instrument, and whether it is the fallback, equal weights.

    Args:
        weights: the latest vector, if any; its budget is shared out even where it is too old.
        series: `exchange:symbol:timeframe`.
        instruments: those that share equal weights.
        now: the time by which the vector's age is judged, epoch ms.
        max_age_ms: an older vector does not count.
    """
    instrument, _, timeframe = series.rpartition(":")
    # a vector binds from the close after its own, so it is never younger than one candle
    max_age = max(max_age_ms, 2 * timeframe_ms(timeframe))
    if weights is None or now - weights.decided_at > max_age:
        return equal_share(1.0 if weights is None else weights.budget, len(instruments)), True
    return weights.by_instrument.get(instrument, 0.0), False


def entry_order(
    account: str,
    series: str,
    signal: Signal,
    size: Size | Refused,
    levels: Levels,
    decided_at: int,
) -> Order:
    """Return the order of an entry signal, open or refused.

    Its id is the account's own: several accounts may follow one signal.
    """
    exchange, symbol, timeframe = series.split(":")
    refusal = size.reason if isinstance(size, Refused) else ""
    return Order(
        order_id=uuid5(signal.id, f"entry:{account}"),
        signal_id=signal.id,
        configuration_id=signal.configuration_id,
        exchange=exchange,
        symbol=symbol,
        timeframe=timeframe,
        side="buy" if signal.action == "enter_long" else "sell",
        order_type="market" if levels.limit is None else "limit",
        quantity=Decimal(0) if isinstance(size, Refused) else size.quantity,
        reference_price=signal.reference_price,
        opens_position=True,
        status="REFUSED" if refusal else "OPEN",
        decided_at=decided_at,
        reason=refusal,
        stop_price=levels.stop,
        take_profit_price=levels.take_profit,
        limit_price=levels.limit,
        trail=signal.trail,
        max_holding_ms=signal.max_holding_ms,
        notional=None if isinstance(size, Refused) else size.notional,
        targets=levels.targets,
    )


def exit_orders(
    signals: Iterable[tuple[str, Signal]],
    positions: Mapping[UUID, Position],
    held: Iterable[Position],
    moment: Moment,
) -> list[Order]:
    """Return the exits that a close asks for, first those by signal, then those by time.

    Args:
        signals: of the close, in their order.
        positions: all that are held, by configuration.
        held: the same in their order.
        moment: the close.
    """
    exits = []
    for series, signal in signals:
        position = positions.get(signal.configuration_id)
        if signal.action == "exit" and series not in moment.ended and position is not None:
            reference = signal.reference_price
            exits.append(
                exit_order(position, "signal", reference, moment.close_time, signal=signal)
            )
    for position in held:
        candle = moment.candles.get(position.series)
        if candle is None or position.series in moment.ended:
            continue
        if position.exit_at is not None and moment.close_time >= position.exit_at:
            exits.append(exit_order(position, "time", candle.close, moment.close_time))
    return exits


def exit_order(
    position: Position,
    reason: ExitReason,
    reference_price: float,
    decided_at: int,
    *,
    order_type: OrderType = "market",
    signal: Signal | None = None,
) -> Order:
    """Return the order that leaves a position, by its signal or of itself."""
    return Order(
        order_id=uuid5(position.position_id, reason),
        signal_id=None if signal is None else signal.id,
        configuration_id=position.configuration_id,
        exchange=position.exchange,
        symbol=position.symbol,
        timeframe=position.timeframe,
        side="sell" if position.side == "long" else "buy",
        order_type=order_type,
        quantity=position.quantity,
        reference_price=reference_price,
        opens_position=False,
        status="OPEN",
        decided_at=decided_at,
        exit_reason=reason,
    )
