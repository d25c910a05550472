"""`configs`: trained configurations with their evidence, and what a person decides about them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from tradepulse.cli.connections import STATE, State, database_url
from tradepulse.cli.errors import CliError, values_refused
from tradepulse.cli.options import json_of, numbers_of, time_text

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from tradepulse.research.configurations import StoredConfiguration

Id = Annotated[str, typer.Argument(help="The configuration's id, or how it begins.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the change.")]
R = TypeVar("R")
_STAGES = ("DISCOVERY", "VALIDATION", "PAPER", "MATURE", "DECAY")
_SIDES = (("net_profit_pct", "+.1f"), ("sharpe", ".2f"), ("max_drawdown_pct", ".1f"))

_HELP = "List configurations, look at one, switch, move or edit it."
app = typer.Typer(add_completion=False, help=_HELP)


@app.callback(invoke_without_command=True)
def configs(context: typer.Context) -> None:
    """List configurations, look at one, switch, move or edit it."""
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
    from tradepulse.research.configurations import activate as switch

    _switch(configuration, reason, state, switch)


@app.command()
def deactivate(configuration: Id, reason: Reason, state: State = STATE) -> None:
    """Stop a configuration from entering positions."""
    from tradepulse.research.configurations import deactivate as switch

    _switch(configuration, reason, state, switch)


@app.command()
def stage(
    configuration: Id,
    stage: Annotated[str, typer.Argument(help="DISCOVERY, VALIDATION, PAPER, MATURE or DECAY.")],
    reason: Reason,
    state: State = STATE,
) -> None:
    """Move a configuration to a stage, whatever the gates and its trades say.

    PAPER and MATURE let it trade, VALIDATION queues its validation, DECAY retires it.
    """
    from tradepulse.research.lifecycle import set_stage

    wanted = stage.upper()
    if wanted not in _STAGES:
        raise CliError(f"{stage} is no stage; stages are {', '.join(_STAGES)}")

    async def switch(
        pool: "asyncpg.Pool[asyncpg.Record]", found: "UUID", why: str
    ) -> "StoredConfiguration":
        return await set_stage(pool, found, wanted, why)  # type: ignore[arg-type]  # as seen above

    _switch(configuration, reason, state, switch)


@app.command()
def edit(
    configuration: Id,
    params: Annotated[str, typer.Option(help='What changes, as {"fast": 20}.')],
    reason: Reason,
    state: State = STATE,
) -> None:
    """Make a new configuration with other parameters and queue its validation; keep the old."""
    from tradepulse.research.lifecycle import edit as make

    values = numbers_of("--params", json_of("--params", params))

    async def switch(
        pool: "asyncpg.Pool[asyncpg.Record]", found: "UUID", why: str
    ) -> "StoredConfiguration":
        return await make(pool, found, values, why)

    _switch(configuration, reason, state, switch)


@app.command("show")
def show_one(configuration: Id, state: State = STATE) -> None:
    """Show one configuration: its figures, where they come from, and its last validation."""

    async def look(pool: "asyncpg.Pool[asyncpg.Record]", found: "UUID") -> None:
        from tradepulse.research.configurations import configuration_of, latest_report

        one = await configuration_of(pool, found)
        show([one])
        typer.echo(f"id            {one.configuration_id}, revision {one.revision}")
        if one.edited_from is not None:
            typer.echo(f"edited from   {one.edited_from}")
        for side, name in (("in_sample", "in sample"), ("out_of_sample", "out of sample")):
            if (span := one.metrics.get(f"{side}_range")) is not None:
                typer.echo(f"{name:<13} {' to '.join(time_text(time) for time in span)} UTC")
        report = await latest_report(pool, found)
        if report is None:
            typer.echo("not validated yet")
            return
        typer.echo(
            f"validation    counting {report['search']['trials']:,} trials of the market: "
            f"{report['verdict']}"
        )
        for gate in report["gates"]:
            typer.echo(f"  {'passed ' if gate['passed'] else 'refused'}  {gate['verdict']}")

    with_one(configuration, state, look)


@app.command()
def events(configuration: Id, state: State = STATE) -> None:
    """Show the history of a configuration: every change, with its reason."""

    async def look(pool: "asyncpg.Pool[asyncpg.Record]", found: "UUID") -> None:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        from tradepulse.research.configurations import configuration_events

        table = Table("at (UTC)", "from", "to", "active", "by", "reason")
        for one in await configuration_events(pool, found):
            table.add_row(
                f"{one.at:%Y-%m-%d %H:%M:%S}",
                one.from_stage or "-",
                one.to_stage,
                "yes" if one.is_active else "no",
                "a person" if one.by_person else "itself",
                escape(one.reason),
            )
        Console().print(table)

    with_one(configuration, state, look)


def show(found: "Sequence[StoredConfiguration]") -> None:
    """Print configurations; of each pair of figures the first is in sample."""
    from rich.console import Console
    from rich.table import Table

    from tradepulse.cli.research.report import params_text

    table = Table("id", "series", "strategy, parameters", "stage", "active")
    for name in ("net profit %", "Sharpe", "drawdown %", "trades"):
        table.add_column(f"{name}\nin | out of sample", justify="right")
    table.add_column("trials", justify="right")
    for one in found:
        table.add_row(
            str(one.configuration_id)[:8],
            f"{one.exchange} {one.symbol} {one.timeframe}",
            f"{one.strategy}\n{params_text(one.strategy, one.params)}",
            f"{one.stage}\nretired" if one.retired else one.stage,
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
    from tradepulse.research.configurations import list_configurations
    from tradepulse.runtime.db import opened_pool

    async with opened_pool(url, max_size=1) as pool:
        return await list_configurations(
            pool, active_only=active, job_id=None if job is None else uuid_of("--job", job)
        )


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
    async def act(pool: "asyncpg.Pool[asyncpg.Record]", found: "UUID") -> "StoredConfiguration":
        with values_refused():
            return await switch(pool, found, reason)

    changed = with_one(start, state, act)
    typer.echo(
        f"{changed.configuration_id} ({changed.strategy} on {changed.series}) is "
        f"{'active' if changed.is_active else 'not active'}, stage {changed.stage}"
        f"{', retired' if changed.retired else ''}"
    )


def with_one(
    start: str, state: Any, act: Callable[["asyncpg.Pool[asyncpg.Record]", "UUID"], Awaitable[R]]
) -> R:
    """Do something about the one configuration whose id begins so."""

    async def connected() -> R:
        from tradepulse.research.configurations import list_configurations
        from tradepulse.runtime.db import opened_pool

        async with opened_pool(database_url(state), max_size=1) as pool:
            ids = [one.configuration_id for one in await list_configurations(pool)]
            meant = [one for one in ids if str(one).startswith(start.lower())] if start else []
            if len(meant) != 1:
                which = "no configuration" if not meant else f"{len(meant)} configurations"
                raise CliError(
                    f"{which} of an id that begins with {start!r}; see `tradepulse configs`"
                )
            return await act(pool, meant[0])

    return asyncio.run(connected())
