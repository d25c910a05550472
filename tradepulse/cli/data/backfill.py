"""`backfill`: historical candles from an exchange into the database."""

import asyncio
import os
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradepulse.cli.connections import STATE, State, database_url
from tradepulse.cli.errors import FAILED, INTERRUPTED, CliError, values_refused
from tradepulse.cli.options import Symbols, TimeRange, grouped, names_of, time_text

if TYPE_CHECKING:
    import asyncpg
    from rich.progress import Progress

    from tradepulse.market_data.backfill import Filled
    from tradepulse.market_data.venues.client import Venue

_AT_ONCE = 4


@grouped
def backfill(
    *,
    exchange: Annotated[str, typer.Option(help="binanceus, coinbase, kraken or bitstamp.")],
    symbol: Symbols = None,
    timeframe: Annotated[
        list[str] | None,
        typer.Option(help="Timeframe, as 5m; repeat it or separate by commas."),
    ] = None,
    times: TimeRange,
    from_trades: Annotated[
        bool,
        typer.Option(
            "--from-trades",
            help="Build the candles from trades; at kraken, those it serves no more.",
        ),
    ] = False,
    backward: Annotated[bool, typer.Option("--backward", help="Begin with the newest.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is missing; fetch nothing.")
    ] = False,
    state: State = STATE,
) -> None:
    """Fetch the candles that are missing, page by page, and store them.

    What is stored is not asked for again, nor what the exchange said that it does not have: a run
    that was stopped goes on where it stood. `--to` is now by default. A series that fails does not
    harm the others; the status is 1 then.
    """
    symbols, timeframes = names_of(symbol), names_of(timeframe)
    if not symbols or not timeframes or times.start is None:
        raise CliError("give --symbol, --timeframe and --from, as BTC/USD, 5m and 2024-01-01")
    _check_names(exchange, timeframes)
    series = [_Series(one, each) for one in symbols for each in timeframes]
    span = _past(times)
    wanted = _Wanted(exchange, series, *span, from_trades=from_trades, backward=backward)
    url = database_url(state)
    try:
        asyncio.run(_run(url, wanted, dry_run=dry_run))
    except KeyboardInterrupt:
        _report(wanted)
        typer.echo("stopped; what was stored stays: the same command goes on from there", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if not dry_run:
        _report(wanted)
    for one in wanted.series:
        if one.error:
            typer.echo(f"{exchange}:{one.name}: {one.error}", err=True)
    if any(one.error for one in wanted.series):
        raise typer.Exit(FAILED)


@dataclass(slots=True)
class _Series:
    symbol: str
    timeframe: str
    done: "Filled | None" = None
    error: str = ""
    finished: bool = False

    @property
    def name(self) -> str:
        return f"{self.symbol}:{self.timeframe}"


@dataclass(frozen=True, slots=True)
class _Wanted:
    exchange: str
    series: Sequence[_Series]
    start: int
    end: int
    from_trades: bool = field(kw_only=True)
    backward: bool = field(kw_only=True)


def _past(times: TimeRange) -> tuple[int, int]:
    """Return a range that is given, epoch ms, up to now.

    Raises:
        CliError: it begins in the future.
    """
    from tradepulse.runtime.clock import wall_clock

    first, last = times.read()
    now = wall_clock()
    assert first is not None  # noqa: S101 - it is given
    if first >= now:
        raise CliError(f"--from {times.start} is in the future")
    return first, now if last is None else min(last, now)


def _check_names(exchange: str, timeframes: Sequence[str]) -> None:
    from tradepulse.candles.timeframes import timeframe_ms
    from tradepulse.market_data.venues.errors import VenueRefusedError
    from tradepulse.market_data.venues.rules import rules_of

    try:
        rules_of(exchange)
    except VenueRefusedError as error:
        raise CliError(f"--exchange: {error}") from None
    with values_refused("--timeframe"):
        for one in timeframes:
            timeframe_ms(one)


async def _run(url: str, wanted: _Wanted, *, dry_run: bool) -> None:
    from tradepulse.library.progress import progress_bar
    from tradepulse.market_data.instrument_rules import keep_rules
    from tradepulse.market_data.venues.client import Venues
    from tradepulse.market_data.venues.options import VENUES_FILE, read_venues_file
    from tradepulse.market_data.venues.pace import SharedPace
    from tradepulse.runtime.db import opened_pool

    with values_refused():
        options = read_venues_file(os.environ.get(VENUES_FILE))
    async with (
        opened_pool(url, max_size=_AT_ONCE + 2) as pool,
        Venues(options, SharedPace(pool)) as venues,
    ):
        venue = venues.venue(wanted.exchange)
        if dry_run:
            for one in wanted.series:
                await _tell(pool, venue, wanted, one)
            return
        turns = asyncio.Semaphore(_AT_ONCE)
        with progress_bar() as bars:
            await _all([_fill(pool, venue, wanted, one, bars, turns) for one in wanted.series])
        async with pool.acquire() as connection:
            await keep_rules(connection, venue.listed({one.symbol for one in wanted.series}))


async def _all(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do everything at once; where one is a surprise, end the others."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _fill(
    pool: "asyncpg.Pool[asyncpg.Record]",
    venue: "Venue",
    wanted: _Wanted,
    series: _Series,
    bars: "Progress",
    turns: asyncio.Semaphore,
) -> None:
    from tradepulse.market_data.backfill import Filled, FillOptions, fill
    from tradepulse.market_data.venues.errors import OutOfReachError, VenueError

    bar = bars.add_task(series.name, total=None)

    def show(done: Filled, dealt: int) -> None:
        bars.update(bar, total=done.slots, completed=dealt)

    options = FillOptions(backward=wanted.backward, from_trades=wanted.from_trades, on_page=show)
    async with turns:
        series.done = Filled()
        try:
            await fill(
                pool,
                venue,
                series.symbol,
                series.timeframe,
                wanted.start,
                wanted.end,
                options,
                series.done,
            )
            series.finished = True
        except OutOfReachError as error:
            series.error = str(error) + ("" if wanted.from_trades else " (--from-trades)")
        except VenueError as error:
            series.error = str(error)
        bars.stop_task(bar)


async def _tell(
    pool: "asyncpg.Pool[asyncpg.Record]", venue: "Venue", wanted: _Wanted, series: _Series
) -> None:
    from tradepulse.candles.timeframes import timeframe_ms
    from tradepulse.market_data.backfill import bundled, missing_ranges
    from tradepulse.market_data.venues.errors import VenueError

    try:
        await venue.check(series.symbol, None if wanted.from_trades else series.timeframe)
    except VenueError as error:
        series.error = str(error)
        return
    step = timeframe_ms(series.timeframe)
    end = wanted.end // step * step
    where = wanted.exchange, series.symbol, series.timeframe
    async with pool.acquire() as connection:
        missing = await missing_ranges(connection, *where, wanted.start, end)
    slots = sum((upper - lower) // step for lower, upper in missing)
    page = venue.rules.page_ms(series.timeframe)
    pages = sum(-(-(upper - lower) // page) for lower, upper in bundled(missing, page))
    text = f"{wanted.exchange}:{series.name}: "
    if not missing:
        typer.echo(text + "nothing is missing")
        return
    how = "built from trades" if wanted.from_trades else f"requests: about {pages:,}"
    rules = venue.rules
    if not (wanted.from_trades or rules.honours_since):
        reach = venue.clock() // step * step - page
        old = sum((min(upper, reach) - lower) // step for lower, upper in missing if lower < reach)
        how = f"{old:,} are older than the last {rules.candles_per_call} that it serves"
    typer.echo(
        f"{text}{slots:,} candles are missing, {time_text(missing[0][0])} to "
        f"{time_text(missing[-1][1])}; {how}"
    )


def _report(wanted: _Wanted) -> None:
    for one in wanted.series:
        done = one.done
        if done is None or not (one.finished or done.pages):
            continue
        parts = [f"stored {done.stored:,}", f"{done.present:,} were there already"]
        if nothing := done.settled + done.without:
            parts.append(f"the venue has none for {nothing:,} slots")
        if done.kept:
            parts.append(f"{done.kept:,} differ and were kept, as their source is the better one")
        if done.refused:
            example = done.examples[0]
            parts.append(
                f"{done.refused:,} of the venue's candles were not taken, as that of "
                f"{time_text(example.open_time)}: {example.reason}"
            )
        if done.open and one.finished:
            parts.append(f"{done.open:,} are too new to be final")
        typer.echo(f"{wanted.exchange}:{one.name}: {', '.join(parts)}")
