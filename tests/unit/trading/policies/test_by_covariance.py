"""Weights by covariance: those of skfolio, and what is done where returns are few."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform
from skfolio import RiskMeasure
from skfolio.moments import LedoitWolf
from skfolio.optimization import HierarchicalRiskParity as TheirHrp
from skfolio.optimization import MeanRisk, ObjectiveFunction
from skfolio.prior import EmpiricalPrior
from sklearn.covariance import LedoitWolf as TheirShrinkage

from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.trading.policies.by_covariance import ByCovariance
from tradepulse.trading.policies.hrp import HierarchicalRiskParity, ordered
from tradepulse.trading.policies.min_variance import MinimumVariance, ledoit_wolf
from tradepulse.trading.policies.named import policy_named
from tradepulse.trading.policies.weighing import finest_common, history_for, weigh
from tradepulse.trading.weights import InverseVolatility, ReturnHistory

BOTH = (HierarchicalRiskParity, MinimumVariance)


def market(columns: int, seed: int, rows: int = 96) -> np.ndarray:
    """Return correlated returns of unlike volatility, in groups."""
    chance = np.random.default_rng(seed)
    groups = chance.normal(0, 1, (rows, 3))
    loads = chance.uniform(-0.3, 1, (3, columns))
    own = chance.normal(0, 1, (rows, columns))
    return (groups @ loads + own * chance.uniform(0.3, 1, columns)) * chance.uniform(
        0.001, 0.05, columns
    )


def by_instrument(returns: np.ndarray) -> dict[str, list[float]]:
    return {f"x:{i:02}": column.tolist() for i, column in enumerate(returns.T)}


@pytest.mark.parametrize("columns", [2, 3, 5, 8, 13, 30])
@pytest.mark.parametrize("seed", range(3))
def test_hierarchical_risk_parity_is_skfolio_s(columns, seed):
    returns = market(columns, seed)
    theirs = TheirHrp().fit(returns).weights_
    assert HierarchicalRiskParity().shares(returns) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("columns", [2, 5, 8, 20])
@pytest.mark.parametrize("seed", range(3))
def test_minimum_variance_is_skfolio_s(columns, seed):
    returns = market(columns, seed)
    model = MeanRisk(
        objective_function=ObjectiveFunction.MINIMIZE_RISK,
        risk_measure=RiskMeasure.VARIANCE,
        prior_estimator=EmpiricalPrior(covariance_estimator=LedoitWolf()),
    )
    # theirs stops at a tolerance, which is not one of scale
    theirs = model.fit(returns * 1_000).weights_
    ours = MinimumVariance().shares(returns)
    assert ours == pytest.approx(theirs, abs=1e-5)
    covariance = TheirShrinkage().fit(returns).covariance_
    assert ours @ covariance @ ours <= (theirs @ covariance @ theirs) * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 14), st.integers(0, 2**32 - 1))
def test_the_leaves_are_in_scipy_s_order(columns, seed):
    correlation = np.corrcoef(market(columns, seed), rowvar=False)
    distance = np.sqrt(0.5 * (1 - np.clip(correlation, -1, 1)))
    np.fill_diagonal(distance, 0)
    condensed = squareform(distance, checks=False)
    tree = optimal_leaf_ordering(linkage(condensed, "ward"), condensed)
    assert ordered(distance).tolist() == leaves_list(tree).tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_the_shrunk_covariance_is_scikit_learn_s(columns, rows, seed):
    returns = market(columns, seed, rows)
    theirs = TheirShrinkage().fit(returns).covariance_
    assert ledoit_wolf(returns) == pytest.approx(theirs, rel=1e-9, abs=1e-15)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_no_other_long_only_weights_have_less_variance(columns, seed):
    returns = market(columns, seed)
    found = MinimumVariance().shares(returns)
    covariance = ledoit_wolf(returns)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
    # the gradient is least where there is a weight, so no move gains
    slope = covariance @ found
    assert slope[found > 0] == pytest.approx(np.full((found > 0).sum(), slope.min()), rel=1e-8)


@pytest.mark.parametrize("made", BOTH)
def test_who_is_not_known_has_its_equal_share(made):
    policy: ByCovariance = made(96)
    returns = by_instrument(market(3, 1))
    alone = policy.weights(returns)
    beside = policy.weights({**returns, "x:n": [0.01, 0.02] * 23, "x:z": [0.0] * 96})
    assert beside.pop("x:n") == beside.pop("x:z") == 0.2
    assert beside == pytest.approx({one: 0.6 * w for one, w in alone.items()}, abs=2e-6)
    assert sum(alone.values()) == pytest.approx(1, abs=5e-6)
    assert policy.weights({"x:A": [0.01, -0.01] * 48, "x:B": []}) == {"x:A": 0.5, "x:B": 0.5}
    assert policy.weights({}) == {}


@pytest.mark.parametrize("made", BOTH)
def test_the_last_returns_of_all_stand_beside_one_another(made):
    returns = market(4, 2)
    whole = by_instrument(returns)
    whole["x:00"] = whole["x:00"][-60:]
    short = by_instrument(returns[-60:])
    assert (
        made(96).weights(whole)
        == made(96).weights(short)
        != made(96).weights(by_instrument(returns))
    )


@pytest.mark.parametrize("made", BOTH)
@pytest.mark.parametrize("budget", [0.5, 1.0, 2.0, 9.0])
def test_a_budget_multiplies_the_weights(made, budget):
    returns = by_instrument(market(4, 3))
    once = made(96).weights(returns)
    scaled = {one: min(budget * weight, 1.0) for one, weight in once.items()}
    assert made(96, budget).weights(returns) == pytest.approx(scaled, abs=1e-5)


@pytest.mark.parametrize("made", BOTH)
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([0.01, -0.01] * 48, [0.01, -0.01] * 48),
        ([0.01, -0.01] * 48, [-0.01, 0.01] * 48),
        ([1e-200, -1e-200] * 48, [0.01, -0.02] * 48),
        ([1e200, -1e200] * 48, [0.01, -0.02] * 48),
        # what moved is no longer in the rows that all have
        ([0.01] + [0.0] * 95, [0.01, -0.02] * 24),
    ],
)
def test_weights_are_finite_whatever_the_returns_are(made, a, b):
    found = made(96).weights({"x:A": a, "x:B": b, "x:C": [0.02, -0.01, 0.005] * 32})
    assert all(0 <= weight <= 1 for weight in found.values())
    assert 0.99 < sum(found.values()) <= 1 + 1e-9


def test_the_shortest_timeframe_that_all_have_is_looked_at() -> None:
    names = ["x:A:30m", "x:A:4h", "x:B:30m", "x:B:4h"]
    assert finest_common(names) == ["x:A:30m", "x:B:30m"]
    assert finest_common([*names, "x:C:4h"]) == ["x:A:4h", "x:B:4h", "x:C:4h"]
    assert finest_common([*names, "x:C:1d"]) is None
    assert finest_common([]) == []


@pytest.mark.parametrize("made", BOTH)
def test_returns_of_one_timeframe_alone_stand_beside_one_another(made):
    history = ReturnHistory(96)
    for seed, name in enumerate(("x:A:1h", "x:A:4h", "x:B:1h", "x:C:1h")):
        path = np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01 * (1 + seed), 90)))
        length = timeframe_ms(name.rpartition(":")[2])
        history.begin(name, ((i * length, one) for i, one in enumerate(path.tolist(), 1)))
    series = ["x:A:1h", "x:A:4h", "x:B:1h", "x:C:1h"]
    found = weigh(made(64), history, series)
    own = history.returns(["x:A:1h", "x:B:1h", "x:C:1h"], 64)
    assert (found.policy, found.fallback, found.weights) == (made.name, None, made(64).weights(own))
    assert history_for(made(64)) == 96
    assert policy_named(made.name, lookback=64, budget=2.0).weights(own) == made(64, 2.0).weights(
        own
    )
    # no timeframe is that of all
    found = weigh(made(64), history, ["x:A:4h", "x:B:1h"])
    assert (found.policy, found.fallback, found.model_id) == (
        "inverse_volatility",
        "timeframe",
        None,
    )
    assert found.weights == InverseVolatility().weights(history.returns(["x:A:4h", "x:B:1h"]))


@pytest.mark.parametrize("made", BOTH)
def test_two_that_move_as_one_are_weighed_still(made):
    one = market(1, 4)[:, 0]
    found = made(96).weights(by_instrument(np.column_stack([one, one, 2 * one])))
    assert sum(found.values()) == pytest.approx(1, abs=5e-6)
    assert found["x:02"] < found["x:00"]
