"""What a learned policy sees of each instrument: its last returns, told in twenty figures.

One function, `features`, makes them, of a block of rows for training and of one row for a
decision, so that both see the same to the last bit. Ten figures are the instrument's own, ten are
those of the equal-weighted market of all instruments that are known. Each window is summed by
itself, in float64: what is seen at a close depends on that close's returns alone, however many rows
are computed at once.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.trading.weights import DAY_MS

VERSION: Final = 1
"""Of what is computed here; a model of another version is refused."""
LOOKBACK = 336
"""Returns of each instrument that are looked at."""
ENOUGH = LOOKBACK // 2
"""An instrument with fewer returns is not known."""
HORIZONS = (1, 4, 12, 24, 72, 168)
SHORT, LONG = 24, 168
"""Returns of the short volatility, and of the high that is fallen from."""
_OWN = (
    *(f"return_{horizon}" for horizon in HORIZONS),
    *("volatility_short", "volatility_market", "correlation", "fall"),
)
NAMES = (*_OWN, *(f"market_{name}" for name in _OWN))
"""The figures in their order; the last ten are the market's."""
CLIP = 5.0
"""Bound of a figure in standard deviations of the training range."""
_LEAST_RATIO = 1e-4
"""A quotient of volatilities below this counts as this: the logarithm of none is infinite."""
_STILL = 1e-9
"""A figure with a smaller deviation never changes, but for rounding."""
_ELEMENTS = 1 << 18
"""Returns that are looked at in one go, so that all of a block stays in the processor's caches."""

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Observed:
    """What is seen of instruments, before it is scaled.

    Attributes:
        instruments: in the order of the columns, sorted.
        figures: (rows, instruments, `NAMES`), zero where one is not known.
        mask: (rows, instruments), whether an instrument is known.
    """

    instruments: tuple[str, ...]
    figures: Floats
    mask: Mask


def features(windows: Floats, counts: NDArray[np.int64]) -> tuple[Floats, Mask]:
    """Return the figures (rows, instruments, `NAMES`), and which instruments are known in each row.

    Args:
        windows: (rows, instruments, `LOOKBACK`), the last returns of each, the newest last; zero in
            front where there are fewer.
        counts: (rows, instruments), how many there are.
    """
    # sums over an axis in the middle of memory would be made in another order
    windows = np.ascontiguousarray(windows)
    squares = np.square(windows).sum(axis=-1)
    mask = (counts >= ENOUGH) & (squares > 0) & np.isfinite(squares)
    windows = np.where(mask[..., None], windows, 0.0)
    counts = np.where(mask, counts, 0)
    market, there = _market(windows, counts)
    of_market = np.square(market).sum(axis=-1)
    market_sigma = _sigma(of_market, there)
    sigma = _sigma(np.where(mask, squares, 0.0), counts)
    own = np.empty((*mask.shape, len(_OWN)))
    _tell(own, windows, sigma, market_sigma[:, None])
    own[..., 8] = _correlation(windows, squares, market, counts)
    all_of_it = np.empty((len(market), 1, len(_OWN)))
    _tell(all_of_it, market[:, None], market_sigma[:, None], market_sigma[:, None])
    all_of_it[..., 8] = 1.0
    figures = np.concatenate([own, np.broadcast_to(all_of_it, own.shape)], axis=-1)
    return np.where(mask[..., None], figures, 0.0), mask


