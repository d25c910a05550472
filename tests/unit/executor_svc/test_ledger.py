"""The ledger and the portfolio in event time, without any broker."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from contracts.events import (
    CandleClosed,
    CandleEvaluated,
    FeedAnnounced,
    FeedSeries,
    PortfolioWeightsDecided,
)
from executor_svc.ledger import CANDLE, EVALUATION, Ledger, weights_of
from executor_svc.settings import ExecutorSettings
from rl_svc.portfolio import Portfolio
from tradepulse.trading.account import Account
from tradepulse.trading.event_time import EventTime
from tradepulse.trading.sizing import AccountRules
from tradepulse.trading.weights import EqualWeights

HOUR = 3_600_000
NOWHERE = ("topic/0", 0)


def candle(close: int, symbol: str = "A/USD") -> CandleClosed:
    return CandleClosed(
        exchange="x",
        symbol=symbol,
        timeframe="1h",
        open_time=(close - 1) * HOUR,
        close_time=close * HOUR,
        open=1.0,
        high=1.0,
        low=1.0,
        close=1.0,
        volume=1.0,
        source="replay",
    )


def evaluation(close: int, symbol: str = "A/USD") -> CandleEvaluated:
    return CandleEvaluated(
        exchange="x",
        symbol=symbol,
        timeframe="1h",
        open_time=(close - 1) * HOUR,
        close_time=close * HOUR,
    )


def weights(close: int, portfolio: str = "main") -> PortfolioWeightsDecided:
    return PortfolioWeightsDecided(
        portfolio=portfolio,
        close_time=close * HOUR,
        policy="equal",
        weights={"x:A/USD": close / 10},
    )


def feed(*symbols: str) -> FeedAnnounced:
    series = (
        FeedSeries(exchange="x", symbol=symbol, timeframe="1h", first_open_time=0)
        for symbol in symbols
    )
    return FeedAnnounced(feed="f", series=tuple(series))


def ledger(*, grace_ms: int | None = None, portfolio: str | None = "main", **kept) -> Ledger:
    made = Ledger(
        Account(Decimal(1000), AccountRules()),
        EventTime((CANDLE, EVALUATION), grace_ms=grace_ms, **kept),
        portfolio=portfolio,
        clock_is_event_time=grace_ms is None,
    )
    made.on_feed(feed("A/USD"))
    return made


def feed_close(into: Ledger, close: int, now: int = 0) -> None:
    into.on_candle(candle(close), ("c/0", close), now)
    into.on_evaluation(evaluation(close), ("e/0", close), now)


def test_a_close_waits_for_the_weights_of_the_one_before():
    one = ledger()
    feed_close(one, 1)
    assert one.settle_next(0) is not None
    feed_close(one, 2)
    assert one.settle_next(0) is None
    one.on_weights(weights(1, "another"), ("w/0", 0))
    assert one.settle_next(0) is None
    one.on_weights(weights(1), ("w/0", 1))
    assert one.settle_next(0) is not None
    assert one.weights is not None
    assert one.weights.decided_at == HOUR


def test_weights_decided_at_a_close_do_not_bind_on_it():
    one = ledger()
    one.on_weights(weights(1), ("w/0", 0))
    feed_close(one, 1)
    assert one.settle_next(0) is not None
    assert one.weights is None


def test_without_a_portfolio_nothing_is_waited_for():
    one = ledger(portfolio=None)
    for close in (1, 2, 3):
        feed_close(one, close)
        assert one.settle_next(0) is not None


def test_live_the_grace_ends_the_wait_for_weights_and_for_evaluations():
    one = ledger(grace_ms=2_000)
    feed_close(one, 1, now=10_000)
    assert one.settle_next(10_000) is not None
    feed_close(one, 2, now=20_000)
    assert one.settle_next(21_999) is None
    assert one.settle_next(22_000) is not None
    one.on_candle(candle(3), ("c/0", 3), 30_000)
    assert one.settle_next(31_999) is None
    settled = one.settle_next(32_000)
    assert settled is not None
    assert settled.missing == 1
    one.on_evaluation(evaluation(3), ("e/0", 3), 33_000)
    late = one.settle_next(33_000)
    assert late is not None
    assert late.late
    assert late.settlement.equity is None


def test_after_a_restart_the_ledger_goes_on_from_its_state():
    one = ledger()
    one.on_weights(weights(1), ("w/0", 0))
    for close in (1, 2):
        feed_close(one, close)
        assert one.settle_next(0) is not None
    one.on_weights(weights(2), ("w/0", 1))
    feed_close(one, 3)
    state, offsets = one.state(), one.event_time.offsets()
    assert offsets == {"c/0": 3, "e/0": 3, "w/0": 1}
    kept = weights_of(state)
    assert kept is not None
    assert kept.decided_at == HOUR
    again = Ledger(
        Account(Decimal(1000), AccountRules()),
        EventTime((CANDLE, EVALUATION), settled=2 * HOUR, frontiers=state["frontiers"]),
        portfolio="main",
        weights=kept,
        clock_is_event_time=True,
    )
    again.on_feed(feed("A/USD"))
    feed_close(again, 3)
    assert again.settle_next(0) is None
    again.on_weights(weights(2), ("w/0", 1))
    assert again.settle_next(0) is not None


def test_the_budget_of_a_vector_is_kept_with_it():
    one = ledger()
    vector = PortfolioWeightsDecided(
        portfolio="main", close_time=HOUR, policy="p", weights={"x:A/USD": 1.0, "x:B/USD": 1.0},
        budget=2.5,
    )  # fmt: skip
    one.on_weights(vector, ("w/0", 0))
    for close in (1, 2):
        feed_close(one, close)
        assert one.settle_next(0) is not None
    kept = weights_of(one.state())
    assert kept is not None
    assert kept == one.weights
    assert kept.budget == 2.5
    # of a ledger that was kept before there were budgets
    old = one.state()
    del old["weights"]["budget"]
    kept = weights_of(old)
    assert kept is not None
    assert kept.budget == 1


@pytest.mark.parametrize("grace_ms", [None, 2_000])
def test_the_portfolio_waits_for_stragglers(grace_ms):
    portfolio = Portfolio("main", EqualWeights(), EventTime(("candle",), grace_ms=grace_ms))
    for one in feed("A/USD", "B/USD").series:
        portfolio.on_series(one, [])
    portfolio.on_candle(candle(1), NOWHERE, 10_000)
    assert portfolio.decide_next(11_999) is None
    decided = portfolio.decide_next(12_000)
    if grace_ms is None:
        assert decided is None
        portfolio.on_candle(candle(1, "B/USD"), NOWHERE, 99_000)
        decided = portfolio.decide_next(99_000)
        assert decided is not None
        assert decided.missing == ()
    else:
        assert decided is not None
        assert decided.missing == ("x:B/USD",)
        portfolio.on_candle(candle(1, "B/USD"), NOWHERE, 13_000)
        assert portfolio.decide_next(13_000) is None
    assert decided.weights == {"x:A/USD": 0.5, "x:B/USD": 0.5}
    assert decided.close_time == HOUR


@pytest.mark.parametrize("close", [1, 2, 3, 30])
def test_nobody_s_candle_harms_nobody(close):
    """A late one, one of the close at hand, a newer one: it waits apart until it is given up."""
    one = ledger(portfolio=None)
    for number in (1, 2):
        feed_close(one, number)
        assert one.settle_next(0) is not None
    one.on_candle(candle(close, "Z/USD"), ("c/1", 7), 0)
    one.on_evaluation(evaluation(close, "Z/USD"), ("e/1", 7), 0)
    feed_close(one, 3)
    assert one.settle_next(0) is None
    given_up = one.event_time.give_up(one.event_time.announcements.waiting())
    assert set(given_up) == {("c/1", 7), ("e/1", 7)}
    settled = one.settle_next(0)
    assert settled is not None
    assert settled.settlement.close_time == 3 * HOUR
    assert one.settle_next(0) is None


def test_weights_from_after_the_end_of_a_replay_do_not_bind():
    one = ledger()
    one.event_time.announce(
        [FeedSeries(exchange="x", symbol="A/USD", timeframe="1h", first_open_time=0,
                    last_close_time=3 * HOUR)]
    )  # fmt: skip
    feed_close(one, 1)
    assert one.settle_next(0) is not None
    one.on_weights(weights(9), ("w/0", 0))
    one.on_weights(weights(1), ("w/0", 1))
    feed_close(one, 2)
    assert one.settle_next(0) is None
    given_up = one.event_time.give_up(one.event_time.announcements.waiting())
    assert given_up == {
        ("w/0", 0): "its close 1970-01-01T09:00Z is after the announced end, 1970-01-01T03:00Z"
    }
    assert one.settle_next(0) is not None
    assert one.weights is not None
    assert one.weights.decided_at == HOUR
    feed_close(one, 3)
    assert one.settle_next(0) is None
    one.on_weights(weights(2), ("w/0", 2))
    assert one.settle_next(0) is not None
    assert one.event_time.offsets()["w/0"] == 3


def test_weights_of_a_backlog_put_its_grace_off():
    """rl_svc catches up, too."""
    one = ledger(grace_ms=100)
    for close in (1, 2, 3):
        feed_close(one, close, now=1_000)
    one.event_time.still_reading(1_000)
    assert one.settle_next(1_000) is not None
    assert one.settle_next(1_099) is None
    one.on_weights(weights(1), ("w/0", 0), 1_099)
    assert one.settle_next(1_099) is not None
    assert one.settle_next(1_198) is None
    assert one.settle_next(1_199) is not None


class Sharing(Account):
    """Notes who shares equal weights."""

    def settle(self, moment, weights, instruments, now=None):
        self.shared = instruments
        return super().settle(moment, weights, instruments, now)


def test_equal_weights_are_shared_by_what_is_traded():
    account = Sharing(Decimal(1000), AccountRules())
    one = Ledger(account, EventTime((CANDLE, EVALUATION)), portfolio=None, clock_is_event_time=True)
    one.event_time.announce(
        FeedSeries(exchange="x", symbol=symbol, timeframe="1h", first_open_time=first * HOUR,
                   last_close_time=last * HOUR)
        for symbol, first, last in (("A/USD", 0, 5), ("B/USD", 0, 2), ("C/USD", 3, 5))
    )  # fmt: skip
    shared = {}
    for close in range(1, 6):
        for symbol, first, last in (("A/USD", 0, 5), ("B/USD", 0, 2), ("C/USD", 3, 5)):
            if first < close <= last:
                one.on_candle(candle(close, symbol), NOWHERE, 0)
                one.on_evaluation(evaluation(close, symbol), NOWHERE, 0)
        settled = one.settle_next(0)
        assert settled is not None
        shared[close] = "".join(sorted(name[2] for name in account.shared))
    assert shared == {1: "AB", 2: "A", 3: "AC", 4: "AC", 5: ""}


def test_the_executor_s_costs_come_from_its_settings():
    address = {"kafka_bootstrap_servers": "k:1", "database_url": "postgresql://u@h/d"}
    plain = ExecutorSettings(**address).rules()
    assert plain == AccountRules()
    assert plain.fee_of(is_maker=True) == plain.fee
    told = ExecutorSettings(**address, maker_fee="0.0002", impact=0.1).rules()
    assert (told.fee_of(is_maker=True), told.fee_of(is_maker=False)) == (
        Decimal("0.0002"),
        Decimal("0.001"),
    )
    assert told.impact == 0.1
    with pytest.raises(ValidationError, match="SLIPPAGE and IMPACT together must be below 1"):
        ExecutorSettings(**address, slippage=0.5, impact=0.5)
