"""What one close brings to an account, and what it changes there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from msgspec.structs import replace

from contracts.events import Signal
from tradepulse.candles.arrays import Candles
from tradepulse.trading.fills import Prices
from tradepulse.trading.orders import EquityPoint, Fill, Order, Position, Trade


@dataclass(frozen=True, slots=True)
class Weights:
    """A portfolio weight vector.

    Attributes:
        decided_at: the close at which it was decided, epoch ms.
        by_instrument: 0 to 1 each.
        budget: what they sum to at most.
    """

    decided_at: int
    by_instrument: Mapping[str, float]
    budget: float = 1.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything that belongs to one close time.

    Attributes:
        close_time: epoch ms.
        candles: by series.
        signals: `(series, signal)` of this close, in any order.
        ended: series whose last candle is at this close; their positions are closed.
        late: this moment was settled before without these items, see `event_time`.
        finer: lower-timeframe candles by series, of any length of time: those inside a candle
            settle what it cannot tell itself.
    """

    close_time: int
    candles: Mapping[str, Prices]
    signals: Sequence[tuple[str, Signal]] = ()
    ended: frozenset[str] = frozenset()
    late: bool = False
    finer: Mapping[str, Candles] = field(default_factory=dict)


@dataclass(slots=True)
class Settlement:
    """What one close changed, in the order in which it happened.

    `orders` holds each order as it was left at the end of this close. `fills` refer to them.
    `opened` and `closed` are positions; `moved` are those whose stop moved, as they are now;
    `equity` is None for a late moment.
    """

    close_time: int
    orders: dict[UUID, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    opened: list[Position] = field(default_factory=list)
    moved: list[Position] = field(default_factory=list)
    closed: list[Trade] = field(default_factory=list)
    equity: EquityPoint | None = None
    fallback_weights: int = 0
    """Entries sized by equal weights because no fresh vector was there."""
    ruined: bool = False
    """The account's equity was not above zero: all that it held was liquidated at this close."""

    def refuse(self, order: Order, reason: str) -> None:
        """Note that an order that was there is refused."""
        self.orders[order.order_id] = replace(order, status="REFUSED", reason=reason)
