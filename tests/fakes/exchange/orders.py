"""Orders of the one account of a venue: funds, resting orders, fills against the tape."""

from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum

ZERO = Decimal(0)


class Refusal(StrEnum):
    """Why a venue says no. Each venue has its own words for these."""

    INSUFFICIENT_FUNDS = "insufficient funds"
    AMOUNT_TOO_SMALL = "amount too small"
    COST_TOO_SMALL = "cost too small"
    BAD_PRECISION = "too many decimals"
    BAD_REQUEST = "bad request"
    UNKNOWN_SYMBOL = "unknown symbol"
    UNKNOWN_ORDER = "unknown order"
    DUPLICATE_CLIENT_ID = "duplicate client order id"
    WOULD_TAKE = "post-only order would take"
    MARKET_HALTED = "market halted"
    BAD_KEY = "bad key"
    BAD_SIGNATURE = "bad signature"
    BAD_TIME = "request time outside of the window"
    RATE_LIMIT = "rate limit"
    UNAVAILABLE = "unavailable"


class RefusedError(Exception):
    """A request that the venue turns down."""

    def __init__(self, refusal: Refusal, detail: str = "") -> None:
        super().__init__(detail or refusal.value)
        self.refusal = refusal
        self.detail = detail or refusal.value


@dataclass(frozen=True, slots=True)
class Fees:
    """Rates of a venue, and whether a buy pays in what it received (else in the quote)."""

    maker: Decimal
    taker: Decimal
    in_received: bool = False


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a client asks for. A market buy may give `cost` (in quote) instead of `amount`."""

    symbol: str
    side: str
    type: str
    amount: Decimal | None = None
    price: Decimal | None = None
    cost: Decimal | None = None
    client_id: str | None = None
    time_in_force: str = "GTC"
    post_only: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of an order."""

    id: int
    order_id: str
    time: int
    symbol: str
    side: str
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_currency: str
    maker: bool

    @property
    def cost(self) -> Decimal:
        """Price times amount, in quote."""
        return self.price * self.amount


@dataclass(slots=True)
class Order:
    """An order as the venue keeps it; status open, closed, canceled or expired."""

    id: str
    request: OrderRequest
    created: int
    updated: int
    status: str = "open"
    held: Decimal = ZERO
    fills: list[Fill] = field(default_factory=list)

    @property
    def symbol(self) -> str:
        """Unified symbol."""
        return self.request.symbol

    @property
    def filled(self) -> Decimal:
        """Amount executed so far, in base."""
        return sum((fill.amount for fill in self.fills), ZERO)

    @property
    def cost(self) -> Decimal:
        """Executed so far, in quote."""
        return sum((fill.cost for fill in self.fills), ZERO)

    @property
    def fee(self) -> Decimal:
        """Fees so far, in the currency of the fills."""
        return sum((fill.fee for fill in self.fills), ZERO)

    @property
    def average(self) -> Decimal | None:
        """Mean price of the fills."""
        filled = self.filled
        return self.cost / filled if filled else None

    @property
    def amount(self) -> Decimal:
        """Amount asked for; of an order by cost, what it has bought."""
        asked = self.request.amount
        return self.filled if asked is None else asked

    @property
    def remaining(self) -> Decimal:
        """Amount not yet executed."""
        return self.amount - self.filled


class Wallet:
    """Funds of the account: totals, and what open orders hold of them."""

    def __init__(self, totals: dict[str, Decimal]) -> None:
        self._totals = dict(totals)
        self._held: dict[str, Decimal] = {}

    def currencies(self) -> list[str]:
        """Every currency that was ever held, by name."""
        return sorted(self._totals)

    def total(self, currency: str) -> Decimal:
        """What is there, held or free."""
        return self._totals.get(currency, ZERO)

    def held(self, currency: str) -> Decimal:
        """What open orders hold."""
        return self._held.get(currency, ZERO)

    def free(self, currency: str) -> Decimal:
        """What can be spent."""
        return self.total(currency) - self.held(currency)

    def hold(self, currency: str, amount: Decimal) -> None:
        """Set funds aside for an order; RefusedError when there is not enough."""
        if amount > self.free(currency):
            raise RefusedError(
                Refusal.INSUFFICIENT_FUNDS,
                f"needs {amount} {currency}, {self.free(currency)} are free",
            )
        self._held[currency] = self.held(currency) + amount

    def release(self, currency: str, amount: Decimal) -> None:
        """Give back what was set aside."""
        self._held[currency] = self.held(currency) - amount

    def add(self, currency: str, amount: Decimal) -> None:
        """Book an amount, positive or negative."""
        self._totals[currency] = self.total(currency) + amount


def rounded(value: Decimal, step: Decimal) -> Decimal:
    """Cut to a multiple of a step."""
    return (value / step).to_integral_value(ROUND_DOWN) * step
