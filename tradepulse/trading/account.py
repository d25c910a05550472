"""The account: one pure state machine that turns candles, signals and weights into a ledger.

The backtest and the executor both call `Account.settle`, one close time after another; that is
why a replay gives the backtest's trades. The order inside a close is stated in
docs/reference/semantics.md: fills of waiting orders, stops and targets, marks at the closes,
ruin, trailing stops, exits, entries.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext
from math import isnan, nan
from uuid import UUID

from msgspec.structs import replace

from contracts.events import Signal
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.trading.decisions import binding_weight, entry_order, exit_orders
from tradepulse.trading.executions import (
    Execution,
    entry_execution,
    followed_stop,
    last_execution,
    liquidation,
    market_execution,
    protective_execution,
    told_stop,
)
from tradepulse.trading.exposure import Exposures
from tradepulse.trading.moments import Moment, Settlement, Weights
from tradepulse.trading.orders import (
    ARITHMETIC,
    EquityPoint,
    Order,
    Position,
    decimal,
    fill_of,
    money,
    movement,
    position_of,
    trade_of,
)
from tradepulse.trading.sizing import (
    AccountRules,
    Refused,
    Size,
    entry_levels,
    size_entry,
)

ZERO = Decimal(0)
ENTRIES = ("enter_long", "enter_short")
Inside = dict[UUID, float]
"""By configuration entered at this close, the limit price if it was inside its candle, else NaN."""


class Account:
    """One account's state between closes: cash, open positions, waiting orders, last closes."""

    def __init__(
        self,
        cash: Decimal,
        rules: AccountRules,
        *,
        name: str = "main",
        positions: Iterable[Position] = (),
        orders: Iterable[Order] = (),
        marks: Mapping[str, float] | None = None,
        stopped: Mapping[UUID, int] | None = None,
    ) -> None:
        self.cash = cash
        self.name = name
        self.rules = rules
        self.positions = {position.configuration_id: position for position in positions}
        self.orders = {order.configuration_id: order for order in orders}
        self.marks = dict(marks or {})
        """Last close by instrument."""
        self.stopped = dict(stopped or {})
        """By configuration, the close of the candle that stopped it last, epoch ms."""
        self._marked_at: dict[str, int] = {}
        self._order: list[UUID] | None = None
        """The configurations that hold a position, as they are asked; None until the next time."""
        self._in_order: list[Position] | None = None
        """Their positions; None until the next time."""
        self._values: dict[UUID, Decimal] | None = None
        """By configuration, what its position is worth at this close; None until the next time."""
        self._exposures: Exposures | None = None
        """At this close, once an entry is judged there."""

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
        # ccxt, say, sets the rounding of its whole process when it formats a price
        with localcontext(ARITHMETIC):
            return self._settle(moment, weights, instruments, now)

    def _settle(
        self,
        moment: Moment,
        weights: Weights | None,
        instruments: frozenset[str],
        now: int | None,
    ) -> Settlement:
        now = moment.close_time if now is None else now
        done = Settlement(moment.close_time)
        self._exposures = None
        inside = self._fill_waiting(moment, done)
        self._fill_protective(moment, inside, done)
        for series in sorted(moment.candles):
            instrument = series.rpartition(":")[0]
            # what comes late of one timeframe is older than what another has shown since
            if moment.close_time >= self._marked_at.get(instrument, 0):
                self._marked_at[instrument] = moment.close_time
                self.marks[instrument] = moment.candles[series].close
        self._values = None
        self._liquidate_if_ruined(moment, done)
        signals = sorted(moment.signals, key=lambda s: (s[0], s[1].configuration_id))
        self._move_stops(signals, moment, inside, done)
        self._decide_exits(signals, moment, done)
        self._end_series(moment, done)
        for series, signal in signals:
            if signal.action in ENTRIES:
                self._decide_entry(series, signal, moment, weights, instruments, now, done)
        if not moment.late:
            done.equity = self.equity_point(moment.close_time)
        return done

    def equity_point(self, close_time: int) -> EquityPoint:
        """Mark the account at the last closes."""
        values = self._marked().values()
        value, exposure = sum(values, ZERO), sum(map(abs, values), ZERO)
        return EquityPoint(
            close_time, self.cash, money(self.cash + value), money(exposure), len(self.positions)
        )

    def _waiting(self) -> list[Order]:
        # what fills at the open comes before what fills inside the candle, if at all
        return sorted(
            self.orders.values(),
            key=lambda o: (o.limit_price is not None, o.series, o.configuration_id),
        )

    def _held(self) -> list[Position]:
        if self._order is None:
            held = sorted(self.positions.values(), key=lambda p: (p.series, p.configuration_id))
            self._order = [position.configuration_id for position in held]
            self._in_order = held
        if self._in_order is None:
            self._in_order = [self.positions[one] for one in self._order]
        return self._in_order

    def _fill_waiting(self, moment: Moment, done: Settlement) -> Inside:
        inside: Inside = {}
        for order in self._waiting():
            candle = moment.candles.get(order.series)
            if candle is None or order.decided_at >= moment.close_time:
                continue
            del self.orders[order.configuration_id]
            opened_at = moment.close_time - timeframe_ms(order.timeframe)
            # a market order fills at the open; stops and targets are known at the close
            if not order.opens_position:
                leaving = market_execution(order, candle.open, candle, opened_at, self.rules)
                self._close(self.positions[order.configuration_id], leaving, done)
                continue
            filled = entry_execution(order, candle, moment.close_time, self.cash, self.rules)
            if filled is None:
                done.orders[order.order_id] = replace(
                    order, status="EXPIRED", reason="the price did not reach the limit"
                )
            elif isinstance(filled, Refused):
                done.refuse(order, filled.reason)
            else:
                self._open(filled, opened_at, done)
                inside[order.configuration_id] = filled.inside_at
        return inside

    def _fill_protective(self, moment: Moment, inside: Inside, done: Settlement) -> None:
        for position in self._held():
            candle = moment.candles.get(position.series)
            if candle is None:
                continue
            filled = protective_execution(
                position,
                candle,
                moment.close_time,
                self.rules,
                inside_at=inside.get(position.configuration_id, nan),
                finer=moment.finer.get(position.series),
            )
            if filled is not None:
                self._close(position, filled, done)

    def _liquidate_if_ruined(self, moment: Moment, done: Settlement) -> None:
        """Close everything for good once debts are as large as what is owned."""
        value = sum(self._marked().values(), ZERO)
        if self.cash + value > 0 or not (self.positions or done.closed):
            return
        done.ruined = True
        for order in self._waiting():
            if order.opens_position:
                del self.orders[order.configuration_id]
                done.refuse(order, "the account is ruined")
        for position in self._held():
            close = self.marks[position.instrument]
            left = liquidation(position, close, moment.close_time, self.rules)
            self._close(position, left, done)

    def _marked(self) -> dict[UUID, Decimal]:
        if self._values is None:
            self._values = {
                name: position.signed_quantity * decimal(self.marks[position.instrument])
                for name, position in self.positions.items()
            }
        return self._values

    def _move_stops(
        self,
        signals: Iterable[tuple[str, Signal]],
        moment: Moment,
        inside: Inside,
        done: Settlement,
    ) -> None:
        for position in self._held():
            candle = moment.candles.get(position.series)
            if candle is None:
                continue
            is_inside = not isnan(inside.get(position.configuration_id, nan))
            stop = followed_stop(position, candle, self.rules, is_entered_inside=is_inside)
            self._move_stop(position, stop, done)
        for _, signal in signals:
            held = self.positions.get(signal.configuration_id)
            if signal.action != "move_stop" or held is None:
                continue
            # what comes late may be of before the entry
            if held.entry_time < moment.close_time:
                self._move_stop(held, told_stop(held, signal, self.rules), done)

    def _move_stop(self, position: Position, stop: Decimal | None, done: Settlement) -> None:
        if stop != position.stop_price:
            moved = replace(position, stop_price=stop)
            self.positions[position.configuration_id] = moved
            self._in_order = None
            done.moved.append(moved)

    def _decide_exits(
        self, signals: Iterable[tuple[str, Signal]], moment: Moment, done: Settlement
    ) -> None:
        for order in exit_orders(signals, self.positions, self._held(), moment):
            if order.configuration_id not in self.orders:
                self.orders[order.configuration_id] = order
                done.orders[order.order_id] = order

    def _end_series(self, moment: Moment, done: Settlement) -> None:
        if not moment.ended:
            return
        for order in self._waiting():
            if order.series in moment.ended:
                del self.orders[order.configuration_id]
                done.refuse(order, "the series ended before it could fill")
        for position in self._held():
            if position.series in moment.ended:
                close = self.marks[position.instrument]
                filled = last_execution(position, close, moment.close_time, self.rules)
                self._close(position, filled, done)

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
        instrument = series.rpartition(":")[0]
        market = self.rules.market(instrument).beside(signal.reference_price)
        levels = entry_levels(signal, market)
        size: Size | Refused = Refused("the series ended")
        if series not in moment.ended and self._rests(signal, moment):
            size = Refused("cooling down after a stop")
        elif series not in moment.ended:
            weight, is_fallback = binding_weight(
                weights, series, instruments, now, self.rules.max_weight_age_ms
            )
            done.fallback_weights += is_fallback
            if self._exposures is None:
                self._exposures = Exposures(
                    self.cash, self.positions, self.orders.values(), self._marked()
                )
            exposure = self._exposures.of(instrument)
            size = size_entry(signal, levels, weight, exposure, self.rules, market, now)
        order = entry_order(self.name, series, signal, size, levels, moment.close_time)
        done.orders[order.order_id] = order
        if order.status == "OPEN":
            self.orders[order.configuration_id] = order
            if self._exposures is not None:
                self._exposures.accept(order)

    def _rests(self, signal: Signal, moment: Moment) -> bool:
        stopped = self.stopped.get(signal.configuration_id)
        if signal.cooldown_ms is None or stopped is None:
            return False
        return moment.close_time - stopped < signal.cooldown_ms

    def _open(self, filled: Execution, opened_at: int, done: Settlement) -> None:
        order, price, fee = filled.order, filled.price, filled.fee
        position = position_of(order, price, fee, opened_at)
        self.cash -= movement(position.side, position.quantity, price) + fee
        _keep(filled, done)
        self.positions[order.configuration_id] = position
        self._order = self._values = None
        done.opened.append(position)

    def _close(self, position: Position, filled: Execution, done: Settlement) -> None:
        order = filled.order
        self.cash += movement(position.side, position.quantity, filled.price) - filled.fee
        del self.positions[position.configuration_id]
        if order.exit_reason == "stop":
            self.stopped[position.configuration_id] = filled.filled_at
        self._order = self._values = None
        # a stop may take the position out while its exit order still waits over a hole
        waiting = self.orders.get(position.configuration_id)
        if waiting is not None and waiting.order_id != order.order_id:
            del self.orders[position.configuration_id]
            done.refuse(waiting, f"position left by {order.exit_reason}")
        _keep(filled, done)
        done.closed.append(trade_of(position, order, filled.price, filled.fee, filled.filled_at))


def _keep(filled: Execution, done: Settlement) -> None:
    order = replace(filled.order, status="FILLED")
    done.orders[order.order_id] = order
    done.fills.append(fill_of(order, filled.price, filled.fee, filled.filled_at))
