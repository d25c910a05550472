"""Live trades against the backtest: how often a good one is accused, how soon a bad one is."""

import math
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest

from tradepulse.research.decay import (
    DAY_MS,
    LifecycleRules,
    LiveTrade,
    LossOfEdge,
    Reference,
    agreement,
    reference_of,
    review,
    tie_breaker,
)
from tradepulse.research.validation.gates import Thresholds
from tradepulse.research.validation.resampling import bootstrapped_profits

RULES = LifecycleRules()


def returns_of(rng: np.random.Generator, count: int, mean: float = 0.003) -> NDArray[np.float64]:
    """Fat-tailed returns with a deviation of about 1.4 %."""
    return np.asarray(mean + 0.01 * rng.standard_t(4, count))


def alarm_after(rng: np.random.Generator, live: NDArray[np.float64], reference: int = 100) -> int:
    """Return the trade of the alarm; 0 for none."""
    test = LossOfEdge(returns_of(rng, reference).tolist())
    for number, value in enumerate(live.tolist(), start=1):
        test.observe(value, float(rng.random()))
        if test.wealth >= 1 / RULES.false_alarm_rate:
            return number
    return 0


def live_trades(values: NDArray[np.float64], hours: float = 24) -> list[LiveTrade]:
    return [
        LiveTrade(UUID(int=n + 1), int(n * hours * DAY_MS / 24), float(value))
        for n, value in enumerate(values)
    ]


def test_a_good_configuration_is_rarely_accused_however_long_it_runs() -> None:
    rng = np.random.default_rng(11)
    accused = sum(alarm_after(rng, returns_of(rng, 600)) > 0 for _ in range(600))
    # 1 % of 600 are 6; more than 13 would be a chance of less than 1 in 200
    assert accused <= 13


def test_a_better_configuration_is_not_accused() -> None:
    rng = np.random.default_rng(12)
    assert not any(alarm_after(rng, returns_of(rng, 600, mean=0.01)) for _ in range(60))


@pytest.mark.parametrize(("good", "at_most"), [(0, 60), (100, 130)])
def test_a_lost_edge_is_found(good: int, at_most: int) -> None:
    rng = np.random.default_rng(13)
    delays = []
    for _ in range(60):
        live = np.concatenate((returns_of(rng, good), returns_of(rng, 300, mean=-0.007)))
        alarm = alarm_after(rng, live)
        if alarm > good:
            delays.append(alarm - good)
    assert len(delays) >= 56
    assert np.median(delays) <= at_most


def test_a_disaster_is_found_within_a_few_trades() -> None:
    rng = np.random.default_rng(14)
    delays = [alarm_after(rng, returns_of(rng, 60, mean=-0.03)) for _ in range(60)]
    assert min(delays) > 0
    assert np.median(delays) <= 8


def test_p_values_are_uniform_without_a_change_even_with_ties() -> None:
    rng = np.random.default_rng(15)
    # most trades leave at one of two prices: ties are the rule
    values = rng.choice([-0.01, 0.02, 0.02], 1_500).tolist()
    test = LossOfEdge(values[:100])
    p = [test.observe(value, float(rng.random())) for value in values[100:]]
    assert kstest(p, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(p[1:], p[:-1])[0, 1]) < 0.08


def test_the_wealth_is_a_martingale() -> None:
    """Integrated over a uniform p, the next wealth is the present one."""

    def after_three() -> LossOfEdge:
        test = LossOfEdge([0.5])
        for value, tie in ((0.3, 0.5), (-0.2, 0.5), (0.1, 0.2)):
            test.observe(value, tie)
        return test

    count, total = 2_000, 0.0
    for v in (np.arange(count) + 0.5) / count:
        # p = v**10 gathers the points near 0, where the bets pay most
        p = float(v**10)
        rank = min(int(p * 5), 4)
        again = after_three()
        again.observe((-9.0, -0.1, 0.2, 0.4, 9.0)[rank], p * 5 - rank)
        total += again.wealth * 10 * float(v**9) / count
    assert total == pytest.approx(after_three().wealth, rel=1e-4)


def test_tie_breakers_look_uniform_and_repeat() -> None:
    drawn = [tie_breaker(UUID(int=n)) for n in range(3_000)]
    assert drawn == [tie_breaker(UUID(int=n)) for n in range(3_000)]
    assert 0 < min(drawn) < max(drawn) < 1
    assert kstest(drawn, "uniform").pvalue > 0.01


def test_the_reference_is_out_of_sample_where_that_is_enough() -> None:
    assert reference_of([0.1] * 20, [0.2] * 90, RULES) == Reference((0.1,) * 20, "out-of-sample")
    few = reference_of([0.1] * 19, [0.2] * 3, RULES)
    assert few == Reference((0.2,) * 3 + (0.1,) * 19, "in-sample and out-of-sample", chosen=True)


