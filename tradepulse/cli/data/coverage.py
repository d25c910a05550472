"""`coverage`: how much of each series is there, and where it is not."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradepulse.cli.connections import STATE, State, database_url
from tradepulse.cli.data.gap_files import series_of_files
from tradepulse.cli.data.gap_tables import CAUSES
from tradepulse.cli.data.heat import show_heat
from tradepulse.cli.options import OnlySeries, TimeRange, grouped, time_of, time_text
from tradepulse.cli.tables import Column, Output

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tradepulse.candles.gaps.finding import Coverage, Finding
    from tradepulse.candles.series import SeriesFilter

_DAYS_SHOWN = 62
_SOURCES = ("live", "backfill", "repaired", "import", "replay", "synthetic")


class By(StrEnum):
    """What a column of the heat-map is."""

    day = "day"
    month = "month"


@dataclass(frozen=True, slots=True)
class _Report:
    """What is known of the series.

    Attributes:
        coverage: by series and day.
        holes: by series, how many candles are missing by cause; empty where nobody has looked.
        sources: by series, candles by source; empty for files.
    """

    coverage: "Coverage"
    holes: dict[str, Counter[str]]
    sources: dict[str, dict[str, int]]


@grouped
def coverage(
    *,
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", help="Look at candle files; repeat it for several."),
    ] = None,
    only: OnlySeries,
    times: TimeRange,
    now: Annotated[
        str | None, typer.Option(help="What closes later is not counted; all is by default.")
    ] = None,
    by: Annotated[
        By | None, typer.Option(help="A column of the heat-map; by default what fits.")
    ] = None,
    output: Output,
    state: State = STATE,
) -> None:
    """Show how much of each series there is, what is missing, and a map.

    The causes are those of the last scan; `tradepulse gaps scan` makes one.
    """
    series = only.filter()
    first, last = times.read()
    market = time_of("--now", now)
    if file:
        report = _of_files(file, series, first, last, market)
    else:
        report = asyncio.run(_of_database(database_url(state), series, first, last, market))
    shown = output.put(
        _columns(report, of_files=bool(file)),
        range(len(report.coverage.series)),
        lambda row: _figures(report, row),
        "no candles are stored of what is asked for; `tradepulse import` stores some",
    )
    if shown:
        days = len(report.coverage.days)
        show_heat(report.coverage, by_month=by is By.month or (by is None and days > _DAYS_SHOWN))


def _of_files(
    files: Sequence[Path],
    series: "SeriesFilter",
    start: int | None,
    end: int | None,
    now: int | None,
) -> _Report:
    from tradepulse.candles.gaps.finding import coverage as counted
    from tradepulse.candles.gaps.finding import scan

    every = series_of_files(files, series)
    found = scan(every, start=start, end=end, now=now)
    chosen = [one for one in every if series.takes(one)]
    return _Report(counted(chosen, start=start, end=end, now=now), _holes(found), {})


async def _of_database(
    url: str,
    series: "SeriesFilter",
    start: int | None,
    end: int | None,
    now: int | None,
) -> _Report:
    from tradepulse.candles.gaps.records import STANDING
    from tradepulse.market_data.gaps.coverage import coverage_of, sources_of
    from tradepulse.market_data.gaps.store import GapFilter, list_gaps
    from tradepulse.runtime.db import opened_pool

    wanted = GapFilter(series, status=STANDING, kind="hole", start=start, end=end, limit=1_000_000)
    async with opened_pool(url, max_size=1) as pool, pool.acquire() as connection:
        counted = await coverage_of(connection, series, start, end, now=now)
        sources = await sources_of(connection, series, start, end)
        gaps = await list_gaps(connection, wanted)
    return _Report(counted, _holes([gap.finding for gap in gaps]), sources)


def _holes(found: "Sequence[Finding]") -> dict[str, Counter[str]]:
    holes: dict[str, Counter[str]] = {}
    for f in found:
        if f.kind == "hole" and f.cause is not None:
            holes.setdefault(f.series, Counter())[f.cause] += f.count
    return holes


def _columns(report: _Report, *, of_files: bool) -> Sequence[Column[int]]:
    """Return the columns of a series, which is meant by its number."""
    c = report.coverage

    def days(row: int) -> str:
        there = [int(day) for day, slots in zip(c.days, c.expected[row], strict=True) if slots]
        return f"{_day(there[0])}\n{_day(there[-1])}" if there else ""

    def causes(row: int) -> str:
        lacking = int(c.missing[row].sum() + c.synthetic[row].sum())
        return _causes(report.holes.get(c.series[row]), lacking)

    def covered(row: int) -> str:
        return _percent(int(c.present[row].sum()), int(c.expected[row].sum()))

    def count(counts: "NDArray[np.int64]") -> Callable[[int], str]:
        return lambda row: f"{int(counts[row].sum()):,}"

    columns = (
        Column[int]("series", lambda row: c.series[row]),
        Column[int]("from\nto", days),
        Column[int]("candles", count(c.present), is_number=True),
        Column[int]("covered", covered, is_number=True),
        Column[int]("missing", count(c.missing), is_number=True),
        Column[int]("by cause", causes, least=16),
        Column[int]("no\nvolume", count(c.zero_volume), 1, is_number=True),
    )
    if of_files:
        return columns
    by_source = Column[int](
        "sources", lambda row: _by_source(report.sources.get(c.series[row], {})), 2, least=16
    )
    return (*columns, by_source)


def _causes(holes: Counter[str] | None, missing: int) -> str:
    if not missing:
        return ""
    if holes is None:
        return "not looked at yet"
    told = [f"{CAUSES[cause]} {holes[cause]:,}" for cause in CAUSES if holes[cause]]
    return ", ".join(told)


def _by_source(sources: dict[str, int]) -> str:
    return ", ".join(f"{name} {sources[name]:,}" for name in _SOURCES if name in sources)


def _percent(present: int, expected: int) -> str:
    if not expected:
        return ""
    # never 100 % where one is missing
    share = 100.0 if present == expected else min(99.99, 100 * present / expected)
    return f"{share:.2f} %"


def _day(midnight: int) -> str:
    return datetime.fromtimestamp(midnight / 1000, tz=UTC).strftime("%Y-%m-%d")


def _figures(report: _Report, row: int) -> dict[str, Any]:
    c = report.coverage
    series = c.series[row]
    exchange, _, rest = series.partition(":")
    # a file may hold a swap, whose symbol has a colon of its own
    symbol, _, timeframe = rest.rpartition(":")
    lacking = (c.missing[row] > 0) | (c.synthetic[row] > 0)
    names = ("expected", "present", "missing", "synthetic", "zero_volume")
    return {
        "exchange": exchange,
        "symbol": symbol,
        "timeframe": timeframe,
        **{name: int(getattr(c, name)[row].sum()) for name in names},
        "missing_by_cause": dict(report.holes.get(series, {})),
        "sources": report.sources.get(series, {}),
        "days_with_holes": {
            time_text(int(day))[:10]: int(count)
            for day, count in zip(
                c.days[lacking], (c.missing[row] + c.synthetic[row])[lacking], strict=True
            )
        },
    }
