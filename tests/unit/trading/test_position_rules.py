"""Limit entries, trailing stops, time exits, costs and finer candles, by hand, on both sides.

Every case is written for a long around 100 and traded again mirrored at 100, as a short.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from contracts.events import Signal, signal_id
from tradepulse.candles.arrays import Candles
from tradepulse.trading.account import Account
from tradepulse.trading.fills import Prices
from tradepulse.trading.moments import Moment, Settlement, Weights
from tradepulse.trading.orders import Order, Trade
from tradepulse.trading.sizing import AccountRules, InstrumentRules, RiskLimits

HOUR = 3_600_000
QUARTER = HOUR // 4
SERIES = "x:A/USD:1h"
INSTRUMENTS = frozenset({"x:A/USD"})
CONFIGURATION = UUID(int=1)
Row = tuple[float, float, float, float]
CALM: Row = (100, 100, 100, 100)
FREE = AccountRules(
    fee=Decimal(0),
    slippage=0.0,
    limits=RiskLimits(max_symbol_notional=Decimal("0.5")),
    markets={"x:A/USD": InstrumentRules(allows_margin=True)},
)
COSTLY = AccountRules(
    fee=Decimal("0.01"),
    maker_fee=Decimal("0.002"),
    slippage=0.01,
    limits=FREE.limits,
    markets=FREE.markets,
)


@dataclass
class Side:
    """A long, or the same as a short: every price mirrored at 100."""

    is_long: bool
    rules: AccountRules = FREE
    finer: list[Row] | None = None
    settled: list[Settlement] = field(default_factory=list)

    def at(self, price: float) -> float:
        return price if self.is_long else 200 - price

    def row(self, row: Row) -> Row:
        open_, high, low, close = map(self.at, row)
        return (open_, high, low, close) if self.is_long else (open_, low, high, close)

    def signal(self, *, close: int = 1, **given: Any) -> Signal:
        prices = {n: self.at(v) for n, v in given.items() if n.endswith("_price")}
        return Signal(
            **{
                "id": signal_id(CONFIGURATION, SERIES, (close - 1) * HOUR),
                "configuration_id": CONFIGURATION,
                "strategy": "s",
                "action": "enter_long" if self.is_long else "enter_short",
                "reference_price": 100.0,
                "expires_at": (close + 1) * HOUR,
                **given,
                **prices,
            }
        )

    def trade(self, rows: list[Row], *signals: Signal, volume: float = 1e9) -> list[Trade]:
        """Settle a calm candle with the first signal, then one candle an hour."""
        account = Account(Decimal(10_000), self.rules)
        by_close = {s.expires_at // HOUR - 1: s for s in signals}
        finer = {}
        if self.finer is not None:
            finer = {SERIES: quarters([self.row(r) for r in self.finer])}
        for close, row in enumerate([CALM, *rows], 1):
            said = [(SERIES, by_close[close])] if close in by_close else []
            moment = Moment(
                close * HOUR, {SERIES: Prices(*self.row(row), volume)}, said, finer=finer
            )
            self.settled.append(account.settle(moment, None, INSTRUMENTS))
        return [trade for settled in self.settled for trade in settled.closed]

    @property
    def orders(self) -> list[Order]:
        return [order for settled in self.settled for order in settled.orders.values()]


def quarters(rows: list[Row]) -> Candles:
    """Make quarter hours of the third candle, `[2 h, 3 h)`, the second after the signal's."""
    columns = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    times = 2 * HOUR + QUARTER * np.arange(len(rows), dtype=np.int64)
    return Candles("x", "A/USD", "15m", times, *columns, np.ones(len(rows)))


@pytest.fixture(params=[True, False], ids=["long", "short"])
def side(request: pytest.FixtureRequest) -> Side:
    return Side(request.param)


