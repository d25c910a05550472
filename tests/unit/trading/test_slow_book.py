"""The account against a slow book-keeping in fractions that shares no rule with it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_book import Bar, Say, SlowBook, Terms, exact

from contracts.events import Signal, signal_id
from tradepulse.trading.account import Account
from tradepulse.trading.fills import Prices
from tradepulse.trading.moments import Moment, Settlement, Weights
from tradepulse.trading.sizing import AccountRules, InstrumentRules, RiskLimits

HOUR = 3_600_000
SYMBOLS = ("x:A/USD", "x:B/USD", "x:C/USD")
WORDS = {
    "the account is ruined": "ruined",
    "stale signal": "stale",
    "a spot market cannot be sold short": "spot",
    "maximum open positions reached": "positions",
    "portfolio weight is zero": "weight",
    "maximum notional of the symbol reached": "symbol",
    "maximum total notional reached": "total",
    "below the market's minimum notional": "least",
    "less than the market's quantity step": "least",
    "not enough cash at the fill": "fill",
    "the price did not reach the limit": "expired",
    "cooling down after a stop": "rest",
}


@dataclass(frozen=True)
class Given:
    """What both are told, as text, so that neither sees the other's numbers."""

    fee: str = "0.001"
    maker_fee: str = "0.0004"
    slippage: float = 0.0005
    symbol_limit: str = "0.6"
    total_limit: str = "1"
    most_positions: int = 5
    risk: str | None = None
    least: str = "10"
    step: str | None = "0.001"
    allows_margin: bool = True
    cash: str = "10000"

    def rules(self) -> AccountRules:
        step = None if self.step is None else Decimal(self.step)
        market = InstrumentRules(None, step, Decimal(self.least), self.allows_margin)
        risk = None if self.risk is None else Decimal(self.risk)
        return AccountRules(
            Decimal(self.fee),
            Decimal(self.maker_fee),
            self.slippage,
            limits=RiskLimits(
                Decimal(self.symbol_limit), Decimal(self.total_limit), self.most_positions, risk
            ),
            markets=dict.fromkeys(SYMBOLS, market),
        )

    def terms(self) -> Terms:
        return Terms(
            cash=Fraction(self.cash),
            fee=Fraction(self.fee),
            maker_fee=Fraction(self.maker_fee),
            slippage=exact(self.slippage),
            symbol_limit=Fraction(self.symbol_limit),
            total_limit=Fraction(self.total_limit),
            most_positions=self.most_positions,
            risk=None if self.risk is None else Fraction(self.risk),
            least=Fraction(self.least),
            step=None if self.step is None else Fraction(self.step),
            allows_margin=self.allows_margin,
        )


class Both:
    """The account and the slow book, told the same."""

    def __init__(self, told: Given) -> None:
        self.account = Account(Decimal(told.cash), told.rules())
        self.book = SlowBook(told.terms())
        self.settled: list[Settlement] = []

    def close(
        self,
        hour: int,
        bars: dict[str, tuple[float, float, float, float]],
        says: Sequence[tuple[str, Signal]] = (),
        weights: dict[str, float] | None = None,
        *,
        late: bool = False,
    ) -> None:
        time = hour * HOUR
        shares = weights or dict.fromkeys(SYMBOLS, 1.0)
        moment = Moment(
            time, {s: Prices(*bar, 1.0) for s, bar in bars.items()}, list(says), late=late
        )
        vector = Weights(time - HOUR, shares)
        self.settled.append(self.account.settle(moment, vector, frozenset(SYMBOLS)))
        self.book.close(
            time,
            {s: Bar(*map(exact, bar)) for s, bar in bars.items()},
            [said(series, signal) for series, signal in says],
            {name: exact(weight) for name, weight in shares.items()},
            late=late,
        )

    def compare(self) -> None:
        trades = [t for settled in self.settled for t in settled.closed]
        near = Fraction(1, 10**12)
        assert [
            (
                t.configuration_id.int,
                t.side,
                t.exit_reason,
                exact(t.entry_price),
                exact(t.exit_price),
            )
            for t in trades
        ] == [
            (d.who, "long" if d.side > 0 else "short", d.reason, d.entry, d.exit)
            for d in self.book.trades
        ]
        for mine, theirs in zip(trades, self.book.trades, strict=True):
            assert abs(exact(mine.quantity) - theirs.quantity) <= theirs.quantity * near
            assert abs(exact(mine.profit) - theirs.profit) <= 10_000 * near
        refused = sorted(
            (o.configuration_id.int, WORDS[o.reason])
            for settled in self.settled
            for o in settled.orders.values()
            if o.opens_position and o.status in ("REFUSED", "EXPIRED")
        )
        assert refused == sorted(self.book.refused)
        curve = [s.equity for s in self.settled if s.equity is not None]
        assert [point.close_time for point in curve] == [time for time, _, _ in self.book.curve]
        for point, (_, cash, equity) in zip(curve, self.book.curve, strict=True):
            assert abs(exact(point.cash) - cash) <= 10_000 * near
            assert abs(exact(point.equity) - equity) <= 10_000 * near


