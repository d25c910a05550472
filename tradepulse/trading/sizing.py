"""How much: the size of an entry, at which levels, or the reason to refuse it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from math import nan

from contracts.events import Signal
from tradepulse.trading.fills import LONG, SHORT, entry_cost, to_tick, trailed_stop
from tradepulse.trading.orders import decimal


@dataclass(frozen=True, slots=True)
class InstrumentRules:
    """What a venue accepts for one instrument.

    Attributes:
        price_tick: prices are multiples of it, quote currency.
        quantity_step: quantities are multiples of it, base currency.
        min_notional: smallest order, quote currency.
        allows_margin: whether it may be sold short.
    """

    price_tick: Decimal = Decimal("0.00000001")
    quantity_step: Decimal = Decimal("0.00000001")
    min_notional: Decimal = Decimal(10)
    allows_margin: bool = False

    def price(self, value: float) -> Decimal:
        """Round a price to the tick, half to even."""
        ticks = (decimal(value) / self.price_tick).to_integral_value(ROUND_HALF_EVEN)
        return ticks * self.price_tick

    def quantity(self, value: Decimal) -> Decimal:
        """Round a quantity down to the step."""
        return (value / self.quantity_step).to_integral_value(ROUND_DOWN) * self.quantity_step


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Limits of one account; fractions are of its equity.

    Attributes:
        max_symbol_notional: all positions and waiting entries in one instrument.
        max_total_notional: all positions and waiting entries; 1 means no leverage.
        max_open_positions: positions and waiting entries.
        risk_per_trade: most that a stopped-out entry may lose, None for no such cap.
    """

    max_symbol_notional: Decimal = Decimal("0.5")
    max_total_notional: Decimal = Decimal(1)
    max_open_positions: int = 50
    risk_per_trade: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AccountRules:
    """All that sizes, limits and prices the orders of one account.

    Attributes:
        fee: taker fee, fraction of the notional: market orders and stops.
        maker_fee: fee of a limit order that rested, also of a target; None for the same as `fee`.
        slippage: fraction by which the price of a market order or stop is worsened.
        impact: fraction added to the slippage of an order as large as its candle's volume; it
            grows with the square of the share. Together with `slippage` below 1.
        limits: see `RiskLimits`.
        max_weight_age_ms: an older weight vector gives way to equal weights; never less than two
            candles of the signal's timeframe.
        markets: by instrument; `InstrumentRules()` where none is given.
    """

    fee: Decimal = Decimal("0.001")
    maker_fee: Decimal | None = None
    slippage: float = 0.0005
    impact: float = 0.0
    limits: RiskLimits = field(default_factory=RiskLimits)
    max_weight_age_ms: int = 7_200_000
    markets: Mapping[str, InstrumentRules] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.slippage + self.impact < 1:
            raise ValueError(
                f"slippage {self.slippage} and impact {self.impact} together must be at least 0 and"
                " below 1: a sell would get nothing"
            )

    def fee_of(self, *, is_maker: bool) -> Decimal:
        """Return the fee of an order that rested, or of one that took."""
        return self.fee if self.maker_fee is None or not is_maker else self.maker_fee

    def market(self, instrument: str) -> InstrumentRules:
        """Return the market of an instrument."""
        return self.markets.get(instrument, _DEFAULT_RULES)


_DEFAULT_RULES = InstrumentRules()


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that is not made, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Exposure:
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


@dataclass(frozen=True, slots=True)
class Levels:
    """Prices of an entry, on the market's ticks.

    Attributes:
        expected: price by which it is sized: the limit, or the signal's close.
        limit: of a limit order.
        stop: the first stop.
        take_profit: the target.
    """

    expected: Decimal
    limit: Decimal | None
    stop: Decimal | None
    take_profit: Decimal | None


def entry_levels(signal: Signal, market: InstrumentRules) -> Levels:
    """Return the levels of an entry; a trailing stop begins behind the signal's close."""
    close = signal.reference_price
    side = LONG if signal.action == "enter_long" else SHORT
    stop = signal.stop_price
    if signal.trail is not None:
        stop = trailed_stop(side, nan if stop is None else stop, signal.trail, close, close)
    limit = _on_tick(signal.limit_price, market)
    return Levels(
        decimal(close) if limit is None else limit,
        limit,
        _on_tick(stop, market),
        _on_tick(signal.take_profit_price, market),
    )


def _on_tick(price: float | None, market: InstrumentRules) -> Decimal | None:
    return None if price is None else market.price(to_tick(price))


def size_entry(  # noqa: PLR0911 - one return per reason to refuse
    signal: Signal,
    levels: Levels,
    weight: float,
    exposure: Exposure,
    rules: AccountRules,
    market: InstrumentRules,
    now: int,
) -> Decimal | Refused:
    """Return an entry's quantity in the base currency, or why it is refused.

    Notional = equity x weight x share x confidence, capped by the risk per trade, then by the
    limits, then rounded down to the market's step.

    Args:
        signal: an entry.
        levels: of `entry_levels`.
        weight: the instrument's portfolio weight, 0 to 1.
        exposure: what the account holds, with the entries accepted before this one.
        rules: the account's.
        market: the instrument's.
        now: the time by which staleness is judged, epoch ms.
    """
    limits = rules.limits
    if now > signal.expires_at:
        return Refused("stale signal")
    if signal.action == "enter_short" and not market.allows_margin:
        return Refused("a spot market cannot be sold short")
    if exposure.open_positions >= limits.max_open_positions:
        return Refused("maximum open positions reached")
    if weight <= 0:
        return Refused("portfolio weight is zero")
    price = levels.expected
    notional = (
        exposure.equity * decimal(weight) * decimal(signal.share) * decimal(signal.confidence)
    )
    if limits.risk_per_trade is not None and levels.stop is not None:
        distance = abs(price - levels.stop)
        if distance > 0:
            notional = min(notional, limits.risk_per_trade * exposure.equity / distance * price)
    symbol_room = limits.max_symbol_notional * exposure.equity - exposure.symbol_notional
    if symbol_room <= 0:
        return Refused("maximum notional of the symbol reached")
    # an entry pays slippage and fee on top, so the room for its notional is smaller
    cost = decimal(entry_cost(float(rules.fee), rules.slippage))
    total_room = limits.max_total_notional * exposure.equity - exposure.total_notional
    if total_room <= 0:
        return Refused("maximum total notional reached")
    notional = min(notional, symbol_room, total_room / cost)
    quantity = market.quantity(notional / price)
    if quantity * price < market.min_notional or quantity <= 0:
        return Refused("below the market's minimum notional")
    return quantity
