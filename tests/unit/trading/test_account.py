"""The account's rules, each on a hand-worked case."""

from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext
from uuid import UUID

import pytest

from contracts.events import Signal, signal_id
from tradepulse.trading.account import Account
from tradepulse.trading.fills import Prices
from tradepulse.trading.moments import Moment, Weights
from tradepulse.trading.sizing import AccountRules, InstrumentRules, RiskLimits

HOUR = 3_600_000
SERIES = "x:BTC/USD:1h"
OTHER = "x:ETH/USD:1h"
CONFIG = UUID(int=1)
INSTRUMENTS = frozenset({"x:BTC/USD"})


def rules(**limits) -> AccountRules:
    return AccountRules(
        fee=Decimal("0.001"),
        slippage=0.0,
        limits=RiskLimits(max_symbol_notional=Decimal(1), **limits),
        markets={
            "x:BTC/USD": InstrumentRules(
                Decimal("0.01"), Decimal("0.001"), min_notional=Decimal(10)
            )
        },
    )


def signal(action="enter_long", at=HOUR, stop=None, target=None, config=CONFIG, price=100.0, **kw):
    return Signal(
        id=signal_id(config, SERIES, at - HOUR),
        configuration_id=config,
        strategy="s",
        action=action,
        reference_price=price,
        stop_price=stop,
        take_profit_price=target,
        expires_at=at + HOUR,
        **kw,
    )


def moment(at, prices, *signals, series=SERIES, volume=(1000.0,), **kw):
    return Moment(at, {series: Prices(*prices, *volume)}, [(series, s) for s in signals], **kw)


FLAT = (100.0, 100.0, 100.0, 100.0)


def opened(account: Account, stop=95.0, target=105.0) -> None:
    account.settle(moment(HOUR, FLAT, signal(stop=stop, target=target)), None, INSTRUMENTS)
    account.settle(moment(2 * HOUR, FLAT), None, INSTRUMENTS)
    assert len(account.positions) == 1


def test_entry_is_sized_by_weight_and_fills_at_the_next_open():
    account = Account(Decimal(1000), rules())
    weights = Weights(0, {"x:BTC/USD": 0.5})
    first = account.settle(moment(HOUR, FLAT, signal()), weights, INSTRUMENTS)
    (order,) = first.orders.values()
    # a market entry is an amount of money; what it buys the next open tells
    assert (order.status, order.notional, order.quantity) == ("OPEN", Decimal(500), Decimal(0))
    assert not first.fills
    second = account.settle(moment(2 * HOUR, (102.0, 103.0, 101.0, 103.0)), weights, INSTRUMENTS)
    (fill,) = second.fills
    assert (fill.price, fill.filled_at) == (Decimal("102.00"), HOUR)
    # 500 / (102 x 1.001) = 4.8970...
    assert fill.quantity == fill.order.quantity == Decimal("4.897")
    assert fill.fee == Decimal("0.499494")
    assert account.cash == Decimal(1000) - Decimal("499.494") - Decimal("0.499494")
    assert second.equity is not None
    assert second.equity.equity == account.cash + Decimal("4.897") * 103


@pytest.mark.parametrize(
    ("prices", "reason", "price"),
    [
        ((100.0, 101.0, 94.0, 96.0), "stop", "95"),
        ((90.0, 91.0, 89.0, 90.0), "stop", "90"),
        ((100.0, 106.0, 99.0, 104.0), "take_profit", "105"),
        ((110.0, 111.0, 109.0, 110.0), "take_profit", "110"),
        ((100.0, 106.0, 94.0, 100.0), "stop", "95"),
    ],
    ids=["stop", "gap below the stop", "target", "gap above the target", "both: the stop wins"],
)
def test_stops_and_targets(prices, reason, price):
    account = Account(Decimal(1000), rules())
    opened(account)
    done = account.settle(moment(3 * HOUR, prices), None, INSTRUMENTS)
    (trade,) = done.closed
    assert (trade.exit_reason, trade.exit_price) == (reason, Decimal(price))
    assert trade.exit_time == 3 * HOUR
    quantity = trade.quantity
    fees = (100 * quantity + Decimal(price) * quantity) * Decimal("0.001")
    assert trade.profit == (Decimal(price) - 100) * quantity - fees
    assert account.cash == 1000 + trade.profit


