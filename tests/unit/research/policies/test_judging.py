"""Gates on planted days: what is better passes all, what is equal or noise is refused and why."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from tradepulse.research.policies.baselines import EQUAL, SCALED, TITLES
from tradepulse.research.policies.gates import GATES, Checks, PolicyThresholds
from tradepulse.research.policies.judging import Evidence, Judgement, judge
from tradepulse.research.policies.replays import Record
from tradepulse.research.policies.report import Figures, PolicyGate
from tradepulse.research.policies.verdicts import faults_of
from tradepulse.research.validation.overfitting import cscv
from tradepulse.research.validation.significance import deflated_sharpe

FloatArray = np.ndarray
DAYS = 120
GOOD = Checks(export_difference=1e-6, reload_equal=True, decision_ms=0.5)
ASKED = PolicyThresholds()


def record(daily: FloatArray, *, drawdown: float = 10.0, exposure: float = 0.3) -> Record:
    growth = 100 * math.expm1(daily.sum())
    return Record(Figures(growth_pct=growth, sharpe=1.0, max_drawdown_pct=drawdown,
                          exposure=exposure, costs_pct=1.0, trades=50), daily)  # fmt: skip


def market(rng: np.random.Generator) -> dict[str, FloatArray]:
    """Days of all baselines: a market that all share, and a little of their own."""
    shared = 0.01 * rng.standard_t(5, DAYS)
    found = {name: shared + 0.002 * rng.standard_t(5, DAYS) for name in TITLES}
    found["cash"] = np.zeros(DAYS)
    found[SCALED] = 0.6 * found[EQUAL]
    return found


def checkpoints(rng: np.random.Generator, edge: float) -> FloatArray:
    """Eight checkpoints of three seeds, the later the better."""
    learned = np.tile(np.linspace(0, 1, 8), 3)
    return np.asarray(rng.normal(edge * learned, 0.004, (DAYS, 24)))


def evidence(rng: np.random.Generator, edge: float, days: FloatArray | None = None) -> Evidence:
    """A policy that does as equal weights do, plus an edge and noise of its own."""
    daily = market(rng)
    own = edge + daily[EQUAL] + 0.003 * rng.standard_t(5, DAYS) if days is None else days
    seeds = [own + 0.001 * rng.standard_t(5, DAYS) for _ in range(8)]
    baselines = {name: record(one) for name, one in daily.items()}
    return Evidence(
        policy=record(own),
        baselines=baselines,
        costly={"policy": own - edge / 3, **daily},
        seeds=seeds,
        checkpoints=checkpoints(rng, edge),
        looks=3,
        checks=GOOD,
    )


def gate(judged: Judgement, name: str) -> PolicyGate:
    return next(one for one in judged.gates if one.name == name)


def refusing(judged: Judgement) -> set[str]:
    return {one.name for one in judged.gates if not one.passed}


def test_a_better_policy_passes_all() -> None:
    judged = judge(evidence(np.random.default_rng(1), 0.01), ASKED)
    assert [one.name for one in judged.gates] == list(GATES)
    assert refusing(judged) == set()
    assert (judged.label, judged.rival) == ("sizing", EQUAL)
    assert all(one.margin is not None and one.margin >= 0 for one in judged.gates)
    assert all(one.verdict.endswith(".") and "\n" not in one.verdict for one in judged.gates)
    # what is bought and held is told, and not judged: signals cannot be sized to it
    assert set(judged.excesses) == set(TITLES)
    assert set(judged.costly) == set(TITLES) - {"buy_and_hold"}


def test_equal_weights_are_refused_and_it_is_said_by_how_much() -> None:
    rng = np.random.default_rng(2)
    given = evidence(rng, 0.0)
    equal = given.baselines[EQUAL]
    given = replace(given, policy=equal, costly={**given.costly, "policy": equal.daily},
                    seeds=[equal.daily] * 8)  # fmt: skip
    judged = judge(given, ASKED)
    assert {"baselines", "cost_stress", "seeds_agree", "seeds_mean", "deflated_sharpe"} <= refusing(
        judged
    )
    over = judged.excesses[EQUAL]
    assert (over.mean, over.reach, over.joint) == (0, 0, 1)
    found = gate(judged, "baselines")
    assert found.margin is not None
    assert found.margin < 0
    assert "chance alone gives up to" in found.verdict
    assert "equal weights" in found.verdict.partition("Not beaten: ")[2]
    assert gate(judged, "seeds_agree").verdict.startswith("Of 8 seeds 0 ended above equal weights")
    assert gate(judged, "deflated_sharpe").figure is None
    # of equal weights alone
    alone = replace(given, baselines={name: given.baselines[name] for name in (EQUAL,)})
    only = gate(judge(alone, ASKED), "baselines")
    assert (only.figure, only.margin, only.passed) == (0, 0, False)
    assert only.verdict == "It did what equal weights did, every day. Not beaten: equal weights."


def test_noise_passes_about_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(3)
    few = replace(ASKED, draws=1_000)
    beat, beat_one, passed = 0, 0, 0
    for _ in range(120):
        given = evidence(rng, 0.0)
        beat += gate(judge(given, few), "baselines").passed
        # the least that can be asked: equal weights are the only baseline
        one = judge(replace(given, baselines={EQUAL: given.baselines[EQUAL]}, looks=1), few)
        beat_one += gate(one, "baselines").passed
        passed += not refusing(one)
    assert beat <= 0.03 * 120
    assert 0.01 * 120 <= beat_one <= 0.09 * 120
    assert passed <= 0.05 * 120


def test_figures_are_those_of_their_references() -> None:
    given = evidence(np.random.default_rng(4), 0.002)
    judged = judge(given, ASKED)
    over = given.policy.daily - given.baselines[EQUAL].daily
    assert gate(judged, "deflated_sharpe").figure == deflated_sharpe(over, 3, 1 / math.sqrt(119))
    halved = cscv(given.checkpoints, 16, by="mean")
    assert gate(judged, "overfitting").figure == halved.harm
    assert (
        f"no better than the median in {halved.probability:.0%}"
        in gate(judged, "overfitting").verdict
    )
    ends = [100 * math.expm1((one - given.baselines[EQUAL].daily).sum()) for one in given.seeds]
    assert gate(judged, "seeds_agree").figure == np.mean(np.array(ends) > 0)
    worst = min((one for name, one in judged.excesses.items() if name != "buy_and_hold"),
                key=lambda one: one.lower)  # fmt: skip
    assert gate(judged, "baselines").figure == pytest.approx(
        100 * math.expm1(120 * (worst.mean - worst.reach))
    )


def test_the_more_looks_the_harder() -> None:
    given = evidence(np.random.default_rng(1), 0.001)
    figures = [
        gate(judge(replace(given, looks=looks), ASKED), "deflated_sharpe").figure
        for looks in (1, 10, 1000)
    ]
    assert figures == sorted(figures, reverse=True)
    assert figures[0] > figures[2] + 0.05


def test_each_gate_refuses_for_its_own_reason() -> None:
    rng = np.random.default_rng(1)
    good = evidence(rng, 0.01)
    dear = {**good.costly, "policy": good.policy.daily - 0.02}
    some = [*good.seeds[:5], *(one - 0.02 for one in good.seeds[5:])]
    few = evidence(np.random.default_rng(1), 0.01)
    few = replace(
        few,
        policy=record(few.policy.daily[:60]),
        baselines={name: record(one.daily[:60]) for name, one in few.baselines.items()},
        costly={name: one[:60] for name, one in few.costly.items()},
        seeds=[one[:60] for one in few.seeds],
    )
    noise = rng.normal(0, 0.01, (DAYS, 40))
    cases: dict[str, Evidence] = {
        "test_days": few,
        "cost_stress": replace(good, costly=dear),
        "seeds": replace(good, seeds=good.seeds[:5]),
        "seeds_agree": replace(good, seeds=some),
        "overfitting": replace(good, checkpoints=noise),
        "drawdown": replace(good, policy=record(good.policy.daily, drawdown=12.01)),
        "sanity": replace(good, checks=replace(GOOD, decision_ms=2.5)),
    }
    for name, given in cases.items():
        assert name in refusing(judge(given, ASKED)), name
        assert refusing(judge(given, ASKED)) <= {name, "seeds_mean"}, name
    by_hand = gate(judge(cases["drawdown"], ASKED), "drawdown")
    assert by_hand.threshold == 12
    assert by_hand.margin == pytest.approx(-0.01)


def test_who_mainly_trades_less_is_de_risking() -> None:
    rng = np.random.default_rng(5)
    daily = market(rng)
    own = 0.2 * daily[EQUAL]
    given = evidence(rng, 0.0, own)
    given = replace(
        given,
        baselines={name: record(one) for name, one in daily.items()},
        costly={"policy": own, **daily},
        policy=record(own, exposure=0.14),
    )
    judged = judge(given, ASKED)
    assert (judged.label, judged.rival) == ("de-risking", SCALED)
    assert list(judged.costly) == [SCALED]
    exposure = gate(judged, "exposure")
    assert exposure.passed
    assert "judged against equal weights, scaled only and called de-risking" in exposure.verdict
    # against what it is judged it is judged in full
    assert not gate(judged, "baselines").passed
    better = replace(
        given,
        policy=record(daily[SCALED] + 0.004 + rng.normal(0, 0.001, DAYS), exposure=0.14),
        costly={"policy": daily[SCALED] + 0.003, **daily},
    )
    assert gate(judge(better, ASKED), "baselines").passed
    # half of it is enough
    assert judge(replace(given, policy=record(own, exposure=0.15)), ASKED).label == "sizing"


def test_what_was_not_looked_at_is_a_fault() -> None:
    given = replace(evidence(np.random.default_rng(1), 0.01), checks=Checks())
    found = gate(judge(given, ASKED), "sanity")
    assert found.figure == 3
    assert found.verdict == (
        "The exported model was not compared with the network; it was not loaded again; its "
        "decisions were not timed."
    )
    wrong = Checks(export_difference=math.nan, reload_equal=False, decision_ms=0.1)
    found = gate(judge(replace(given, checks=wrong), ASKED), "sanity")
    assert found.figure == 2
    assert faults_of(np.array([[0.5, np.nan]]), 1) == ["a weight is no number"]
    assert faults_of(np.array([[0.7, 0.5]]), 1) == ["weights sum to more than the budget, 1"]
    assert faults_of(np.array([[1.2, -0.5]]), 1) == ["a weight is below 0 or above 1"]
    assert faults_of(np.array([[0.7, 0.3]]), 1) == []


def test_what_is_undefined_does_not_pass() -> None:
    given = evidence(np.random.default_rng(1), 0.01)
    given = replace(
        given,
        seeds=[],
        checkpoints=given.checkpoints[:, :1],
        baselines={**given.baselines, EQUAL: record(given.baselines[EQUAL].daily, exposure=0.0)},
    )
    judged = judge(given, ASKED)
    assert {"seeds", "seeds_agree", "seeds_mean", "overfitting", "exposure"} <= refusing(judged)
    assert gate(judged, "seeds_mean").figure is None
    assert gate(judged, "overfitting").margin is None
    with pytest.raises(ValueError, match="no baseline is judged"):
        judge(given, PolicyThresholds(judged=("unknown",)))


def test_a_choice_by_the_mean_is_judged_by_the_mean() -> None:
    rng = np.random.default_rng(9)
    returns = rng.normal(0, 0.01, (40, 5)) * [1, 2, 3, 4, 5] + [0, 0.001, 0, 0.002, 0]
    found = cscv(returns, 4, by="mean")
    blocks = np.arange(40) // 10
    logits, outside = [], []
    for first in itertools.combinations(range(4), 2):
        inside = np.isin(blocks, first)
        best = int(returns[inside].mean(axis=0).argmax())
        others = returns[~inside].mean(axis=0)
        rank = (others <= others[best]).sum() / 6
        logits.append(math.log(rank / (1 - rank)))
        outside.append(others[best])
    assert sorted(found.logits) == pytest.approx(sorted(logits))
    assert sorted(found.outside) == pytest.approx(sorted(outside))
    both = sum(logit <= 0 and end <= 0 for logit, end in zip(logits, outside, strict=True))
    assert found.harm == pytest.approx(both / 6)


def test_checkpoints_that_are_all_good_do_no_harm() -> None:
    rng = np.random.default_rng(11)
    # nearly the same policy: which of them is best is noise, that they are good is not
    common = 0.006 + 0.008 * rng.normal(size=(DAYS, 1))
    alike = common + 0.002 * rng.normal(size=(DAYS, 40))
    found = cscv(alike, 16, by="mean")
    assert found.probability > 0.2
    assert found.harm == 0
    given = replace(evidence(np.random.default_rng(1), 0.01), checkpoints=alike)
    assert gate(judge(given, ASKED), "overfitting").passed
