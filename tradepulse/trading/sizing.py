"""How much: what an entry may spend, at which levels, what that buys, or why it is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal
from math import nan
from typing import Self

from msgspec import Struct

from contracts.events import Signal
from tradepulse.trading import defaults
from tradepulse.trading.exposure import Exposure
from tradepulse.trading.fills import LONG, SHORT, to_digits, trailed_stop
from tradepulse.trading.orders import Steps, decimal, money, money_down

_DIGITS = Context(prec=15, rounding=ROUND_DOWN)
"""Of a quantity without a step, so that an account works alike at any scale of prices."""

_DUST = Decimal("1e-12")
"""Room as small as this, as a fraction of the equity, is what rounding left of none."""


@dataclass(frozen=True, slots=True)
class InstrumentRules:
    """What a venue accepts for one instrument; by default nothing is known.

    Attributes:
        price_tick: prices are multiples of it, quote currency; None to let them keep their digits.
        quantity_step: quantities are multiples of it, base currency; None for 15 digits.
        min_notional: smallest order, quote currency.
        allows_margin: whether it may be sold short.
        min_quantity: smallest order, base currency.
        tick_is_of_now: whether the market may have had another tick on older candles; else one
            that cannot write the market's own price is not that market's.

    Raises:
        ValueError: a tick or step is not above zero, or a least amount is below it.
    """

    price_tick: Decimal | None = None
    quantity_step: Decimal | None = None
    min_notional: Decimal = Decimal(0)
    allows_margin: bool = False
    min_quantity: Decimal = Decimal(0)
    tick_is_of_now: bool = False

    def __post_init__(self) -> None:
        for name in ("price_tick", "quantity_step"):
            value = getattr(self, name)
            if value is not None and not (value.is_finite() and value > 0):
                raise ValueError(f"{name} is {value}; it must be above 0, or none")
        for name in ("min_notional", "min_quantity"):
            value = getattr(self, name)
            if not (value.is_finite() and value >= 0):
                raise ValueError(f"{name} is {value}; it must be 0 or more")

    @property
    def is_known(self) -> bool:
        """Whether tick, step or a least amount is known."""
        known = self.price_tick is not None or self.quantity_step is not None
        return known or self.min_notional > 0 or self.min_quantity > 0

    def beside(self, price: float) -> Self:
        """Return the rules of when the market itself traded at a price.

        A tick of now that cannot write it was not the market's tick then: prices keep their digits.
        """
        if not self.tick_is_of_now or self.can_write(price):
            return self
        return replace(self, price_tick=None)

    def price(self, value: float) -> Decimal:
        """Round a price to the tick, half to even."""
        if self.price_tick is None:
            return decimal(to_digits(value))
        ticks = (decimal(value) / self.price_tick).to_integral_value(ROUND_HALF_EVEN)
        return ticks * self.price_tick

    def can_write(self, value: float) -> bool:
        """Tell whether a price of the market is a multiple of the tick, as it must be."""
        return self.price_tick is None or decimal(to_digits(value)) % self.price_tick == 0

    def quantity(self, value: Decimal) -> Decimal:
        """Round a quantity down to the step."""
        if self.quantity_step is not None:
            return (value / self.quantity_step).to_integral_value(ROUND_DOWN) * self.quantity_step
        kept = _DIGITS.plus(value)
        # whole numbers are written out
        return kept.quantize(Decimal(1)) if kept.adjusted() >= _DIGITS.prec else kept

    def less(self, quantity: Decimal) -> Decimal:
        """Return the next smaller quantity."""
        if self.quantity_step is not None:
            return quantity - self.quantity_step
        return _DIGITS.next_minus(quantity)


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Limits of one account; fractions are of its equity.

    Attributes:
        max_symbol_notional: all positions and waiting entries in one instrument.
        max_total_notional: all positions and waiting entries; 1 means no leverage. A waiting
            entry counts with all that it may spend.
        max_open_positions: positions and waiting entries.
        risk_per_trade: most that a stopped-out entry may lose, None for no such cap.
    """

    max_symbol_notional: Decimal = defaults.MAX_SYMBOL_NOTIONAL
    max_total_notional: Decimal = defaults.MAX_TOTAL_NOTIONAL
    max_open_positions: int = defaults.MAX_OPEN_POSITIONS
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

    fee: Decimal = defaults.FEE
    maker_fee: Decimal | None = None
    slippage: float = defaults.SLIPPAGE
    impact: float = defaults.IMPACT
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

    @property
    def dearest_fee(self) -> Decimal:
        """What a limit order may cost: it takes if the next open is beyond its limit."""
        return max(self.fee, self.fee_of(is_maker=True))

    def market(self, instrument: str) -> InstrumentRules:
        """Return the market of an instrument."""
        return self.markets.get(instrument, _DEFAULT_RULES)


_DEFAULT_RULES = InstrumentRules()


class Refused(Struct, frozen=True):
    """An entry that is not made, and why."""

    reason: str


class Levels(Struct, frozen=True):
    """Prices of an entry, on the market's ticks.

    Attributes:
        expected: price by which its risk is judged: the limit, or the signal's close.
        limit: of a limit order.
        stop: the first stop.
        take_profit: the target.
        targets: of a falling one, minutes since the entry and price of each step.
    """

    expected: Decimal
    limit: Decimal | None
    stop: Decimal | None
    take_profit: Decimal | None
    targets: Steps = ()


