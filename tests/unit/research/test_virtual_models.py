"""Virtual accounts by a model and by a budget: what the account does, and what training saw."""

from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest

from tests.made_markets import FREE, HOUR, some, walk
from tests.made_models import made_model
from tradepulse.candles.arrays import Candles
from tradepulse.research.virtual.market import decided_weights, market_of
from tradepulse.research.virtual.replay import replay
from tradepulse.strategies.evaluate import Configuration
from tradepulse.trading.backtest import Prepared, backtest_of, prepared
from tradepulse.trading.policies.features import observe_rows
from tradepulse.trading.policies.hrp import HierarchicalRiskParity
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.min_variance import MinimumVariance
from tradepulse.trading.sizing import AccountRules, RiskLimits
from tradepulse.trading.weights import EqualWeights, InverseVolatility, WeightPolicy

BUDGET = 2.5
MODEL = made_model(3, timeframe="1h", max_weight=0.9)
POLICIES: list[WeightPolicy] = [
    EqualWeights(BUDGET),
    InverseVolatility(24, BUDGET),
    HierarchicalRiskParity(48, BUDGET),
    MinimumVariance(48, BUDGET),
    LearnedPolicy(MODEL, BUDGET),
]


def _at(one: Candles, rows: np.ndarray) -> Candles:
    names = ("open_time", "open", "high", "low", "close", "volume")
    return Candles(
        one.exchange, one.symbol, one.timeframe, *(getattr(one, name)[rows] for name in names)
    )


@pytest.fixture(scope="module")
def candles() -> list[Candles]:
    """Return three series with holes, one of which begins late and one of which ends early."""
    rng = np.random.default_rng(7)
    made = [some(walk(f"{name}/USD", 640, rng, 2)[0], rng, 0.95) for name in "ABC"]
    # known when trading begins at 180, and not there until 230
    late = np.flatnonzero((made[0].open_time < 180 * HOUR) | (made[0].open_time >= 230 * HOUR))
    return [
        _at(made[0], late),
        made[1].between(300 * HOUR, None),
        made[2].between(None, 500 * HOUR),
    ]


@pytest.fixture(scope="module")
def ready(candles: list[Candles]) -> Prepared:
    configurations = [
        Configuration(UUID(int=10 * i + k), name, "x", one.symbol, "1h", params, share=0.6)
        for i, one in enumerate(candles)
        for k, (name, params) in enumerate(
            [("sma_cross", {"fast": 3, "slow": 8}), ("rsi_reversion", {"allow_short": 1})]
        )
    ]
    return prepared(candles, configurations, between=(180 * HOUR, 630 * HOUR))


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_with_a_budget_a_virtual_account_equals_the_account(
    policy: WeightPolicy, ready: Prepared
) -> None:
    rules = AccountRules(
        limits=RiskLimits(max_symbol_notional=Decimal("0.8")),
        max_weight_age_ms=0,
        markets={f"x:{name}/USD": FREE for name in "ABC"},
    )
    theirs = backtest_of(ready, rules, policy)
    weights = decided_weights(ready, policy)
    mine = replay(market_of(ready, rules.markets), weights, rules, budget=BUDGET)
    assert mine.equity == pytest.approx([float(one.equity) for one in theirs.equity], rel=1e-9)
    assert len(theirs.trades) > 60
    assert weights.sum(axis=1).max() > 1.5
    if isinstance(policy, LearnedPolicy):
        assert not theirs.fallbacks
    else:
        assert "maximum total notional reached" in {one.reason for one in theirs.refused}


def test_the_rows_of_training_are_the_decisions_of_a_backtest(
    candles: list[Candles], ready: Prepared
) -> None:
    policy = LearnedPolicy(MODEL)
    market = market_of(ready, {})
    rows = observe_rows(
        [one.between(None, 630 * HOUR) for one in candles],
        market.arrays.close_time,
        180 * HOUR,
    )
    assert rows.instruments == market.instruments
    decided = decided_weights(ready, policy)
    seen = 0
    for row in np.flatnonzero(rows.mask.any(axis=1)):
        found = policy.row(rows.figures[row], rows.mask[row])
        assert found.tolist() == decided[row].tolist()
        seen += 1
    assert seen > 400
    begun = market.arrays.close_time >= 230 * HOUR
    assert not rows.mask[~begun, 0].any()
    assert rows.mask[begun, 0].sum() > 390