def said(series: str, signal: Signal) -> Say:
    def level(price: float | None) -> Fraction | None:
        return None if price is None else exact(price)

    return Say(
        signal.configuration_id.int,
        series,
        signal.action,
        exact(signal.reference_price),
        signal.expires_at,
        exact(signal.share),
        level(signal.stop_price),
        level(signal.take_profit_price),
        level(signal.limit_price),
        tuple((minutes, exact(price)) for minutes, price in signal.targets),
        signal.cooldown_ms or 0,
        exact(signal.confidence),
    )


def signal(who: int, hour: int, action: str = "enter_long", price: float = 100.0, **kw: Any) -> Any:
    one = UUID(int=who)
    told = {"expires_at": (hour + 1) * HOUR, **kw}
    return Signal(
        id=signal_id(one, str(who), hour),
        configuration_id=one,
        strategy="s",
        action=action,
        reference_price=price,
        **told,
    )


def series_of(who: int) -> str:
    return f"{SYMBOLS[who % len(SYMBOLS)]}:1h"


def walk(both: Both, chance: random.Random, hours: int, wild: float) -> None:
    """Trade six configurations on three symbols, with holes and late candles."""
    closes = dict.fromkeys(SYMBOLS, 100.0)
    for hour in range(1, hours + 1):
        bars, late = {}, {}
        for name in SYMBOLS:
            if chance.random() < 0.05:
                continue
            open_ = round(closes[name] * (1 + chance.gauss(0, wild / 3)), 2)
            close = round(max(1.0, open_ * (1 + chance.gauss(0, wild))), 2)
            high = round(max(open_, close) * (1 + chance.expovariate(2 / wild)), 2)
            low = round(min(open_, close) * (1 - min(0.5, chance.expovariate(2 / wild))), 2)
            closes[name] = close
            place = late if chance.random() < 0.1 else bars
            place[f"{name}:1h"] = (open_, high, low, close)
        weights = {name: chance.choice([0.0, 0.25, 0.4, 1.0]) for name in SYMBOLS}
        says = [
            (series_of(who), one)
            for who in range(1, 7)
            if (one := anything(who, hour, closes[SYMBOLS[who % 3]], chance, wild)) is not None
        ]
        both.close(hour, bars, [s for s in says if s[0] in bars], weights)
        if late:
            both.close(hour, late, [s for s in says if s[0] in late], weights, late=True)


def anything(who: int, hour: int, close: float, chance: random.Random, wild: float) -> Any:
    if chance.random() < 0.5:
        return None
    words = ["enter_long", "enter_long", "enter_short", "exit"]
    action = chance.choice([*words, *words, *words, "move_stop"])
    if action == "move_stop":
        level = round(max(0.01, close * (1 + chance.gauss(0, 2 * wild))), 2)
        return signal(who, hour, action, close, stop_price=level)
    sign = -1 if action == "enter_short" else 1

    def sometimes(distance: float) -> float | None:
        if action == "exit" or chance.random() < 0.5:
            return None
        return round(max(0.01, close * (1 + sign * distance)), 2)

    steps = tuple(
        (minutes, round(max(0.01, close * (1 + sign * chance.gauss(wild / 3, wild))), 2))
        for minutes in (0, 45, 60, 200)
        if chance.random() < 0.6
    )
    limit = sometimes(chance.choice([-wild, -wild / 3, 0.0, wild]))
    stop = sometimes(-2 * wild)
    if limit is not None and stop is not None and sign * (limit - stop) <= 0:
        stop = None
    return signal(
        who, hour, action, close,
        stop_price=stop, take_profit_price=sometimes(wild), limit_price=limit,
        share=chance.choice([0.2, 0.5, 1.0]),
        confidence=chance.choice([0.3, *[1.0] * 9]),
        expires_at=(hour + chance.choice([-1, 0, 1])) * HOUR,
        targets=steps if chance.random() < 0.3 else (),
        cooldown_ms=chance.choice([None, None, None, None, HOUR, 3 * HOUR]),
    )  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    told=st.builds(
        Given,
        fee=st.sampled_from(["0", "0.001", "0.01"]),
        maker_fee=st.sampled_from(["0", "0.0004", "0.02"]),
        slippage=st.sampled_from([0.0, 0.0005, 0.01]),
        symbol_limit=st.sampled_from(["0.3", "0.6", "1"]),
        total_limit=st.sampled_from(["0.7", "1"]),
        most_positions=st.sampled_from([2, 4, 50]),
        risk=st.sampled_from([None, "0.01"]),
        least=st.sampled_from(["10", "500"]),
        step=st.sampled_from([None, "0.001", "1"]),
        allows_margin=st.booleans(),
    ),
    wild=st.sampled_from([0.01, 0.05, 0.3]),
)
def test_both_keep_the_same_books(seed: int, told: Given, wild: float) -> None:
    both = Both(told)
    walk(both, random.Random(seed), 40, wild)
    both.compare()


