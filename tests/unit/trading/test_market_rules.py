"""What a venue's tick, step and least notional do, and what an account does that is ruined."""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import Signal, signal_id
from tradepulse.trading.account import Account
from tradepulse.trading.fills import Prices
from tradepulse.trading.moments import Moment, Settlement
from tradepulse.trading.orders import money
from tradepulse.trading.sizing import (
    AccountRules,
    InstrumentRules,
    Refused,
    RiskLimits,
    quantity_for,
)

HOUR = 3_600_000
SERIES = "x:A/USD:1h"
OFF_TICK = "a price cannot be written with the market's tick"


def rules(market: InstrumentRules, **given_rules: Any) -> AccountRules:
    told: dict[str, Any] = {"fee": Decimal(0), "slippage": 0.0, **given_rules}
    return AccountRules(limits=RiskLimits(Decimal(1)), markets={"x:A/USD": market}, **told)


def signal(close: float, hour: int = 1, action: str = "enter_long", **kw: Any) -> Signal:
    one = UUID(int=kw.pop("who", 1))
    return Signal(
        id=signal_id(one, SERIES, hour), configuration_id=one, strategy="s", action=action,
        reference_price=close, expires_at=(hour + 1) * HOUR, **kw,
    )  # fmt: skip


def settle(account: Account, hour: int, price: float, *signals: Signal) -> Settlement:
    moment = Moment(
        hour * HOUR, {SERIES: Prices(*(price,) * 4, 1.0)}, [(SERIES, s) for s in signals]
    )
    return account.settle(moment, None, frozenset({"x:A/USD"}))


def reasons(done: Settlement) -> list[str]:
    return [order.reason for order in done.orders.values()]


@pytest.mark.parametrize("tick", ["0.01", "0.00000001", "0.5", "25"])
@pytest.mark.parametrize("price", [4.9e-9, 1.5e-10, 0.006, 100.3])
def test_a_price_that_the_tick_cannot_write_is_refused(tick: str, price: float) -> None:
    market = InstrumentRules(Decimal(tick))
    if Decimal(repr(price)) % Decimal(tick) == 0:
        assert market.can_write(price)
        return
    account = Account(Decimal(1000), rules(market))
    assert reasons(settle(account, 1, price, signal(price))) == [OFF_TICK]
    # the close was on the tick, the next open is not
    on_tick = float(tick) * 8
    assert reasons(settle(account, 2, on_tick, signal(on_tick, 2))) == [""]
    done = settle(account, 3, price)
    assert reasons(done) == [OFF_TICK]
    assert not account.positions
    assert account.cash == 1000


def test_a_limit_that_is_rounded_to_nothing_is_refused() -> None:
    account = Account(Decimal(1000), rules(InstrumentRules(Decimal("0.5"))))
    done = settle(account, 1, 1.0, signal(1.0, limit_price=0.2))
    assert reasons(done) == [OFF_TICK]


@given(st.integers(1, 10**9), st.sampled_from(["0.01", "0.05", "0.00001", "5"]))
def test_what_is_on_the_tick_can_be_written_in_spite_of_its_float(ticks: int, tick: str) -> None:
    market = InstrumentRules(Decimal(tick))
    computed = ticks * float(tick)
    assert market.can_write(computed)
    assert market.price(computed) == ticks * Decimal(tick)


def test_without_rules_prices_keep_their_digits_and_nothing_is_too_small() -> None:
    market = InstrumentRules()
    assert not market.is_known
    assert InstrumentRules(min_notional=Decimal(1)).is_known
    assert market.price(1.23456789012e-10) == Decimal("1.23456789012e-10")
    assert market.price(2_600_000_000.12) == Decimal("2600000000.12")
    assert market.can_write(1.5e-10)
    account = Account(Decimal("0.0001"), rules(market))
    settle(account, 1, 1.5e-10, signal(1.5e-10))
    (fill,) = settle(account, 2, 1.5e-10).fills
    assert fill.price == Decimal("1.5e-10")
    assert fill.quantity == Decimal("666666.666666666")


@given(
    st.decimals(Decimal("0.01"), Decimal(10**9), places=6),
    st.decimals(Decimal("1e-6"), Decimal(10**7), places=6),
    st.decimals(0, Decimal("0.1"), places=5),
    st.sampled_from([None, "0.00000001", "0.003", "1"]),
)
def test_a_quantity_costs_what_may_be_spent_at_most_and_one_more_is_too_much(
    spend: Decimal, price: Decimal, fee: Decimal, step: str | None
) -> None:
    market = InstrumentRules(quantity_step=None if step is None else Decimal(step))
    found = quantity_for(spend, price, fee, market)
    if isinstance(found, Refused):
        assert found.reason == "less than the market's quantity step"
        assert Decimal(step or 0) * price * (1 + fee) > spend - Decimal("1e-15")
        return

    def cost(quantity: Decimal) -> Decimal:
        return money(quantity * price) + money(quantity * price * fee)

    assert cost(found) <= spend
    one = Decimal(step) if step else Decimal(10) ** (found.adjusted() - 14)
    assert found % one == 0
    assert cost(found + 2 * one) > spend - Decimal("1e-15")


