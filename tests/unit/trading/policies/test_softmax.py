"""From logits to weights: cash, a bound, six digits."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradepulse.trading.policies.softmax import allocate, bounded, shares


def row(values: list[float]) -> np.ndarray:
    return np.array([values])


def all_of(values: np.ndarray) -> np.ndarray:
    return np.ones(values.shape, bool)


def test_cash_is_an_instrument_with_logit_zero() -> None:
    logits = row([0.0, math.log(2), -math.inf])
    found = shares(logits, all_of(logits))[0]
    assert found == pytest.approx([1 / 4, 2 / 4, 0], abs=2e-5)


def test_who_is_masked_has_none_and_takes_none() -> None:
    logits = row([1.0, 5.0, 1.0])
    found = allocate(logits, np.array([[True, False, True]]), 1.0)[0]
    assert found[1] == 0
    alone = allocate(row([1.0, 1.0]), np.ones((1, 2), bool), 1.0)[0]
    assert found[[0, 2]].tolist() == alone.tolist()


def test_what_is_beyond_ten_is_ten() -> None:
    found = allocate(row([50.0, 10.0]), np.ones((1, 2), bool), 1.0)[0]
    assert found[0] == found[1] == pytest.approx(0.5, abs=1e-4)
    assert allocate(row([-50.0]), np.ones((1, 1), bool), 1.0)[0, 0] == pytest.approx(
        4.5e-5, abs=1e-6
    )


def test_what_flows_over_is_shared_in_proportion() -> None:
    # 0.1 flows over; of 0.3 and 0.1 they get three parts and one, cash nothing
    assert bounded(row([0.5, 0.3, 0.1]), 0.4)[0] == pytest.approx([0.4, 0.375, 0.125])
    # the second flows over in its turn
    assert bounded(row([0.6, 0.3, 0.1]), 0.4)[0] == pytest.approx([0.4, 0.4, 0.2])
    # nobody is left
    assert bounded(row([0.6, 0.4]), 0.3)[0].tolist() == [0.3, 0.3]
    assert bounded(row([0.6, 0.0]), 0.3)[0].tolist() == [0.3, 0.0]
    assert bounded(row([0.2, 0.1]), 0.3)[0].tolist() == [0.2, 0.1]


LOGITS = st.lists(st.floats(-30, 30), min_size=1, max_size=9)


def by_hand(logits: list[float], mask: list[bool], bound: float, budget: float) -> list[float]:
    """Return the same with fractions, one after the other."""
    raised = [
        Fraction(math.exp(min(max(z, -10.0), 10.0))) if m else Fraction(0)
        for z, m in zip(logits, mask, strict=True)
    ]
    weights = [Fraction(budget) * r / (1 + sum(raised)) for r in raised]
    total, limit = sum(weights), Fraction(min(bound, 1.0))
    full: set[int] = set()
    while over := {i for i, w in enumerate(weights) if w > limit} - full:
        full |= over
        rest = sum(w for i, w in enumerate(weights) if i not in full)
        left = max(total - limit * len(full), Fraction(0))
        weights = [
            limit if i in full else (w * left / rest if rest else w) for i, w in enumerate(weights)
        ]
    return [float(w) for w in weights]


@given(
    LOGITS, st.lists(st.booleans(), min_size=9, max_size=9), st.floats(0.05, 1), st.floats(0.1, 9)
)
def test_weights_are_those_of_exact_arithmetic(logits, masks, bound, budget):
    mask = masks[: len(logits)]
    found = allocate(row(logits), np.array([mask]), bound, budget)[0]
    assert found == pytest.approx(by_hand(logits, mask, bound, budget), abs=1.1e-6)
    assert found.sum() <= budget + 1e-9
    assert (found <= bound).all()
    assert (found >= 0).all()
    assert np.array_equal(found, np.round(found, 6))


@given(st.lists(LOGITS, min_size=2, max_size=5))
def test_each_row_is_by_itself(rows):
    width = min(map(len, rows))
    logits = np.array([one[:width] for one in rows])
    whole = allocate(logits, all_of(logits), 0.4, 2.0)
    for number in range(len(rows)):
        one = allocate(logits[number : number + 1], all_of(logits[:1]), 0.4, 2.0)
        assert one[0].tobytes() == whole[number].tobytes()


def test_what_is_no_number_stays_none() -> None:
    assert np.isnan(allocate(row([math.nan, 1.0]), np.ones((1, 2), bool), 0.5)).all()