def test_the_walks_come_to_everything_that_they_compare() -> None:
    reasons, refused, sides, late = set(), set(), set(), 0
    # of the last ones an account is ruined
    for seed in (*range(24), 29, 45, 63):
        wild = (0.01, 0.3)[seed % 2]
        both = Both(Given(symbol_limit="0.3" if seed % 3 else "1", total_limit="0.7"))
        walk(both, random.Random(seed), 60, wild)
        both.compare()
        reasons |= {trade.reason for trade in both.book.trades}
        refused |= {reason for _, reason in both.book.refused}
        sides |= {trade.side for trade in both.book.trades}
        late += sum(s.equity is None and bool(s.fills) for s in both.settled)
    assert reasons == {"signal", "stop", "take_profit", "liquidation"}
    assert refused >= {
        "stale",
        "positions",
        "weight",
        "symbol",
        "total",
        "expired",
        "ruined",
        "rest",
    }
    assert sides == {1, -1}
    assert late > 50


# exact bounds


CALM = (100.0, 100.0, 100.0, 100.0)
FREE = Given(fee="0", maker_fee="0", slippage=0.0, symbol_limit="1", least="0", step=None)


def statuses(both: Both) -> list[tuple[str, str]]:
    both.compare()
    return [(o.status, o.reason) for s in both.settled for o in s.orders.values()]


@pytest.mark.parametrize(("least", "is_made"), [("500", True), ("500.000000001", False)])
@pytest.mark.parametrize("limit", [None, 100.0])
def test_an_order_of_just_the_least_notional_is_made(
    least: str, is_made: bool, limit: float | None
) -> None:
    both = Both(Given(**{**FREE.__dict__, "least": least}))
    both.close(1, {"x:A/USD:1h": CALM}, [("x:A/USD:1h", signal(3, 1, limit_price=limit))],
               dict.fromkeys(SYMBOLS, 0.05))  # fmt: skip
    assert statuses(both)[0][0] == ("OPEN" if is_made else "REFUSED")


@pytest.mark.parametrize(("expires", "is_made"), [(HOUR, True), (HOUR - 1, False)])
def test_a_signal_that_expires_at_this_very_close_counts(expires: int, is_made: bool) -> None:
    both = Both(FREE)
    one = signal(3, 1, expires_at=expires)
    both.close(1, {"x:A/USD:1h": CALM}, [("x:A/USD:1h", one)])
    assert statuses(both) == [("OPEN", "") if is_made else ("REFUSED", "stale signal")]


def test_a_late_candle_of_the_close_does_not_fill_what_was_decided_on_it() -> None:
    both = Both(FREE)
    both.close(1, {"x:B/USD:1h": CALM})
    late = {"x:A/USD:1h": (90.0, 100.0, 90.0, 100.0)}
    both.close(1, late, [("x:A/USD:1h", signal(3, 1))], late=True)
    # and again, as from another timeframe of it
    both.close(1, late, late=True)
    assert [o.status for o in both.account.orders.values()] == ["OPEN"]
    assert not both.account.positions
    both.close(2, {"x:A/USD:1h": (100.0, 101.0, 99.0, 100.0)})
    both.compare()
    (position,) = both.account.positions.values()
    assert (position.entry_price, position.entry_time) == (100, HOUR)


def test_waiting_entries_fill_the_room_that_others_find() -> None:
    both = Both(Given(**{**FREE.__dict__, "total_limit": "1"}))
    two = [("x:A/USD:1h", signal(3, 1)), ("x:B/USD:1h", signal(4, 1))]
    both.close(1, {"x:A/USD:1h": CALM, "x:B/USD:1h": CALM}, two, {"x:A/USD": 0.8, "x:B/USD": 0.8})
    both.compare()
    assert sorted(o.notional for o in both.account.orders.values() if o.notional) == [2000, 8000]


