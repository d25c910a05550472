"""Paired differences: against a bootstrap made slowly, and how often chance alone wins."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tradepulse.research.policies.paired import (
    Excess,
    compare,
    interquartile_interval,
    interquartile_mean,
)

FloatArray = np.ndarray


def one(days: FloatArray, **given: int) -> Excess:
    (found,) = compare(days[:, np.newaxis], seed=3, **given)
    return found


def slow_means(days: FloatArray, draws: int, rng: np.random.Generator) -> list[float]:
    """Draw days again one by one: with 1 in 5 a run begins anew, else the next day follows."""
    n, means = len(days), []
    for _ in range(draws):
        place, total = 0, 0.0
        for step in range(n):
            anew = step == 0 or rng.random() < 1 / 5
            place = int(rng.integers(n)) if anew else (place + 1) % n
            total += days[place]
        means.append(total / n)
    return means


def test_reach_and_chance_are_those_of_a_slow_bootstrap() -> None:
    rng = np.random.default_rng(5)
    days = rng.normal(0.002, 0.01, 120) + 0.01 * np.sin(np.arange(120) / 2)
    found = one(days)
    means = np.array(slow_means(days - days.mean(), 4_000, rng))
    # a finite circle of days has correlations below zero, which runs take in
    means /= math.sqrt(1 - 2 * 4 / 119)
    assert found.mean == pytest.approx(days.mean())
    assert found.reach == pytest.approx(np.quantile(means, 0.95), rel=0.05)
    assert found.chance == pytest.approx((means >= days.mean()).mean(), abs=0.02)
    assert found.lower == found.mean - found.reach
    assert (found.level, found.joint) == (0.05, found.chance)


def test_without_memory_it_is_the_normal_test() -> None:
    days = np.random.default_rng(1).normal(0, 0.01, (400, 200))
    errors = days.std(axis=0) / 20
    for t in (0.5, 1.3, 2.0):
        found = compare(days - days.mean(axis=0) + t * errors, seed=2, draws=2_000)
        assert np.median([each.chance for each in found]) == pytest.approx(
            stats.norm.sf(t), rel=0.1
        )
    # Holm's levels differ; those of all that were judged alone do not
    alone = [compare(days[:, [c]], seed=2, draws=2_000)[0].reach / errors[c] for c in range(50)]
    assert np.mean(alone) == pytest.approx(1.645, rel=0.05)


def test_holm_asks_most_of_the_surest() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 0.01, (200, 1))
    days = noise - noise.mean() + np.array([0.0012, 0.0026, 0.0016])
    found = compare(days, seed=1)
    chances = np.array([each.chance for each in found])
    assert chances.argsort().tolist() == [1, 2, 0]
    assert [each.level for each in found] == pytest.approx([0.05, 0.05 / 3, 0.05 / 2])
    by_hand = [
        max(3 * chances[1], 2 * chances[2], chances[0]),
        3 * chances[1],
        max(3 * chances[1], 2 * chances[2]),
    ]
    assert [each.joint for each in found] == pytest.approx(by_hand)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), lift=st.floats(0, 0.4), count=st.integers(1, 6))
def test_all_are_won_where_every_bound_is_above_zero(seed: int, lift: float, count: int) -> None:
    rng = np.random.default_rng(seed)
    days = rng.standard_t(4, (60, count)) + rng.standard_t(4, (60, 1)) + lift
    found = compare(days, seed=seed, draws=500)
    assert all(each.joint <= 0.05 for each in found) == all(each.lower > 0 for each in found)
    assert all(each.chance <= each.joint <= 1 for each in found)


def test_the_reach_is_where_the_chance_is_the_level() -> None:
    days = np.random.default_rng(6).normal(0, 0.01, 100)
    away, reach = days - days.mean(), one(days).reach
    assert one(away + reach * (1 + 1e-5)).chance <= 0.05
    assert one(away + reach * (1 - 1e-5)).chance > 0.05


def test_what_does_the_same_has_won_nothing() -> None:
    found = one(np.zeros(90))
    assert (found.mean, found.chance, found.joint, found.reach, found.lower) == (0, 1, 1, 0, 0)
    rounding = one(np.full(90, 1e-15))
    assert rounding.chance == 1
    # what is below is told by how much, too
    worse = one(np.random.default_rng(1).normal(-0.0005, 0.01, 90))
    assert 0.5 < worse.chance < 1
    sure = one(np.full(90, 1e-4))
    assert sure.chance < 0.001
    assert sure.lower == pytest.approx(1e-4)
    assert sure.over_all(sure.mean) == pytest.approx(100 * (math.exp(0.009) - 1))


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(ValueError, match="19 days are compared; at least 20 are needed"):
        one(np.zeros(19))
    with pytest.raises(ValueError, match="no number"):
        one(np.append(np.zeros(50), math.inf))


@pytest.mark.parametrize("days", [90, 200])
@pytest.mark.parametrize("kind", ["normal", "fat tails", "with memory"])
def test_chance_alone_wins_about_as_often_as_the_level_says(days: int, kind: str) -> None:
    rng = np.random.default_rng(days)
    noise = rng.normal(size=(days, 1500)) if kind == "normal" else rng.standard_t(4, (days, 1500))
    if kind == "with memory":
        for day in range(1, days):
            noise[day] += 0.2 * noise[day - 1]
    # each column alone: Holm's rule is not asked here
    won = np.mean([each.chance <= 0.05 for each in compare(noise, seed=7, draws=1_000)])
    assert 0.035 < won < 0.075


def test_of_many_noisy_rivals_all_are_beaten_more_rarely() -> None:
    rng = np.random.default_rng(4)
    won = 0
    for _ in range(300):
        rivals = rng.normal(size=(120, 6))
        won += all(
            each.joint <= 0.05
            for each in compare(rng.normal(size=(120, 1)) - rivals, seed=1, draws=500)
        )
    assert won <= 0.05 * 300


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40))
def test_the_interquartile_mean_is_scipys(values: list[float]) -> None:
    found = interquartile_mean(np.array(values))
    assert found == pytest.approx(stats.trim_mean(values, 0.25), abs=1e-9)


def test_the_interval_of_seeds_is_scipys() -> None:
    values = np.random.default_rng(3).normal(1.0, 2.0, 12)
    low, high = interquartile_interval(values, seed=1)
    theirs = stats.bootstrap(
        (values,),
        lambda x, axis: stats.trim_mean(x, 0.25, axis=axis),
        n_resamples=10_000,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert (low, high) == pytest.approx(tuple(theirs), abs=0.15)
    assert interquartile_interval(np.full(5, 0.3), seed=1) == pytest.approx((0.3, 0.3))
