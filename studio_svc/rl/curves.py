"""The curves of a training: each seed, and what the seeds have in common."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from studio_svc.rl.views import CurvesView, SeedCurveView
from studio_svc.web_app.thinning import extremes
from tradepulse.research.policies.paired import interquartile_bands

Points = Mapping[int, Sequence[tuple[int, float]]]
"""By seed its steps and values, by step."""
FEWEST = 2
"""Seeds that have something in common."""


def curves_of(
    points: Points,
    limit: int,
    *,
    metric: str,
    metrics: Sequence[str],
    best: Mapping[int, int],
    ended: Mapping[int, str],
) -> CurvesView:
    """Return the curves of a metric, each thinned to `limit` points so that no peak is lost.

    What the seeds have in common is computed from all their points, so that thinning never changes
    a figure: at each step that at least half of those that have begun have reached, and two.

    Args:
        points: by seed.
        limit: points of a curve at most.
        metric: what is drawn.
        metrics: what could be drawn.
        best: by seed the step at which validation was best.
        ended: by seed why it ended, where it has.
    """
    steps, rows = _together(points)
    common = np.isfinite(rows).sum(axis=1)
    shown = np.flatnonzero(common >= max(FEWEST, -(-len(points) // 2)))
    middle, low, high = _bands(rows[shown])
    kept = extremes(middle, limit)
    return CurvesView(
        metric=metric,
        metrics=list(metrics),
        seeds=[
            _seed_curve(seed, rows, limit, best.get(seed), ended.get(seed))
            for seed, rows in sorted(points.items())
        ],
        step=steps[shown][kept].tolist(),
        iqm=middle[kept].tolist(),
        low=low[kept].tolist(),
        high=high[kept].tolist(),
    )


def _seed_curve(
    seed: int, points: Sequence[tuple[int, float]], limit: int, best: int | None, ended: str | None
) -> SeedCurveView:
    kept = extremes(np.array([value for _, value in points]), limit)
    return SeedCurveView(
        seed=seed,
        step=[points[n][0] for n in kept],
        value=[points[n][1] for n in kept],
        best_step=best,
        ended=ended,
    )


def _together(points: Points) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return all steps, and of each the value of every seed, NaN where it has none."""
    steps = sorted({step for rows in points.values() for step, _ in rows})
    at = {step: n for n, step in enumerate(steps)}
    values = np.full((len(steps), len(points)), np.nan)
    for column, seed in enumerate(sorted(points)):
        for step, value in points[seed]:
            values[at[step], column] = value
    return np.array(steps, dtype=np.int64), values


def _bands(
    rows: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and band of each row, over the seeds that have a value there."""
    found = np.full((3, len(rows)), np.nan)
    has = np.isfinite(rows)
    # rows of the same seeds are one computation, and mostly all are
    for seeds in np.unique(has, axis=0):
        of = np.flatnonzero((has == seeds).all(axis=1))
        found[:, of] = interquartile_bands(rows[of][:, seeds], seed=0)
    return found[0], found[1], found[2]
