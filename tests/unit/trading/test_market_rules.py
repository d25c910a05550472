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
    [("price_tick", 0), ("price_tick", -1), ("quantity_step", 0), ("min_notional", -1),
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
