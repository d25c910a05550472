"""`configs`: trained configurations with their evidence, and what a person decides about them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from tradepulse.cli.connections import STATE, State, database_url
from tradepulse.cli.errors import CliError, values_refused
from tradepulse.cli.options import (
    ListByDefault,
    grouped,
    json_of,
    load_strategies,
    numbers_of,
    time_text,
)
from tradepulse.cli.tables import SHORT, Column, Json, Output
from tradepulse.cli.tables import show as show_table

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from tradepulse.research.configurations import ConfigurationEvent, StoredConfiguration

Id = Annotated[str, typer.Argument(help="The configuration's id, or how it begins.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the change.")]
R = TypeVar("R")
_STAGES = ("DISCOVERY", "VALIDATION", "PAPER", "MATURE", "DECAY")
_FIGURES = (
    ("profit\n%", "net_profit_pct", "+.1f"),
    ("Sharpe", "sharpe", ".2f"),
    ("draw-\ndown %", "max_drawdown_pct", ".1f"),
    ("trades", "trades", ","),
)

_NONE = "no configurations; `tradepulse optimize` finds some, `tradepulse configs add` takes yours"
_HELP = "List configurations, add one, look at one, switch, move, edit or validate it."
app = typer.Typer(cls=ListByDefault, add_completion=False, help=_HELP)


@app.command("list")
@grouped
def list_configs(
    *,
    active: Annotated[bool, typer.Option("--active", help="Only the active ones.")] = False,
    job: Annotated[str | None, typer.Option(help="Only those of this training job.")] = None,
    output: Output,
    state: State = STATE,
) -> None:
    """Show each configuration's figures in sample and out of sample, one below the other."""
    meant = None if job is None else uuid_of("--job", job)

    async def look(pool: "asyncpg.Pool[asyncpg.Record]") -> "list[StoredConfiguration]":
        from tradepulse.research.configurations import list_configurations as listed

        return await listed(pool, active_only=active, job_id=meant)

    found = connected(database_url(state), look)
    output.put(columns(), found, asdict, _NONE)


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
    load_strategies_of(state)

    async def switch(
        pool: "asyncpg.Pool[asyncpg.Record]", found: "UUID", why: str
    ) -> "StoredConfiguration":
        return await make(pool, found, values, why)

    made = _switch(configuration, reason, state, switch)
    short = str(made.configuration_id)[:SHORT]
    typer.echo(
        f"its validation is queued: `tradepulse configs report {short}` says what the gates found\n"
        "to trade it on paper whatever they say: "
        f"tradepulse configs activate {short} --reason ..."
    )


@app.command("show")
def show_one(configuration: Id, json: Json = None, state: State = STATE) -> None:
    """Show one configuration: its figures, where they come from, and its last validation."""

    async def look(pool: "asyncpg.Pool[asyncpg.Record]", found: "UUID") -> None:
        from tradepulse.research.configurations import configuration_of, latest_report

        one = await configuration_of(pool, found)
        if Output(json=json).wrote(asdict(one)):
            return
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
@grouped
def events(*, configuration: Id, output: Output, state: State = STATE) -> None:
    """Show the history of a configuration: every change, with its reason."""
    from rich.markup import escape

    from tradepulse.research.configurations import configuration_events

    history: Sequence[Column[ConfigurationEvent]] = (
        Column("at (UTC)", lambda one: f"{one.at:%Y-%m-%d %H:%M:%S}"),
        Column("from", lambda one: one.from_stage or "-"),
        Column("to", lambda one: one.to_stage),
        Column("active", lambda one: "yes" if one.is_active else "no"),
        Column("by", lambda one: "a person" if one.by_person else "itself"),
        Column("reason", lambda one: escape(one.reason), least=16),
    )
    output.put(history, with_one(configuration, state, configuration_events), asdict, "no history")


