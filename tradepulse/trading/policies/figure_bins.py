"""Where a model's figures lay in its training range, and how far live ones are from there.

The population stability index of a figure compares shares of its values: of training in bins that
hold a tenth of it each, and of the last days in the same bins. It is 0 where they are the same;
above 0.25 is commonly called a shift. Figures over many candles move slowly, so that a fortnight of
one market never looks like a year of it: each figure has a limit of its own, the largest index that
any fortnight of the training range itself had, if that is more.
"""

from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tradepulse.trading.policies.features import CLIP, NAMES, Floats, Mask, Singles
from tradepulse.trading.weights import DAY_MS

WINDOW_DAYS = 14
"""Days whose figures are compared with those of training: as long as a model is in shadow."""
SHIFTED = 0.25
"""An index above this is a shift, by custom."""
BINS = 10
_DIGITS = 4
"""Of edges, shares and limits: a model's manifest stays small."""
_STILL = 1e-3
"""A figure that deviates less than this, in deviations of training, never changed there."""
_LEAST_SHARE = 1e-3
"""Share that a bin counts as having at least: the logarithm of nothing is infinite."""

Counts = NDArray[np.int64]
Edge = Annotated[float, Field(ge=-CLIP, le=CLIP)]
Share = Annotated[float, Field(ge=0, le=1)]
Limit = Annotated[float, Field(gt=0, le=100)]


class FigureBins(BaseModel):
    """Of each figure of `NAMES`, where it lay in the training range, in standard deviations of it.

    Attributes:
        edges: between its bins, ascending; none for a figure that never changed.
        shares: of the training range in each bin.
        limits: the index above which it counts as shifted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    edges: tuple[Annotated[tuple[Edge, ...], Field(max_length=BINS - 1)], ...]
    shares: tuple[tuple[Share, ...], ...]
    limits: tuple[Limit, ...]

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if not len(self.edges) == len(self.shares) == len(self.limits) == len(NAMES):
            raise ValueError(f"bins are of {len(NAMES)} figures, not of {len(self.edges)}")
        for edges, shares in zip(self.edges, self.shares, strict=True):
            if len(shares) != len(edges) + 1 or sorted(set(edges)) != list(edges):
                raise ValueError("edges ascend, and there is one bin more than edges")
        return self

    def counted(self, figures: Floats | Singles, mask: Mask) -> tuple[Counts, ...]:
        """Return how many of the values that are known lie in each bin, of each figure.

        Args:
            figures: (rows, instruments, `NAMES`), in standard deviations of the training range.
            mask: (rows, instruments), which are known.
        """
        known = np.asarray(figures[mask], np.float64)
        return tuple(_counts(known[:, n], edges) for n, edges in enumerate(self.edges))

    def shifts(self, counts: Sequence[Counts | Sequence[int]]) -> dict[str, float]:
        """Return the index of each figure, by its name; empty where nothing was counted."""
        if not counts or not sum(counts[0]):
            return {}
        return {
            name: round(float(stability(np.asarray(counts[n]), self.shares[n])), _DIGITS)
            for n, name in enumerate(NAMES)
        }

    def beyond(self, shifts: dict[str, float]) -> list[str]:
        """Return the names of the figures whose index is above their limit."""
        limits = zip(NAMES, self.limits, strict=True)
        return [name for name, limit in limits if shifts.get(name, 0.0) > limit]


def stability(counts: NDArray[np.int64], shares: Sequence[float]) -> Floats:
    """Return the population stability index.

    Args:
        counts: (..., bins).
        shares: of what they are compared with.
    """
    expected = np.maximum(np.asarray(shares, np.float64), _LEAST_SHARE)
    total = counts.sum(axis=-1, keepdims=True)
    found = np.maximum(counts / np.maximum(total, 1), _LEAST_SHARE)
    return np.asarray(((found - expected) * np.log(found / expected)).sum(axis=-1))


def bins_of(figures: Floats | Singles, mask: Mask, close_time: Counts) -> FigureBins:
    """Return the bins of a training range.

    Args:
        figures: (rows, instruments, `NAMES`), in its standard deviations.
        mask: (rows, instruments), which are known.
        close_time: (rows,), epoch ms.
    """
    days = close_time // DAY_MS
    _, starts = np.unique(days, return_index=True)
    ends = [*starts[1:].tolist(), len(days)]
    edges, shares, limits = [], [], []
    for n in range(len(NAMES)):
        found = _edges(np.asarray(figures[..., n][mask], np.float64))
        daily = np.array(
            [
                _counts(np.asarray(figures[a:b, :, n][mask[a:b]], np.float64), found)
                for a, b in zip(starts.tolist(), ends, strict=True)
            ]
        )
        total = daily.sum(axis=0)
        share = [round(float(one), _DIGITS) for one in total / max(int(total.sum()), 1)]
        edges.append(tuple(found))
        shares.append(tuple(share))
        limits.append(_limit(daily, share))
    return FigureBins(edges=tuple(edges), shares=tuple(shares), limits=tuple(limits))


def _limit(daily: Counts, shares: Sequence[float]) -> float:
    """Return the largest index of all runs of `WINDOW_DAYS` days, at least `SHIFTED`."""
    if len(daily) < WINDOW_DAYS:
        return SHIFTED
    sums = np.concatenate((np.zeros((1, daily.shape[1]), np.int64), daily.cumsum(axis=0)))
    runs = sums[WINDOW_DAYS:] - sums[:-WINDOW_DAYS]
    runs = runs[runs.sum(axis=1) > 0]
    largest = float(stability(runs, shares).max(initial=0.0))
    return max(SHIFTED, round(largest, _DIGITS))


def _edges(values: Floats) -> list[float]:
    if not len(values) or float(values.std()) < _STILL:
        return []
    found = np.quantile(values, np.arange(1, BINS) / BINS)
    return sorted({round(float(one), _DIGITS) for one in found})


def _counts(values: Floats, edges: Sequence[float]) -> Counts:
    at = np.searchsorted(np.asarray(edges, np.float64), values, side="right")
    return np.bincount(at, minlength=len(edges) + 1).astype(np.int64)
