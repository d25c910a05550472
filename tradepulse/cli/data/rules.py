"""`rules`: what venues accept as orders, and since when that is known."""

import asyncio
import os
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradepulse.cli.connections import STATE, State, database_url, with_database
from tradepulse.cli.errors import CliError, values_refused
from tradepulse.cli.options import (
    ListByDefault,
    Symbols,
    decimal_of,
    grouped,
    names_of,
    time_text,
)
from tradepulse.cli.tables import Column, Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from tradepulse.market_data.instrument_rules import KeptRules

_HELP = "List what venues accept as orders, import it, fetch it, set it."
app = typer.Typer(cls=ListByDefault, add_completion=False, help=_HELP)


@app.command("list")
@grouped
def list_rules(
    *,
    exchange: Annotated[str | None, typer.Option(help="Only of this exchange.")] = None,
    symbol: Symbols = None,
    history: Annotated[
        bool, typer.Option("--history", help="Also what does not bind any more.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write what binds as a markets file (JSON).")
    ] = None,
    output: Output,
    state: State = STATE,
) -> None:
    """Show tick, step and least amounts of each instrument, and since when they are known."""
    from tradepulse.market_data.files.markets import markets_text
    from tradepulse.market_data.instrument_rules import binding_rules
    from tradepulse.market_data.instrument_rules import history as all_kept

    async def look(connection: "asyncpg.Connection[Any]") -> list["KeptRules"]:
        binding = (await binding_rules(connection)).values()
        if not history:
            return list(binding)
        venues = sorted({one.exchange for one in binding})
        return [one for name in venues for one in await all_kept(connection, name)]

    if history and out is not None:
        raise CliError("--out writes what binds: leave --history out")
    symbols = names_of(symbol)
    found = [
        one
        for one in with_database(database_url(state), look)
        if exchange in (None, one.exchange) and (symbols is None or one.symbol in symbols)
    ]
    if out is not None:
        out.write_text(markets_text(found), encoding="utf-8")
        typer.echo(f"{len(found):,} written to {out}")
        return
    output.put(
        columns(),
        sorted(found, key=lambda one: (one.exchange, one.symbol, one.valid_from or 0)),
        asdict,
        "none are kept; `tradepulse rules fetch kraken --symbol BTC/USD` keeps some",
    )


@app.command("import")
def import_rules(
    file: Annotated[Path, typer.Argument(help="Markets file, JSON or CSV.")],
    state: State = STATE,
) -> None:
    """Keep the rules of a markets file; those without a date from now on."""
    from tradepulse.market_data.files.markets import read_markets

    with values_refused():
        found = read_markets(file)
    _keep(database_url(state), found)


@app.command()
def fetch(
    venue: Annotated[str, typer.Argument(help="binanceus, coinbase, kraken or bitstamp.")],
    symbol: Symbols = None,
    state: State = STATE,
) -> None:
    """Ask a venue for its markets and keep their rules; of all of them, or of some symbols."""
    url = database_url(state)
    _keep(url, asyncio.run(_fetched(venue, names_of(symbol))))


@app.command("set")
def set_rules(
    instrument: Annotated[str, typer.Argument(help="As kraken:BTC/USD.")],
    tick: Annotated[str | None, typer.Option(help="Prices are multiples of it.")] = None,
    step: Annotated[str | None, typer.Option(help="Quantities are multiples of it.")] = None,
    min_quantity: Annotated[str, typer.Option(help="Smallest order, base currency.")] = "0",
    min_notional: Annotated[str, typer.Option(help="Smallest order, quote currency.")] = "0",
    state: State = STATE,
) -> None:
    """Keep the rules of one instrument by hand, from now on; what is not given is not known."""
    from tradepulse.market_data.instrument_rules import KeptRules

    exchange, _, symbol = instrument.partition(":")
    if not exchange or "/" not in symbol:
        raise CliError(f"{instrument} is no instrument; write exchange:symbol, as kraken:BTC/USD")

    def step_of(option: str, text: str | None) -> Decimal | None:
        return None if text is None else decimal_of(option, text, positive=True)

    told = KeptRules(
        exchange,
        symbol,
        step_of("--tick", tick),
        step_of("--step", step),
        decimal_of("--min-quantity", min_quantity),
        decimal_of("--min-notional", min_notional),
        source="hand",
        valid_from=None,
    )
    _keep(database_url(state), [told])


def _keep(url: str, found: "Sequence[KeptRules]") -> None:
    """Keep rules, those without a date from now on, and tell how many were news."""
    from dataclasses import replace

    from tradepulse.market_data.instrument_rules import keep_rules
    from tradepulse.runtime.clock import wall_clock

    now = wall_clock()
    dated = [replace(one, valid_from=one.valid_from or now) for one in found]

    async def keep(connection: "asyncpg.Connection[Any]") -> list["KeptRules"]:
        async with connection.transaction():
            return await keep_rules(connection, dated)

    new = with_database(url, keep)
    text = f"{len(new):,} of {len(found):,} kept"
    if len(new) < len(found):
        text += ", the others were known"
    typer.echo(f"{text}; a running executor takes them up when it starts anew" if new else text)


async def _fetched(name: str, symbols: list[str] | None) -> list["KeptRules"]:
    """Ask a venue.

    Raises:
        CliError: it does not answer, or has not got a symbol.
    """
    from tradepulse.market_data.venues.client import Venues
    from tradepulse.market_data.venues.errors import VenueError
    from tradepulse.market_data.venues.options import VENUES_FILE, read_venues_file
    from tradepulse.market_data.venues.pace import LocalPace

    with values_refused():
        reached = read_venues_file(os.environ.get(VENUES_FILE))
    async with Venues(reached, LocalPace()) as venues:
        try:
            venue = venues.venue(name)
            await venue.list_again()
            for symbol in symbols or ():
                await venue.check(symbol)
        except VenueError as error:
            raise CliError(str(error)) from error
        return venue.listed(symbols)


def columns() -> "Sequence[Column[KeptRules]]":
    """Return the columns of the rules of an instrument."""
    return (
        Column("instrument", lambda one: one.instrument),
        Column("tick", lambda one: _text(one.price_tick), is_number=True),
        Column("step", lambda one: _text(one.quantity_step), is_number=True),
        Column("least\nquantity", lambda one: _text(one.min_quantity or None), is_number=True),
        Column("least\nnotional", lambda one: _text(one.min_notional or None), is_number=True),
        Column("source", lambda one: one.source, 1),
        Column("since", lambda one: time_text(one.valid_from), 2),
    )


def _text(value: Decimal | None) -> str:
    return "-" if value is None else f"{value:f}"
