"""What is wrong with stored candles: holes and their causes, bad rows, and coverage by day.

A candle is *usable* if its time is in epoch ms, on the grid and closed; the others stand for no
slot of the grid. A hole is a slot without a usable candle between the listing of a series and its
end: by default its own first and last candle, so that listing and delisting are no holes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.checks import time_text
from tradepulse.candles.gaps.causes import Cause, Hole, Slots, holes
from tradepulse.candles.gaps.rows import Mask, Rows
from tradepulse.candles.series import OnSeries
from tradepulse.candles.timeframes import TIMEFRAMES_MS, timeframe_ms

Kind = Literal[
    "hole",
    "bad_time",
    "off_grid",
    "duplicate",
    "unsorted",
    "unfinished",
    "zero_volume",
    "impossible",
]
_CAUSES: Mapping[Cause, str] = {
    "outage": "the venue was down",
    "no_trade": "there was no trade",
    "missed": "they were not recorded",
    "off_grid": "they are shifted",
    "unknown": "the cause is unknown",
}
DAY_MS = TIMEFRAMES_MS["1d"]

_Lifetimes = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Finding(OnSeries):
    """One thing wrong with a series: a hole, or a run of candles of one kind.

    Attributes:
        exchange: as in `Candles`; so are `symbol` and `timeframe`.
        kind: what it is; `bad_time` is no epoch ms, `impossible` has impossible figures.
        first: open time of the first candle missing or concerned, epoch ms.
        last: open time of the last one.
        count: how many candles are missing (a hole) or concerned.
        sentence: the finding in words.
        cause: of a hole, see `causes`; None for other kinds.
        sure: False where the cause is likely only, or unknown.
    """

    exchange: str
    symbol: str
    timeframe: str
    kind: Kind
    first: int
    last: int
    count: int
    sentence: str
    cause: Cause | None = None
    sure: bool = True

    @property
    def end(self) -> int:
        """Close time of the last candle, epoch ms: `[first, end)` is what a repair asks for."""
        return self.last + timeframe_ms(self.timeframe)


def scan(
    series: Sequence[Candles],
    *,
    start: int | None = None,
    end: int | None = None,
    now: int | None = None,
    lifetimes: _Lifetimes | None = None,
) -> list[Finding]:
    """Return everything wrong with the series, series by series, each in time order.

    Give all series of a venue, whole, even where only a range is asked for: they are each other's
    witnesses. Candles are read as they are, whatever the order of their times; leave synthetic ones
    out, for they hide their hole. Time is linear in rows and slots, but for sorting.

    The causes of holes are judged venue by venue (`causes`), with one exception: where series
    of two venues and one timeframe have the very same hole, which neither has for want of trades,
    it was the collector that was down, and not both venues: the cause is `missed`, and likely.

    Args:
        series: of one venue or of several; each series once.
        start: tell of candles with `open_time >= start` (epoch ms) only, and of holes that reach
            into the range, whole.
        end: and with `open_time < end` only.
        now: a candle that closes after it is unfinished, and none is expected; None trusts all.
        lifetimes: by series (`exchange:symbol:timeframe`), the `[from, to)` in which it is known to
            be listed, instead of its first candle to its last. A market still listed ends now;
            give `now` where the end is far.

    Raises:
        ValueError: a timeframe is unknown or a series is given twice.
    """
    _refuse_doubles(series)
    lo, hi = _range(start, end)
    rows = [Rows.of(candles, now, (lifetimes or {}).get(candles.series)) for candles in series]
    found: list[list[Finding]] = [_bad_rows(r, lo, hi) for r in rows]
    for exchange in dict.fromkeys(candles.exchange for candles in series):
        venue = [i for i, candles in enumerate(series) if candles.exchange == exchange]
        # whole, for what is usual around a hole; so the same hole is the same in every range
        slots = [rows[i].slots(*_range(None, None)) for i in venue]
        for i, grid, gaps in zip(venue, slots, holes(slots), strict=True):
            told = (_hole(rows[i], grid, hole) for hole in gaps)
            found[i] += [f for f in told if f.first < hi and f.end > lo]
    found = _missed_everywhere(found)
    return [f for part in found for f in sorted(part, key=lambda f: (f.first, f.kind))]


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """How much of each series is there, by UTC day; every array is int64 `(series, days)`.

    Attributes:
        series: `exchange:symbol:timeframe`, the rows.
        days: int64 `(days,)`, epoch ms of midnight, the columns; each once, no day left out.
        expected: slots of the grid between listing and end.
        present: candles there, synthetic ones not counted.
        zero_volume: those of them with volume 0.
        synthetic: candles made up.
    """

    series: tuple[str, ...]
    days: NDArray[np.int64]
    expected: NDArray[np.int64]
    present: NDArray[np.int64]
    zero_volume: NDArray[np.int64]
    synthetic: NDArray[np.int64]

    @property
    def missing(self) -> NDArray[np.int64]:
        """Slots with neither a candle nor a synthetic one."""
        return self.expected - self.present - self.synthetic


def coverage(
    series: Sequence[Candles],
    *,
    start: int | None = None,
    end: int | None = None,
    now: int | None = None,
    lifetimes: _Lifetimes | None = None,
    synthetic: Mapping[str, Mask] | None = None,
) -> Coverage:
    """Count the candles of every series and UTC day.

    Args:
        series: as in `scan`, and so are the next four.
        start: epoch ms.
        end: epoch ms.
        now: epoch ms.
        lifetimes: by series.
        synthetic: by series, bool `(n,)`: which of its rows are made up. They extend no lifetime.

    Raises:
        ValueError: a timeframe is unknown or a series is given twice.
    """
    _refuse_doubles(series)
    lo, hi = _range(start, end)
    rows, grids, made = [], [], []
    for candles in series:
        up = (synthetic or {}).get(candles.series, np.zeros(len(candles), np.bool_))
        row = Rows.of(candles, now, (lifetimes or {}).get(candles.series), ~up)
        rows.append(row)
        made.append(up)
        grids.append(row.slots(lo, hi))
    spans = [(g.first // DAY_MS, -(-g.end // DAY_MS)) for g in grids if len(g.present)]
    day, after = (min(a for a, _ in spans), max(b for _, b in spans)) if spans else (0, 0)
    counts = np.zeros((4, len(series), after - day), np.int64)
    for i, (row, grid, up) in enumerate(zip(rows, grids, made, strict=True)):
        filled = row.on_slots(grid, row.closed & up) & ~grid.present
        masks = (np.ones_like(filled), grid.present, grid.present & ~grid.traded, filled)
        for kind, mask in enumerate(masks):
            at = (grid.first + np.flatnonzero(mask) * grid.step) // DAY_MS - day
            counts[kind, i] = np.bincount(at, minlength=after - day)
    days = np.arange(day, after, dtype=np.int64) * DAY_MS
    return Coverage(tuple(c.series for c in series), days, *counts)


def _range(start: int | None, end: int | None) -> tuple[int, int]:
    every = np.iinfo(np.int64)
    return (every.min if start is None else start), (every.max if end is None else end)


def _refuse_doubles(series: Iterable[Candles]) -> None:
    names: set[str] = set()
    for candles in series:
        if candles.series in names:
            raise ValueError(f"{candles.series} is given twice; join its candles first")
        names.add(candles.series)


def _missed_everywhere(found: list[list[Finding]]) -> list[list[Finding]]:
    venues: dict[tuple[str, int, int], set[str]] = {}
    lost = ("outage", "unknown", "missed")
    for f in (f for part in found for f in part if f.cause in lost):
        venues.setdefault((f.timeframe, f.first, f.last), set()).add(f.exchange)

    def judged(f: Finding) -> Finding:
        others = venues.get((f.timeframe, f.first, f.last), set()) - {f.exchange}
        if not others or f.cause not in lost or (f.sure and f.cause == "missed"):
            return f
        why = f"the very same are missing from {', '.join(sorted(others))}"
        return replace(f, cause="missed", sure=False, sentence=_told(f, "missed", why, sure=False))

    return [[judged(f) for f in part] for part in found]


def _hole(rows: Rows, grid: Slots, hole: Hole) -> Finding:
    c = rows.candles
    first = grid.first + hole.slot * grid.step
    last = first + (hole.count - 1) * grid.step
    found = Finding(c.exchange, c.symbol, c.timeframe, "hole", first, last, hole.count, "")
    sentence = _told(found, hole.cause, hole.why, sure=hole.sure)
    return replace(found, sentence=sentence, cause=hole.cause, sure=hole.sure)


def _told(f: Finding, cause: Cause, why: str, *, sure: bool) -> str:
    missing = f"{_counted(f.count, 'is', 'are')} missing from {time_text(f.first)}"
    likely = "" if sure or cause == "unknown" else "likely "
    return f"{f.instrument} {f.timeframe}: {missing}: {likely}{_CAUSES[cause]}: {why}"


def _bad_rows(rows: Rows, lo: int, hi: int) -> list[Finding]:
    c, times = rows.candles, rows.candles.open_time
    # a time in a wrong unit must not make all that follow it late
    told = np.where(rows.bad_time, np.iinfo(np.int64).min, times)
    order = np.argsort(told, kind="stable")
    repeated = np.zeros(len(c), np.bool_)
    repeated[order[1:]] = told[order[1:]] == told[order[:-1]]
    repeated &= ~rows.bad_time
    unsorted = np.zeros(len(c), np.bool_)
    unsorted[1:] = told[1:] < np.maximum.accumulate(told)[:-1]
    unsorted &= ~repeated & ~rows.bad_time
    kinds: tuple[tuple[Kind, Mask, str], ...] = (
        ("bad_time", rows.bad_time, ""),
        ("impossible", rows.impossible, ""),
        ("off_grid", rows.off_grid, "the time is not on the grid of the timeframe"),
        ("duplicate", repeated, "the time is there already"),
        ("unsorted", unsorted, "a later one comes before"),
        ("unfinished", rows.unfinished, "the timeframe has not passed"),
        ("zero_volume", rows.closed & (c.volume == 0), "volume is 0"),
    )
    inside = (times >= lo) & (times < hi)
    return [f for kind, mask, why in kinds for f in _grouped(rows, kind, mask & inside, why)]


def _grouped(rows: Rows, kind: Kind, mask: Mask, why: str) -> Iterator[Finding]:
    """Make one finding of rows that follow one another without a hole."""
    c, at = rows.candles, np.flatnonzero(mask)
    if not len(at):
        return
    apart = (np.diff(at) > 1) | (np.abs(np.diff(c.open_time[at])) > rows.step)
    for run in np.split(at, np.flatnonzero(apart) + 1):
        times = c.open_time[run]
        first, last, count = int(times.min()), int(times.max()), len(run)
        what = why
        if not why:
            row = int(run[0])
            what = next(rule.reason(row) for rule in rows.reasons if rule.broken[row])
        begin = f"{_counted(count, 'is', 'are')} {kind.replace('_', ' ')}"
        sentence = f"{c.instrument} {c.timeframe}: {begin} from {time_text(first)}: {what}"
        yield Finding(c.exchange, c.symbol, c.timeframe, kind, first, last, count, sentence)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} candle{'' if count == 1 else 's'} {one if count == 1 else many}"
