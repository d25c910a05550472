"""`gaps`: look for what is wrong with candles, list it, repair it."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from tradepulse.cli.connections import STATE, State, database_url
from tradepulse.cli.data.gap_files import series_of_files
from tradepulse.cli.data.gap_tables import (
    finding_json,
    gap_columns,
    gap_json,
    show_findings,
    show_gap,
)
from tradepulse.cli.errors import CliError, values_refused
from tradepulse.cli.options import OnlySeries, TimeRange, grouped, names_of, time_of
from tradepulse.cli.tables import Output

if TYPE_CHECKING:
    from tradepulse.candles.gaps.finding import Finding
    from tradepulse.candles.gaps.records import Gap
    from tradepulse.candles.series import SeriesFilter
    from tradepulse.market_data.gaps.repair import Repaired

R = TypeVar("R")
_HELP = "Look for holes and bad candles, list them, repair them."
app = typer.Typer(add_completion=False, help=_HELP, no_args_is_help=True)

Files = Annotated[
    list[Path] | None,
    typer.Option("--file", help="Look at candle files as they are; repeat it for several."),
]
Now = Annotated[
    str | None,
    typer.Option(
        help="What closes later is unfinished; by default the clock's time, and nothing is for "
        "files."
    ),
]


@app.command()
@grouped
def scan(
    *,
    file: Files = None,
    only: OnlySeries,
    times: TimeRange,
    now: Now = None,
    details: Annotated[bool, typer.Option("--details", help="Tell each finding.")] = False,
    output: Output,
    server: Annotated[
        bool, typer.Option("--server", help="Let the running market_ingest do it.")
    ] = False,
    state: State = STATE,
) -> None:
    """Look over everything that is stored, or over files, and say what is wrong.

    What is found in the database is entered there; `tradepulse gaps list` shows it. The options
    choose what is shown: all series are read, for they are each other's witnesses. With --file they
    also say what neither a file nor its name says.
    """
    first, last = times.read()
    market = time_of("--now", now)
    if server:
        if file:
            raise CliError("--server scans the database; give no --file")
        asyncio.run(_with_connection(state, _notify))
        typer.echo("market_ingest is asked to look; `tradepulse gaps list` shows what it finds")
        return
    if file:
        from tradepulse.candles.gaps.finding import scan as look

        found = look(series_of_files(file, only.filter()), now=market)
    else:
        found = asyncio.run(_with_connection(state, lambda c: _scan(c, market, output)))
    series = only.filter()
    chosen = [
        f
        for f in found
        if series.takes(f) and (first is None or f.end > first) and (last is None or f.first < last)
    ]
    if not output.wrote([finding_json(f) for f in chosen]):
        show_findings(chosen, details=details, wide=output.wide)


@app.command("list")
@grouped
def list_gaps(
    *,
    only: OnlySeries,
    status: Annotated[
        list[str] | None,
        typer.Option(help="open, repaired, filled, unrepairable or gone; repeat it for several."),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="As hole or impossible.")] = None,
    cause: Annotated[str | None, typer.Option(help="As outage or no_trade.")] = None,
    times: TimeRange,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the latest first.")] = 50,
    output: Output,
    state: State = STATE,
) -> None:
    """Show what is on record."""
    from tradepulse.candles.gaps.records import STATUSES
    from tradepulse.market_data.gaps.store import GapFilter
    from tradepulse.market_data.gaps.store import list_gaps as listed

    first, last = times.read()
    statuses = names_of(status)
    for one in statuses or ():
        if one not in STATUSES:
            raise CliError(f"--status {one}: none; there are {', '.join(STATUSES)}")

    wanted = GapFilter(
        only.filter(),
        status=statuses,  # type: ignore[arg-type]  # checked above
        kind=kind,  # type: ignore[arg-type]  # one that there is not finds nothing
        cause=cause,  # type: ignore[arg-type]  # likewise
        start=first,
        end=last,
        limit=limit,
    )
    found = asyncio.run(_with_connection(state, lambda c: listed(c, wanted)))
    nothing = "no gaps on record; `tradepulse gaps scan` looks for some"
    if output.put(gap_columns(), found, gap_json, nothing) and len(found) == limit:
        typer.echo(f"the latest {limit}; --limit shows more", err=True)


@app.command()
def show(
    gap: Annotated[int, typer.Argument(help="Its number, as `gaps list` shows it.")],
    state: State = STATE,
) -> None:
    """Show one gap and all that was tried for it."""

    async def look(connection: Any) -> tuple[Any, Any]:
        from tradepulse.market_data.gaps.store import gap_of
        from tradepulse.market_data.gaps.tries_store import repairs_of

        with values_refused():
            return await gap_of(connection, gap), await repairs_of(connection, gap)

    show_gap(*asyncio.run(_with_connection(state, look)))


@app.command()
@grouped
def repair(
    *,
    gap: Annotated[
        list[int] | None,
        typer.Argument(help="Their numbers; without any, all that are open and due."),
    ] = None,
    only: OnlySeries,
    no_venue: Annotated[
        bool, typer.Option("--no-venue", help="Ask no exchange; use what is stored.")
    ] = False,
    synthetic_from: Annotated[
        str | None,
        typer.Option(help="Fill holes from this time on where nothing else helps, flagged."),
    ] = None,
    state: State = STATE,
) -> None:
    """Ask the exchange again, resample shorter candles, build from trades.

    Holes are filled with candles made up only where a strategy asks for it, or --synthetic-from.
    """
    fill = time_of("--synthetic-from", synthetic_from)
    url = database_url(state)
    done = asyncio.run(_repair(url, gap or [], only.filter(), fill, ask=not no_venue))
    if not done:
        typer.echo("nothing to repair: no gap is open and due; `tradepulse gaps list` shows all")
        return
    for one, repaired in done:
        verdict = "not over yet" if repaired.verdict is None else repaired.verdict.status
        typer.echo(f"{one.gap_id} {one.finding.sentence}")
        for tried in repaired.tried:
            typer.echo(f"    {tried.step} {tried.timeframe}: {tried.outcome}: {tried.note}")
        typer.echo(f"    {verdict}")
    stored = sum(repaired.stored for _, repaired in done)
    typer.echo(f"{len(done)} gaps tried, {stored:,} candles stored")


async def _with_connection(state: Path, act: Callable[[Any], Awaitable[R]]) -> R:
    from tradepulse.runtime.db import opened_pool

    url = database_url(state)
    async with opened_pool(url, max_size=1) as pool, pool.acquire() as connection:
        return await act(connection)


async def _notify(connection: Any) -> None:
    from tradepulse.market_data.gaps.store import SCAN_CHANNEL

    await connection.execute(f"notify {SCAN_CHANNEL}")


async def _scan(connection: Any, now: int | None, output: Output) -> "list[Finding]":
    from tradepulse.market_data.gaps.scan import SCAN_LOCK, scan_all
    from tradepulse.market_data.subscriptions import list_subscriptions
    from tradepulse.runtime.clock import wall_clock

    await connection.execute("select pg_advisory_lock(hashtextextended($1, 0))", SCAN_LOCK)
    listed = await list_subscriptions(connection)
    followed = {one.series for one in listed if one.published_until is not None}
    market = wall_clock() if now is None else now
    found = await scan_all(connection, now=market, followed=followed)
    saved = found.saved
    typer.echo(
        f"{found.series} series; on record are {saved.new} new gaps, {saved.grown} that grew, "
        f"{saved.judged} judged anew, {saved.gone} gone",
        err=output.is_only_json,
    )
    return found.found


async def _repair(
    url: str,
    numbers: Sequence[int],
    series: "SeriesFilter",
    synthetic_from: int | None,
    *,
    ask: bool,
) -> "list[tuple[Gap, Repaired]]":
    from tradepulse.library.progress import progress_bar
    from tradepulse.market_data.gaps.repair import Repairs
    from tradepulse.market_data.gaps.tries_store import series_to_fill
    from tradepulse.market_data.venues.client import Venues
    from tradepulse.market_data.venues.options import VENUES_FILE, read_venues_file
    from tradepulse.market_data.venues.pace import SharedPace
    from tradepulse.runtime.clock import wall_clock
    from tradepulse.runtime.db import opened_pool

    with values_refused():
        options = read_venues_file(os.environ.get(VENUES_FILE))
    async with opened_pool(url, max_size=3) as pool:
        async with pool.acquire() as connection:
            chosen = await _chosen(connection, numbers, series, wall_clock())
            fills = await series_to_fill(connection)
        done = []
        async with Venues(options, SharedPace(pool)) as venues:
            work = Repairs(pool, venues if ask else None, wall_clock)
            with progress_bar() as bar:
                for gap in bar.track(chosen, description="Repairing"):
                    f = gap.finding
                    begin = fills.get((f.exchange, f.symbol, f.timeframe), synthetic_from)
                    if synthetic_from is not None and begin is not None:
                        begin = min(begin, synthetic_from)
                    done.append((gap, await work.repair(gap, synthetic_from=begin)))
        return done


async def _chosen(
    connection: Any,
    numbers: Sequence[int],
    series: "SeriesFilter",
    now: int,
) -> "list[Gap]":
    from tradepulse.candles.gaps.records import STANDING
    from tradepulse.market_data.gaps.store import gap_of
    from tradepulse.market_data.gaps.tries_store import due_gaps

    if numbers:
        with values_refused():
            gaps = [await gap_of(connection, number) for number in numbers]
        for gap in gaps:
            if gap.status not in STANDING:
                raise CliError(f"gap {gap.gap_id} is {gap.status}: there is nothing to repair")
        return gaps
    found = await due_gaps(connection, now, 1_000_000)
    return [gap for gap in found if series.takes(gap.finding)]
