import math

import pytest

from tradepulse.trading.weights import (
    EqualWeights,
    FixedWeights,
    InverseVolatility,
    ReturnHistory,
    policy_named,
)


def test_equal_weights_never_sum_to_more_than_one():
    for count in range(1, 50):
        weights = EqualWeights().weights({f"x:{i}": [] for i in range(count)})
        assert 0.9999 < math.fsum(weights.values()) <= 1


def test_inverse_volatility_halves_the_weight_of_twice_the_volatility():
    weights = InverseVolatility(4).weights(
        {"x:A": [0.01, -0.01, 0.01, -0.01], "x:B": [0.02, -0.02, 0.02, -0.02]}
    )
    assert weights == {"x:A": pytest.approx(2 / 3, abs=2e-6), "x:B": pytest.approx(1 / 3, abs=2e-6)}
    assert sum(weights.values()) <= 1


def test_an_instrument_without_history_gets_the_median_volatility():
    policy = InverseVolatility(4)
    weights = policy.weights({"x:A": [0.01] * 4, "x:B": [], "x:C": [0.0] * 4})
    assert weights["x:A"] == weights["x:B"] == weights["x:C"]
    assert policy.weights({"x:A": [], "x:B": []}) == {"x:A": 0.5, "x:B": 0.5}


def test_history_keeps_the_last_log_returns():
    history = ReturnHistory(2)
    for close in (100.0, 110.0, 121.0, 121.0):
        history.add("x:A", close)
    assert list(history.returns["x:A"]) == [math.log(121 / 110), 0.0]


def test_wrong_policies_are_refused_by_name():
    with pytest.raises(ValueError, match="unknown weight policy 'best'"):
        policy_named("best")
    with pytest.raises(ValueError, match="needs weights"):
        policy_named("fixed")
    with pytest.raises(ValueError, match="sum to more than 1"):
        FixedWeights({"x:A": 0.7, "x:B": 0.7})
    with pytest.raises(ValueError, match="between 0 and 1"):
        FixedWeights({"x:A": -0.1})
