"""The drift watch's test for harm, what it says, and what it only warns of."""

from collections.abc import Callable
from uuid import UUID

import numpy as np
import pytest

from tradepulse.research.drift import (
    TOLERANCE,
    DriftRules,
    FloatArray,
    ModelDay,
    evidence_of,
    harm_of,
    next_evidence,
    warnings_of,
)
from tradepulse.trading.weights import DAY_MS

DAYS, PATHS = 730, 3_000
Draw = Callable[[np.random.Generator], FloatArray]


def storms(rng: np.random.Generator) -> FloatArray:
    """Draw days whose deviation follows the days before (GARCH)."""
    found, variance = np.empty((DAYS, PATHS)), np.ones(PATHS)
    for day in range(DAYS):
        found[day] = np.sqrt(variance) * rng.normal(size=PATHS)
        variance = 0.02 + 0.15 * found[day] ** 2 + 0.84 * variance
    return found


HARMLESS: dict[str, Draw] = {
    "normal": lambda rng: rng.normal(size=(DAYS, PATHS)),
    "heavy tails": lambda rng: rng.standard_t(3, (DAYS, PATHS)),
    "many small losses, few large gains": lambda rng: rng.exponential(size=(DAYS, PATHS)) - 1,
    "even fewer and larger": lambda rng: rng.lognormal(0, 1, (DAYS, PATHS)) - np.exp(0.5),
    "few large losses": lambda rng: 1 - rng.exponential(size=(DAYS, PATHS)),
    "storms": storms,
    "quiet and wild months": lambda rng: (
        np.where(np.arange(DAYS) // 60 % 2 == 0, 0.2, 2.0)[:, None] * rng.normal(size=(DAYS, PATHS))
    ),
    "one day in five": lambda rng: np.where(
        rng.random((DAYS, PATHS)) < 0.2, rng.normal(size=(DAYS, PATHS)), 0.0
    ),
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_a_harmless_model_is_retired_at_most_once_in_a_hundred_however_long_one_looks(
    kind: str,
) -> None:
    excess = 0.01 * HARMLESS[kind](np.random.default_rng(5))
    alarms = (evidence_of(excess).max(axis=0) >= DriftRules().bound).mean()
    assert alarms <= 0.01


def test_harm_is_found_also_where_it_begins_late() -> None:
    rng = np.random.default_rng(6)
    bound = DriftRules().bound
    at_once = evidence_of(0.01 * (rng.normal(size=(400, 500)) - 0.3)) >= bound
    assert np.median(at_once.argmax(axis=0)) < 260
    late = 0.01 * rng.normal(size=(700, 500))
    late[300:] -= 0.005
    found = evidence_of(late) >= bound
    assert found[:300].any(axis=0).mean() <= 0.01
    assert found.any(axis=0).mean() > 0.95


def test_a_day_is_told_by_itself_and_those_before() -> None:
    excess = np.random.default_rng(7).normal(-0.001, 0.002, (120, 3))
    excess[10:20] = 0.0
    excess[30] = np.nan
    whole = evidence_of(excess)
    for last in (1, 9, 31, 77):
        np.testing.assert_array_equal(evidence_of(excess[:last]), whole[:last])
    days: list[ModelDay] = []
    for day, one in enumerate(excess[:, 0].tolist()):
        told = None if np.isnan(one) else one
        growth = None if told is None else 0.01 + told
        evidence = next_evidence(days, None if growth is None else growth - 0.01)
        days.append(
            ModelDay(day * DAY_MS, 1, 24, None, growth=growth, equal=0.01, evidence=evidence)
        )
    assert [one.evidence for one in days] == pytest.approx(whole[:, 0].tolist(), rel=1e-6)
    # nothing is bet while too little is known, and nothing on a day that tells nothing
    assert (whole[:5] == 1).all()
    assert (whole[10:20] == whole[9]).all()


def test_what_is_lost_by_rounding_alone_is_no_harm() -> None:
    excess = np.full(400, -0.9 * TOLERANCE)
    assert evidence_of(excess)[-1] < 1
    assert evidence_of(excess - TOLERANCE)[-1] > 1e6


def test_a_retirement_gives_its_figures() -> None:
    days = [
        ModelDay(n * DAY_MS, 1, 24, None, growth=-0.002, equal=0.001, evidence=float(n))
        for n in (99, 100)
    ]
    assert not days[0].is_alarm
    reason, evidence = harm_of(days)
    assert reason == (
        "does harm: its virtual account ended 0.60 % below that of equal weights after 2 days, "
        "from 1970-04-10 to 1970-04-11 (-0.300 % a day); the test for harm stands at 100, at or "
        "above 100, which a harmless model reaches with a probability of at most 1%"
    )
    assert days[1].is_alarm
    assert evidence["mean_daily_excess_pct"] == pytest.approx(-0.3)
    assert evidence["false_alarm_rate"] == 0.01


def told(*psi: float) -> list[ModelDay]:
    return [ModelDay(n * DAY_MS, 1, 24, 0.0, psi={"fall": one}) for n, one in enumerate(psi)]


def test_a_shift_is_told_after_three_days_running() -> None:
    limits = {"fall": 0.4}
    assert warnings_of(told(0.5, 0.5), limits, [], []) == []
    assert warnings_of(told(0.5, 0.39, 0.5, 0.5), limits, [], []) == []
    (line,) = warnings_of(told(0.1, 0.5, 0.5, 0.6), limits, [], [])
    assert "fall (0.60, at most 0.40)" in line
    (line,) = warnings_of(told(0.5, 0.5, 0.5), None, [], [])
    assert "not measured" in line


def test_other_signals_are_told_where_more_than_half_are_others() -> None:
    ids = [UUID(int=n) for n in range(8)]
    assert warnings_of([], {}, ids[:4], ids[:4]) == []
    # three of the six that are in one or the other are in both
    assert warnings_of([], {}, ids[:4], [*ids[1:4], *ids[4:6]]) == []
    (line,) = warnings_of([], {}, ids[:4], [*ids[2:4], ids[5]])
    assert line.startswith("trained for other signals: 2 of the 4 configurations of its training")
    assert "beside 1 others" in line
    (line,) = warnings_of([], {}, ids[:4], [])
    assert "0 of the 4" in line