def test_what_the_ledger_rounds_up_twice_is_bought_one_digit_smaller() -> None:
    # amount and fee are 1.5 units each, rounded to 2: one more than may be spent
    found = quantity_for(Decimal("3e-18"), Decimal("1.5e-18"), Decimal(1), InstrumentRules())
    assert found == Decimal("0.999999999999999")


@pytest.mark.parametrize(
    ("field", "value"),
    [("min_quantity", -1), ("min_quantity", "Infinity"),
     ("price_tick", 0), ("price_tick", -1), ("quantity_step", 0), ("min_notional", -1),
     ("price_tick", "NaN"), ("min_notional", "NaN")],
)  # fmt: skip
def test_rules_that_no_market_has_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        InstrumentRules(**{field: Decimal(str(value))})


def test_a_step_that_leaves_too_little_is_refused_at_the_fill() -> None:
    market = InstrumentRules(quantity_step=Decimal(3), min_notional=Decimal(450))
    account = Account(Decimal(500), rules(market))
    settle(account, 1, 100.0, signal(100.0))
    assert reasons(settle(account, 2, 100.0)) == ["below the market's minimum notional"]
    account = Account(Decimal(200), rules(replace(market, min_notional=Decimal(0))))
    settle(account, 1, 100.0, signal(100.0))
    assert reasons(settle(account, 2, 100.0)) == ["less than the market's quantity step"]


# a tick of now on the candles of then


OF_NOW = InstrumentRules(Decimal("0.1"), tick_is_of_now=True)


@given(
    st.integers(1, 10**9),
    st.integers(0, 10**9),
    st.sampled_from(["0.1", "25", "0.00000001"]),
    st.sampled_from(["0.001", "1e-11"]),
)
def test_a_coarser_tick_of_now_refuses_no_price_of_then(
    close: int, higher: int, tick: str, then: str
) -> None:
    first, second = (float(n * Decimal(then)) for n in (close, close + higher))
    market = InstrumentRules(Decimal(tick), tick_is_of_now=True)
    account = Account(Decimal(10**6), rules(market))
    assert reasons(settle(account, 1, first, signal(first))) == [""]
    assert reasons(settle(account, 2, second)) == [""]
    (position,) = account.positions.values()
    assert position.entry_price == Decimal(repr(second))


def test_an_orders_own_prices_lie_on_the_tick_where_the_markets_do() -> None:
    account = Account(Decimal(1000), rules(OF_NOW))
    told = signal(100.3, stop_price=90.26, take_profit_price=110.04, limit_price=99.77)
    (order,) = settle(account, 1, 100.3, told).orders.values()
    written = order.stop_price, order.take_profit_price, order.limit_price
    assert written == (Decimal("90.3"), Decimal("110.0"), Decimal("99.8"))
    # the market traded at 100.33, so 0.1 was not its tick
    account = Account(Decimal(1000), rules(OF_NOW))
    told = told.model_copy(update={"reference_price": 100.33})
    (order,) = settle(account, 1, 100.33, told).orders.values()
    written = order.stop_price, order.take_profit_price, order.limit_price
    assert written == (Decimal("90.26"), Decimal("110.04"), Decimal("99.77"))


def test_a_tick_far_above_the_prices_of_then_moves_no_stop_to_nothing() -> None:
    account = Account(Decimal(1000), rules(OF_NOW))
    told = signal(0.0123, stop_price=0.0111, take_profit_price=0.0222)
    (order,) = settle(account, 1, 0.0123, told).orders.values()
    assert (order.stop_price, order.take_profit_price) == (Decimal("0.0111"), Decimal("0.0222"))
    settle(account, 2, 0.0123)
    (trade,) = settle(account, 3, 0.011).closed
    assert (trade.exit_reason, trade.exit_price) == ("stop", Decimal("0.011"))


@pytest.mark.parametrize(
    ("action", "close", "first", "high", "low"),
    [
        ("enter_long", 100.03, "95.03", 100.048, 100.0),
        ("enter_short", 100.08, "105.08", 100.1, 100.06),
    ],
)
def test_a_trailing_stop_is_never_rounded_back_to_a_tick(
    action: str, close: float, first: str, high: float, low: float
) -> None:
    account = Account(Decimal(1000), rules(replace(OF_NOW, allows_margin=True)))
    # the close is off the tick, so the first stop keeps its digits
    settle(account, 1, close, signal(close, action=action, trail=5.0))
    settle(account, 2, close)
    # this close is on it, and the stop is to move by less than half a tick
    candle = Prices(100.1, high, low, 100.1, 1.0)
    account.settle(Moment(3 * HOUR, {SERIES: candle}, []), None, frozenset({"x:A/USD"}))
    (after,) = account.positions.values()
    assert after.stop_price == Decimal(first)


