import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepulse.trading.policies.named import policy_named
from tradepulse.trading.weights import (
    DAY_MS,
    EqualWeights,
    FixedWeights,
    InverseVolatility,
    ReturnHistory,
    Span,
    instruments_of,
    traded_at,
)

MINUTE = 60_000
HOUR = 60 * MINUTE


def test_equal_weights_never_sum_to_more_than_one():
    for count in range(1, 50):
        weights = EqualWeights().weights({f"x:{i}": [] for i in range(count)})
        assert 0.9999 < math.fsum(weights.values()) <= 1


def test_fixed_weights_sum_to_one_but_for_rounding():
    assert FixedWeights({"x:A": 1.0, "x:B": 1e-9}).weights({"x:B": [], "x:C": []}) == {
        "x:B": 1e-9,
        "x:C": 0.0,
    }
    with pytest.raises(ValueError, match="sum to more than 1"):
        FixedWeights({"x:A": 1.0, "x:B": 2e-9})
    for wrong in (-1e-9, 1 + 1e-9):
        with pytest.raises(ValueError, match="between 0 and 1"):
            FixedWeights({"x:A": wrong, "x:B": 0.0})


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
    for count in (2, 3, 4, 5):
        known = {f"x:{k}": [0.01 * k] * 4 for k in range(1, count + 1)}
        weights = policy.weights({**known, "x:new": []})
        # of an even number the upper one
        assert weights["x:new"] == weights[f"x:{count // 2 + 1}"]


@pytest.mark.parametrize(("have", "is_known"), [(1, False), (2, True), (3, True)])
def test_half_of_the_returns_is_enough_for_a_volatility_of_its_own(have, is_known):
    weights = InverseVolatility(4).weights({"x:A": [0.01] * 4, "x:B": [0.03] * have})
    expected = {"x:A": 0.75, "x:B": 0.25} if is_known else {"x:A": 0.5, "x:B": 0.5}
    assert weights == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize(("have", "is_known"), [(2, False), (3, True)])
def test_of_an_odd_number_more_than_half_is_needed(have, is_known):
    weights = InverseVolatility(5).weights({"x:A": [0.01] * 5, "x:B": [0.03] * have})
    assert weights["x:B"] == pytest.approx(0.25 if is_known else 0.5, abs=2e-6)


def test_history_keeps_the_last_returns_by_the_root_of_their_days():
    history = ReturnHistory(2)
    history.begin("x:A:1d")
    for day, close in enumerate((100.0, 110.0, 121.0, 121.0)):
        history.add("x:A:1d", day * DAY_MS, close)
    # a repeat, and an older one
    history.add("x:A:1d", 3 * DAY_MS, 500.0)
    history.add("x:A:1d", 2 * DAY_MS, 500.0)
    assert history.returns(["x:A:1d"]) == {"x:A": [pytest.approx(math.log(1.1)), 0.0]}
    # over a hole of four days
    history.add("x:A:1d", 7 * DAY_MS, 242.0)
    assert history.returns(["x:A:1d"]) == {"x:A": [0.0, pytest.approx(math.log(2) / 2)]}


def test_between_the_closes_of_two_timeframes_lies_no_return():
    history = ReturnHistory(4)
    history.begin("x:A:1h", [(HOUR, 100.0), (2 * HOUR, 110.0)])
    history.begin("x:A:1d", [(DAY_MS, 50.0), (2 * DAY_MS, 55.0)])
    history.begin("x:B:1d")
    found = history.returns(["x:A:1h", "x:A:1d", "x:B:1d"])
    assert found == {
        "x:A": [pytest.approx(math.log(1.1) * math.sqrt(24)), pytest.approx(math.log(1.1))],
        "x:B": [],
    }


@pytest.mark.parametrize("seed", range(5))
def test_the_same_path_weighs_the_same_in_every_timeframe(seed):
    """Of its volatility 288 returns tell a little more or less, depending on when they were."""
    chance = random.Random(seed)
    history = ReturnHistory(288)
    for name in ("x:A:5m", "x:B:1h", "x:C:5m"):
        history.begin(name)
    price = rough = 100.0
    for number in range(1, 288 * 12 + 13):
        price *= math.exp(chance.gauss(0, 0.001))
        rough *= math.exp(chance.gauss(0, 0.002))
        history.add("x:A:5m", number * 5 * MINUTE, price)
        history.add("x:C:5m", number * 5 * MINUTE, rough)
        if number % 12 == 0:
            history.add("x:B:1h", number * 5 * MINUTE, price)
    weights = InverseVolatility(288).weights(history.returns(["x:A:5m", "x:B:1h"]))
    assert weights == {"x:A": pytest.approx(0.5, abs=0.04), "x:B": pytest.approx(0.5, abs=0.04)}
    weights = InverseVolatility(288).weights(history.returns(["x:B:1h", "x:C:5m"]))
    assert weights["x:C"] == pytest.approx(1 / 3, abs=0.04)


