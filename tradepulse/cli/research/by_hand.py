"""`configs add` and `configs validate`: a person's own numbers on paper, and before the gates."""

from typing import TYPE_CHECKING, Annotated

import typer

from tradepulse.cli.connections import STATE, State, database_url
from tradepulse.cli.errors import CliError, values_refused
from tradepulse.cli.options import (
    OnlySeries,
    StrategyFiles,
    grouped,
    json_of,
    load_strategies,
    named_strategy,
    numbers_of,
)
from tradepulse.cli.research.configs import Id, Reason, connected, said, with_one
from tradepulse.cli.research.validation import app

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from tradepulse.candles.series import OnSeries
    from tradepulse.research.configurations import StoredConfiguration

__all__ = ["app"]


@app.command()
@grouped
def add(
    *,
    strategy: Annotated[str, typer.Option(help="Its name, or the file of a strategy of your own.")],
    only: OnlySeries,
    reason: Reason,
    params: Annotated[
        str, typer.Option(help='Its parameters, as {"fast": 20}; the rest are defaults.')
    ] = "{}",
    share: Annotated[
        float, typer.Option(help="Of the symbol's weight that its entries may use, at most 1.")
    ] = 1.0,
    strategy_file: StrategyFiles = None,
    state: State = STATE,
) -> None:
    """Trade numbers of your own on paper, without a search.

    The series must be stored or followed; --exchange and --timeframe are needed where --symbol is
    there several times. The gates have not seen it: `configs validate` asks them.
    """
    load_strategies(strategy_file)
    name = named_strategy(strategy)
    values = numbers_of("--params", json_of("--params", params))
    if only.symbol is None:
        raise CliError("--symbol is missing: say what is traded, as --symbol BTC/USD")

    async def act(pool: "asyncpg.Pool[asyncpg.Record]") -> "StoredConfiguration":
        from tradepulse.research.by_hand import OwnNumbers
        from tradepulse.research.by_hand import add as make

        on = await _series(pool, only)
        own = OwnNumbers(name, on.exchange, on.symbol, on.timeframe, values, share)
        with values_refused():
            return await make(pool, own, reason)

    made = connected(database_url(state), act)
    short = str(made.configuration_id)[:8]
    typer.echo(said(made))
    typer.echo(f"ask the gates: tradepulse configs validate {short}")
    _say_file(made.strategy)


@app.command()
def validate(
    configuration: Id,
    reason: Annotated[
        str, typer.Option("--reason", help="Why; kept with it.")
    ] = "a validation was asked for",
    state: State = STATE,
) -> None:
    """Queue the validation of a configuration; one that trades goes on trading meanwhile."""

    async def act(pool: "asyncpg.Pool[asyncpg.Record]", found: "UUID") -> "tuple[UUID, UUID]":
        from tradepulse.research.by_hand import ask_validation

        with values_refused():
            return found, await ask_validation(pool, found, reason)

    found, job = with_one(configuration, state, act)
    typer.echo(f"validation {job} is queued; follow it: tradepulse optimize --follow {job}")
    typer.echo(f"then read what the gates say: tradepulse configs report {str(found)[:8]}")


def _say_file(strategy: str) -> None:
    """Say that the services must know a file, where the strategy is of one."""
    from tradepulse.strategies import get_strategy

    if not get_strategy(strategy).is_bundled:
        typer.echo(
            f"{strategy} is of a file: it trades where the services know it, by STRATEGY_FILES or "
            "`tradepulse up --strategy FILE`"
        )


async def _series(pool: "asyncpg.Pool[asyncpg.Record]", only: OnlySeries) -> "OnSeries":
    """Return the one series that is meant, of those that are stored or followed.

    Raises:
        CliError: there is none, or several.
    """
    from tradepulse.market_data.store import known_series
    from tradepulse.market_data.subscriptions import list_subscriptions

    async with pool.acquire() as connection:
        known: list[OnSeries] = [
            *await known_series(connection),
            *await list_subscriptions(connection),
        ]
    wanted = only.filter()
    by_name = {one.series: one for one in known}
    meant = [one for one in by_name.values() if wanted.takes(one)]
    if len(meant) == 1:
        return meant[0]
    if not meant:
        there = ", ".join(by_name) or "none: import a file first, or follow it by `subscriptions`"
        asked = " ".join(filter(None, (only.exchange, only.symbol, only.timeframe)))
        raise CliError(f"no candles of {asked} are stored or followed; there are {there}")
    exchanges = {one.exchange for one in meant}
    option = "--exchange" if len(exchanges) > 1 else "--timeframe"
    raise CliError(
        f"{only.symbol} is there {len(meant)} times, {', '.join(one.series for one in meant)}: "
        f"choose one with {option}"
    )
