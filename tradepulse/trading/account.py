"""The account: one pure state machine that turns candles, signals and weights into a ledger.

The backtest and the executor both call `Account.settle`, one close time after another; that is
why a replay gives the backtest's trades. The order inside a close is stated in docs/semantics.md:
fills of waiting orders at the opens, stops and targets, marks at the closes, exits, entries.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import nan
from typing import NamedTuple
from uuid import UUID, uuid5

from contracts.events import ExitReason, OrderType, Signal
from tradepulse.trading.fills import NO_EXIT, STOP, exit_fill, market_price
from tradepulse.trading.orders import (
    SIGN,
    EquityPoint,
    Fill,
    Order,
    Position,
    Trade,
    decimal,
    fill_id,
    money,
    position_id,
)
from tradepulse.trading.sizing import AccountRules, Exposure, Refused, size_entry
from tradepulse.trading.timeframes import timeframe_ms

ZERO = Decimal(0)


class Prices(NamedTuple):
    """The prices of one candle, as the market gave them."""

    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True)
class Weights:
    """A portfolio weight vector and the close at which it was decided, epoch ms."""

    decided_at: int
    by_instrument: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything that belongs to one close time.

    Attributes:
        close_time: epoch ms.
        candles: by series.
        signals: `(series, signal)` of this close, in any order.
        ended: series whose last candle is at this close; their positions are closed.
        late: this moment was settled before without these items, see `event_time`.
    """

    close_time: int
    candles: Mapping[str, Prices]
    signals: Sequence[tuple[str, Signal]] = ()
    ended: frozenset[str] = frozenset()
    late: bool = False


