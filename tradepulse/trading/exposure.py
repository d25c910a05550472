"""What an account holds at one close, for the entries that are judged there one after another."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

from tradepulse.trading.orders import Order, Position

ZERO = Decimal(0)


class Exposure(Struct, frozen=True):
    """What the account already holds when an entry is judged, quote currency.

    Attributes:
        equity: at this close, marked at the last closes.
        symbol_notional: of the entry's instrument, waiting entries included.
        total_notional: of all instruments, waiting entries included.
        open_positions: waiting entries included.
    """

    equity: Decimal
    symbol_notional: Decimal
    total_notional: Decimal
    open_positions: int


class Exposures:
    """Summed once at a close, and moved by each entry that is accepted there.

    A thousand series may enter at one close: summed for each of them, the time would grow with the
    square of their number.

    Args:
        cash: quote currency.
        positions: all that are held, by configuration.
        orders: all that wait.
        values: of each position at the last close, negative for a short.
    """

    def __init__(
        self,
        cash: Decimal,
        positions: Mapping[UUID, Position],
        orders: Iterable[Order],
        values: Mapping[UUID, Decimal],
    ) -> None:
        self._equity = cash
        self._total = ZERO
        self._by_instrument: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._count = 0
        for name, position in positions.items():
            value = values[name]
            self._equity += value
            self._add(position.instrument, abs(value))
        for order in orders:
            if order.opens_position:
                self.accept(order)

    def accept(self, entry: Order) -> None:
        """Count an entry that waits from now on."""
        # with its costs, so that those that wait can all be paid
        self._add(entry.instrument, entry.notional or ZERO)

    def of(self, instrument: str) -> Exposure:
        """Return what an entry of this instrument is judged by."""
        symbol = self._by_instrument.get(instrument, ZERO)
        return Exposure(self._equity, symbol, self._total, self._count)

    def _add(self, instrument: str, notional: Decimal) -> None:
        self._total += notional
        self._by_instrument[instrument] += notional
        self._count += 1