def _market(windows: Floats, counts: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """Return the mean return at each place of the window, and how many places have one."""
    # over an axis that is not the last one sums are made one after the other: an instrument that is
    # not known leaves no trace in a bit of them
    total = windows.sum(axis=1)
    having = (counts[..., None] >= np.arange(LOOKBACK, 0, -1)).sum(axis=1)
    there = counts.max(axis=1, initial=0)
    return total / np.maximum(having, 1.0), there


def _sigma(squares: Floats, counts: NDArray[np.int64]) -> Floats:
    """Return root mean squares; 1 where there is none, so that nothing is divided by zero."""
    found = np.sqrt(squares / np.maximum(counts, 1))
    return np.where(found > 0, found, 1.0)


def _tell(into: Floats, windows: Floats, sigma: Floats, market_sigma: Floats) -> None:
    for place, horizon in enumerate(HORIZONS):
        total = np.ascontiguousarray(windows[..., -horizon:]).sum(axis=-1)
        into[..., place] = total / (sigma * math.sqrt(horizon))
    short = np.sqrt(np.ascontiguousarray(np.square(windows[..., -SHORT:])).sum(axis=-1) / SHORT)
    into[..., 6] = np.log(np.maximum(short / sigma, _LEAST_RATIO))
    into[..., 7] = np.log(np.maximum(sigma / market_sigma, _LEAST_RATIO))
    path = np.cumsum(np.ascontiguousarray(windows[..., -LONG:]), axis=-1)
    high = np.maximum(path.max(axis=-1), 0.0)
    into[..., 9] = (path[..., -1] - high) / (sigma * math.sqrt(LONG))


def _correlation(
    windows: Floats, squares: Floats, market: Floats, counts: NDArray[np.int64]
) -> Floats:
    """Return the correlation with the market, about zero, over an instrument's own returns."""
    there = counts[..., None] >= np.arange(LOOKBACK, 0, -1)
    beside = np.where(there, market[:, None], 0.0)
    both = (windows * beside).sum(axis=-1)
    root = np.sqrt(squares) * np.sqrt(np.square(beside).sum(axis=-1))
    return np.where(root > 0, both / np.where(root > 0, root, 1.0), 0.0)


def observe(returns: Mapping[str, Sequence[float] | Floats]) -> Observed:
    """Return what is seen at one close: one row.

    Args:
        returns: by instrument, its last log returns, each over the square root of its days.
    """
    instruments = tuple(sorted(returns))
    windows = np.zeros((1, len(instruments), LOOKBACK))
    counts = np.zeros((1, len(instruments)), np.int64)
    for column, instrument in enumerate(instruments):
        last = returns[instrument][-LOOKBACK:]
        counts[0, column] = len(last)
        if len(last):
            windows[0, column, -len(last) :] = last
    return Observed(instruments, *features(windows, counts))


def observe_rows(
    series: Sequence[Candles], times: NDArray[np.int64], begin: int | None = None
) -> Observed:
    """Return what is seen at each of some closes, as a decision there would see it.

    Args:
        series: candles of one timeframe, one series for each instrument.
        times: of the closes, epoch ms. At its last close an instrument is no longer traded, and so
            not known.
        begin: first open time that is traded, epoch ms; what is before only warms up.

    Raises:
        ValueError: the series are of several timeframes, or two are of one instrument.
    """
    if len({one.timeframe for one in series}) > 1:
        raise ValueError("a learned policy sees one timeframe; give candles of one")
    ordered = sorted(series, key=lambda one: one.instrument)
    instruments = tuple(one.instrument for one in ordered)
    if len(set(instruments)) < len(instruments):
        raise ValueError("two series of one instrument; give one")
    figures = np.empty((len(times), len(ordered), len(NAMES)))
    mask = np.empty((len(times), len(ordered)), np.bool_)
    views, known = [], np.zeros((len(times), len(ordered)), np.int64)
    for column, one in enumerate(ordered):
        views.append(
            sliding_window_view(np.concatenate([np.zeros(LOOKBACK), _returns(one)]), LOOKBACK)
        )
        known[:, column] = _known(one, times, begin)
    step = max(1, _ELEMENTS // (LOOKBACK * max(1, len(ordered))))
    for start in range(0, len(times), step):
        block = known[start : start + step]
        windows = np.stack([view[block[:, c]] for c, view in enumerate(views)], axis=1)
        counts = np.minimum(block, LOOKBACK)
        figures[start : start + step], mask[start : start + step] = features(windows, counts)
    return Observed(instruments, figures, mask)


def _returns(one: Candles) -> Floats:
    """Return all returns of a series as `ReturnHistory` makes them."""
    # math.log, as there: numpy's may differ in the last bit
    logs = np.array([math.log(close) for close in one.close.tolist()])
    days = np.diff(one.close_time) / DAY_MS
    found: Floats = np.diff(logs) / np.sqrt(days)
    return found


def _known(one: Candles, times: NDArray[np.int64], begin: int | None) -> NDArray[np.int64]:
    """Return how many returns of a series are known at each time; none where it is not traded."""
    traded = one.between(begin, None)
    if not len(traded):
        return np.zeros(len(times), np.int64)
    seen = np.searchsorted(one.close_time, times, side="right") - 1
    is_traded = (times >= traded.open_time[0]) & (times < one.close_time[-1])
    return np.where(is_traded, np.maximum(seen, 0), 0)


def scale_of(figures: Floats, mask: Mask) -> tuple[Singles, Singles]:
    """Return mean and standard deviation of each figure where it is known, for `scaled`.

    Args:
        figures: of the training range only.
        mask: which are known.

    Raises:
        ValueError: nothing is known.
    """
    known = figures[mask]
    if not len(known):
        raise ValueError(f"no instrument has {ENOUGH} returns in the training range; widen it")
    mean, scale = known.mean(axis=0), known.std(axis=0)
    # what never changes tells nothing
    return mean.astype(np.float32), np.where(scale > _STILL, scale, 1.0).astype(np.float32)


def scaled(figures: Floats, mask: Mask, mean: Singles, scale: Singles) -> Singles:
    """Return observations: figures in standard deviations, bounded; zero where not known."""
    found = (figures - mean.astype(np.float64)) / scale.astype(np.float64)
    bounded = np.clip(found, -CLIP, CLIP).astype(np.float32)
    return np.where(mask[..., None], bounded, np.float32(0))
