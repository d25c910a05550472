"""Virtual accounts are worth what the account is worth, at every close, with every rule."""

from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.candle_series import beside_bitcoin
from tests.made_markets import FREE, HOUR, as_candles, ready_at_random, scripted, some, walk
from tradepulse.research.virtual.market import decided_weights, market_of
from tradepulse.research.virtual.replay import Replay, replay
from tradepulse.strategies import strategy_names
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import (
    BacktestResult,
    Prepared,
    backtest,
    backtest_of,
    prepared,
)
from tradepulse.trading.sizing import AccountRules, InstrumentRules, RiskLimits
from tradepulse.trading.weights import (
    EqualWeights,
    FixedWeights,
    InverseVolatility,
    WeightPolicy,
)

FloatArray = NDArray[np.float64]
POLICIES: list[WeightPolicy] = [
    EqualWeights(),
    InverseVolatility(24),
    FixedWeights({"x:A/USD": 0.6, "x:B/USD": 0.4}),
]


def venue(digits: int, step: str | None, least: str, *, of_now: bool) -> InstrumentRules:
    """Return what a venue accepts; of now its tick is coarser than the candles."""
    return InstrumentRules(
        price_tick=Decimal(1).scaleb(1 - digits if of_now else -digits),
        quantity_step=None if step is None else Decimal(step),
        min_notional=Decimal(least),
        min_quantity=Decimal(least) / 1000,
        allows_margin=True,
        tick_is_of_now=of_now,
    )


RULES = st.builds(
    AccountRules,
    fee=st.sampled_from([Decimal(0), Decimal("0.001")]),
    maker_fee=st.sampled_from([None, Decimal(0), Decimal("0.0002"), Decimal("0.002")]),
    slippage=st.sampled_from([0.0, 0.0005]),
    impact=st.sampled_from([0.0, 0.1]),
    max_weight_age_ms=st.sampled_from([0, 7_200_000]),
    limits=st.builds(
        RiskLimits,
        max_symbol_notional=st.sampled_from([Decimal("0.1"), Decimal("0.5"), Decimal(1)]),
        max_total_notional=st.sampled_from([Decimal("0.3"), Decimal(1)]),
        max_open_positions=st.sampled_from([2, 50]),
        risk_per_trade=st.sampled_from([None, Decimal("0.005")]),
    ),
)
MARKETS = st.sampled_from([
    {"x:A/USD": FREE, "x:B/USD": FREE, "x:C/USD": FREE},
    {"x:A/USD": FREE, "x:C/USD": venue(2, "0.001", "5", of_now=False)},
    {"x:A/USD": venue(2, None, "0", of_now=True), "x:B/USD": venue(3, "1", "0", of_now=False)},
])  # fmt: skip


def compare(mine: Replay, theirs: BacktestResult) -> None:
    points = theirs.equity
    assert mine.close_time.tolist() == [point.close_time for point in points]
    assert mine.open_positions.tolist() == [point.open_positions for point in points]
    for name in ("equity", "cash", "exposure"):
        kept = [float(getattr(point, name)) for point in points]
        # what is nearly nothing is so beside the account's worth
        scale = max(abs(float(points[0].cash)), 1.0)
        np.testing.assert_allclose(
            getattr(mine, name), kept, rtol=1e-9, atol=1e-9 * scale, err_msg=name
        )
    made = mine.profits[np.isfinite(mine.profits)]
    profits = sorted(float(trade.profit) for trade in theirs.trades)
    np.testing.assert_allclose(sorted(made), profits, rtol=1e-9, atol=1e-6)


