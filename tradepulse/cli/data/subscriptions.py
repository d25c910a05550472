"""`subscriptions`: the series that market_ingest follows live."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradepulse.cli.connections import STATE, State, database_url, with_database
from tradepulse.cli.errors import CliError, one_line, values_refused
from tradepulse.cli.options import ListByDefault, grouped, time_text
from tradepulse.cli.tables import Column, Output

if TYPE_CHECKING:
    import asyncpg

    from tradepulse.market_data.instrument_rules import KeptRules
    from tradepulse.market_data.subscriptions import Subscription

SeriesNames = Annotated[
    list[str], typer.Argument(metavar="SERIES...", help="As kraken:BTC/USD:5m; several at once.")
]
_HELP = "List the series that are followed live, follow more, or fewer."
app = typer.Typer(cls=ListByDefault, add_completion=False, help=_HELP)


@app.command("list")
@grouped
def list_subscribed(*, output: Output, state: State = STATE) -> None:
    """Show each series, how far it is published, and what is wrong where something is."""
    from tradepulse.market_data.subscriptions import list_subscriptions, replicas

    async def look(connection: "asyncpg.Connection[Any]") -> tuple[list["Subscription"], int]:
        return await list_subscriptions(connection), await replicas(connection)

    found, count = with_database(database_url(state), look)
    nothing = "no subscriptions; `tradepulse subscriptions add kraken:BTC/USD:5m` makes one"
    if not output.put(columns(), found, asdict, nothing):
        return
    running = f"{count} replicas follow" if count > 1 else "1 replica follows"
    typer.echo(
        f"{running} them" if count else "nobody follows them: start market_ingest, FEED_MODE=live"
    )


@app.command()
def add(
    series: SeriesNames,
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="Do not ask the venue whether it has the symbol.")
    ] = False,
    state: State = STATE,
) -> None:
    """Follow series from now on; history comes by `tradepulse backfill`."""
    from tradepulse.market_data.instrument_rules import keep_rules
    from tradepulse.market_data.subscriptions import subscribe

    wanted = [_parts(one) for one in series]
    url = database_url(state)
    listed: list[KeptRules] = []
    if not unchecked:
        for line in asyncio.run(_unanswered(wanted, listed)):
            typer.echo(line, err=True)

    async def store(connection: "asyncpg.Connection[Any]") -> list[bool]:
        async with connection.transaction():
            await keep_rules(connection, listed)
            return [await subscribe(connection, *one) for one in wanted]

    for one, is_new in zip(wanted, with_database(url, store), strict=True):
        typer.echo(f"{':'.join(one)} {'is followed from now on' if is_new else 'was there before'}")


@app.command()
def remove(
    series: SeriesNames,
    force: Annotated[
        bool, typer.Option("--force", help="Even where configurations or positions use it.")
    ] = False,
    state: State = STATE,
) -> None:
    """Follow series no longer. What is stored stays."""
    from tradepulse.market_data.subscriptions import unsubscribe

    wanted = [_parts(one, known=False) for one in series]

    async def store(connection: "asyncpg.Connection[Any]") -> list[bool]:
        async with connection.transaction():
            return [await unsubscribe(connection, *one, force=force) for one in wanted]

    with values_refused():
        removed = with_database(database_url(state), store)
    for one, was_there in zip(wanted, removed, strict=True):
        typer.echo(
            f"{':'.join(one)} {'is followed no longer' if was_there else 'was not followed'}"
        )


def _parts(text: str, *, known: bool = True) -> tuple[str, str, str]:
    """Read `exchange:symbol:timeframe`; refuse names that nobody has, unless `known` is off."""
    from tradepulse.market_data.subscriptions import check_names
    from tradepulse.market_data.venues.errors import VenueRefusedError
    from tradepulse.market_data.venues.rules import rules_of

    exchange, _, rest = text.strip().partition(":")
    symbol, _, timeframe = rest.rpartition(":")
    if not (exchange and symbol and timeframe):
        raise CliError(
            f"{text} is no series; write exchange:symbol:timeframe, as kraken:BTC/USD:5m"
        )
    if known:
        with values_refused(text):
            try:
                rules_of(exchange)
            except VenueRefusedError as error:
                raise CliError(f"{text}: {error}") from error
            check_names(symbol, timeframe)
    return exchange, symbol, timeframe


async def _unanswered(wanted: list[tuple[str, str, str]], listed: list["KeptRules"]) -> list[str]:
    """Ask the venues whether they have the symbols; return a line for each that does not answer.

    `listed` is given the rules of those that they have.

    Raises:
        CliError: a venue does not have one.
    """
    from tradepulse.market_data.venues.client import Venues
    from tradepulse.market_data.venues.errors import VenueDownError, VenueRefusedError
    from tradepulse.market_data.venues.options import VENUES_FILE, read_venues_file
    from tradepulse.market_data.venues.pace import LocalPace

    with values_refused():
        reached = read_venues_file(os.environ.get(VENUES_FILE))
    lines: dict[str, str] = {}
    async with Venues(reached, LocalPace()) as venues:
        for exchange, symbol in dict.fromkeys((e, s) for e, s, _ in wanted):
            if exchange in lines:
                continue
            try:
                await venues.venue(exchange).check(symbol)
                listed += venues.venue(exchange).listed([symbol])
            except VenueRefusedError as error:
                raise CliError(str(error)) from error
            except VenueDownError as error:
                lines[exchange] = one_line(
                    f"{error}: its symbols are not checked; `tradepulse subscriptions` will say "
                    "whether they can be followed"
                )
    return list(lines.values())


def columns() -> "Sequence[Column[Subscription]]":
    """Return the columns of a series that is followed."""
    from rich.markup import escape

    return (
        Column("series", lambda one: one.series),
        Column("published until", lambda one: time_text(one.published_until)),
        Column("trouble", lambda one: escape(one.trouble or ""), least=24),
    )