@dataclass(slots=True)
class Settlement:
    """What one close changed, in the order in which it happened.

    `orders` holds each order as it was left at the end of this close. `fills` refer to them.
    `opened` and `closed` are positions; `equity` is None for a late moment.
    """

    close_time: int
    orders: dict[UUID, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    opened: list[Position] = field(default_factory=list)
    closed: list[Trade] = field(default_factory=list)
    equity: EquityPoint | None = None
    fallback_weights: int = 0
    """Entries sized by equal weights because no fresh vector was there."""


class Account:
    """One account's state between closes: cash, open positions, waiting orders, last closes."""

    def __init__(
        self,
        cash: Decimal,
        rules: AccountRules,
        *,
        positions: Iterable[Position] = (),
        orders: Iterable[Order] = (),
        marks: Mapping[str, float] | None = None,
    ) -> None:
        self.cash = cash
        self.rules = rules
        self.positions = {position.configuration_id: position for position in positions}
        self.orders = {order.configuration_id: order for order in orders}
        self.marks = dict(marks or {})
        """Last close by instrument."""

    def settle(
        self,
        moment: Moment,
        weights: Weights | None,
        instruments: frozenset[str],
        now: int | None = None,
    ) -> Settlement:
        """Advance the account over one close and return what changed.

        Args:
            moment: the close.
            weights: the latest vector decided before this close, if any.
            instruments: those that share equal weights when no fresh vector is there.
            now: the time by which staleness is judged; the close time itself in event time.
        """
        now = moment.close_time if now is None else now
        done = Settlement(moment.close_time)
        self._fill_waiting(moment, done)
        self._fill_protective(moment, done)
        for series in sorted(moment.candles):
            self.marks[series.rpartition(":")[0]] = moment.candles[series].close
        signals = sorted(moment.signals, key=lambda s: (s[0], str(s[1].configuration_id)))
        for series, signal in signals:
            if signal.action == "exit" and series not in moment.ended:
                self._decide_exit(signal, moment, done)
        self._end_series(moment, done)
        for series, signal in signals:
            if signal.action != "exit":
                self._decide_entry(series, signal, moment, weights, instruments, now, done)
        if not moment.late:
            done.equity = self.equity_point(moment.close_time)
        return done

    def equity_point(self, close_time: int) -> EquityPoint:
        """Mark the account at the last closes."""
        value = exposure = ZERO
        for position in self.positions.values():
            notional = position.signed_quantity * decimal(self.marks[position.instrument])
            value += notional
            exposure += abs(notional)
        return EquityPoint(
            close_time, self.cash, money(self.cash + value), money(exposure), len(self.positions)
        )

    def _waiting(self) -> list[Order]:
        return sorted(self.orders.values(), key=lambda o: (o.series, str(o.configuration_id)))

    def _held(self) -> list[Position]:
        return sorted(self.positions.values(), key=lambda p: (p.series, str(p.configuration_id)))

    def _fill_waiting(self, moment: Moment, done: Settlement) -> None:
        for order in self._waiting():
            candle = moment.candles.get(order.series)
            if candle is None or order.decided_at >= moment.close_time:
                continue
            del self.orders[order.configuration_id]
            market = self.rules.market(order.instrument)
            price = market.price(
                market_price(candle.open, order.side == "buy", self.rules.slippage)
            )
            # a market order fills at the open; stops and targets are known at the close
            opened_at = moment.close_time - timeframe_ms(order.timeframe)
            if order.opens_position:
                self._open(order, price, opened_at, done)
            else:
                position = self.positions[order.configuration_id]
                self._close(position, order, price, opened_at, done)

    def _fill_protective(self, moment: Moment, done: Settlement) -> None:
        for position in self._held():
            candle = moment.candles.get(position.series)
            if candle is None:
                continue
            outcome, price = exit_fill(
                SIGN[position.side],
                nan if position.stop_price is None else float(position.stop_price),
                nan if position.take_profit_price is None else float(position.take_profit_price),
                candle.open,
                candle.high,
                candle.low,
            )
            if outcome != NO_EXIT:
                kind: OrderType = "stop" if outcome == STOP else "take_profit"
                reason: ExitReason = "stop" if outcome == STOP else "take_profit"
                self._leave(position, kind, reason, price, moment.close_time, done)

    def _end_series(self, moment: Moment, done: Settlement) -> None:
        for order in self._waiting():
            if order.series in moment.ended:
                del self.orders[order.configuration_id]
                done.orders[order.order_id] = replace(
                    order, status="REFUSED", reason="the series ended before it could fill"
                )
        for position in self._held():
            if position.series in moment.ended:
                price = self.marks[position.instrument]
                self._leave(position, "market", "end_of_data", price, moment.close_time, done)

    def _decide_exit(self, signal: Signal, moment: Moment, done: Settlement) -> None:
        position = self.positions.get(signal.configuration_id)
        if position is None or signal.configuration_id in self.orders:
            return
        order = Order(
            order_id=uuid5(signal.id, "exit"),
            signal_id=signal.id,
            configuration_id=position.configuration_id,
            exchange=position.exchange,
            symbol=position.symbol,
            timeframe=position.timeframe,
            side="sell" if position.side == "long" else "buy",
            order_type="market",
            quantity=position.quantity,
            reference_price=signal.reference_price,
            opens_position=False,
            status="OPEN",
            decided_at=moment.close_time,
            exit_reason="signal",
        )
        self.orders[order.configuration_id] = order
        done.orders[order.order_id] = order

    def _decide_entry(
        self,
        series: str,
        signal: Signal,
        moment: Moment,
        weights: Weights | None,
        instruments: frozenset[str],
        now: int,
        done: Settlement,
    ) -> None:
        if signal.configuration_id in self.positions or signal.configuration_id in self.orders:
            return
        instrument, _, timeframe = series.rpartition(":")
        exchange, _, symbol = instrument.partition(":")
        market = self.rules.market(instrument)
        is_long = signal.action == "enter_long"
        quantity: Decimal | Refused
        if series in moment.ended:
            quantity = Refused("the series ended")
        else:
            # a vector binds from the close after its own, so it is never younger than one candle
            max_age = max(self.rules.max_weight_age_ms, 2 * timeframe_ms(timeframe))
            if weights is None or now - weights.decided_at > max_age:
                weight = 1 / len(instruments) if instruments else 0.0
                done.fallback_weights += 1
            else:
                weight = weights.by_instrument.get(instrument, 0.0)
            quantity = size_entry(
                signal, weight, self._exposure(instrument), self.rules, market, now
            )
        refusal = quantity.reason if isinstance(quantity, Refused) else ""
        order = Order(
            order_id=uuid5(signal.id, "entry"),
            signal_id=signal.id,
            configuration_id=signal.configuration_id,
            exchange=exchange,
            symbol=symbol,
            timeframe=timeframe,
            side="buy" if is_long else "sell",
            order_type="market",
            quantity=ZERO if isinstance(quantity, Refused) else quantity,
            reference_price=signal.reference_price,
            opens_position=True,
            status="REFUSED" if refusal else "OPEN",
            decided_at=moment.close_time,
            reason=refusal,
            stop_price=(None if signal.stop_price is None else market.price(signal.stop_price)),
            take_profit_price=(
                None if signal.take_profit_price is None else market.price(signal.take_profit_price)
            ),
        )
        done.orders[order.order_id] = order
        if not refusal:
            self.orders[order.configuration_id] = order

    def _exposure(self, instrument: str) -> Exposure:
        total = symbol = value = ZERO
        for position in self.positions.values():
            notional = position.signed_quantity * decimal(self.marks[position.instrument])
            value += notional
            total += abs(notional)
            if position.instrument == instrument:
                symbol += abs(notional)
        waiting = [order for order in self.orders.values() if order.opens_position]
        for order in waiting:
            notional = order.quantity * decimal(order.reference_price)
            total += notional
            if order.instrument == instrument:
                symbol += notional
        return Exposure(self.cash + value, symbol, total, len(self.positions) + len(waiting))

    def _open(self, order: Order, price: Decimal, time: int, done: Settlement) -> None:
        notional = order.quantity * price
        fee = money(notional * self.rules.fee)
        if order.side == "buy" and notional + fee > self.cash:
            # a venue without leverage refuses what the cash cannot pay, here after a gap up
            done.orders[order.order_id] = replace(
                order, status="REFUSED", reason="not enough cash at the open"
            )
            return
        self.cash += -notional - fee if order.side == "buy" else notional - fee
        self.cash = money(self.cash)
        filled = replace(order, status="FILLED")
        done.orders[order.order_id] = filled
        done.fills.append(Fill(fill_id(order.order_id), filled, order.quantity, price, fee, time))
        position = Position(
            position_id=position_id(order.order_id),
            configuration_id=order.configuration_id,
            exchange=order.exchange,
            symbol=order.symbol,
            timeframe=order.timeframe,
            side="long" if order.side == "buy" else "short",
            quantity=order.quantity,
            entry_time=time,
            entry_price=price,
            fees=fee,
            stop_price=order.stop_price,
            take_profit_price=order.take_profit_price,
        )
        self.positions[order.configuration_id] = position
        # a position can be opened before its instrument has a close of its own
        self.marks.setdefault(position.instrument, float(price))
        done.opened.append(position)

    def _leave(
        self,
        position: Position,
        order_type: OrderType,
        reason: ExitReason,
        price: float,
        time: int,
        done: Settlement,
    ) -> None:
        order = Order(
            order_id=uuid5(position.position_id, reason),
            signal_id=None,
            configuration_id=position.configuration_id,
            exchange=position.exchange,
            symbol=position.symbol,
            timeframe=position.timeframe,
            side="sell" if position.side == "long" else "buy",
            order_type=order_type,
            quantity=position.quantity,
            reference_price=price,
            opens_position=False,
            status="OPEN",
            decided_at=time,
            exit_reason=reason,
        )
        market = self.rules.market(position.instrument)
        self._close(position, order, market.price(price), time, done)

    def _close(
        self, position: Position, order: Order, price: Decimal, time: int, done: Settlement
    ) -> None:
        notional = position.quantity * price
        fee = money(notional * self.rules.fee)
        self.cash = money(self.cash + notional * SIGN[position.side] - fee)
        del self.positions[position.configuration_id]
        # a stop may take the position out while its exit order still waits over a hole
        waiting = self.orders.get(position.configuration_id)
        if waiting is not None and waiting.order_id != order.order_id:
            del self.orders[position.configuration_id]
            done.orders[waiting.order_id] = replace(
                waiting, status="REFUSED", reason=f"position left by {order.exit_reason}"
            )
        filled = replace(order, status="FILLED")
        done.orders[order.order_id] = filled
        done.fills.append(
            Fill(fill_id(order.order_id), filled, position.quantity, price, fee, time)
        )
        if order.exit_reason is None:
            raise ValueError(f"order {order.order_id} closes a position without a reason")
        gross = (price - position.entry_price) * position.signed_quantity
        fees = position.fees + fee
        done.closed.append(
            Trade(
                position_id=position.position_id,
                configuration_id=position.configuration_id,
                exchange=position.exchange,
                symbol=position.symbol,
                timeframe=position.timeframe,
                side=position.side,
                quantity=position.quantity,
                entry_time=position.entry_time,
                entry_price=position.entry_price,
                exit_time=time,
                exit_price=price,
                exit_reason=order.exit_reason,
                fees=fees,
                profit=money(gross - fees),
            )
        )