def test_a_stop_binds_on_the_entry_candle():
    account = Account(Decimal(1000), rules())
    account.settle(moment(HOUR, FLAT, signal(stop=95.0)), None, INSTRUMENTS)
    done = account.settle(moment(2 * HOUR, (100.0, 101.0, 94.0, 95.5)), None, INSTRUMENTS)
    assert [t.exit_reason for t in done.closed] == ["stop"]


def test_shorts_mirror_and_spot_refuses_them():
    spot = Account(Decimal(1000), rules())
    refused = spot.settle(moment(HOUR, FLAT, signal("enter_short")), None, INSTRUMENTS)
    assert [o.reason for o in refused.orders.values()] == ["a spot market cannot be sold short"]
    margin = AccountRules(
        fee=Decimal(0),
        slippage=0.0,
        limits=RiskLimits(max_symbol_notional=Decimal(1)),
        markets={"x:BTC/USD": InstrumentRules(allows_margin=True)},
    )
    account = Account(Decimal(1000), margin)
    account.settle(
        moment(HOUR, FLAT, signal("enter_short", stop=105.0, target=90.0)), None, INSTRUMENTS
    )
    account.settle(moment(2 * HOUR, FLAT), None, INSTRUMENTS)
    done = account.settle(moment(3 * HOUR, (98.0, 99.0, 88.0, 89.0)), None, INSTRUMENTS)
    (trade,) = done.closed
    assert (trade.side, trade.exit_price, trade.profit) == (
        "short",
        Decimal(90),
        10 * trade.quantity,
    )


def test_exit_signal_fills_at_the_next_open_and_an_entry_may_follow():
    account = Account(Decimal(1000), rules())
    opened(account, None, None)
    account.settle(moment(3 * HOUR, FLAT, signal("exit", 3 * HOUR)), None, INSTRUMENTS)
    done = account.settle(
        moment(4 * HOUR, (101.0, 101.0, 101.0, 101.0), signal(at=4 * HOUR, price=101.0)),
        None,
        INSTRUMENTS,
    )
    assert [(t.exit_reason, t.exit_price) for t in done.closed] == [("signal", Decimal(101))]
    assert [o.status for o in account.orders.values()] == ["OPEN"]


def test_signals_that_do_not_fit_the_state_are_nothing():
    account = Account(Decimal(1000), rules())
    assert not account.settle(moment(HOUR, FLAT, signal("exit")), None, INSTRUMENTS).orders
    account = Account(Decimal(1000), rules())
    opened(account)
    again = account.settle(moment(3 * HOUR, FLAT, signal(at=3 * HOUR)), None, INSTRUMENTS)
    assert not again.orders


def test_end_of_series_closes_at_the_last_close_and_refuses_what_waits():
    account = Account(Decimal(1000), rules())
    opened(account, None, None)
    done = account.settle(
        moment(3 * HOUR, (100.0, 108.0, 99.0, 107.0), ended=frozenset({SERIES})), None, INSTRUMENTS
    )
    assert [(t.exit_reason, t.exit_price) for t in done.closed] == [("end_of_data", Decimal(107))]
    late = Account(Decimal(1000), rules())
    done = late.settle(moment(HOUR, FLAT, signal(), ended=frozenset({SERIES})), None, INSTRUMENTS)
    assert [o.reason for o in done.orders.values()] == ["the series ended"]


