"""`coverage`: how much of each series is there, and where it is not."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
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

if TYPE_CHECKING:
    from tradepulse.candles.gaps.finding import Coverage, Finding
    from tradepulse.candles.series import SeriesFilter

_DAYS_SHOWN = 62
_NARROWEST = 120
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
    to_json: Annotated[
        Path | None, typer.Option("--json", help="Write the figures to this file.")
    ] = None,
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
    if not report.coverage.series:
        typer.echo("no candles are stored of what is asked for; `tradepulse import` stores some")
        return
    _show(report, of_files=bool(file))
    days = len(report.coverage.days)
    show_heat(report.coverage, by_month=by is By.month or (by is None and days > _DAYS_SHOWN))
    if to_json is not None:
        to_json.write_text(json.dumps(_figures(report), indent=1) + "\n", encoding="utf-8")
        typer.echo(f"written to {to_json}")


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


def _show(report: _Report, *, of_files: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    c = report.coverage
    table = Table()
    for head in ("series", "from", "to"):
        table.add_column(head, no_wrap=True)
    for head in ("candles", "covered", "missing"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("by cause")
    table.add_column("no volume", justify="right")
    if not of_files:
        table.add_column("sources")
    for row, series in enumerate(c.series):
        expected, present = int(c.expected[row].sum()), int(c.present[row].sum())
        days = [int(day) for day, slots in zip(c.days, c.expected[row], strict=True) if slots]
        table.add_row(
            series,
            *([_day(days[0]), _day(days[-1])] if days else ["", ""]),
            f"{present:,}",
            _percent(present, expected),
            f"{int(c.missing[row].sum()):,}",
            _causes(report.holes.get(series), int(c.missing[row].sum() + c.synthetic[row].sum())),
            f"{int(c.zero_volume[row].sum()):,}",
            *([] if of_files else [_by_source(report.sources.get(series, {}))]),
        )
    # a narrower table would lose whole columns without a word
    Console(width=max(Console().width, _NARROWEST)).print(table)


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


def _figures(report: _Report) -> list[dict[str, Any]]:
    c = report.coverage
    told = []
    for row, series in enumerate(c.series):
        exchange, _, rest = series.partition(":")
        # a file may hold a swap, whose symbol has a colon of its own
        symbol, _, timeframe = rest.rpartition(":")
        lacking = (c.missing[row] > 0) | (c.synthetic[row] > 0)
        names = ("expected", "present", "missing", "synthetic", "zero_volume")
        sums = {name: int(getattr(c, name)[row].sum()) for name in names}
        told.append(
            {"exchange": exchange, "symbol": symbol, "timeframe": timeframe}
            | sums
            | {"missing_by_cause": dict(report.holes.get(series, {}))}
            | {"sources": report.sources.get(series, {})}
            | {
                "days_with_holes": {
                    time_text(int(day))[:10]: int(count)
                    for day, count in zip(
                        c.days[lacking],
                        (c.missing[row] + c.synthetic[row])[lacking],
                        strict=True,
                    )
                }
            }
        )
    return told