def left(trades: list[Trade], side: Side) -> list[tuple[str, float, int]]:
    """Return reason, price as of the long, and hour of each exit."""
    return [(t.exit_reason, side.at(float(t.exit_price)), t.exit_time // HOUR) for t in trades]


# limit entries


@pytest.mark.parametrize(
    ("second", "price", "filled_at"),
    [
        ((100, 101, 97.99, 99), 98, 2),
        ((98, 99, 98, 99), 98, 1),
        ((95, 99, 94, 98), 95, 1),
    ],
    ids=["through the limit", "open at the limit", "open beyond: a better price"],
)
def test_a_limit_order_fills(side: Side, second: Row, price: float, filled_at: int) -> None:
    side.trade([second], side.signal(limit_price=98.0))
    (fill,) = side.settled[1].fills
    assert (side.at(float(fill.price)), fill.filled_at // HOUR) == (price, filled_at)
    (position,) = side.settled[1].opened
    assert position.entry_time == HOUR
    assert (fill.order.order_type, fill.order.status) == ("limit", "FILLED")
    # sized by the limit, not by the close
    assert fill.quantity == InstrumentRules().quantity(Decimal(5_000) / Decimal(side.at(98.0)))


def test_a_touched_limit_does_not_fill_and_expires(side: Side) -> None:
    trades = side.trade([(100, 101, 98, 99), (99, 99, 90, 95)], side.signal(limit_price=98.0))
    assert not trades
    assert [(o.status, o.reason) for o in side.orders] == [
        ("OPEN", ""),
        ("EXPIRED", "the price did not reach the limit"),
    ]
    assert not any(s.fills for s in side.settled)


def test_after_an_expiry_a_signal_of_that_close_enters(side: Side) -> None:
    side.trade(
        [(100, 100, 99, 99), (97, 97, 97, 97)],
        side.signal(limit_price=98.0),
        side.signal(close=2, limit_price=98.0),
    )
    assert [o.status for o in side.orders] == ["OPEN", "EXPIRED", "OPEN", "FILLED"]


def test_a_limit_order_waits_over_a_hole_for_one_candle(side: Side) -> None:
    account = Account(Decimal(10_000), FREE)
    said = side.signal(limit_price=98.0)
    account.settle(Moment(HOUR, {SERIES: Prices(*CALM, 1.0)}, [(SERIES, said)]), None, INSTRUMENTS)
    hole = account.settle(Moment(2 * HOUR, {}), None, INSTRUMENTS)
    assert not hole.orders
    row = Prices(*side.row((100, 100, 97, 99)), 1.0)
    done = account.settle(Moment(3 * HOUR, {SERIES: row}), None, INSTRUMENTS)
    assert [o.status for o in done.orders.values()] == ["FILLED"]


def test_in_the_candle_of_a_limit_fill_the_stop_counts_and_the_target_does_not(side: Side) -> None:
    both = (100, 106, 94, 100)
    said = side.signal(limit_price=98.0, stop_price=95.0, take_profit_price=105.0)
    assert left(side.trade([both], said), side) == [("stop", 95, 2)]
    other = Side(side.is_long)
    target_only = (100, 106, 97, 100)
    assert not other.trade([target_only], said)
    assert len(other.settled[1].opened) == 1


def test_a_limit_fill_at_the_open_counts_the_target_too(side: Side) -> None:
    said = side.signal(limit_price=98.0, stop_price=95.0, take_profit_price=105.0)
    assert left(side.trade([(97, 106, 96, 100)], said), side) == [("take_profit", 105, 2)]


def test_what_fills_at_the_open_comes_before_what_fills_inside_and_leaves_it_its_cash() -> None:
    account = Account(Decimal(10_000), FREE)
    side = Side(is_long=True)
    inside = side.signal(limit_price=98.0)
    later = UUID(int=2)
    at_open = side.signal(configuration_id=later, id=signal_id(later, SERIES, 0))
    other = "x:B/USD:1h"
    both = {SERIES: Prices(*CALM, 1.0), other: Prices(*CALM, 1.0)}
    said = [(SERIES, inside), (other, at_open)]
    half = Weights(0, {"x:A/USD": 0.5, "x:B/USD": 0.5})
    account.settle(Moment(HOUR, both, said), half, INSTRUMENTS)
    wild = Prices(130, 130, 97, 100, 1.0)
    done = account.settle(Moment(2 * HOUR, {SERIES: wild, other: wild}), half, INSTRUMENTS)
    assert [(f.order.order_type, f.price) for f in done.fills] == [("market", 130), ("limit", 98)]
    assert Decimal(0) <= account.cash < Decimal("1e-9")


# trailing stops


def test_a_trailing_stop_begins_behind_the_close_and_follows_the_extremes(side: Side) -> None:
    rows = [
        (100, 104, 100, 103),  # entry; from here on 100
        (103, 110, 101, 108),  # 101 did not touch 100; from here on 106
        (108, 108, 106.5, 107),
        (107, 107, 105, 106),
    ]
    trades = side.trade(rows, side.signal(trail=4.0))
    assert left(trades, side) == [("stop", 106, 5)]
    moved = [side.at(float(p.stop_price)) for s in side.settled for p in s.moved if p.stop_price]
    assert moved == [100, 106]
    assert side.settled[1].opened[0].stop_price == Decimal(side.at(96))


def test_what_a_candle_moves_does_not_bind_in_it(side: Side) -> None:
    # the high of 110 puts the stop to 106; this candle's low of 101 came we know not when
    assert not side.trade([CALM, (100, 110, 101, 108)], side.signal(trail=4.0))


def test_a_trailing_stop_that_the_next_open_is_beyond_fills_there(side: Side) -> None:
    rows = [CALM, (100, 110, 101, 102), (102, 103, 101, 102)]
    assert left(side.trade(rows, side.signal(trail=4.0)), side) == [("stop", 102, 4)]


@pytest.mark.parametrize(("stop", "first"), [(97.0, 97), (90.0, 96)])
def test_the_nearer_of_stop_and_trail_begins(side: Side, stop: float, first: float) -> None:
    side.trade([CALM], side.signal(trail=4.0, stop_price=stop))
    assert side.at(float(side.settled[1].opened[0].stop_price or 0)) == first


def test_in_the_candle_of_a_limit_fill_a_trail_follows_its_close_only(side: Side) -> None:
    side.trade([(109, 110, 97, 101)], side.signal(limit_price=98.0, trail=4.0))
    (position,) = side.settled[1].moved
    assert position.stop_price == Decimal(side.at(97))


# time exits


@pytest.mark.parametrize(
    ("hours", "left_at"), [(1, 2), (2, 3), (2.5, 4)], ids=["1 h", "2 h", "2.5 h: at 3 h"]
)
def test_a_position_is_left_at_the_open_after_its_time(
    side: Side, hours: float, left_at: int
) -> None:
    rows = [CALM, (101, 101, 101, 101), (102, 102, 102, 102), (103, 103, 103, 103)]
    trades = side.trade(rows, side.signal(max_holding_ms=int(hours * HOUR)))
    assert left(trades, side) == [("time", 100 + left_at - 1, left_at)]
    assert side.orders[-1].signal_id is None


def test_time_counts_from_the_open_of_the_candle_of_a_limit_fill(side: Side) -> None:
    rows = [(100, 100, 97, 100), (101, 101, 101, 101), CALM]
    trades = side.trade(rows, side.signal(limit_price=98.0, max_holding_ms=HOUR))
    assert left(trades, side) == [("time", 101, 2)]


def test_a_stop_on_the_way_to_the_open_does_not_come_before_a_time_exit(side: Side) -> None:
    rows = [CALM, (98, 98, 90, 91)]
    trades = side.trade(rows, side.signal(max_holding_ms=HOUR, stop_price=95.0))
    assert left(trades, side) == [("time", 98, 2)]


def test_a_signal_to_leave_names_the_reason_when_the_time_is_up_too(side: Side) -> None:
    trades = side.trade(
        [CALM, CALM, CALM],
        side.signal(max_holding_ms=HOUR),
        side.signal(close=2, action="exit"),
    )
    assert [t.exit_reason for t in trades] == ["signal"]


# costs


def by_hand(trade: Trade, entry: float, leave: float, fees: tuple[str, str]) -> None:
    assert float(trade.entry_price) == pytest.approx(entry, abs=1e-8)
    assert float(trade.exit_price) == pytest.approx(leave, abs=1e-8)
    rates = zip(fees, (trade.entry_price, trade.exit_price), strict=True)
    expected = sum(Decimal(rate) * price * trade.quantity for rate, price in rates)
    assert trade.fees == pytest.approx(expected, abs=Decimal("2e-8"))


def test_a_stop_pays_slippage_and_the_taker_fee(side: Side) -> None:
    side.rules = COSTLY
    (trade,) = side.trade([CALM, (99, 99, 94, 95)], side.signal(stop_price=95.0))
    sign = 1 if side.is_long else -1
    by_hand(trade, 100 + sign, side.at(95) * (1 - 0.01 * sign), ("0.01", "0.01"))


def test_a_target_pays_no_slippage_and_the_maker_fee(side: Side) -> None:
    side.rules = COSTLY
    (trade,) = side.trade([CALM, (103, 108, 103, 107)], side.signal(take_profit_price=105.0))
    sign = 1 if side.is_long else -1
    by_hand(trade, 100 + sign, side.at(105), ("0.01", "0.002"))


@pytest.mark.parametrize("open_", [105.5, 107.0], ids=["slippage up to the target", "slippage"])
def test_a_target_that_the_open_is_beyond_takes(side: Side, open_: float) -> None:
    side.rules = COSTLY
    row = (open_, 108, 105, 107)
    (trade,) = side.trade([CALM, row], side.signal(take_profit_price=105.0))
    sign = 1 if side.is_long else -1
    worse = side.at(side.at(open_) * (1 - 0.01 * sign))
    by_hand(trade, 100 + sign, side.at(max(105, worse)), ("0.01", "0.01"))


@pytest.mark.parametrize(
    ("second", "rate"),
    [((100, 100, 97, 99), "0.002"), ((97.5, 99, 97, 99), "0.01"), ((98, 99, 97, 99), "0.01")],
    ids=["it rested: maker", "beyond at the open: taker", "at the open: taker"],
)
def test_a_limit_entry_pays_its_limit_at_most(side: Side, second: Row, rate: str) -> None:
    side.rules = COSTLY
    said = side.signal(limit_price=98.0, max_holding_ms=HOUR)
    (trade,) = side.trade([second, CALM], said)
    sign = 1 if side.is_long else -1
    by_hand(trade, side.at(98), 100 * (1 - 0.01 * sign), (rate, "0.01"))


def test_a_marketable_limit_pays_slippage_as_a_market_order_does(side: Side) -> None:
    side.rules = COSTLY
    side.trade([CALM], side.signal(limit_price=104.0))
    side.trade([CALM], side.signal())
    limit, market = (fill for settled in side.settled for fill in settled.fills)
    assert limit.price == market.price == (101 if side.is_long else 99)
    assert limit.fee == limit.quantity * limit.price * Decimal("0.01")


def test_a_limit_at_the_close_is_no_cheaper_than_a_market_order(side: Side) -> None:
    # what an assumption made of it: the next open without slippage
    side.rules = COSTLY
    side.trade([CALM], side.signal(limit_price=100.0))
    (fill,) = side.settled[1].fills
    assert (fill.price, fill.fee) == (100, fill.quantity * Decimal("1.00"))


@pytest.mark.parametrize(
    "volume", [5.0, 0.5, 0.1, 0.0], ids=["a tenth", "about all", "more", "none"]
)
def test_impact_grows_with_the_square_of_the_share_of_the_volume(side: Side, volume: float) -> None:
    side.rules = AccountRules(
        Decimal(0), slippage=0.001, impact=0.1, limits=FREE.limits, markets=FREE.markets
    )
    side.trade([CALM], side.signal(), volume=volume * 100)
    (fill,) = side.settled[1].fills
    sign = 1 if side.is_long else -1
    # by the quantity that half of the equity would be without impact: 49.95 of a long
    quantity = 5_000 / (100 * (1 + sign * 0.001))
    share = min(1.0, quantity / (volume * 100)) if volume else 1.0
    assert float(fill.price) == pytest.approx(100 * (1 + sign * (0.001 + 0.1 * share**2)))
    assert float(fill.quantity * fill.price) == pytest.approx(5_000)


def test_impact_of_an_exit_is_that_of_its_quantity(side: Side) -> None:
    side.rules = AccountRules(
        Decimal(0), slippage=0.001, impact=0.1, limits=FREE.limits, markets=FREE.markets
    )
    (trade,) = side.trade([CALM, CALM], side.signal(max_holding_ms=HOUR), volume=500.0)
    sign = 1 if side.is_long else -1
    share = float(trade.quantity) / 500
    assert float(trade.exit_price) == pytest.approx(100 * (1 - sign * (0.001 + 0.1 * share**2)))


def test_costs_that_leave_a_sell_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="together"):
        AccountRules(slippage=0.5, impact=0.5)


def test_risk_is_measured_from_the_limit_to_the_first_stop(side: Side) -> None:
    side.rules = AccountRules(
        Decimal(0),
        slippage=0.0,
        limits=RiskLimits(risk_per_trade=Decimal("0.001")),
        markets=FREE.markets,
    )
    side.trade([CALM], side.signal(limit_price=98.0, trail=4.0))
    (order,) = side.settled[0].orders.values()
    # 10 of 10,000 at risk between 98 and 96
    assert order.quantity == 5


# finer candles


BOTH: Row = (100, 106, 94, 100)
UP_FIRST: list[Row] = [(100, 103, 99, 103), (103, 106, 103, 104), (104, 104, 94, 95), CALM]
DOWN_FIRST: list[Row] = [(100, 100, 94, 96), (96, 106, 96, 104), CALM, CALM]
LEVELS = {"stop_price": 95.0, "take_profit_price": 105.0}


@pytest.mark.parametrize(
    ("finer", "expected"),
    [
        (None, ("stop", 95)),
        (UP_FIRST, ("take_profit", 105)),
        (DOWN_FIRST, ("stop", 95)),
        ([BOTH, CALM, CALM, CALM], ("stop", 95)),
        ([CALM, CALM, CALM, CALM], ("stop", 95)),
        ([(100, 104, 99, 104), (106, 107, 94, 95), CALM, CALM], ("stop", 95)),
        ([(100, 104, 99, 104), (106, 107, 96, 96), CALM, CALM], ("take_profit", 106)),
    ],
    ids=["none", "up first", "down first", "both in one", "contradict", "gap, both", "gap up"],
)
def test_finer_candles_settle_a_candle_that_touches_both(
    side: Side, finer: list[Row] | None, expected: tuple[str, float]
) -> None:
    side.finer = finer
    trades = side.trade([CALM, BOTH], side.signal(**LEVELS))
    assert left(trades, side) == [(*expected, 3)]


def test_finer_candles_of_another_hour_settle_nothing(side: Side) -> None:
    side.finer = UP_FIRST
    trades = side.trade([CALM, CALM, BOTH], side.signal(**LEVELS))
    assert left(trades, side) == [("stop", 95, 4)]


@pytest.mark.parametrize(
    ("finer", "expected"),
    [
        # the target before the limit was filled does not count, the one after it does
        ([(100, 106, 99, 100), (100, 100, 97, 98), (98, 99, 97, 99), CALM], []),
        ([(100, 101, 97, 98), (98, 106, 98, 105), (105, 105, 94, 96), CALM], ["take_profit"]),
        ([(100, 101, 97, 98), (98, 99, 94, 95), (95, 106, 95, 104), CALM], ["stop"]),
        # filled in a quarter whose own high counts for nothing
        ([(100, 106, 97, 98), (98, 99, 94, 95), CALM, CALM], ["stop"]),
        ([(100, 106, 94, 98), (98, 106, 98, 105), CALM, CALM], ["stop"]),
        # touched, not traded through, then filled
        ([(100, 101, 98, 100), (100, 106, 99, 100), (100, 100, 97, 98), CALM], []),
        ([(100, 106, 98, 100), (100, 101, 97, 98), (98, 106, 98, 100), CALM], ["take_profit"]),
    ],
    ids=[
        *("target before", "target after", "stop after", "target with it", "in one quarter"),
        *("touched, target, through", "touched, through, target"),
    ],
)
def test_finer_candles_settle_the_candle_of_a_limit_fill(
    side: Side, finer: list[Row], expected: list[str]
) -> None:
    side.finer = finer
    low = min(row[2] for row in finer)
    said = side.signal(close=2, limit_price=98.0, **LEVELS)
    trades = side.trade([CALM, (100, 106, low, 100)], said)
    assert [t.exit_reason for t in trades] == expected
    assert len(side.settled[2].opened) == 1