def test_a_short_is_a_debt_and_takes_room() -> None:
    both = Both(FREE)
    here = {"x:A/USD:1h": CALM, "x:B/USD:1h": CALM}
    both.close(1, here, [("x:A/USD:1h", signal(3, 1, "enter_short", share=0.8))])
    both.close(2, here)
    both.close(3, here, [("x:B/USD:1h", signal(4, 3))])
    both.compare()
    # 10,000 of equity, 8,000 of them taken; the cash is 18,000
    assert both.account.cash == 18_000
    (order,) = both.account.orders.values()
    assert order.notional == 2_000


@pytest.mark.parametrize("n", range(2, 51))
def test_equal_entries_of_many_series_at_one_close_all_fill(n: int) -> None:
    names = [f"x:S{k}/USD" for k in range(n)]
    rules = AccountRules(
        Decimal("0.001"),
        slippage=0.0005,
        markets=dict.fromkeys(names, InstrumentRules(min_notional=Decimal(10))),
    )
    account = Account(Decimal(100_000), rules)
    candles = {f"{name}:1h": Prices(*CALM, 1.0) for name in names}
    said = [(f"{name}:1h", signal(k, 1)) for k, name in enumerate(names)]
    account.settle(Moment(HOUR, candles, said), None, frozenset(names))
    done = account.settle(Moment(2 * HOUR, candles), None, frozenset(names))
    assert len(done.opened) == n
    assert 0 <= account.cash < Decimal("1e-6")


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 12),
    fee=st.decimals(0, Decimal("0.02"), places=6),
    slippage=st.floats(0, 0.02),
    step=st.sampled_from([None, "0.00000001", "0.1"]),
)
def test_no_rounding_takes_the_cash_below_zero(
    seed: int, n: int, fee: Decimal, slippage: float, step: str | None
) -> None:
    chance = random.Random(seed)
    names = [f"x:S{k}/USD" for k in range(n)]
    market = InstrumentRules(quantity_step=None if step is None else Decimal(step))
    rules = AccountRules(
        fee,
        slippage=slippage,
        limits=RiskLimits(Decimal(1)),
        markets=dict.fromkeys(names, market),
    )
    account = Account(Decimal(chance.randrange(1, 10**6)) / 100, rules)
    prices = {name: 10 ** chance.uniform(-11, 10) for name in names}
    candles = {f"{s}:1h": Prices(*(prices[s],) * 4, 1.0) for s in names}
    said = [
        (f"{s}:1h", signal(k, 1, price=prices[s], limit_price=chance.choice([None, prices[s]])))
        for k, s in enumerate(names)
    ]
    before = account.cash
    account.settle(Moment(HOUR, candles, said), None, frozenset(names))
    account.settle(Moment(2 * HOUR, candles), None, frozenset(names))
    assert 0 <= account.cash <= before
    if step is None:
        assert len(account.positions) == n


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), scale=st.integers(-9, 9), step=st.sampled_from([None, "0.01"])
)
def test_the_ledger_adds_up_to_the_last_unit_at_every_close(
    seed: int, scale: int, step: str | None
) -> None:
    chance = random.Random(seed)
    begin = Decimal(10_000).scaleb(scale if step is None else 0)
    told = Given(fee="0.00123456789", maker_fee="0.0003141592653", slippage=0.000271828, step=step,
                 least="0", cash=str(begin))  # fmt: skip
    both = Both(told)
    walk(both, chance, 40, 0.05)
    with localcontext(Context(prec=80)):
        assert both.account.cash == statement(begin, both.settled)


def statement(cash: Decimal, settlements: Sequence[Settlement]) -> Decimal:
    """Add up what the fills moved, as a bank would; compare profits and cash on the way."""
    paid: dict[UUID, Decimal] = {}
    for settled in settlements:
        for fill in settled.fills:
            sign = 1 if fill.order.side == "buy" else -1
            # what a statement would show: the amount to the unit, and the fee
            amount = (fill.quantity * fill.price).quantize(Decimal("1e-18"))
            moved = -sign * amount - fill.fee
            cash += moved
            who = fill.order.configuration_id
            paid[who] = paid.get(who, Decimal(0)) + moved
            done = next((t for t in settled.closed if t.exit_time == fill.filled_at
                         and t.configuration_id == who), None)  # fmt: skip
            if not fill.order.opens_position:
                assert done is not None
                assert done.profit == paid.pop(who)
        if settled.equity is not None:
            assert settled.equity.cash == cash
    return cash
