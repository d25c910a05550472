"""The legacy table `market_data`: rows without a timeframe, their times in two units.

Its columns are `exchange, symbol, timestamp, open, high, low, close, volume`. The collector wrote
milliseconds and the old reader, filling what it missed, seconds; so each row's unit is told by its
size. The timeframe of a series is the step between its rows, if there is one that most have.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tradepulse.candles.timeframes import TIMEFRAMES_MS
from tradepulse.market_data.files.rows import (
    FIGURES,
    PROBLEM,
    ROW,
    CandleFileError,
    Given,
    Rows,
    Table,
    figures,
    lower,
    rows_of,
    unread,
)
from tradepulse.market_data.files.times import read_times

_TIME = ("timestamp", "time", "ts")
_FEWEST = 3
"""Of fewer candles nobody knows the step."""
_USUAL = 0.5
"""How many of the steps must be the smallest: else two timeframes are mixed."""


def fits(table: Table) -> bool:
    """Tell whether there are names and a timestamp, but no timeframe."""
    columns = set(lower(table.frame.columns))
    has_time = any(name in columns for name in _TIME)
    return {"exchange", "symbol", *FIGURES} <= columns and has_time and "timeframe" not in columns


def convert(table: Table, given: Given) -> Rows:
    """Return the rows of a dump of the legacy table.

    Raises:
        CandleFileError: a column is missing.
    """
    raw = table.lower()
    time = next((name for name in _TIME if name in raw.columns), _TIME[0])
    missing = [n for n in ("exchange", "symbol", time, *FIGURES) if n not in raw.columns]
    if missing:
        raise CandleFileError(f"{table.path}: column {', '.join(missing)} is missing")
    notes = []
    extra = [n for n in raw.columns if n not in {"exchange", "symbol", time, *FIGURES}]
    if extra:
        notes.append(f"left out: column {', '.join(extra)}")
    times = read_times(raw[time], time, mixed=True)
    units = [f"{count:,} rows in {unit}" for unit, count in times.units.items()]
    notes.append(f"times: {', '.join(units) or 'none'}")
    values, unreadable = figures(raw, FIGURES)
    names = {}
    problems = []
    for name in ("exchange", "symbol"):
        said = getattr(given, name)
        texts = raw[name].cast(pl.String)
        names[name] = said or texts
        problems.append(unread(texts, texts, name, "no text"))
    columns = {**names, "timeframe": "", "open_time": times.values, **values}
    frame = rows_of(columns, [*problems, times.problems, *unreadable], len(raw))
    if given.timeframe is not None:
        frame = frame.with_columns(timeframe=pl.lit(given.timeframe))
    else:
        frame = _with_timeframes(frame, notes)
    return Rows(table.path, "legacy", frame, any_order=True, notes=notes)


def _with_timeframes(frame: pl.DataFrame, notes: list[str]) -> pl.DataFrame:
    parts = []
    usable = frame.filter(pl.col(PROBLEM).is_null())
    for part in usable.partition_by(["exchange", "symbol"], maintain_order=True):
        name = f"{part['exchange'][0]}:{part['symbol'][0]}"
        timeframe, why = infer_timeframe(part["open_time"].to_numpy())
        notes.append(f"{name}: {f'timeframe {timeframe}, ' if timeframe else ''}{why}")
        problem = None if timeframe else f"the timeframe cannot be told: {why}; give --timeframe"
        parts.append(
            part.with_columns(
                timeframe=pl.lit(timeframe or ""), problem=pl.lit(problem, dtype=pl.String)
            )
        )
    return pl.concat([*parts, frame.filter(pl.col(PROBLEM).is_not_null())]).sort(ROW)


def infer_timeframe(times: NDArray[np.int64]) -> tuple[str | None, str]:
    """Return the timeframe whose candles open at these times, and the reason in words.

    It is the smallest step between them, if that is a timeframe of ours, at least half of the
    steps are of it, and every other is a multiple. Otherwise there is none.

    Args:
        times: int64 `(n,)`, epoch ms, in any order.
    """
    steps: NDArray[np.int64] = np.diff(np.unique(times)).astype(np.int64)
    if len(steps) + 1 < _FEWEST:
        return None, f"{len(steps) + 1} candles are too few"
    smallest = int(steps.min())
    share = float((steps == smallest).mean())
    listed = ", ".join(_common(steps))
    name = next((name for name, ms in TIMEFRAMES_MS.items() if ms == smallest), None)
    if name is None:
        return None, f"the smallest step is {_step(smallest)} (steps: {listed})"
    if share < _USUAL:
        return None, f"several timeframes may be mixed (steps: {listed})"
    if (steps % smallest).any():
        return None, f"not all steps are multiples of {name} (steps: {listed})"
    return name, f"{share:.1%} of {len(steps):,} steps"


def _common(steps: NDArray[np.int64]) -> Iterator[str]:
    sizes, counts = np.unique(steps, return_counts=True)
    for index in np.argsort(-counts, kind="stable")[:3]:
        yield f"{counts[index] / len(steps):.0%} of {_step(int(sizes[index]))}"


def _step(ms: int) -> str:
    named = {size: name for name, size in TIMEFRAMES_MS.items()}
    return named.get(ms) or f"{ms / 1000:g} s"