def test_what_comes_late_of_one_timeframe_marks_nothing_back():
    account = Account(Decimal(1000), rules())
    opened(account, None, None)
    fine = SERIES.replace("1h", "15m")
    newer = (120.0, 120.0, 120.0, 120.0)
    account.settle(moment(3 * HOUR + HOUR // 4, newer, series=fine), None, INSTRUMENTS)
    account.settle(moment(3 * HOUR, FLAT, late=True), None, INSTRUMENTS)
    assert account.marks == {"x:BTC/USD": 120.0}
    account.settle(moment(4 * HOUR, FLAT), None, INSTRUMENTS)
    assert account.marks == {"x:BTC/USD": 100.0}


def test_each_entry_sees_what_those_before_it_left():
    two = [signal(config=UUID(int=n)) for n in (2, 1)]
    account = Account(Decimal(1000), rules(max_open_positions=1))
    done = account.settle(moment(HOUR, FLAT, *two), None, INSTRUMENTS)
    states = {o.configuration_id.int: (o.status, o.reason) for o in done.orders.values()}
    assert states == {1: ("OPEN", ""), 2: ("REFUSED", "maximum open positions reached")}
    room = Account(Decimal(1000), rules())
    done = room.settle(moment(HOUR, FLAT, *two), None, INSTRUMENTS)
    found = [(o.notional, o.reason) for o in done.orders.values()]
    assert found == [(1000, ""), (None, "maximum notional of the symbol reached")]


@pytest.mark.parametrize(
    ("weights", "now", "reason"),
    [
        (Weights(0, {"x:BTC/USD": 0.0}), HOUR, "portfolio weight is zero"),
        (Weights(0, {}), HOUR, "portfolio weight is zero"),
        (Weights(0, {"x:BTC/USD": 0.005}), HOUR, "below the market's minimum notional"),
        (None, 3 * HOUR, "stale signal"),
    ],
)
def test_refusals(weights, now, reason):
    account = Account(Decimal(1000), rules())
    done = account.settle(moment(HOUR, FLAT, signal()), weights, INSTRUMENTS, now)
    assert [(o.status, o.reason) for o in done.orders.values()] == [("REFUSED", reason)]


def test_risk_per_trade_caps_the_loss_at_the_stop():
    account = Account(Decimal(1000), rules(risk_per_trade=Decimal("0.01")))
    done = account.settle(moment(HOUR, FLAT, signal(stop=95.0)), None, INSTRUMENTS)
    (order,) = done.orders.values()
    # 1 % of 1,000 between 100 and 95: 2 units
    assert order.notional == 200


def test_an_old_weight_vector_gives_way_to_equal_weights():
    account = Account(Decimal(1000), rules())
    old = Weights(0, {"x:BTC/USD": 0.01})
    both = frozenset({"x:BTC/USD", "x:ETH/USD"})
    at = 3 * HOUR
    done = account.settle(moment(at, FLAT, signal(at=at)), old, both)
    (order,) = done.orders.values()
    assert (order.notional, done.fallback_weights) == (Decimal(500), 1)


def test_a_vector_of_the_previous_close_is_fresh_on_any_timeframe():
    account = Account(Decimal(1000), rules())
    series, at = "x:BTC/USD:1d", 48 * HOUR
    weights = Weights(24 * HOUR, {"x:BTC/USD": 0.1})
    daily = signal(at=at).model_copy(update={"expires_at": at + 24 * HOUR})
    done = account.settle(
        Moment(at, {series: Prices(*FLAT, 1000.0)}, [(series, daily)]), weights, INSTRUMENTS
    )
    (order,) = done.orders.values()
    assert (order.notional, done.fallback_weights) == (Decimal(100), 0)


@pytest.mark.parametrize("price", [100.0, 100.01, 120.0], ids=["flat", "a tick higher", "a gap"])
def test_an_entry_of_all_the_cash_buys_what_that_pays_at_the_fill(price):
    account = Account(Decimal(1000), replace(rules(), slippage=0.0005))
    account.settle(moment(HOUR, FLAT, signal()), None, INSTRUMENTS)
    done = account.settle(moment(2 * HOUR, (price,) * 4), None, INSTRUMENTS)
    (fill,) = done.fills
    assert fill.price == (Decimal(str(price)) * Decimal("1.0005")).quantize(Decimal("0.01"))
    assert fill.quantity == (1000 / (fill.price * Decimal("1.001"))).quantize(
        Decimal("0.001"), ROUND_DOWN
    )
    # less than what one more step costs is left
    assert 0 <= account.cash < Decimal("0.001") * fill.price * Decimal("1.001")


def test_what_the_cash_no_longer_pays_is_bought_smaller_or_refused():
    for lost, bought in ((40, True), (100, False)):
        account = Account(Decimal(100), replace(rules(), fee=Decimal(0)))
        account.settle(moment(HOUR, FLAT, signal()), None, INSTRUMENTS)
        # a short that was left meanwhile took its loss out of the cash
        account.cash -= lost
        done = account.settle(moment(2 * HOUR, FLAT), None, INSTRUMENTS)
        (order,) = done.orders.values()
        expected = ("FILLED", "", Decimal("0.6")) if bought else (
            "REFUSED", "not enough cash at the fill", Decimal(0)
        )  # fmt: skip
        assert (order.status, order.reason, order.quantity) == expected
        assert account.cash == 0


@pytest.mark.parametrize(("cash", "status"), [("100.1", "FILLED"), ("100.09", "REFUSED")])
def test_a_limit_entry_is_paid_with_its_fee_or_not_at_all(cash, status):
    account = Account(Decimal(1000), rules())
    said = signal(limit_price=100.0)
    account.settle(moment(HOUR, FLAT, said), Weights(0, {"x:BTC/USD": 0.1001}), INSTRUMENTS)
    # a short that was left meanwhile took its loss out of the cash
    account.cash = Decimal(cash)
    low = (101.0, 101.0, 99.0, 101.0)
    (order,) = account.settle(moment(2 * HOUR, low), None, INSTRUMENTS).orders.values()
    assert order.quantity == 1, "100 and a fee of 0.1"
    assert order.status == status
    assert order.reason == ("" if status == "FILLED" else "not enough cash at the fill")
    assert account.cash == (0 if status == "FILLED" else Decimal(cash))


def test_an_order_waits_over_a_hole_of_its_series():
    half = Weights(0, {"x:BTC/USD": 0.5})
    account = Account(Decimal(1000), rules())
    account.settle(moment(HOUR, FLAT, signal()), half, INSTRUMENTS)
    hole = account.settle(moment(2 * HOUR, FLAT, series=OTHER), half, INSTRUMENTS)
    assert not hole.fills
    done = account.settle(moment(3 * HOUR, (101.0, 101.0, 101.0, 101.0)), half, INSTRUMENTS)
    assert [f.price for f in done.fills] == [Decimal("101.00")]


def test_ids_are_derived_from_the_signal():
    results = []
    for _ in range(2):
        account = Account(Decimal(1000), rules())
        opened(account)
        done = account.settle(moment(3 * HOUR, (90.0, 91.0, 89.0, 90.0)), None, INSTRUMENTS)
        results.append((list(done.orders), done.fills, done.closed))
    assert results[0] == results[1]


def test_no_library_changes_how_the_ledger_rounds():
    # ccxt sets the rounding of the whole process when it formats a price
    fee = {"fee": Decimal("15e-18")}

    def cash() -> Decimal:
        account = Account(Decimal(1000), replace(rules(), **fee))
        whole = {"x:BTC/USD": 0.1}
        account.settle(moment(HOUR, FLAT, signal()), Weights(0, whole), INSTRUMENTS)
        # 0.999 at 100: a fee of 1498.5e-18, half a unit between two
        (fill,) = account.settle(moment(2 * HOUR, FLAT), Weights(0, whole), INSTRUMENTS).fills
        assert fill.fee == Decimal("1498e-18")
        return account.cash

    usual = cash()
    with localcontext() as context:
        context.rounding = ROUND_HALF_UP
        assert cash() == usual