@pytest.mark.parametrize("is_of_now", [True, False])
@pytest.mark.parametrize("exit_", ["signal", "stop"])
def test_a_coarse_tick_leaves_the_slippage(*, is_of_now: bool, exit_: str) -> None:
    market = InstrumentRules(Decimal("1e-8"), tick_is_of_now=is_of_now)
    account = Account(Decimal(1000), rules(market, slippage=0.001))
    stop = {"stop_price": 3e-8} if exit_ == "stop" else {}
    settle(account, 1, 4e-8, signal(4e-8, **stop))
    (fill,) = settle(account, 2, 4e-8).fills
    assert fill.price == Decimal("4.004e-8")
    if exit_ == "stop":
        (fill,) = settle(account, 3, 3e-8).fills
        assert fill.price == Decimal("2.997e-8")
        return
    settle(account, 3, 4e-8, signal(4e-8, 3, "exit"))
    (fill,) = settle(account, 4, 4e-8).fills
    assert fill.price == Decimal("3.996e-8")


def test_less_than_the_least_quantity_is_refused() -> None:
    market = InstrumentRules(min_quantity=Decimal(5))
    account = Account(Decimal(499), rules(market))
    settle(account, 1, 100.0, signal(100.0))
    assert reasons(settle(account, 2, 100.0)) == ["below the market's least quantity"]
    done = settle(account, 3, 100.0, signal(100.0, 3, limit_price=99.9))
    assert reasons(done) == ["below the market's least quantity"]
    account = Account(Decimal(500), rules(market))
    settle(account, 1, 100.0, signal(100.0))
    assert reasons(settle(account, 2, 100.0)) == [""]


# ruin


def ruined(wait: Signal | None = None) -> tuple[Account, Settlement]:
    """Sell 1,000 short at 100, and let the price go to 250."""
    account = Account(
        Decimal(1000),
        rules(InstrumentRules(allows_margin=True), fee=Decimal("0.01"), slippage=0.02),
    )
    settle(account, 1, 100.0, signal(100.0, action="enter_short", share=0.9))
    settle(account, 2, 100.0)
    if wait is not None:
        assert reasons(settle(account, 3, 100.0, wait)) == [""]
    return account, settle(account, 4, 250.0, signal(250.0, 4, who=3))


def test_a_ruined_account_is_liquidated_and_says_so() -> None:
    account, done = ruined()
    (trade,) = done.closed
    assert done.ruined
    assert (trade.exit_reason, trade.exit_price, trade.exit_time) == ("liquidation", 255, 4 * HOUR)
    assert trade.fees == money(trade.quantity * 98 * Decimal("0.01")) + money(
        trade.quantity * 255 * Decimal("0.01")
    )
    assert account.cash == 1000 + trade.profit < 0
    assert done.equity is not None
    assert (done.equity.equity, done.equity.open_positions) == (account.cash, 0)
    entry = next(o for o in done.orders.values() if o.opens_position)
    assert (entry.status, entry.reason) == ("REFUSED", "the account is ruined")


def test_a_ruined_account_enters_nothing_any_more() -> None:
    account, _ = ruined(signal(100.0, 3, who=2, limit_price=90.0))
    assert not account.orders
    cash = account.cash
    # the price came back: too late
    done = settle(account, 5, 50.0, signal(50.0, 5), signal(50.0, 5, "enter_short", who=2))
    assert reasons(done) == ["the account is ruined"] * 2
    assert not done.ruined
    settle(account, 6, 50.0)
    assert account.cash == cash
    # as after a restart
    again = Account(cash, account.rules, marks=account.marks)
    assert reasons(settle(again, 7, 50.0, signal(50.0, 7))) == ["the account is ruined"]


def test_a_short_that_is_bought_back_for_more_than_there_is_ruins_too() -> None:
    account = Account(Decimal(1000), rules(InstrumentRules(allows_margin=True)))
    settle(account, 1, 100.0, signal(100.0, action="enter_short"))
    settle(account, 2, 100.0, signal(100.0, 2, "exit"))
    done = settle(account, 3, 300.0)
    assert [t.exit_reason for t in done.closed] == ["signal"]
    assert done.ruined
    assert account.cash == -1000
    assert not settle(account, 4, 300.0).ruined


def test_an_account_that_has_just_something_left_is_not_ruined() -> None:
    account = Account(Decimal(1000), rules(InstrumentRules(allows_margin=True)))
    settle(account, 1, 100.0, signal(100.0, action="enter_short"))
    settle(account, 2, 100.0)
    assert not settle(account, 3, 199.99).ruined
    done = settle(account, 4, 200.0)
    assert done.ruined
    assert account.cash == 0
