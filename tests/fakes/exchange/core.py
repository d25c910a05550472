"""One venue without its wire: clock, tapes, one account, and events as time goes by."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from heapq import merge

from tests.fakes.exchange.clock import Clock
from tests.fakes.exchange.faults import Faults, PartialFill, Reject
from tests.fakes.exchange.instruments import Instrument
from tests.fakes.exchange.orders import (
    ZERO,
    Fees,
    Fill,
    Order,
    OrderRequest,
    Refusal,
    RefusedError,
    Wallet,
    rounded,
)
from tests.fakes.exchange.tape import Tape, Trade

BOOK_LEVELS = 10


@dataclass(frozen=True, slots=True)
class Traded:
    """A public trade was printed."""

    time: int
    symbol: str
    trade: Trade


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order was accepted, filled in part or whole, cancelled or expired."""

    time: int
    order: Order
    fill: Fill | None = None


@dataclass(frozen=True, slots=True)
class Ticked:
    """The clock was moved this far; all earlier events have been told."""

    time: int


Event = Traded | OrderChanged | Ticked
Listener = Callable[[Event], None]


def _priority(order: Order) -> tuple[Decimal, int]:
    price = order.request.price or ZERO
    return (-price if order.request.side == "buy" else price), order.created


class VenueCore:
    """The market and the account of one venue; pure: no wire, no wall clock, no chance.

    A market order takes the book at once. A limit order that crosses the book takes it up to its
    price and rests with what remains; at rest it fills when a trade goes strictly through its
    price, with at most that trade's amount (at its own price the order is last in the queue).
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        faults: Faults,
        tapes: Sequence[Tape],
        balances: dict[str, Decimal],
        fees: Fees,
        name_order: Callable[[int], str] = str,
    ) -> None:
        self.name = name
        self.clock = clock
        self.fees = fees
        self.faults = faults
        self.wallet = Wallet(balances)
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self._tapes = {tape.instrument.symbol: tape for tape in tapes}
        self._name_order = name_order
        self._by_client: dict[str, str] = {}
        self._open: dict[str, list[Order]] = {symbol: [] for symbol in self._tapes}
        self._listeners: list[Listener] = []

    @property
    def instruments(self) -> list[Instrument]:
        """Everything listed."""
        return [tape.instrument for tape in self._tapes.values()]

    def tape(self, symbol: str) -> Tape:
        """Return the market of a symbol, halts applied; RefusedError when it is not listed."""
        if symbol not in self._tapes:
            raise RefusedError(Refusal.UNKNOWN_SYMBOL, f"no market {symbol}")
        tape = self._tapes[symbol]
        tape.halt(self.faults.halts(self.name, symbol))
        return tape

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell of every event from now on; the answer ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def replay(self, until: int) -> Iterator[int]:
        """Print the trades up to a time, in order; yields the time after each."""
        sources = [self._prints(symbol, until) for symbol in self._tapes]
        for event in merge(*sources, key=lambda event: event.time):
            yield event.time
            self._match(event.symbol, event.trade)
            self._tell(event)

    def tick(self) -> None:
        """Tell that the clock has been moved."""
        self._tell(Ticked(self.clock.now))

    def book(self, symbol: str) -> tuple[list[tuple[Decimal, Decimal]], ...]:
        """Bids and asks around the last price, the best first: (price, amount) a tick apart."""
        tape = self.tape(symbol)
        last = tape.price(self.clock.now)
        if last is None:
            return [], []
        instrument = tape.instrument
        middle, size = instrument.price(last), instrument.level_amount
        steps = [instrument.tick * level for level in range(1, BOOK_LEVELS + 1)]
        bids = [(middle - step, size) for step in steps if middle > step]
        return bids, [(middle + step, size) for step in steps]

    def place(self, request: OrderRequest) -> Order:
        """Accept an order and fill what can be at once; RefusedError when it is turned down."""
        tape = self.tape(request.symbol)
        rejection = self.faults.take(self.name, "create_order", request.symbol, Reject)
        if rejection is not None:
            raise RefusedError(rejection.refusal, rejection.detail)
        if request.client_id is not None and request.client_id in self._by_client:
            raise RefusedError(Refusal.DUPLICATE_CLIENT_ID)
        if tape.is_halted(self.clock.now):
            raise RefusedError(Refusal.MARKET_HALTED)
        self._check_size(tape.instrument, request)
        if request.post_only and self._crossing(request):
            raise RefusedError(Refusal.WOULD_TAKE)
        now = self.clock.now
        order = Order(self._name_order(len(self.orders) + 1), request, now, now)
        self._hold(order)
        self.orders[order.id] = order
        if request.client_id is not None:
            self._by_client[request.client_id] = order.id
        self._tell(OrderChanged(now, order))
        self._take_book(order)
        if order.status == "open":
            self._open[request.symbol].append(order)
        return order

    def find(self, *, id: str | None = None, client_id: str | None = None) -> Order:  # noqa: A002 - the field's name
        """Return an order by its id or by the client's; RefusedError when there is none."""
        known = self._by_client.get(client_id, "") if client_id is not None else id or ""
        if known not in self.orders:
            raise RefusedError(Refusal.UNKNOWN_ORDER)
        return self.orders[known]

    def cancel(self, order: Order) -> None:
        """Take an open order off the book; RefusedError when it is not open any more."""
        if order.status != "open":
            raise RefusedError(Refusal.UNKNOWN_ORDER)
        self._end(order, "canceled")

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders, oldest first."""
        chosen = self.orders.values()
        return [o for o in chosen if o.status == "open" and symbol in (None, o.symbol)]

    def _prints(self, symbol: str, until: int) -> list[Traded]:
        trades = self.tape(symbol).trades(self.clock.now, until)
        return [Traded(trade.time, symbol, trade) for trade in trades]

    def _check_size(self, instrument: Instrument, request: OrderRequest) -> None:
        price = request.price
        if price is not None and price != rounded(price, instrument.tick):
            raise RefusedError(Refusal.BAD_PRECISION, f"price {price}")
        amount = request.amount
        if amount is None:
            if request.cost is None or request.cost < instrument.min_cost:
                raise RefusedError(Refusal.COST_TOO_SMALL)
            return
        if amount != rounded(amount, instrument.lot):
            raise RefusedError(Refusal.BAD_PRECISION, f"amount {amount}")
        if amount < instrument.min_amount:
            raise RefusedError(Refusal.AMOUNT_TOO_SMALL)
        reference = price or self._reference(request)
        if amount * reference < instrument.min_cost:
            raise RefusedError(Refusal.COST_TOO_SMALL)

    def _reference(self, request: OrderRequest) -> Decimal:
        bids, asks = self.book(request.symbol)
        levels = asks if request.side == "buy" else bids
        if not levels:
            raise RefusedError(Refusal.UNAVAILABLE, "nothing has traded yet")
        return levels[0][0]

    def _hold(self, order: Order) -> None:
        request = order.request
        instrument = self._tapes[request.symbol].instrument
        if request.side == "sell":
            currency, held = instrument.base, request.amount or ZERO
        else:
            currency = instrument.quote
            # a market buy may walk the whole book
            reference = request.price or self.book(request.symbol)[1][-1][0]
            held = request.cost or (request.amount or ZERO) * reference
            if not self.fees.in_received and request.cost is None:
                held *= 1 + self.fees.taker
        self.wallet.hold(currency, held)
        order.held = held

    def _crossing(self, request: OrderRequest) -> list[tuple[Decimal, Decimal]]:
        bids, asks = self.book(request.symbol)
        levels, limit = (asks if request.side == "buy" else bids), request.price
        if limit is None:
            return levels
        return [
            at for at in levels if (at[0] <= limit if request.side == "buy" else at[0] >= limit)
        ]

    def _take_book(self, order: Order) -> None:
        request = order.request
        levels = self._crossing(request)
        part = self.faults.take(self.name, "create_order", order.symbol, PartialFill)
        share = Decimal(1) if part is None else Decimal(str(part.share))
        lot = self._tapes[order.symbol].instrument.lot
        if request.time_in_force == "FOK" and sum(a for _, a in levels) < order.amount:
            levels = []
        left = None if request.amount is None else rounded(request.amount * share, lot)
        money = None if request.cost is None else request.cost * share
        for price, size in levels:
            amount = size if left is None else min(size, left)
            if money is not None:
                afford = money / price
                if not self.fees.in_received:
                    afford /= 1 + self.fees.taker
                amount = min(amount, rounded(afford, lot))
            if amount <= 0:
                break
            self._fill(order, price, amount, maker=False)
            left = None if left is None else left - amount
            if money is not None:
                money -= amount * price * (1 if self.fees.in_received else 1 + self.fees.taker)
        done = order.status != "open"
        if not done and (request.type == "market" or request.time_in_force in {"IOC", "FOK"}):
            whole = request.amount is None and share == 1 and order.fills
            self._end(order, "closed" if whole else "expired")

    def _match(self, symbol: str, trade: Trade) -> None:
        instrument = self._tapes[symbol].instrument
        price, left = instrument.price(trade.price), instrument.amount(trade.amount)
        for order in sorted(self._open[symbol], key=_priority):
            limit = order.request.price or ZERO
            through = price < limit if order.request.side == "buy" else price > limit
            if through and left > 0:
                amount = min(left, order.remaining)
                self._fill(order, limit, amount, maker=True)
                left -= amount

    def _fill(self, order: Order, price: Decimal, amount: Decimal, *, maker: bool) -> None:
        instrument = self._tapes[order.symbol].instrument
        buys = order.request.side == "buy"
        rate = self.fees.maker if maker else self.fees.taker
        in_base = buys and self.fees.in_received
        fee = amount * rate if in_base else amount * price * rate
        fee_currency = instrument.base if in_base else instrument.quote
        fill = Fill(
            len(self.fills) + 1,
            order.id,
            self.clock.now,
            order.symbol,
            order.request.side,
            price,
            amount,
            fee,
            fee_currency,
            maker,
        )
        sign = 1 if buys else -1
        self.wallet.add(instrument.base, sign * amount)
        self.wallet.add(instrument.quote, -sign * amount * price)
        self.wallet.add(fee_currency, -fee)
        spent = amount if not buys else amount * price + (ZERO if in_base else fee)
        release = min(spent, order.held)
        self.wallet.release(instrument.quote if buys else instrument.base, release)
        order.held -= release
        order.fills.append(fill)
        order.updated = self.clock.now
        self.fills.append(fill)
        if order.request.amount is not None and order.remaining == 0:
            self._settle(order, "closed")
        self._tell(OrderChanged(self.clock.now, order, fill))

    def _end(self, order: Order, status: str) -> None:
        self._settle(order, status)
        self._tell(OrderChanged(self.clock.now, order))

    def _settle(self, order: Order, status: str) -> None:
        instrument = self._tapes[order.symbol].instrument
        buys = order.request.side == "buy"
        self.wallet.release(instrument.quote if buys else instrument.base, order.held)
        order.held = ZERO
        order.status = status
        order.updated = self.clock.now
        if order in self._open[order.symbol]:
            self._open[order.symbol].remove(order)

    def _tell(self, event: Event) -> None:
        for listener in tuple(self._listeners):
            listener(event)
