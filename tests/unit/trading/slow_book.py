"""A second account, slow and exact, written from docs/reference/semantics.md and nothing else.

Everything is a fraction: no digit is lost, so what the real account rounds shows as a difference
of its last digits. It imports no trading rule; what it shares with the account is the input.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

ZERO, ONE = Fraction(0), Fraction(1)


def exact(value: Any) -> Fraction:
    """Return the decimal that a float prints as, as a fraction."""
    return Fraction(repr(value) if isinstance(value, float) else str(value))


@dataclass
class Terms:
    """What the account is told. Fractions of the equity, quote currency, one timeframe."""

    cash: Fraction
    fee: Fraction = ZERO
    maker_fee: Fraction = ZERO
    slippage: Fraction = ZERO
    symbol_limit: Fraction = ONE
    total_limit: Fraction = ONE
    most_positions: int = 50
    risk: Fraction | None = None
    least: Fraction = ZERO
    step: Fraction | None = None
    allows_margin: bool = True


@dataclass
class Say:
    """What a configuration says at a close; prices are those of the signal."""

    who: int
    series: str
    action: str
    close: Fraction
    expires_at: int
    share: Fraction = ONE
    stop: Fraction | None = None
    target: Fraction | None = None
    limit: Fraction | None = None
    steps: tuple[tuple[int, Fraction], ...] = ()
    rest: int = 0
    confidence: Fraction = ONE


@dataclass
class Bar:
    """One candle."""

    open: Fraction
    high: Fraction
    low: Fraction
    close: Fraction


@dataclass
class Waiting:
    """An order that waits: an entry with what it may spend, or an exit."""

    say: Say
    side: int
    decided_at: int
    spend: Fraction = ZERO
    quantity: Fraction | None = None
    leaves: bool = False


@dataclass
class Holding:
    """A position."""

    say: Say
    side: int
    quantity: Fraction
    price: Fraction
    paid: Fraction
    stop: Fraction | None
    since: int


@dataclass
class Done:
    """A trade: who, side, quantity, prices of entry and exit, why, profit."""

    who: int
    side: int
    quantity: Fraction
    entry: Fraction
    exit: Fraction
    reason: str
    profit: Fraction


@dataclass
class SlowBook:
    """The account.

    Attributes:
        terms: fees and limits.
        cash: what it has.
        holdings: by configuration; so are `waiting`.
        waiting: see `holdings`.
        last: last close by instrument.
        trades: in the order in which they closed.
        refused: `(configuration, reason)` of each entry that was not made.
        curve: `(close time, cash, equity)` at each close that was in time.
    """

    terms: Terms
    cash: Fraction = ZERO
    holdings: dict[int, Holding] = field(default_factory=dict)
    waiting: dict[int, Waiting] = field(default_factory=dict)
    last: dict[str, Fraction] = field(default_factory=dict)
    trades: list[Done] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)
    last_at: dict[str, int] = field(default_factory=dict)
    stopped: dict[int, int] = field(default_factory=dict)
    curve: list[tuple[int, Fraction, Fraction]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cash = self.terms.cash

    def close(
        self,
        time: int,
        bars: dict[str, Bar],
        says: Sequence[Say],
        weights: dict[str, Fraction],
        *,
        late: bool = False,
    ) -> None:
        """Do all that a close does, in the order of the page."""
        entered: dict[int, Fraction | None] = {}
        for order in self._in_turn():
            if order.say.series in bars and order.decided_at < time:
                del self.waiting[order.say.who]
                self._fill(order, bars[order.say.series], entered, time)
        for holding in self._held():
            if holding.say.series in bars:
                self._touch(holding, bars[holding.say.series], entered, time)
        for series, bar in sorted(bars.items()):
            if time >= self.last_at.get(symbol(series), 0):
                self.last_at[symbol(series)] = time
                self.last[symbol(series)] = bar.close
        if self.holdings and self.equity() <= 0:
            self._ruin()
        ordered = sorted(says, key=lambda say: (say.series, say.who))
        for say in ordered:
            if (held := self.holdings.get(say.who)) is not None:
                self._tell(held, say, time)
        for say in ordered:
            if say.action.startswith("enter") and say.who not in {*self.holdings, *self.waiting}:
                self._enter(say, time, weights.get(symbol(say.series), ZERO))
        if not late:
            self.curve.append((time, self.cash, self.equity()))

    def equity(self) -> Fraction:
        """Return what would be left at the last closes."""
        return self.cash + sum(
            (h.side * h.quantity * self.last[symbol(h.say.series)] for h in self._held()), ZERO
        )

    def _in_turn(self) -> list[Waiting]:
        def key(order: Waiting) -> tuple[bool, str, int]:
            is_limit = not order.leaves and order.say.limit is not None
            return is_limit, order.say.series, order.say.who

        return sorted(self.waiting.values(), key=key)

    def _held(self) -> list[Holding]:
        return sorted(self.holdings.values(), key=lambda h: (h.say.series, h.say.who))

    def _worse(self, price: Fraction, *, buys: bool) -> Fraction:
        return price * (1 + self.terms.slippage if buys else 1 - self.terms.slippage)

    def _fill(
        self, order: Waiting, bar: Bar, entered: dict[int, Fraction | None], time: int
    ) -> None:
        buys, say, fee = order.side > 0, order.say, self.terms.fee
        if order.leaves:
            price = self._worse(bar.open, buys=not buys)
            self._leave(self.holdings[say.who], price, fee, "signal")
            return
        inside = None
        if say.limit is None:
            price = self._worse(bar.open, buys=buys)
            spend = min(order.spend, self.cash) if buys else order.spend
            quantity = self._whole(spend / (price * (1 + fee))) if spend > 0 else ZERO
            if quantity <= 0 or not self._is_enough(quantity, price, spend, fee):
                self.refused.append((say.who, "least" if spend == order.spend else "fill"))
                return
        else:
            quantity = order.quantity or ZERO
            beyond = bar.open <= say.limit if buys else bar.open >= say.limit
            through = bar.low < say.limit if buys else bar.high > say.limit
            if beyond:
                worse = self._worse(bar.open, buys=buys)
                price = min(worse, say.limit) if buys else max(worse, say.limit)
            elif through:
                price, fee, inside = say.limit, self.terms.maker_fee, say.limit
            else:
                self.refused.append((say.who, "expired"))
                return
            if buys and quantity * price * (1 + fee) > self.cash:
                self.refused.append((say.who, "fill"))
                return
        paid = order.side * quantity * price + quantity * price * fee
        self.cash -= paid
        held = Holding(say, order.side, quantity, price, paid, say.stop, time)
        self.holdings[say.who] = held
        self.last.setdefault(symbol(say.series), price)
        entered[say.who] = inside

    def _touch(
        self, held: Holding, bar: Bar, entered: dict[int, Fraction | None], time: int
    ) -> None:
        side, say, terms = held.side, held.say, self.terms
        inside = entered.get(say.who)
        start = bar.open if inside is None else inside
        worst, best = (bar.low, bar.high) if side > 0 else (bar.high, bar.low)
        if held.stop is not None and side * (worst - held.stop) <= 0:
            met = min(held.stop, start) if side > 0 else max(held.stop, start)
            self._leave(held, self._worse(met, buys=side < 0), terms.fee, "stop")
            self.stopped[say.who] = time
            return
        # both closes are of candles of one length, so as far from another as the opens
        passed = [price for minutes, price in say.steps if time - held.since >= minutes * 60_000]
        target = passed[-1] if passed else say.target
        if inside is None and target is not None and side * (best - target) >= 0:
            price, fee = target, terms.maker_fee
            if side * (start - target) > 0:
                # it is beyond the target before the order can rest
                worse = self._worse(start, buys=side < 0)
                price = max(worse, target) if side > 0 else min(worse, target)
                fee = terms.fee
            self._leave(held, price, fee, "take_profit")

    def _tell(self, held: Holding, say: Say, time: int) -> None:
        if say.action == "move_stop":
            self._move(held, say, time)
        elif say.action == "exit" and say.who not in self.waiting:
            self.waiting[say.who] = Waiting(held.say, held.side, time, leaves=True)

    def _move(self, held: Holding, say: Say, time: int) -> None:
        # one that is said late, at a close before the entry, is of another position
        if say.stop is None or time < held.since or held.side * (say.close - say.stop) < 0:
            return
        if held.stop is None or held.side * (say.stop - held.stop) > 0:
            held.stop = say.stop

    def _leave(self, held: Holding, price: Fraction, fee: Fraction, reason: str) -> None:
        got = held.side * held.quantity * price - held.quantity * price * fee
        self.cash += got
        self.waiting.pop(held.say.who, None)
        del self.holdings[held.say.who]
        self.trades.append(
            Done(held.say.who, held.side, held.quantity, held.price, price, reason, got - held.paid)
        )

    def _ruin(self) -> None:
        for order in self._in_turn():
            if not order.leaves:
                del self.waiting[order.say.who]
                self.refused.append((order.say.who, "ruined"))
        for held in self._held():
            price = self._worse(self.last[symbol(held.say.series)], buys=held.side < 0)
            self._leave(held, price, self.terms.fee, "liquidation")

    def _enter(self, say: Say, time: int, weight: Fraction) -> None:
        rests = say.who in self.stopped and time < self.stopped[say.who] + say.rest
        size = "rest" if rests else self._size(say, time, weight)
        if isinstance(size, str):
            self.refused.append((say.who, size))
            return
        side = 1 if say.action == "enter_long" else -1
        order = Waiting(say, side, time, spend=size)
        if say.limit is not None:
            dearest = max(self.terms.fee, self.terms.maker_fee)
            order.quantity = self._whole(size / (say.limit * (1 + dearest)))
            if not self._is_enough(order.quantity, say.limit, size, dearest):
                self.refused.append((say.who, "least"))
                return
        elif size / (1 + self.terms.fee) < self.terms.least:
            self.refused.append((say.who, "least"))
            return
        self.waiting[say.who] = order

    def _size(self, say: Say, time: int, weight: Fraction) -> Fraction | str:
        terms, equity = self.terms, self.equity()
        entries = [order for order in self.waiting.values() if not order.leaves]
        held = [
            (symbol(h.say.series), h.quantity * self.last[symbol(h.say.series)])
            for h in self._held()
        ]
        held += [(symbol(order.say.series), order.spend) for order in entries]
        here = sum((value for name, value in held if name == symbol(say.series)), ZERO)
        symbol_room = terms.symbol_limit * equity - here
        total_room = terms.total_limit * equity - sum((value for _, value in held), ZERO)
        refusals = (
            (equity <= 0, "ruined"),
            (time > say.expires_at, "stale"),
            (say.action == "enter_short" and not terms.allows_margin, "spot"),
            (len(held) >= terms.most_positions, "positions"),
            (weight <= 0, "weight"),
            (symbol_room <= 0, "symbol"),
            (total_room <= 0, "total"),
        )
        for is_so, reason in refusals:
            if is_so:
                return reason
        wanted = equity * weight * say.share * say.confidence
        price = say.close if say.limit is None else say.limit
        if terms.risk is not None and say.stop is not None and price != say.stop:
            wanted = min(wanted, terms.risk * equity / abs(price - say.stop) * price)
        return min(wanted, symbol_room, total_room)

    def _whole(self, quantity: Fraction) -> Fraction:
        step = self.terms.step
        return quantity if step is None else quantity // step * step

    def _is_enough(
        self, quantity: Fraction, price: Fraction, spend: Fraction, fee: Fraction
    ) -> bool:
        notional = quantity * price if self.terms.step is not None else spend / (1 + fee)
        return quantity > 0 and notional >= self.terms.least


def symbol(series: str) -> str:
    """Return `exchange:symbol` of a series."""
    return series.rpartition(":")[0]
