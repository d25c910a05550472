"""The curves of a training: what the seeds have in common does not depend on what is drawn."""

import numpy as np
import pytest
from scipy import stats

from studio_svc.rl.curves import Points, curves_of
from studio_svc.rl.views import CurvesView
from tradepulse.research.policies.paired import interquartile_bands, interquartile_interval

SEEDS, STEPS = 8, 300
RNG = np.random.default_rng(5)
VALUES = RNG.normal(size=(STEPS, SEEDS)).cumsum(axis=0)


def points_of(values: np.ndarray, ends: dict[int, int] | None = None) -> Points:
    """Seed n has its own column, up to the row that `ends` names."""
    return {
        seed: [
            (100 * (row + 1), float(v)) for row, v in enumerate(column[: (ends or {}).get(seed)])
        ]
        for seed, column in enumerate(values.T)
    }


def curves(points: Points, limit: int) -> CurvesView:
    return curves_of(
        points, limit, metric="kl", metrics=["kl", "std"], best={1: 700}, ended={2: "no_gain"}
    )


def test_all_points_make_the_band_whatever_is_drawn() -> None:
    whole, thin = curves(points_of(VALUES), 1_000), curves(points_of(VALUES), 40)
    assert (len(whole.step), len(thin.step) <= 40) == (STEPS, True)
    at = {step: n for n, step in enumerate(whole.step)}
    for name in ("iqm", "low", "high"):
        kept = [getattr(whole, name)[at[step]] for step in thin.step]
        assert getattr(thin, name) == kept
    assert whole.iqm == pytest.approx([stats.trim_mean(row, 0.25) for row in VALUES])
    assert {min(whole.iqm), max(whole.iqm)} <= set(thin.iqm)
    assert all(
        low <= mid <= high for low, mid, high in zip(thin.low, thin.iqm, thin.high, strict=True)
    )
    for curve, column in zip(thin.seeds, VALUES.T, strict=True):
        assert len(curve.value) <= 40
        assert {column.min(), column.max(), column[0], column[-1]} <= set(curve.value)
    assert (thin.seeds[1].best_step, thin.seeds[2].ended) == (700, "no_gain")
    assert (thin.seeds[0].best_step, thin.seeds[0].ended) == (None, None)
    assert thin.metrics == ["kl", "std"]


def test_seeds_that_ended_leave_the_others_and_a_minority_tells_nothing() -> None:
    found = curves(points_of(VALUES, {0: 10, 1: 20, 2: 20, 3: 20, 4: 30}), 1_000)
    # four of eight are the half
    assert found.step == [100 * n for n in range(1, 31)]
    assert found.iqm[9] == pytest.approx(stats.trim_mean(VALUES[9], 0.25))
    assert found.iqm[10] == pytest.approx(stats.trim_mean(VALUES[10, 1:], 0.25))
    assert found.iqm[25] == pytest.approx(stats.trim_mean(VALUES[25, 4:], 0.25))
    assert len(found.seeds[7].step) == STEPS


def test_one_seed_has_nothing_in_common() -> None:
    one = curves(points_of(VALUES[:, :1]), 1_000)
    assert (one.step, one.iqm, len(one.seeds[0].step)) == ([], [], STEPS)
    none = curves({}, 1_000)
    assert (none.step, none.seeds) == ([], [])


def test_bands_are_those_of_single_intervals() -> None:
    rows = VALUES[:3]
    middle, low, high = interquartile_bands(rows, seed=4, draws=10_000)
    for n, row in enumerate(rows):
        assert (low[n], high[n]) == interquartile_interval(row, seed=4)
        assert middle[n] == pytest.approx(stats.trim_mean(row, 0.25))
