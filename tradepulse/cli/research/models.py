"""`policy`: trained models with what the gates said, and what a person decides about them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from tradepulse.cli.connections import STATE, State, database_url
from tradepulse.cli.errors import CliError, values_refused
from tradepulse.cli.options import ListByDefault, grouped
from tradepulse.cli.research.training import train
from tradepulse.cli.tables import Column, Json, Output, id_column
from tradepulse.cli.tables import show as show_table

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg
    from rich.table import Table

    from tradepulse.research.model_days import Watched
    from tradepulse.research.model_lifecycle import Promoted
    from tradepulse.research.model_registry import ModelEvent, StoredModel

Id = Annotated[str, typer.Argument(help="The model's id, or how it begins.")]
Portfolio = Annotated[str, typer.Option(help="Whose model it is.")]
R = TypeVar("R")

_HELP = "Train a model, list or compare them, look at one, promote, retire, import or export it."
app = typer.Typer(cls=ListByDefault, add_completion=False, help=_HELP)
app.command("train")(train)


@app.command("list")
@grouped
def list_all(
    *,
    portfolio: Annotated[str | None, typer.Option(help="Only those of this one.")] = None,
    output: Output,
    state: State = STATE,
) -> None:
    """Show the models, the active one first, with what the gates said of each."""

    async def look(pool: "asyncpg.Pool[asyncpg.Record]") -> "list[StoredModel]":
        from tradepulse.research.model_registry import list_models

        return await list_models(pool, portfolio)

    nothing = (
        "no models; `tradepulse policy train` makes one, `tradepulse policy import FILE` stores one"
    )
    output.put(columns(), _connected(state, look), asdict, nothing)


@app.command()
def show(model: Id, json: Json = None, state: State = STATE) -> None:
    """Show one model: where it comes from, what the gates said, and its history."""

    async def look(
        pool: "asyncpg.Pool[asyncpg.Record]", found: "UUID"
    ) -> "tuple[Watched, list[ModelEvent]]":
        from tradepulse.research.model_days import watched
        from tradepulse.research.model_registry import model_events, model_row

        row = await model_row(pool, found)
        return await watched(pool, row), await model_events(pool, found)

    watched, events = _with_one(model, state, look)
    if not Output(json=json).wrote(asdict(watched.row) | {"history": events}):
        _show(watched, events)


@app.command()
def compare(
    one: Id,
    other: Annotated[str, typer.Argument(help="The other one's id, or how it begins.")],
    json: Json = None,
    state: State = STATE,
) -> None:
    """Show two models side by side: figures of each part of time, gates, excess."""
    from tradepulse.cli.research.model_comparison import comparison

    async def look(pool: "asyncpg.Pool[asyncpg.Record]") -> "list[StoredModel]":
        from tradepulse.research.model_registry import model_beginning, model_row

        return [await model_row(pool, await model_beginning(pool, each)) for each in (one, other)]

    found = _connected(state, look)
    if found[0].model_id == found[1].model_id:
        raise CliError(f"{one} and {other} are the same model; name two")
    with values_refused():
        table, lines = comparison(found)
    if Output(json=json).wrote(found):
        return
    _print(table)
    for line in lines:
        typer.echo(line)


@app.command()
def promote(
    model: Id,
    reason: Annotated[
        str,
        typer.Option(
            help="Why; needed where a rule is set aside (gates, days in SHADOW), and shown with "
            "the model from then on."
        ),
    ] = "",
    to: Annotated[
        str | None, typer.Option(help="SHADOW or ACTIVE; the next one by default.")
    ] = None,
    state: State = STATE,
) -> None:
    """Move a model to SHADOW, or to ACTIVE, where it retires the one that was active."""
    wanted = None if to is None else to.upper()
    if wanted not in {None, "SHADOW", "ACTIVE"}:
        raise CliError(f"--to {to}: a model is promoted to SHADOW or ACTIVE")

    async def act(pool: "asyncpg.Pool[asyncpg.Record]", found: "UUID") -> "Promoted":
        from tradepulse.research.model_lifecycle import next_stage
        from tradepulse.research.model_lifecycle import promote as move
        from tradepulse.research.model_registry import model_row

        stage = wanted or next_stage(await model_row(pool, found))
        return await move(pool, found, stage, reason)  # type: ignore[arg-type]  # as seen above

    done = _with_one(model, state, act)
    typer.echo(f"{_named(done.model)} is in stage {done.model.stage}")
    if done.replaced is not None:
        typer.echo(f"{_named(done.replaced)} was active and is retired")


@app.command()
def retire(
    model: Id,
    reason: Annotated[str, typer.Option(help="Why; kept with the change.")],
    state: State = STATE,
) -> None:
    """Take a model out of service; where it was active, inverse volatility decides."""

    async def act(pool: "asyncpg.Pool[asyncpg.Record]", found: "UUID") -> "StoredModel":
        from tradepulse.research.model_lifecycle import retire as move

        return await move(pool, found, reason)

    typer.echo(f"{_named(_with_one(model, state, act))} is retired")


@app.command("export")
def export_model(
    model: Id, file: Annotated[Path, typer.Argument(help="Where to.")], state: State = STATE
) -> None:
    """Write a model to a file, which `backtest` and `import` take."""

    async def look(pool: "asyncpg.Pool[asyncpg.Record]", found: "UUID") -> None:
        from tradepulse.research.model_files import write_model
        from tradepulse.research.model_registry import stored_model

        with values_refused():
            write_model(file, await stored_model(pool, found))

    _with_one(model, state, look)
    typer.echo(f"written to {file}")


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A model's file.")],
    name: Annotated[str | None, typer.Option(help="For people; the file's by default.")] = None,
    portfolio: Portfolio = "main",
    state: State = STATE,
) -> None:
    """Store a model's file. No gate has judged it, so it is promoted only with a reason."""
    from tradepulse.research.model_files import read_model
    from tradepulse.trading.policies.model_bytes import bytes_of

    with values_refused():
        artifact = bytes_of(read_model(file))

    async def act(pool: "asyncpg.Pool[asyncpg.Record]") -> "StoredModel":
        from tradepulse.research.model_registry import import_model

        return await import_model(pool, artifact, portfolio, name or file.stem, file.name)

    row = _connected(state, act)
    typer.echo(f"{_named(row)} is stored: {row.stage}, {row.verdict}")