def show(found: "Sequence[StoredConfiguration]") -> None:
    """Print configurations."""
    show_table(columns(), found)


def columns() -> "Sequence[Column[StoredConfiguration]]":
    """Return the columns of a configuration: figures in sample, below them out of sample."""
    from tradepulse.cli.research.report import params_lines

    def state(one: "StoredConfiguration") -> str:
        last = "retired" if one.retired else "[green]active[/]" if one.is_active else "not active"
        return f"{one.stage}\n{last}"

    def figure(head: str, name: str, form: str) -> "Column[StoredConfiguration]":
        return Column(head, lambda one: _pair(one.metrics, name, form), is_number=True)

    def trials(one: "StoredConfiguration") -> str:
        return f"{one.metrics['trials']:,}" if "trials" in one.metrics else "-"

    def what(one: "StoredConfiguration") -> str:
        series = f"{one.exchange} {one.symbol} {one.timeframe}"
        return "\n".join([one.strategy, series, *params_lines(one.strategy, one.params)])

    return (
        Column(
            "id\nstage",
            lambda one: f"{str(one.configuration_id)[:SHORT]}\n{state(one)}",
            whole=lambda one: f"{one.configuration_id}\n{state(one)}",
        ),
        Column("strategy, series,\nparameters", what),
        Column("sample", lambda _: "in\nout"),
        *(figure(*one) for one in _FIGURES),
        Column("trials", trials, 1, is_number=True),
    )


def _pair(metrics: dict[str, Any], name: str, form: str) -> str:
    sides = (metrics.get(side) or {} for side in ("in_sample", "out_of_sample"))
    values = (side.get(name) for side in sides)
    return "\n".join("-" if value is None else format(value, form) for value in values)


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


def load_strategies_of(state: Path) -> None:
    """Load the files of strategies that the `tradepulse up` of a state folder was given.

    Raises:
        CliError: one cannot be used.
    """
    from tradepulse.cli.up.choice import Choice, recall

    kept = recall(state, Choice())
    load_strategies(Path(one) for one in kept.strategies or () if one.endswith(".py"))


def _switch(
    start: str, reason: str, state: Any, switch: Callable[..., Awaitable["StoredConfiguration"]]
) -> "StoredConfiguration":
    async def act(pool: "asyncpg.Pool[asyncpg.Record]", found: "UUID") -> "StoredConfiguration":
        with values_refused():
            return await switch(pool, found, reason)

    changed = with_one(start, state, act)
    typer.echo(said(changed))
    return changed


def said(one: "StoredConfiguration") -> str:
    """Return a configuration and where it stands, in a line."""
    return (
        f"{one.configuration_id} ({one.strategy} on {one.series}) is "
        f"{'active' if one.is_active else 'not active'}, stage {one.stage}"
        f"{', retired' if one.retired else ''}"
    )


def with_one(
    start: str, state: Any, act: Callable[["asyncpg.Pool[asyncpg.Record]", "UUID"], Awaitable[R]]
) -> R:
    """Do something about the one configuration whose id begins so."""

    async def work(pool: "asyncpg.Pool[asyncpg.Record]") -> R:
        from tradepulse.research.configurations import list_configurations

        ids = [one.configuration_id for one in await list_configurations(pool)]
        meant = [one for one in ids if str(one).startswith(start.lower())] if start else []
        if len(meant) != 1:
            which = "no configuration" if not meant else f"{len(meant)} configurations"
            raise CliError(f"{which} of an id that begins with {start!r}; see `tradepulse configs`")
        return await act(pool, meant[0])

    return connected(database_url(state), work)


def connected(url: str, work: Callable[["asyncpg.Pool[asyncpg.Record]"], Awaitable[R]]) -> R:
    """Do something with a database."""

    async def run() -> R:
        from tradepulse.runtime.db import opened_pool

        async with opened_pool(url, max_size=1) as pool:
            return await work(pool)

    return asyncio.run(run())
