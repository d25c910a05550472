"""What mends a hole: what to try and in which order, resampled candles, synthetic candles."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.gaps.finding import Finding
from tradepulse.candles.higher import reduced
from tradepulse.candles.timeframes import timeframe_ms

Step = Literal["venue", "finer", "trades", "synthetic"]


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing to try for the candles of a finding that open in `[first, end)`.

    Attributes:
        step: ask the `venue` again, resample stored candles of a `finer` timeframe, build from
            `trades`, or fill in `synthetic` candles.
        timeframe: the one to read; the finding's own but for `finer`.
        first: epoch ms.
        end: epoch ms.
    """

    step: Step
    timeframe: str
    first: int
    end: int


def plan(
    finding: Finding,
    *,
    stored: Iterable[str] = (),
    trades: bool = False,
    reach: int | None = None,
    synthetic: bool = False,
) -> tuple[Repair, ...]:
    """Return what to try, in order; each step is for what the steps before it left.

    Holes, and candles that are off the grid, impossible or were stored unfinished can be repaired
    (these once they have closed); for other kinds nothing is to do. A venue that gave candles off
    the grid would give them again, so it is not asked.

    Args:
        finding: of `scan`.
        stored: timeframes of the symbol that are stored; those that do not divide are passed over.
        trades: whether trades of the range can be had, stored or from the venue.
        reach: open time of the oldest candle that the venue still serves (Kraken: 720 back), epoch
            ms; None if it serves all.
        synthetic: whether a strategy asks for synthetic candles. Only a hole is ever filled so,
            and never one of which nobody knows but that the candles exist (`missed`, `off_grid`).
    """
    if finding.kind not in ("hole", "off_grid", "impossible", "unfinished"):
        return ()
    step = timeframe_ms(finding.timeframe)
    first, end = finding.first // step * step, -(-finding.end // step) * step
    if finding.kind == "off_grid":
        # its candles begin in these slots, and close in the next
        end -= step
    own, shifted = finding.timeframe, "off_grid" in (finding.kind, finding.cause)
    steps = []
    begin = first if reach is None else max(first, reach)
    if begin < end and not shifted:
        steps.append(Repair("venue", own, begin, end))
    fits = [t for t in set(stored) if timeframe_ms(t) < step and step % timeframe_ms(t) == 0]
    # the coarsest needs the fewest candles
    coarsest = sorted(fits, key=timeframe_ms, reverse=True)
    steps += [Repair("finer", timeframe, first, end) for timeframe in coarsest]
    if trades:
        steps.append(Repair("trades", own, first, end))
    if synthetic and finding.kind == "hole" and finding.cause not in ("missed", "off_grid"):
        steps.append(Repair("synthetic", own, first, end))
    return tuple(steps)


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """Candles of a coarser timeframe, and those that could not be made.

    Attributes:
        candles: the complete ones.
        incomplete: int64 `(m,)`, open times of those that lack a part, epoch ms. One that lacks
            all its parts is in neither, nor is one without a trade.
        lacking: int64 `(m,)`, how many parts each lacks.
    """

    candles: Candles
    incomplete: NDArray[np.int64]
    lacking: NDArray[np.int64]


def resample(candles: Candles, timeframe: str, holes: Sequence[Finding] = ()) -> Resampled:
    """Make candles of a coarser timeframe out of closed finer ones.

    A candle exists only if all its parts do, or those that do not are known to have had no trade.
    So the first and the last may be incomplete where the series begins or ends between.

    Args:
        candles: closed, on their grid, in time order.
        timeframe: the coarser one.
        holes: findings of `scan`; those of the same series with cause `no_trade` lack nothing.

    Raises:
        ValueError: the timeframe is unknown or no multiple, or the candles are off their grid.
    """
    fine, coarse = timeframe_ms(candles.timeframe), timeframe_ms(timeframe)
    if coarse % fine:
        raise ValueError(f"{timeframe} candles cannot be made of {candles.timeframe} ones")
    times = candles.open_time
    if (times % fine).any() or (np.diff(times) <= 0).any():
        raise ValueError(f"{candles.series}: off the grid or out of order; scan and repair first")
    made, parts = reduced(candles, timeframe)
    opens = made.open_time
    lacking = coarse // fine - parts - _without_trade(candles, opens // coarse, coarse, holes)
    keep = lacking <= 0
    columns = (made.open, made.high, made.low, made.close, made.volume)
    whole = Candles(
        candles.exchange, candles.symbol, timeframe, opens[keep], *(one[keep] for one in columns)
    )
    return Resampled(whole, opens[~keep], lacking[~keep])


def _without_trade(
    candles: Candles, buckets: NDArray[np.int64], coarse: int, holes: Sequence[Finding]
) -> NDArray[np.int64]:
    """Return how many parts of each coarse candle are known to have had no trade."""
    fine = timeframe_ms(candles.timeframe)
    quiet = [
        np.arange(hole.first, hole.end, fine, dtype=np.int64)
        for hole in holes
        if hole.cause == "no_trade" and hole.series == candles.series
    ]
    if not quiet:
        return np.zeros(len(buckets), np.int64)
    # a finding may be older than the repair of a part of it
    opens = np.setdiff1d(np.concatenate(quiet), candles.open_time) // coarse
    counts = np.searchsorted(opens, buckets, "right") - np.searchsorted(opens, buckets, "left")
    return counts.astype(np.int64)


def synthetic(hole: Finding, candles: Candles) -> Candles:
    """Fill a hole with its previous close and volume 0; never from a later candle.

    Args:
        hole: a finding of kind `hole`.
        candles: of its series, in time order; only the last before the hole is read.

    Raises:
        ValueError: the finding is no hole, the series is another, or has no candle before the hole.
    """
    if hole.kind != "hole":
        raise ValueError(f"{hole.series}: only a hole is filled, not {hole.kind}")
    if hole.series != candles.series:
        raise ValueError(f"a hole of {hole.series} cannot be filled from {candles.series}")
    row = int(np.searchsorted(candles.open_time, hole.first)) - 1
    if row < 0:
        raise ValueError(f"{hole.series}: no candle before the hole to fill it from")
    times = np.arange(hole.first, hole.end, timeframe_ms(hole.timeframe), dtype=np.int64)
    price = np.full(len(times), candles.close[row])
    return Candles(
        hole.exchange,
        hole.symbol,
        hole.timeframe,
        times,
        price,
        price.copy(),
        price.copy(),
        price.copy(),
        np.zeros(len(times)),
    )
