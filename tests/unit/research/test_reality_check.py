"""The reality check: its parts against slow ones, and how often luck and an edge pass it."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from tradepulse.research.reality_check import (
    BLOCK_DAYS,
    DRAWS,
    NONE,
    Luck,
    chance_of,
    drawn_days,
    largest_t,
    survival,
    t_of,
    with_trials,
)

FloatArray = np.ndarray
DAYS = 400
RATE = 0.05
NORMAL = NormalDist()


def returns_of(
    draw: np.random.Generator, trials: int, correlation: float, common: FloatArray | None = None
) -> FloatArray:
    """Daily returns without an edge, `(trials, DAYS)`, fat-tailed, that share a part."""
    shared = draw.standard_t(5, DAYS) if common is None else common
    own = draw.standard_t(5, (trials, DAYS))
    mixed = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own
    return np.asarray(0.01 * mixed)


def luck_of(daily: FloatArray, seed: int) -> Luck:
    return with_trials(NONE, largest_t(daily, drawn_days(DAYS, seed)), len(daily))


def test_days_are_drawn_in_runs() -> None:
    drawn = drawn_days(100, 3)
    assert drawn.shape == (DRAWS, 100)
    assert (drawn.sum(axis=1) == 100).all()
    # every day is as likely, the first and the last as well
    assert abs(drawn.mean(axis=0) - 1).max() < 0.2
    # neighbours are drawn together: of a run of 5 days, 4 follow one that was drawn
    left, right = drawn[:, :-1].ravel(), drawn[:, 1:].ravel()
    assert np.corrcoef(left, right)[0, 1] == pytest.approx(1 - 1 / BLOCK_DAYS, abs=0.03)
    around = np.corrcoef(drawn[:, 0], drawn[:, -1])[0, 1]
    assert around == pytest.approx(1 - 1 / BLOCK_DAYS, abs=0.1)
    assert (drawn_days(100, 3) == drawn).all()
    assert (drawn_days(100, 4) != drawn).any()


def test_the_largest_t_is_the_slow_one() -> None:
    draw = np.random.default_rng(1)
    daily = returns_of(draw, 7, 0.5)
    daily[2] = 0.0
    daily[3] = np.nan
    # sparse: it may be drawn often, or not at all
    daily[4] = np.where(np.arange(DAYS) == 17, 0.05, 0.0)
    drawn = drawn_days(DAYS, 2)
    found = largest_t(daily, drawn)
    # a mean of days in runs varies a little less than one of independent days
    scale = 1 / math.sqrt(1 - 2 * (BLOCK_DAYS - 1) / (DAYS - 1))
    for number in range(0, DRAWS, 97):
        counts = drawn[number].astype(int)
        best = 0.0
        for row in (0, 1, 4, 5, 6):
            away = daily[row] - daily[row].mean()
            days = [value for value, count in zip(away, counts, strict=True) for _ in range(count)]
            deviation = math.sqrt(sum(value**2 for value in away) / DAYS)
            best = max(best, sum(days) / DAYS / deviation * math.sqrt(DAYS) * scale)
        assert found[number] == pytest.approx(best, abs=2e-3)


def test_what_never_moves_is_no_luck() -> None:
    drawn = drawn_days(DAYS, 2)
    assert not largest_t(np.zeros((5, DAYS)), drawn).any()
    assert not largest_t(np.full((5, DAYS), np.nan), drawn).any()
    assert not largest_t(np.zeros((0, DAYS)), drawn).any()
    # two weeks are too few to draw runs of days from
    assert not largest_t(np.random.default_rng(0).normal(size=(5, 10)), drawn_days(10, 0)).any()
    assert t_of(np.zeros(50)) is None
    assert chance_of(1.0, [luck_of(np.zeros((5, DAYS)), 1)], 5) == 0.0


def test_trials_may_be_measured_in_parts() -> None:
    daily = returns_of(np.random.default_rng(5), 600, 0.9)
    drawn = drawn_days(DAYS, 9)
    whole = largest_t(daily, drawn)
    parts = NONE
    for lo, hi in ((0, 1), (1, 300), (300, 301), (301, 600)):
        parts = with_trials(parts, largest_t(daily[lo:hi], drawn), hi - lo)
    assert (parts.trials, parts.covered) == (600, 600)
    assert parts.largest == pytest.approx(whole, abs=1.1e-3)


def test_the_t_of_a_trial() -> None:
    daily = np.array([0.01, -0.02, 0.03, 0.01])
    assert t_of(daily) == pytest.approx(0.0075 / math.sqrt(0.00031875) * 2)


@pytest.mark.parametrize("trials", [1, 50, 2_000])
def test_the_tail_goes_on_where_the_draws_end(trials: int) -> None:
    """Of the largest of so many normal numbers all is known."""
    draw = np.random.default_rng(trials)
    exact, fitted = [], []
    for _ in range(40):
        largest = np.array([NORMAL.inv_cdf(u ** (1 / trials)) for u in draw.random(DRAWS)])
        for beyond in (0.3, 0.05, 0.005, 0.0005):
            t = NORMAL.inv_cdf((1 - beyond) ** (1 / trials))
            exact.append(beyond)
            fitted.append(survival(t, largest))
    means = np.array(fitted).reshape(40, 4).mean(axis=0)
    assert means == pytest.approx([0.3, 0.05, 0.005, 0.0005], rel=0.35)


def test_searches_are_joined_by_what_all_stay_below() -> None:
    draw = np.random.default_rng(3)
    searches = [Luck(40, 40, draw.normal(2, 0.5, DRAWS)) for _ in range(3)]
    alone = [chance_of(3.1, [one], 40) for one in searches]
    assert alone == pytest.approx([survival(3.1, one.largest) for one in searches])
    together = 1 - math.prod(1 - one for one in alone)
    assert chance_of(3.1, searches, 120) == pytest.approx(together)
    # a search of before counts by its trials, and so does what was not covered of another
    old, half = Luck(500, 0, np.zeros(0)), Luck(60, 40, searches[0].largest)
    below = NORMAL.cdf(3.1)
    assert chance_of(3.1, [old], 500) == pytest.approx(1 - below**500)
    assert chance_of(3.1, [old, half], 560) == pytest.approx(1 - below**520 * (1 - alone[0]))
    # as does what no search holds: a configuration that was made by hand
    assert chance_of(3.1, [], 1) == pytest.approx(1 - below)
    assert chance_of(1e3, [old, half], 560) == pytest.approx(0, abs=1e-9)
    assert chance_of(-5.0, [old, half], 560) == pytest.approx(1.0)


def passes(
    draw: np.random.Generator,
    searches: int,
    trials: int,
    correlation: float,
    *,
    between: float | None = None,
    edge: float = 0.0,
) -> bool:
    """Search so many times, and ask of the best of all whether it passes.

    Args:
        between: correlation of what the searches share; None where they share nothing.
        edge: true yearly Sharpe ratio of the first trial.
    """
    market = draw.standard_t(5, DAYS)
    lucks, best = [], -math.inf
    for number in range(searches):
        common = draw.standard_t(5, DAYS)
        if between is not None:
            common = math.sqrt(between) * market + math.sqrt(1 - between) * common
        daily = returns_of(draw, trials, correlation, common)
        if number == 0:
            daily[0] += edge / math.sqrt(365) * daily[0].std()
        lucks.append(luck_of(daily, number % 4))
        best = max(best, *(t_of(one) or 0.0 for one in daily))
    return chance_of(best, lucks, searches * trials) <= RATE


@pytest.mark.parametrize(
    ("searches", "trials", "correlation", "between", "least"),
    [
        (1, 80, 0.0, None, 1),
        (1, 80, 0.9, None, 1),
        (1, 80, 0.98, None, 1),
        (6, 40, 0.98, None, 1),
        # searches that resemble each other are judged with care
        (6, 40, 0.9, 0.7, 0),
    ],
)
def test_luck_passes_in_about_one_of_twenty_cases(
    searches: int, trials: int, correlation: float, between: float | None, least: int
) -> None:
    draw = np.random.default_rng([searches, int(100 * correlation)])
    passed = sum(passes(draw, searches, trials, correlation, between=between) for _ in range(100))
    # 5 are meant; more than 11 would be a chance of 1 in 200, and the same for none
    assert least <= passed <= 11


def test_what_the_number_of_trials_alone_cannot_tell() -> None:
    """Trials that are nearly the same are nearly one; independent ones are as many as they are."""
    draw = np.random.default_rng(8)
    alike, apart = (luck_of(returns_of(draw, 200, c), 1) for c in (0.98, 0.0))
    one = chance_of(2.5, [], 1)
    many = chance_of(2.5, [Luck(200, 0, np.zeros(0))], 200)
    assert one < chance_of(2.5, [alike], 200) < 0.1
    assert chance_of(2.5, [apart], 200) == pytest.approx(many, abs=0.1)


def test_an_edge_is_found() -> None:
    draw = np.random.default_rng(12)
    assert sum(passes(draw, 1, 80, 0.9, edge=4.0) for _ in range(40)) >= 32
    assert sum(passes(draw, 6, 40, 0.9, edge=4.0) for _ in range(40)) >= 28


def test_no_trials_have_the_t_of_cash() -> None:
    drawn = drawn_days(100, 1)
    assert largest_t(np.empty((0, 100)), drawn).tolist() == [0.0] * len(drawn)
