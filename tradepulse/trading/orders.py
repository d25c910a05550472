"""The values of the ledger: orders, fills, positions, trades, equity. Money is `Decimal`.

Every id is derived, so that the same decision has the same id in every run and after every crash.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID, uuid5

from contracts.events import ExitReason, OrderType, Side
from tradepulse.trading.fills import LONG, SHORT
from tradepulse.trading.series import OnSeries

PositionSide = Literal["long", "short"]
SIGN: dict[PositionSide, int] = {"long": LONG, "short": SHORT}
MONEY = Decimal("0.00000001")
"""Cash and fees are kept to this unit."""


def money(value: Decimal) -> Decimal:
    """Round an amount to the ledger's unit, half to even."""
    return value.quantize(MONEY)


def decimal(value: float) -> Decimal:
    """Return the decimal that a float prints as; market data has no more digits than that."""
    return Decimal(repr(value))


@dataclass(frozen=True, slots=True)
class Order(OnSeries):
    """One order, accepted or refused.

    Attributes:
        order_id: client order id, derived from the signal or from the position it protects.
        signal_id: None for stops, targets and the end of data.
        opens_position: an entry, as against an exit.
        stop_price: of an entry, the stop of the position to be; `take_profit_price` likewise.
        exit_reason: why an exit leaves.
        status: OPEN waits for its fill.
        reason: why it was refused.
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
    status: Literal["OPEN", "FILLED", "REFUSED"]
    decided_at: int
    reason: str = ""
    exit_reason: ExitReason | None = None
    stop_price: Decimal | None = None
    take_profit_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill; orders on paper fill whole. `fee` is in the quote currency.

    `filled_at` is the open time of the candle for a market order, and its close time for a stop,
    a target or the end of data: when inside the candle it was touched, the candle does not say.
    """

    fill_id: UUID
    order: Order
    quantity: Decimal
    price: Decimal
    fee: Decimal
    filled_at: int


@dataclass(frozen=True, slots=True)
class Position(OnSeries):
    """One open position of one configuration; `fees` are those of the entry."""

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

    @property
    def signed_quantity(self) -> Decimal:
        """Quantity, negative for a short."""
        return self.quantity * SIGN[self.side]


@dataclass(frozen=True, slots=True)
class Trade:
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


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """The account at one close, marked at the last closes."""

    close_time: int
    cash: Decimal
    equity: Decimal
    exposure: Decimal
    open_positions: int


def fill_id(order_id: UUID) -> UUID:
    """Derive the id of an order's one fill."""
    return uuid5(order_id, "fill")


def position_id(entry_order_id: UUID) -> UUID:
    """Derive the id of the position that an entry order opens."""
    return uuid5(entry_order_id, "position")