class Size(Struct, frozen=True):
    """How large an entry is.

    Attributes:
        notional: what it may spend, slippage and fee included, quote currency.
        quantity: of a limit order, base currency; 0 for a market order: its fill tells.
    """

    notional: Decimal
    quantity: Decimal = Decimal(0)


def entry_levels(signal: Signal, market: InstrumentRules) -> Levels:
    """Return the levels of an entry; a trailing stop begins behind the signal's close."""
    close = signal.reference_price
    side = LONG if signal.action == "enter_long" else SHORT
    stop = signal.stop_price
    if signal.trail is not None:
        stop = trailed_stop(side, nan if stop is None else stop, signal.trail, close, close)
    limit = _on_tick(signal.limit_price, market)
    return Levels(
        decimal(to_digits(close)) if limit is None else limit,
        limit,
        _on_tick(stop, market),
        _on_tick(signal.take_profit_price, market),
        tuple((minutes, market.price(to_digits(at))) for minutes, at in signal.targets),
    )


def _on_tick(price: float | None, market: InstrumentRules) -> Decimal | None:
    return None if price is None else market.price(to_digits(price))


def size_entry(  # noqa: PLR0911 - one return per reason to refuse
    signal: Signal,
    levels: Levels,
    weight: float,
    exposure: Exposure,
    rules: AccountRules,
    market: InstrumentRules,
    now: int,
) -> Size | Refused:
    """Return what an entry may spend, and a limit order's quantity, or why it is refused.

    Notional = equity x weight x share x confidence, capped by the risk per trade, then by the
    limits.

    Args:
        signal: an entry.
        levels: of `entry_levels`.
        weight: the instrument's portfolio weight, 0 to 1.
        exposure: what the account holds, with the entries accepted before this one.
        rules: the account's.
        market: the instrument's.
        now: the time by which staleness is judged, epoch ms.
    """
    limits, equity = rules.limits, exposure.equity
    if equity <= 0:
        return Refused("the account is ruined")
    if now > signal.expires_at:
        return Refused("stale signal")
    if (refused := _forbidden(signal, levels, market)) is not None:
        return refused
    if exposure.open_positions >= limits.max_open_positions:
        return Refused("maximum open positions reached")
    if weight <= 0:
        return Refused("portfolio weight is zero")
    symbol_room = limits.max_symbol_notional * equity - exposure.symbol_notional
    if symbol_room <= _DUST * equity:
        return Refused("maximum notional of the symbol reached")
    total_room = limits.max_total_notional * equity - exposure.total_notional
    if total_room <= _DUST * equity:
        return Refused("maximum total notional reached")
    wanted = _wanted(signal, levels, weight, equity, limits)
    notional = money_down(min(wanted, symbol_room, total_room))
    return _size(notional, levels, rules, market)


def _forbidden(signal: Signal, levels: Levels, market: InstrumentRules) -> Refused | None:
    """Return why the market takes no such order, if so."""
    if signal.action == "enter_short" and not market.allows_margin:
        return Refused("a spot market cannot be sold short")
    if not market.can_write(signal.reference_price) or levels.expected <= 0:
        return Refused("a price cannot be written with the market's tick")
    return None


def _size(
    notional: Decimal, levels: Levels, rules: AccountRules, market: InstrumentRules
) -> Size | Refused:
    if levels.limit is None:
        if notional < market.min_notional * (1 + rules.fee) or notional <= 0:
            return Refused("below the market's minimum notional")
        return Size(notional)
    quantity = quantity_for(notional, levels.limit, rules.dearest_fee, market)
    return quantity if isinstance(quantity, Refused) else Size(notional, quantity)


def _wanted(
    signal: Signal, levels: Levels, weight: float, equity: Decimal, limits: RiskLimits
) -> Decimal:
    """Return the notional that weight and risk ask for."""
    notional = equity * decimal(weight) * decimal(signal.share) * decimal(signal.confidence)
    if limits.risk_per_trade is not None and levels.stop is not None:
        distance = abs(levels.expected - levels.stop)
        if distance > 0:
            return min(notional, limits.risk_per_trade * equity / distance * levels.expected)
    return notional


def quantity_for(
    spend: Decimal, price: Decimal, fee: Decimal, market: InstrumentRules
) -> Decimal | Refused:
    """Return the quantity that an amount buys (or sells), or why an order cannot be so small.

    Args:
        spend: quote currency, fee included.
        price: of the fill, slippage included.
        fee: fraction of the notional.
        market: the instrument's.
    """
    if price <= 0:
        return Refused("a price cannot be written with the market's tick")
    quantity = market.quantity(spend / (price * (1 + fee)))
    # the ledger rounds notional and fee each by itself
    if money(quantity * price) + money(quantity * price * fee) > spend:
        quantity = market.less(quantity)
    if quantity <= 0:
        return Refused("less than the market's quantity step")
    if quantity < market.min_quantity:
        return Refused("below the market's least quantity")
    # without a step the last digit is rounding, not a smaller order
    stepped = market.quantity_step is not None
    notional = quantity * price if stepped else spend / (1 + fee)
    if notional < market.min_notional:
        return Refused("below the market's minimum notional")
    return quantity