@settings(max_examples=100, deadline=None)
# a limit entry without a level, whose first target comes with a later candle
@example(
    seed=10_351_154,
    digits=1,
    rules=AccountRules(limits=RiskLimits(Decimal("0.1"), Decimal("0.3"), 2), max_weight_age_ms=0),
    markets={"x:A/USD": FREE, "x:B/USD": FREE, "x:C/USD": FREE},
    policy=EqualWeights(),
)
@given(
    seed=st.integers(0, 2**32 - 1),
    digits=st.sampled_from([1, 2, 5]),
    rules=RULES,
    markets=MARKETS,
    policy=st.sampled_from(POLICIES),
)
def test_a_virtual_account_equals_the_account(
    seed: int,
    digits: int,
    rules: AccountRules,
    markets: dict[str, InstrumentRules],
    policy: WeightPolicy,
) -> None:
    ready = ready_at_random(np.random.default_rng(seed), digits)
    rules = replace(rules, markets=markets)
    theirs = backtest_of(ready, rules, policy)
    market = market_of(ready, markets)
    mine = replay(market, decided_weights(ready, policy), rules)
    event(f"trades: {min(len(theirs.trades), 50) // 10}0 and more")
    for order in theirs.refused:
        event(order.reason)
    for trade in theirs.trades:
        event(trade.exit_reason)
    compare(mine, theirs)


@dataclass(frozen=True)
class Style:
    """How all strategies trade."""

    params: dict[str, float]
    impact: float = 0.0
    risk: str | None = None
    hours_kept: float = 1.0
    has_finer: bool = False


STYLES = {
    "plain": Style({}),
    "limit, trail and time": Style({"limit_atr": 0.3, "trail_atr": 2.0, "max_candles": 20}),
    "shorts, impact, risk": Style({"allow_short": 1, "trail_atr": 3.0}, impact=0.1, risk="0.01"),
    "holes": Style({"allow_short": 1, "max_candles": 5, "cooldown": 3}, hours_kept=0.8),
    "finer": Style({"limit_atr": 0.2, "allow_short": 1}, has_finer=True),
}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_all_strategies_on_one_account(style: Style, policy: WeightPolicy) -> None:
    rng = np.random.default_rng(7)
    both = [walk(symbol, 600, rng, 2, 0, 0.005) for symbol in ("A/USD", "B/USD", "C/USD")]
    candles = [beside_bitcoin(some(hours, rng, style.hours_kept), 3) for hours, _ in both]
    finer = [parts for _, parts in both] if style.has_finer else []
    # these know no shorts
    plain = {name: value for name, value in style.params.items() if name != "allow_short"}
    configurations = [
        Configuration(
            UUID(int=10 * i + k), name, "x", one.symbol, "1h",
            plain if name in ("sma_cross", "relative_strength") else style.params, share=0.2,
        )
        for i, one in enumerate(candles)
        for k, name in enumerate(strategy_names())
    ]  # fmt: skip
    rules = AccountRules(
        impact=style.impact,
        limits=RiskLimits(risk_per_trade=None if style.risk is None else Decimal(style.risk)),
        markets={one.instrument: FREE for one in candles},
    )
    between = (100 * HOUR, 590 * HOUR)
    theirs = backtest(candles, configurations, rules, policy, between=between, finer=finer)
    ready = prepared(candles, configurations, between=between, finer=finer)
    mine = replay(market_of(ready, rules.markets), decided_weights(ready, policy), rules)
    compare(mine, theirs)
    assert {t.configuration_id.int % 10 for t in theirs.trades} == set(range(9))
    assert len(theirs.trades) > 40


def test_a_short_ruins_the_virtual_account_for_good() -> None:
    a, b = [100.0, 100, 100, 260, 90, 90, 90, 90], [50.0] * 8
    series = {one.series: one for one in (as_candles("A/USD", a), as_candles("B/USD", b))}
    asked = [
        scripted("A/USD", a, {0: (-1, np.nan), 4: (1, np.nan)}),
        scripted("B/USD", b, {2: (1, np.nan), 3: (1, np.nan), 5: (1, np.nan)}),
    ]
    ready = Prepared(series, series, {}, asked)
    limits = RiskLimits(max_symbol_notional=Decimal(1))
    rules = AccountRules(limits=limits, markets={"x:A/USD": FREE})
    policy = FixedWeights({"x:A/USD": 0.9, "x:B/USD": 0.1})
    # the first close falls back to equal weights, so the short is a half
    theirs = backtest_of(ready, replace(rules, slippage=0.2), policy)
    mine = replay(
        market_of(ready, rules.markets),
        decided_weights(ready, policy),
        replace(rules, slippage=0.2),
    )
    compare(mine, theirs)
    assert theirs.ruined_at == 4 * HOUR
    assert {str(trade.exit_reason) for trade in theirs.trades} == {"liquidation"}
    assert mine.equity[-1] < 0


