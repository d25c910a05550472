"""`configs`: trained configurations with their evidence, and switching them on and off."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradepulse.cli.connections import STATE, State, database_url
from tradepulse.cli.errors import CliError, values_refused

if TYPE_CHECKING:
    from uuid import UUID

    from tradepulse.runtime.configurations import StoredConfiguration

Id = Annotated[str, typer.Argument(help="The configuration's id, or how it begins.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the change.")]
_SIDES = (("net_profit_pct", "+.1f"), ("sharpe", ".2f"), ("max_drawdown_pct", ".1f"))

app = typer.Typer(add_completion=False, help="List trained configurations, switch them on and off.")


@app.callback(invoke_without_command=True)
def configs(context: typer.Context) -> None:
    """List trained configurations, switch them on and off."""
    if context.invoked_subcommand is None:
        list_configs()


@app.command("list")
def list_configs(
    active: Annotated[bool, typer.Option("--active", help="Only the active ones.")] = False,
    job: Annotated[str | None, typer.Option(help="Only those of this training job.")] = None,
    state: State = STATE,
) -> None:
    """Show each configuration's figures in sample and out of sample, side by side."""
    found = asyncio.run(_list(database_url(state), active, job))
    if not found:
        typer.echo("no configurations; `tradepulse optimize` makes some")
        return
    show(found)


@app.command()
def activate(configuration: Id, reason: Reason, state: State = STATE) -> None:
    """Let a configuration trade, on paper if it has not proved more."""
    from tradepulse.runtime.configurations import activate as switch

    _switch(configuration, reason, state, switch)


@app.command()
def deactivate(configuration: Id, reason: Reason, state: State = STATE) -> None:
    """Stop a configuration from entering positions."""
    from tradepulse.runtime.configurations import deactivate as switch

    _switch(configuration, reason, state, switch)


def show(found: "Sequence[StoredConfiguration]") -> None:
    """Print configurations; of each pair of figures the first is in sample."""
    from rich.console import Console
    from rich.table import Table

    from tradepulse.cli.report import params_text

    table = Table("id", "series", "strategy, parameters", "stage", "active")
    for name in ("net profit %", "Sharpe", "drawdown %", "trades"):
        table.add_column(f"{name}\nin | out of sample", justify="right")
    table.add_column("trials", justify="right")
    for one in found:
        table.add_row(
            str(one.configuration_id)[:8],
            f"{one.exchange} {one.symbol} {one.timeframe}",
            f"{one.strategy}\n{params_text(one.strategy, one.params)}",
            one.stage,
            "[green]yes[/]" if one.is_active else "no",
            *(_pair(one.metrics, name, form) for name, form in (*_SIDES, ("trades", ","))),
            f"{one.metrics['trials']:,}" if "trials" in one.metrics else "-",
        )
    Console().print(table)


def _pair(metrics: dict[str, Any], name: str, form: str) -> str:
    sides = (metrics.get(side) or {} for side in ("in_sample", "out_of_sample"))
    values = (side.get(name) for side in sides)
    return " | ".join("-" if value is None else format(value, form) for value in values)


async def _list(url: str, active: bool, job: str | None) -> "list[StoredConfiguration]":
    from tradepulse.runtime.configurations import list_configurations
    from tradepulse.runtime.db import check_migrated, connect_pool

    pool = await connect_pool(url, max_size=1)
    try:
        await check_migrated(pool)
        return await list_configurations(
            pool, active_only=active, job_id=None if job is None else uuid_of("--job", job)
        )
    finally:
        pool.terminate()


def uuid_of(what: str, text: str) -> "UUID":
    """Read a UUID.

    Raises:
        CliError: it is none.
    """
    from uuid import UUID

    try:
        return UUID(text)
    except ValueError:
        raise CliError(f"{what} {text}: no id") from None


def _switch(
    start: str, reason: str, state: Any, switch: Callable[..., Awaitable["StoredConfiguration"]]
) -> None:
    changed = asyncio.run(_switched(database_url(state), start, reason, switch))
    typer.echo(
        f"{changed.configuration_id} ({changed.strategy} on {changed.series}) is "
        f"{'active' if changed.is_active else 'not active'}, stage {changed.stage}"
    )


async def _switched(
    url: str, start: str, reason: str, switch: Callable[..., Awaitable["StoredConfiguration"]]
) -> "StoredConfiguration":
    from tradepulse.runtime.configurations import list_configurations
    from tradepulse.runtime.db import check_migrated, connect_pool

    pool = await connect_pool(url, max_size=1)
    try:
        await check_migrated(pool)
        ids = [one.configuration_id for one in await list_configurations(pool)]
        meant = [one for one in ids if str(one).startswith(start.lower())] if start else []
        if len(meant) != 1:
            which = "no configuration" if not meant else f"{len(meant)} configurations"
            raise CliError(f"{which} of an id that begins with {start!r}; see `tradepulse configs`")
        with values_refused():
            return await switch(pool, meant[0], reason)
    finally:
        pool.terminate()