def test_a_reference_that_passed_by_luck_accuses_no_more_than_the_rate() -> None:
    """Trades without an edge, of which a tenth passes; what then comes is as it always was."""
    rng = np.random.default_rng(32)
    accused = {False: 0, True: 0}
    for _ in range(300):
        while True:
            passed = returns_of(rng, 40, mean=0.0)
            if (bootstrapped_profits(passed, 400, 1) > 0).mean() >= Thresholds().bootstrap:
                break
        live = live_trades(returns_of(rng, 250, mean=0.0))
        for chosen in accused:
            reference = Reference(tuple(passed.tolist()), "out-of-sample", chosen)
            accused[chosen] += len(review("MATURE", reference, live, RULES))
    # 1 % of 300 are 3; more than 7 would be a chance of 1 in 100
    assert accused[True] <= 7
    assert accused[True] < accused[False]


def test_the_alarm_is_higher_where_the_reference_was_chosen() -> None:
    rng = np.random.default_rng(33)
    returns = tuple(returns_of(rng, 50).tolist())
    live = live_trades(returns_of(rng, 90, mean=-0.01))
    (plain,) = review("MATURE", Reference(returns, "out-of-sample"), live, RULES)
    (late,) = review("MATURE", Reference(returns, "out-of-sample", chosen=True), live, RULES)
    assert (plain.evidence["alarm_at"], late.evidence["alarm_at"]) == (100, 300)
    assert plain.evidence["trades"] < late.evidence["trades"] < 60
    assert "at or above 300" in late.reason
    assert RULES.alarm(chosen=False) == 100


def test_agreement_tells_distributions_apart() -> None:
    rng = np.random.default_rng(16)
    reference = returns_of(rng, 200).tolist()
    assert agreement(reference, returns_of(rng, 60).tolist()) > 0.05
    assert agreement(reference, (5 * returns_of(rng, 60)).tolist()) < 0.01


def test_enough_good_trades_over_enough_days_make_it_mature() -> None:
    rng = np.random.default_rng(17)
    reference = Reference(tuple(returns_of(rng, 120).tolist()), "out-of-sample")
    live = live_trades(returns_of(rng, 60))
    assert review("PAPER", reference, live[:29], RULES) == []
    # 30 trades span 29 days only; the next time that it is asked is at 60
    assert review("PAPER", reference, live[:59], RULES) == []
    (found,) = review("PAPER", reference, live, RULES)
    assert (found.stage, found.at) == ("MATURE", live[59].exit_time)
    assert found.evidence["trades"] == 60
    assert found.evidence["agreement_p"] >= RULES.agreement_p
    assert "60 live trades over 59 days agree with the backtest" in found.reason
    assert review("MATURE", reference, live, RULES) == []


def test_what_differs_from_the_backtest_does_not_mature() -> None:
    rng = np.random.default_rng(18)
    reference = Reference(tuple(returns_of(rng, 120).tolist()), "out-of-sample")
    better = live_trades(returns_of(rng, 90, mean=0.02))
    assert review("PAPER", reference, better, RULES) == []
    thin = Reference(reference.returns[:19], "in-sample and out-of-sample")
    assert review("PAPER", thin, live_trades(returns_of(rng, 90)), RULES) == []


def test_findings_do_not_depend_on_how_often_one_looks() -> None:
    rng = np.random.default_rng(19)
    reference = Reference(tuple(returns_of(rng, 120).tolist()), "out-of-sample")
    live = live_trades(np.concatenate((returns_of(rng, 90), returns_of(rng, 60, mean=-0.02))))
    whole = review("PAPER", reference, live, RULES)
    assert [found.stage for found in whole] == ["MATURE", "DECAY"]
    seen = [review("PAPER", reference, live[:n], RULES) for n in range(len(live) + 1)]
    for count, found in enumerate(seen):
        until = live[count - 1].exit_time if count else -1
        assert found == [one for one in whole if one.at <= until]
    # once it is mature, the rest is the same
    assert review("MATURE", reference, live, RULES) == whole[1:]
    decay = whole[1]
    assert decay.evidence["wealth"] >= decay.evidence["alarm_at"] == 100
    assert 90 < decay.evidence["trades"] < 130
    assert "with a probability of at most 1.0%" in decay.reason


def test_an_empty_reference_settles_nothing() -> None:
    rng = np.random.default_rng(20)
    live = live_trades(returns_of(rng, 90))
    assert review("PAPER", Reference((), "out-of-sample"), live, RULES) == []
    assert review("PAPER", Reference((), "out-of-sample"), [], RULES) == []
    assert math.isfinite(LossOfEdge([]).observe(0.1, 0.5))