def columns() -> "Sequence[Column[StoredModel]]":
    """Return the columns of a model."""
    from rich.markup import escape

    def stage(one: "StoredModel") -> str:
        return f"[green]{one.stage}[/]" if one.stage == "ACTIVE" else one.stage

    def timeframe(one: "StoredModel") -> str:
        return one.timeframe if one.mode == "signals" else f"{one.timeframe}\n{one.mode}"

    def said(one: "StoredModel") -> str:
        return escape("\n".join([one.verdict, *(f"set aside: {text}" for text in one.overrides)]))

    return (
        id_column("id", lambda one: one.model_id),
        Column("name", lambda one: escape(one.name)),
        Column("portfolio", lambda one: escape(one.portfolio), 2),
        Column("timeframe", timeframe, 1),
        Column("stage", stage),
        Column("since (UTC)", lambda one: f"{one.stage_since:%Y-%m-%d %H:%M}", 3),
        Column("gates", said, least=24),
    )


def _show(found: "Watched", events: "Sequence[ModelEvent]") -> None:
    from rich.markup import escape

    row = found.row
    show_table(columns(), [row])
    layers = "-".join(map(str, row.manifest["layers"]))
    typer.echo(f"id            {row.model_id}")
    typer.echo(f"network       {layers}, {row.manifest['seeds']} seeds, mode {row.mode}")
    typer.echo(f"checksum      {row.artifact_sha256}")
    if row.instruments:
        typer.echo(f"instruments   {', '.join(row.instruments)}")
    if row.job_id is not None:
        typer.echo(f"job           {row.job_id}")
    for gate in row.gates:
        word = "passed " if gate.get("passed") else "refused"
        typer.echo(f"  {word}  {gate.get('verdict', gate.get('name', ''))}")
    if found.days:
        last = found.days[-1]
        typer.echo(
            f"watch         evidence of harm {last.evidence:.2f}, retired at {last.bound:.0f}"
        )
    for line in found.warnings:
        typer.echo(f"  warning  {line}")
    history: Sequence[Column[ModelEvent]] = (
        Column("at (UTC)", lambda one: f"{one.at:%Y-%m-%d %H:%M:%S}"),
        Column("from", lambda one: one.from_stage or "-"),
        Column("to", lambda one: one.to_stage),
        Column("by", lambda one: "a person" if one.by_person else "itself"),
        Column("reason", lambda one: escape(one.reason), least=24),
    )
    show_table(history, events)


def _print(table: "Table") -> None:
    from rich.console import Console

    Console().print(table)


def _named(row: "StoredModel") -> str:
    return f"model {row.model_id} ({row.name}) of portfolio {row.portfolio}"


def _connected(state: Path, act: Callable[["asyncpg.Pool[asyncpg.Record]"], Awaitable[R]]) -> R:
    async def run() -> R:
        from tradepulse.runtime.db import opened_pool

        async with opened_pool(database_url(state), max_size=1) as pool:
            with values_refused():
                return await act(pool)

    return asyncio.run(run())


def _with_one(
    start: str,
    state: Path,
    act: Callable[["asyncpg.Pool[asyncpg.Record]", "UUID"], Awaitable[R]],
) -> R:
    """Do something about the one model whose id begins so."""

    async def run(pool: "asyncpg.Pool[asyncpg.Record]") -> R:
        from tradepulse.research.model_registry import model_beginning

        return await act(pool, await model_beginning(pool, start))

    return _connected(state, run)
