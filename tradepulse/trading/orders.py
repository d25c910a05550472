"""The values of the ledger: orders, fills, positions, trades, equity. Money is `Decimal`.

Every id is derived, so that the same decision has the same id in every run and after every crash.
They are made and changed by the thousand at one close; a frozen dataclass takes five times as long.
"""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal
from typing import Literal
from uuid import UUID, uuid5

from msgspec import Struct

from contracts.events import ExitReason, OrderStatus, OrderType, Side
from tradepulse.candles.series import OnSeries
from tradepulse.trading.fills import LONG, SHORT

PositionSide = Literal["long", "short"]
Steps = tuple[tuple[int, Decimal], ...]
"""Of a falling target: minutes since the entry, ascending, and the price from then on."""
SIGN: dict[PositionSide, int] = {"long": LONG, "short": SHORT}
MONEY = Decimal("1e-18")
"""Cash and fees are kept to this unit, fine enough for any quote currency."""
ARITHMETIC = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""How `Account.settle` calculates, whatever a library did to the process's own context."""


def money(value: Decimal) -> Decimal:
    """Round an amount to the ledger's unit, half to even."""
    return value.quantize(MONEY, ROUND_HALF_EVEN, ARITHMETIC)


def money_down(value: Decimal) -> Decimal:
    """Round an amount down to the ledger's unit."""
    return value.quantize(MONEY, ROUND_DOWN, ARITHMETIC)


def decimal(value: float) -> Decimal:
    """Return the decimal that a float prints as; market data has no more digits than that."""
    return Decimal(repr(value))


class Order(OnSeries, Struct, frozen=True):
    """One order, accepted or refused.

    Attributes:
        order_id: client order id, derived from the signal or from the position it protects.
        signal_id: None for stops, targets, the end of time and the end of data.
        quantity: base currency; 0 where it is not known before the fill: of an entry at market.
        notional: of an entry, what it may spend, slippage and fee included, quote currency.
        opens_position: an entry, as against an exit.
        limit_price: of an entry by a limit order.
        stop_price: of an entry, the stop of the position to be; `take_profit_price` likewise.
        trail: of an entry, how far behind the price the stop of the position to be follows.
        max_holding_ms: of an entry, how long its position may be held.
        targets: of an entry, the falling target of the position to be.
        exit_reason: why an exit leaves.
        status: OPEN waits for its fill; EXPIRED is a limit order that found no fill.
        reason: why it was refused, or expired.
        decided_at: close time at which it was decided, epoch ms.
    """

    order_id: UUID
    signal_id: UUID | None
    configuration_id: UUID
    exchange: str
    symbol: str
    timeframe: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    reference_price: float
    opens_position: bool
    status: OrderStatus
    decided_at: int
    reason: str = ""
    exit_reason: ExitReason | None = None
    stop_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    limit_price: Decimal | None = None
    trail: float | None = None
    max_holding_ms: int | None = None
    notional: Decimal | None = None
    targets: Steps = ()


class Fill(Struct, frozen=True):
    """One fill; orders on paper fill whole. `fee` is in the quote currency.

    `filled_at` is the open time of the candle for a fill at its open that was ordered before, and
    its close time for a stop, a target, a limit or the end of data: when inside the candle it was
    touched, the candle does not say.
    """

    fill_id: UUID
    order: Order
    quantity: Decimal
    price: Decimal
    fee: Decimal
    filled_at: int


class Position(OnSeries, Struct, frozen=True):
    """One open position of one configuration.

    Attributes:
        entry_time: open time of the candle that filled the entry, epoch ms.
        fees: those of the entry, quote currency.
        stop_price: where the stop stands; a trailing one moves.
        trail: how far behind the price the stop follows, None for a stop that stays.
        exit_at: at the first close at or after it the position is left, epoch ms.
        targets: what takes the place of `take_profit_price` as time goes by.
    """

    position_id: UUID
    configuration_id: UUID
    exchange: str
    symbol: str
    timeframe: str
    side: PositionSide
    quantity: Decimal
    entry_time: int
    entry_price: Decimal
    fees: Decimal
    stop_price: Decimal | None
    take_profit_price: Decimal | None
    trail: float | None = None
    exit_at: int | None = None
    targets: Steps = ()

    @property
    def signed_quantity(self) -> Decimal:
        """Quantity, negative for a short."""
        return self.quantity * SIGN[self.side]

    def target_in(self, open_time: int) -> Decimal | None:
        """Return the target that is valid in a candle, by its open time, epoch ms."""
        target = self.take_profit_price
        for minutes, price in self.targets:
            if open_time - self.entry_time >= minutes * 60_000:
                target = price
        return target


class Trade(Struct, frozen=True):
    """A position that went flat. `profit` is after `fees` (both sides), in the quote currency."""

    position_id: UUID
    configuration_id: UUID
    exchange: str
    symbol: str
    timeframe: str
    side: PositionSide
    quantity: Decimal
    entry_time: int
    entry_price: Decimal
    exit_time: int
    exit_price: Decimal
    exit_reason: ExitReason
    fees: Decimal
    profit: Decimal


class EquityPoint(Struct, frozen=True):
    """The account at one close, marked at the last closes."""

    close_time: int
    cash: Decimal
    equity: Decimal
    exposure: Decimal
    open_positions: int


def fill_id(order_id: UUID) -> UUID:
    """Derive the id of an order's one fill."""
    return uuid5(order_id, "fill")


def fill_of(order: Order, price: Decimal, fee: Decimal, filled_at: int) -> Fill:
    """Return the fill of a whole order."""
    return Fill(fill_id(order.order_id), order, order.quantity, price, fee, filled_at)


def position_id(entry_order_id: UUID) -> UUID:
    """Derive the id of the position that an entry order opens."""
    return uuid5(entry_order_id, "position")


def position_of(order: Order, price: Decimal, fee: Decimal, opened_at: int) -> Position:
    """Return the position that a filled entry opens in the candle that opened at `opened_at`."""
    return Position(
        position_id=position_id(order.order_id),
        configuration_id=order.configuration_id,
        exchange=order.exchange,
        symbol=order.symbol,
        timeframe=order.timeframe,
        side="long" if order.side == "buy" else "short",
        quantity=order.quantity,
        entry_time=opened_at,
        entry_price=price,
        fees=fee,
        stop_price=order.stop_price,
        take_profit_price=order.take_profit_price,
        trail=order.trail,
        exit_at=None if order.max_holding_ms is None else opened_at + order.max_holding_ms,
        targets=order.targets,
    )


def movement(side: PositionSide, quantity: Decimal, price: Decimal) -> Decimal:
    """Return what cash loses when a position of this side is entered at a price, before fees.

    It gains the same when the position is left at that price. Negative for a short.
    """
    return money(quantity * price) * SIGN[side]


def trade_of(position: Position, order: Order, price: Decimal, fee: Decimal, time: int) -> Trade:
    """Return the trade that a filled exit completes; its profit is the sum of what cash moved."""
    if order.exit_reason is None:
        raise ValueError(f"order {order.order_id} closes a position without a reason")
    side, quantity = position.side, position.quantity
    gross = movement(side, quantity, price) - movement(side, quantity, position.entry_price)
    fees = position.fees + fee
    return Trade(
        position_id=position.position_id,
        configuration_id=position.configuration_id,
        exchange=position.exchange,
        symbol=position.symbol,
        timeframe=position.timeframe,
        side=side,
        quantity=quantity,
        entry_time=position.entry_time,
        entry_price=position.entry_price,
        exit_time=time,
        exit_price=price,
        exit_reason=order.exit_reason,
        fees=fees,
        profit=gross - fees,
    )
