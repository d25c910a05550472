"""How a close is weighed, and by whom where a model cannot."""

import math
from collections.abc import Mapping

import numpy as np
import pytest

from tests.made_models import made_model
from tradepulse.trading.policies.features import ENOUGH, LOOKBACK, Observed
from tradepulse.trading.policies.learned import LearnedPolicy
from tradepulse.trading.policies.model import Model
from tradepulse.trading.policies.weighing import Decision, fault_in, history_for, weigh
from tradepulse.trading.weights import (
    EqualWeights,
    FixedWeights,
    InverseVolatility,
    ReturnHistory,
)

HALF_HOUR = 1_800_000
SERIES = ["x:A/USD:30m", "x:B/USD:30m"]
MODEL = made_model(1)


def history(counts: Mapping[str, int], lookback: int = LOOKBACK) -> ReturnHistory:
    found = ReturnHistory(lookback)
    for seed, (name, count) in enumerate(counts.items()):
        path = np.exp(
            np.cumsum(np.random.default_rng(seed).normal(0, 0.01 * (seed + 1), count + 1))
        )
        length = HALF_HOUR * (8 if name.endswith("4h") else 1)
        found.begin(name, ((i * length, close) for i, close in enumerate(path.tolist(), 1)))
    return found


def by_fallback(known: ReturnHistory, series: list[str]) -> dict[str, float]:
    return InverseVolatility().weights(known.returns(series, 96))


def test_a_model_decides_by_the_series_of_its_timeframe() -> None:
    known = history({**dict.fromkeys(SERIES, LOOKBACK), "x:A/USD:4h": 300})
    found = weigh(LearnedPolicy(MODEL), known, [*SERIES, "x:A/USD:4h"])
    weights = LearnedPolicy(MODEL).weights(known.returns(SERIES))
    assert found == Decision(LearnedPolicy(MODEL).name, weights, 1.0, str(MODEL.model_id))
    assert weights["x:A/USD"] > 0 < weights["x:B/USD"]
    assert history_for(LearnedPolicy(MODEL)) == LOOKBACK


def test_who_is_not_known_yet_is_named_and_has_none() -> None:
    known = history({SERIES[0]: LOOKBACK, SERIES[1]: ENOUGH - 1})
    found = weigh(LearnedPolicy(MODEL), known, SERIES)
    assert (found.unknown, found.fallback) == (("x:B/USD",), None)
    assert found.weights["x:A/USD"] > 0 == found.weights["x:B/USD"]


def test_where_nobody_is_known_inverse_volatility_decides() -> None:
    known = history(dict.fromkeys(SERIES, ENOUGH - 1))
    found = weigh(LearnedPolicy(MODEL), known, SERIES)
    assert found.fallback == "history"
    assert found.policy == "inverse_volatility"
    assert found.model_id == str(MODEL.model_id)
    assert found.weights == by_fallback(known, SERIES) != {}
    assert found.unknown == ("x:A/USD", "x:B/USD")


def test_an_instrument_without_a_series_of_the_timeframe_is_not_left_out() -> None:
    names = [SERIES[0], "x:B/USD:4h"]
    known = history(dict.fromkeys(names, LOOKBACK))
    found = weigh(LearnedPolicy(MODEL), known, names)
    assert (found.fallback, found.policy) == ("timeframe", "inverse_volatility")
    # by what that policy looks at: 96 of the 336 that are kept
    assert found.weights == by_fallback(known, names)
    assert found.weights != InverseVolatility().weights(known.returns(names))


def test_nothing_is_decided_where_nothing_is_traded() -> None:
    found = weigh(LearnedPolicy(MODEL), history({}), [])
    assert (found.weights, found.fallback) == ({}, None)


def test_a_network_gone_astray_does_not_decide() -> None:
    arrays = {name: values.copy() for name, values in MODEL.arrays.items()}
    arrays["w0"][:] = 3e38
    arrays["w1"][:] = np.where(np.arange(16) % 2, 3e38, -3e38)[:, None]
    astray = LearnedPolicy(Model.of(MODEL.manifest, arrays))
    known = history(dict.fromkeys(SERIES, LOOKBACK))
    found = weigh(astray, known, SERIES)
    assert set(found.weights) == {"x:A/USD", "x:B/USD"}
    assert all(map(math.isfinite, found.weights.values()))


class Gives(LearnedPolicy):
    """Says what it is told to."""

    def __init__(self, weights: dict[str, float], budget: float = 1.0) -> None:
        super().__init__(MODEL, budget)
        self.said = weights

    def weights_of(self, seen: Observed) -> dict[str, float]:
        return self.said


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        (math.nan, 0.1, "not_finite"),
        (math.inf, 0.1, "not_finite"),
        (0.6, 0.5, "sum"),
        (0.6, 0.400001, "sum"),
        (1.1, 0.0, "range"),
        (-0.1, 0.0, "range"),
        (None, 0.1, "instrument"),
        (0.5, 0.5, None),
        (0.5, 0.5 + 5e-10, None),
    ],
)
def test_a_vector_that_cannot_be_is_not_used(a, b, reason):
    weights = {"x:B/USD": b} if a is None else {"x:A/USD": a, "x:B/USD": b}
    known = history(dict.fromkeys(SERIES, LOOKBACK))
    found = weigh(Gives(weights), known, SERIES)
    assert found.fallback == reason
    assert found.weights == (by_fallback(known, SERIES) if reason else weights)
    assert found.policy == ("inverse_volatility" if reason else Gives({}).name)


def test_a_vector_with_one_too_many_is_not_used() -> None:
    assert fault_in({"a": 0.1, "b": 0.1}, ["a"], 1.0) == "instrument"
    assert fault_in({"a": 0.9, "b": 0.9}, ["a", "b"], 1.8) is None
    assert fault_in({"a": 0.9, "b": 0.9}, ["a", "b"], 1.7) == "sum"


@pytest.mark.parametrize("budget", [0.5, 1.0, 1.5, 2.0, 9.0])
def test_every_policy_keeps_to_its_budget(budget):
    known = history(dict.fromkeys(SERIES, LOOKBACK))
    single = known.returns(SERIES, 96)
    for policy in (
        EqualWeights(budget),
        InverseVolatility(budget=budget),
        FixedWeights({"x:A/USD": budget / 9}, budget),
        LearnedPolicy(MODEL, budget),
    ):
        found = weigh(policy, known, SERIES)
        assert found.budget == budget
        assert fault_in(found.weights, ["x:A/USD", "x:B/USD"], budget) is None
    share = min(budget / 2, 1.0)
    assert set(EqualWeights(budget).weights(single).values()) == {share}
    once = InverseVolatility().weights(single)
    scaled = {name: min(budget * weight, 1) for name, weight in once.items()}
    assert InverseVolatility(budget=budget).weights(single) == pytest.approx(scaled, abs=1e-5)
    failed = weigh(Gives({}, budget), known, SERIES)
    assert failed.weights == InverseVolatility(budget=budget).weights(single)
    assert failed.budget == budget


@pytest.mark.parametrize("budget", [0.0, -1.0, 1_001.0, math.nan, math.inf])
def test_a_budget_that_cannot_be_is_refused(budget):
    for made in (
        EqualWeights,
        lambda b: InverseVolatility(budget=b),
        lambda b: LearnedPolicy(MODEL, b),
    ):
        with pytest.raises(ValueError, match=r"a budget of .* cannot be"):
            made(budget)
    with pytest.raises(ValueError, match=r"more than the budget, 0\.5"):
        FixedWeights({"x:A": 0.6}, 0.5)
