"""Judges the rows of a file: the candles that can be used, and each other row with its reason."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.checks import LAST_TIME, rules, time_text
from tradepulse.candles.timeframes import TIMEFRAMES_MS, timeframe_ms
from tradepulse.market_data.files.rows import FIGURES, NAME, NAMES, PROBLEM, ROW, Rows

Kind = Literal["value", "name", "time", "grid", "figures", "unfinished", "contradiction", "order"]
Mask = NDArray[np.bool_]
_FEWEST_TO_JUDGE_STEPS = 3


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that is no candle we could use.

    Attributes:
        row: from 1, as counted in the file; headers are not counted.
        seen_at: the row at which this shows: of two rows that contradict each other, the later.
        exchange: as in the row, so are `symbol` and `timeframe`; empty where unknown.
        time: epoch ms; None where unknown.
        kind: what the reason is about.
        reason: what is wrong, with its values.
    """

    row: int
    seen_at: int
    exchange: str
    symbol: str
    timeframe: str
    time: int | None
    kind: Kind
    reason: str

    def __str__(self) -> str:
        """Return the row, the series and the reason."""
        series = " ".join(part for part in (self.symbol, self.timeframe) if part)
        return f"row {self.row}: {series}: {self.reason}" if series else self.where()

    def where(self) -> str:
        """Return the row and the reason."""
        return f"row {self.row}: {self.reason}"


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What is in a file.

    Attributes:
        rows: how many rows it has.
        series: the usable candles, in time order; no series is there twice.
        refused: the others, in the order of the file.
        repeated: rows that say again what a row before says, and are left out.
        unsorted: in words, how the rows lay where they had to be sorted; empty where they had not.
    """

    rows: int
    series: list[Candles]
    refused: list[RefusedRow]
    repeated: list[RefusedRow]
    unsorted: str

    def told(self) -> list[str]:
        """Return in words what was done with the rows as a whole."""
        lines = []
        if self.unsorted:
            lines.append(f"rows were {self.unsorted}, and are sorted by time")
        return lines


def doubts(series: Candles) -> list[str]:
    """Return in words what looks wrong with a series and is no reason to refuse it."""
    if len(series) < _FEWEST_TO_JUDGE_STEPS:
        return []
    smallest = int(np.diff(series.open_time).min())
    if smallest <= timeframe_ms(series.timeframe):
        return []
    names = {size: name for name, size in TIMEFRAMES_MS.items()}
    step = names.get(smallest) or f"{smallest / 60_000:g} minutes"
    line = (
        f"{series.series}: no two candles are {series.timeframe} apart, the smallest step is "
        f"{step}: is the timeframe right?"
    )
    return [line]


def judge(rows: Rows, now: int | None = None) -> Judged:
    """Judge every row of a file.

    Refused are: values that cannot be read, impossible names, times, prices and volumes, times off
    the grid, candles that are not over, rows of one candle that contradict each other (all of
    them: nobody knows which is right), and rows out of order, unless the layout is known to have
    them in any. A row that repeats another exactly is left out.

    Args:
        rows: of the file.
        now: candles that close later are not over, epoch ms; None to let them pass.
    """
    frame = rows.frame
    refused: list[RefusedRow] = list(_unread(frame.filter(pl.col(PROBLEM).is_not_null())))
    repeated: list[RefusedRow] = []
    series: list[Candles] = []
    orders: set[str] = set()
    for part in frame.filter(pl.col(PROBLEM).is_null()).partition_by(NAMES, maintain_order=True):
        names = [str(part[name][0]) for name in NAMES]
        reason = bad_name(names)
        if reason is not None:
            refused += _refusals(names, part[ROW], part["open_time"], "name", reason)
            continue
        one = _Series(names, part)
        one.refuse_impossible(now)
        one.settle_repeats()
        if rows.any_order:
            orders.add(one.sort())
        else:
            one.refuse_unsorted()
        refused += one.refused
        repeated += one.repeated
        if len(one.row):
            series.append(one.candles())
    orders.discard("")
    for listed in (refused, repeated):
        listed.sort(key=lambda one: one.row)
    return Judged(len(frame), series, refused, repeated, " and ".join(sorted(orders)))


def bad_name(names: Iterable[str]) -> str | None:
    """Return what is wrong with an exchange, a symbol and a timeframe, or None."""
    for column, name in zip(NAMES, names, strict=True):
        if not NAME.fullmatch(name):
            return f"{column} {name!r} must be 1 to 64 characters without blanks or colons"
        if column == "timeframe" and name not in TIMEFRAMES_MS:
            return f"unknown timeframe {name!r}; known are {', '.join(TIMEFRAMES_MS)}"
    return None


def _unread(part: pl.DataFrame) -> Iterator[RefusedRow]:
    for row, exchange, symbol, timeframe, time, reason in part.select(
        ROW, *NAMES, "open_time", PROBLEM
    ).iter_rows():
        yield RefusedRow(
            row, row, exchange or "", symbol or "", timeframe or "", time, "value", reason
        )


def _refusals(
    names: list[str], rows: Iterable[int], times: Iterable[int], kind: Kind, reason: str
) -> Iterator[RefusedRow]:
    exchange, symbol, timeframe = names
    for row, time in zip(rows, times, strict=True):
        yield RefusedRow(row, row, exchange, symbol, timeframe, time, kind, reason)


class _Series:
    """The rows of one series, fewer and fewer."""

    def __init__(self, names: list[str], part: pl.DataFrame) -> None:
        self.names = names
        self.row: NDArray[np.int64] = part[ROW].to_numpy(writable=True)
        self.time: NDArray[np.int64] = part["open_time"].to_numpy(writable=True)
        self.figures: list[NDArray[np.float64]] = [
            part[name].to_numpy(writable=True) for name in FIGURES
        ]
        self.refused: list[RefusedRow] = []
        self.repeated: list[RefusedRow] = []

    def candles(self) -> Candles:
        exchange, symbol, timeframe = self.names
        return Candles(exchange, symbol, timeframe, self.time, *self.figures)

    def keep(self, chosen: Mask | NDArray[np.intp]) -> None:
        self.row, self.time = self.row[chosen], self.time[chosen]
        self.figures = [values[chosen] for values in self.figures]

    def refusal(
        self, index: int, kind: Kind, reason: str, seen_at: int | None = None
    ) -> RefusedRow:
        row, time = int(self.row[index]), int(self.time[index])
        exchange, symbol, timeframe = self.names
        return RefusedRow(row, seen_at or row, exchange, symbol, timeframe, time, kind, reason)

    def refuse_impossible(self, now: int | None) -> None:
        candles = self.candles()
        bad = np.zeros(len(candles), np.bool_)
        for rule in rules(candles):
            if rule.about == "order":
                continue
            for index in np.flatnonzero(rule.broken & ~bad).tolist():
                self.refused.append(self.refusal(index, rule.about, rule.reason(index)))
            bad |= rule.broken
        if now is not None:
            step = timeframe_ms(candles.timeframe)
            early = ~bad & (np.minimum(self.time, LAST_TIME) + step > now)
            for index in np.flatnonzero(early).tolist():
                reason = f"the candle of {time_text(int(self.time[index]))} is not over yet"
                self.refused.append(self.refusal(index, "unfinished", reason))
            bad |= early
        if bad.any():
            self.keep(~bad)

    def settle_repeats(self) -> None:
        """Leave out exact repeats; refuse rows of one time with different figures."""
        steps = np.diff(self.time)
        if (steps > 0).all() or (steps < 0).all():
            return
        # stable: of one time, the row that is first in the file stays first
        by_time = np.argsort(self.time, kind="stable")
        times = self.time[by_time]
        heads = np.flatnonzero(np.append(True, times[1:] != times[:-1]))
        ends = np.append(heads[1:], len(times))
        differs = np.zeros(len(times), np.bool_)
        for values in self.figures:
            ordered = values[by_time]
            differs |= ordered != np.repeat(ordered[heads], ends - heads)
        at_odds = np.logical_or.reduceat(differs, heads)
        drop = np.zeros(len(times), np.bool_)
        for group in np.flatnonzero(ends - heads > 1).tolist():
            head, end = heads[group], ends[group]
            same_time = by_time[head:end].tolist()
            if at_odds[group]:
                other = int(by_time[head:end][differs[head:end]][0])
                self._refuse_contradiction(same_time, other)
            else:
                same_time = same_time[1:]
                self._leave_out(same_time)
            drop[same_time] = True
        self.keep(~drop)

    def _refuse_contradiction(self, same_time: list[int], other: int) -> None:
        first = same_time[0]
        for index in same_time:
            row = int(self.row[other if index == first else first])
            time = time_text(int(self.time[index]))
            reason = f"the time {time} is there twice, with other figures in row {row}"
            shown = self.refusal(index, "contradiction", reason, int(self.row[other]))
            self.refused.append(shown)

    def _leave_out(self, repeats: list[int]) -> None:
        for index in repeats:
            reason = f"the time {time_text(int(self.time[index]))} is there twice"
            self.repeated.append(self.refusal(index, "order", reason))

    def sort(self) -> str:
        """Bring the rows into time order; return how they lay, if in another."""
        steps = np.diff(self.time)
        if (steps > 0).all():
            return ""
        self.keep(np.argsort(self.time, kind="stable"))
        return "newest first" if (steps < 0).all() else "in no order"

    def refuse_unsorted(self) -> None:
        """Refuse each row whose time is before that of a row above it."""
        highest = np.maximum.accumulate(self.time) if len(self.time) else self.time
        back = self.time < highest
        for index in np.flatnonzero(back).tolist():
            reason = (
                f"times are not sorted: {time_text(int(self.time[index]))} comes after "
                f"{time_text(int(highest[index]))}"
            )
            self.refused.append(self.refusal(index, "order", reason))
        if back.any():
            self.keep(~back)