def test_what_a_short_lost_does_not_pay_a_limit_entry() -> None:
    a, b = [100.0, 100, 100, 230, 230, 230], [50.0] * 6
    gap = as_candles("A/USD", a)
    gap.open[3] = 230.0
    series = {one.series: one for one in (gap, as_candles("B/USD", b))}
    asked = [
        scripted("A/USD", a, {0: (-1, np.nan), 2: (2, np.nan)}),
        scripted("B/USD", b, {2: (1, 49.5)}),
    ]
    ready = Prepared(series, series, {}, asked)
    rules = AccountRules(markets={"x:A/USD": FREE})
    theirs = backtest_of(ready, rules, EqualWeights())
    mine = replay(market_of(ready, rules.markets), decided_weights(ready, EqualWeights()), rules)
    compare(mine, theirs)
    assert [order.reason for order in theirs.refused] == ["not enough cash at the fill"]


def test_a_part_of_the_closes_begins_flat_with_the_weights_of_the_close_before() -> None:
    rng = np.random.default_rng(3)
    ready = ready_at_random(rng, 2)
    market = market_of(ready, {})
    weights = decided_weights(ready, EqualWeights())
    part = replay(market, weights, AccountRules(), 1_000.0, (10, 60))
    assert part.close_time.tolist() == market.arrays.close_time[10:60].tolist()
    assert part.equity[0] == 1_000.0
    later = weights.copy()
    later[:9] = 0.0
    np.testing.assert_array_equal(
        replay(market, later, AccountRules(), 1_000.0, (10, 60)).equity, part.equity
    )


def test_wrong_weights_are_refused() -> None:
    market = market_of(ready_at_random(np.random.default_rng(3), 2), {})
    shape = market.arrays.marks.shape
    with pytest.raises(ValueError, match="weights of shape"):
        replay(market, np.zeros((shape[0], shape[1] + 1)), AccountRules())
    with pytest.raises(ValueError, match="not finite"):
        replay(market, np.full(shape, np.nan), AccountRules())
    with pytest.raises(ValueError, match="no closes from 5 to 5"):
        replay(market, np.zeros(shape), AccountRules(), span=(5, 5))


def months(seed: int) -> Prepared:
    """Ask twenty-four configurations, half of them with limit entries, over three months."""
    rng = np.random.default_rng(seed)
    candles = [walk(f"{name}/USD", 2_000, rng, 2, swing=0.003)[0] for name in "ABCDEF"]
    ways = {
        "sma_cross": {},
        "donchian_breakout": {"limit_atr": 0.3, "trail_atr": 3.0},
        "rsi_reversion": {"max_candles": 24.0},
        "supertrend": {"limit_atr": 0.2},
    }
    return prepared(
        candles,
        [
            Configuration(UUID(int=10 * i + k), name, "x", one.symbol, "1h", params)
            for i, one in enumerate(candles)
            for k, (name, params) in enumerate(ways.items())
        ],
    )


def test_what_rounding_leaves_of_the_cash_pays_for_what_it_was_kept_for() -> None:
    # an account that is all in again and again; its last cash is some thousandths of its equity
    ready = months(15)
    theirs = backtest_of(ready, AccountRules(), EqualWeights())
    mine = replay(market_of(ready, {}), decided_weights(ready, EqualWeights()), AccountRules())
    compare(mine, theirs)
    worth = np.array([float(point.equity) for point in theirs.equity])
    assert np.abs(mine.equity / worth - 1).max() < 1e-12
