"""What a venue lists: instruments, their precision, their smallest orders, and timeframes."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY


@dataclass(frozen=True, slots=True)
class Instrument:
    """One spot market of one venue.

    `level_amount` is the amount that stands at each price level of the venue's order book; an
    order larger than the whole book is filled in part.
    """

    symbol: str
    price_decimals: int = 2
    amount_decimals: int = 8
    min_amount: Decimal = Decimal("0.00001")
    min_cost: Decimal = Decimal(1)
    level_amount: Decimal = Decimal(5)

    @property
    def base(self) -> str:
        """Currency that is bought and sold, in its unified name."""
        return self.symbol.split("/")[0]

    @property
    def quote(self) -> str:
        """Currency that it is paid in, in its unified name."""
        return self.symbol.split("/")[1]

    @property
    def tick(self) -> Decimal:
        """Smallest step of a price."""
        return Decimal(1).scaleb(-self.price_decimals)

    @property
    def lot(self) -> Decimal:
        """Smallest step of an amount."""
        return Decimal(1).scaleb(-self.amount_decimals)

    def price(self, value: float | Decimal) -> Decimal:
        """Round a price to the instrument's decimals."""
        return Decimal(f"{value:.{self.price_decimals}f}")

    def amount(self, value: float | Decimal) -> Decimal:
        """Cut an amount to the instrument's decimals."""
        return Decimal(str(value)).quantize(self.lot, ROUND_DOWN)