def test_no_price_is_too_large_or_too_small():
    history = ReturnHistory(4)
    for name in ("x:A:1h", "x:B:1h"):
        history.begin(name, [(i * HOUR, (5e-324, 1.7e308)[i % 2]) for i in range(1, 6)])
    weights = InverseVolatility(4).weights(history.returns(["x:A:1h", "x:B:1h"]))
    assert weights == {"x:A": 0.5, "x:B": 0.5}


def test_a_return_of_an_hour_counts_as_twelve_of_five_minutes():
    history = ReturnHistory(4)
    for name, length in (("x:A:5m", 5 * MINUTE), ("x:B:1h", HOUR)):
        step = 0.01 * math.sqrt(length)
        history.begin(name, [(i * length, math.exp(i % 2 * step)) for i in range(1, 6)])
    assert InverseVolatility(4).weights(history.returns(["x:A:5m", "x:B:1h"])) == pytest.approx(
        {"x:A": 0.5, "x:B": 0.5}, abs=2e-6
    )


CLOSES = st.lists(st.tuples(st.integers(1, 40), st.floats(1, 100)), max_size=40)


@given(CLOSES, CLOSES, st.integers(0, 6))
def test_corrections_leave_what_a_reader_of_all_that_is_stored_knows(closes, corrections, lookback):
    stored: dict[int, float] = {}
    history = ReturnHistory(lookback)
    history.begin("x:A:1h")
    for time, close in closes:
        if time > max(stored, default=0):
            stored[time] = close
        history.add("x:A:1h", time * HOUR, close)
    for time, close in corrections:
        if time < max(stored, default=0):
            stored[time] = close
            history.correct("x:A:1h", time * HOUR, close)
    again = ReturnHistory(lookback)
    last = sorted(stored.items())[-lookback - 1 :]
    again.begin("x:A:1h", [(time * HOUR, close) for time, close in last])
    assert history.returns(["x:A:1h"]) == again.returns(["x:A:1h"])


def test_a_series_is_traded_from_its_first_candle_to_its_last():
    series = {
        "x:A:1h": Span(2 * HOUR, 5 * HOUR),
        "x:A:1d": Span(0, DAY_MS),
        "x:B:1h": Span(0, HOUR),
    }
    found = {hour: set(traded_at(series, hour * HOUR)) for hour in range(7)}
    assert {hour for hour, names in found.items() if "x:A:1h" in names} == {2, 3, 4}
    assert {hour for hour, names in found.items() if "x:B:1h" in names} == {0}
    assert instruments_of(found[1]) == {"x:A"}
    assert instruments_of(found[0]) == {"x:A", "x:B"}


def test_wrong_policies_are_refused_by_name():
    with pytest.raises(ValueError, match="unknown weight policy 'best'"):
        policy_named("best")
    with pytest.raises(ValueError, match="needs weights"):
        policy_named("fixed")
    with pytest.raises(ValueError, match="sum to more than 1"):
        FixedWeights({"x:A": 0.7, "x:B": 0.7})
    with pytest.raises(ValueError, match="between 0 and 1"):
        FixedWeights({"x:A": -0.1})


@pytest.mark.parametrize("lookback", [0, 1, 5])
def test_what_is_kept_is_the_same_without_a_copy_however_many_came(lookback: int) -> None:
    history, told = ReturnHistory(lookback), []
    history.begin("x:A/USD:1h")
    for n in range(1, 40):
        history.add("x:A/USD:1h", n * 3_600_000, 100.0 + (n * n) % 17)
        if n > 1:
            before = 100.0 + ((n - 1) * (n - 1)) % 17
            change = math.log(100.0 + (n * n) % 17) - math.log(before)
            told.append(change / math.sqrt(3_600_000 / DAY_MS))
        for last in (0, 1, 3, 9):
            expected = told[max(0, len(told) - min(last, lookback)) :]
            assert history.returns(["x:A/USD:1h"], last) == {"x:A/USD": expected}
            seen = history.arrays(["x:A/USD:1h"], last)
            assert {name: one.tolist() for name, one in seen.items()} == {"x:A/USD": expected}
        assert history.returns(["x:A/USD:1h"])["x:A/USD"] == told[max(0, len(told) - lookback) :]
