"""`configs report`: what the gates said of a configuration, as text, as JSON, as a page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradepulse.cli.connections import STATE, State
from tradepulse.cli.errors import CliError, values_refused
from tradepulse.cli.research.configs import Id, app, with_one
from tradepulse.cli.tables import Column, show, write_json

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

__all__ = ["app"]


@app.command()
def report(
    configuration: Id,
    html: Annotated[
        Path | None, typer.Option(help="Write it as one page that opens offline.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write it as JSON.")] = None,
    state: State = STATE,
) -> None:
    """Show the report of a configuration's last validation, or write it to files."""
    found = with_one(configuration, state, _latest)
    if json is not None:
        write_json(json, found)
        typer.echo(f"written to {json}")
    if html is not None:
        from tradepulse.research.report_page import report_page

        with values_refused():
            page = report_page(found)
        html.write_text(page, encoding="utf-8")
        typer.echo(f"written to {html}")
    if json is None and html is None:
        _show(found)


async def _latest(pool: "asyncpg.Pool[asyncpg.Record]", configuration: "UUID") -> dict[str, Any]:
    from tradepulse.research.configurations import latest_report

    found = await latest_report(pool, configuration)
    if found is None:
        raise CliError(
            f"configuration {configuration} was not validated yet; `tradepulse configs validate "
            f"{str(configuration)[:8]}` queues it"
        )
    return found


def _show(found: dict[str, Any]) -> None:
    """Print the verdict, gate by gate, and the figures of both samples side by side."""
    from rich.console import Console
    from rich.markup import escape

    from tradepulse.cli.options import time_text
    from tradepulse.cli.research.report import figure_texts
    from tradepulse.research.report_page.text import measured

    console = Console()
    one, ranges = found["configuration"], found["ranges"]
    state = "[green]passed[/]" if found["passed"] else "[red]refused[/]"
    series = f"{one['exchange']} {one['symbol']} {one['timeframe']}"
    console.print(f"{state}  {escape(one['strategy'])} on {escape(series)}")
    console.print(escape(found["verdict"]))
    console.print(
        f"best of {found['search']['trials']:,} parameter sets; in sample "
        f"{time_text(ranges['start'])} to {time_text(ranges['split'])}, out of sample to "
        f"{time_text(ranges['end'])} UTC"
    )
    gate = Column[dict[str, Any]]
    columns = (
        gate("gate", lambda one: escape(one["title"]), least=16),
        gate("figure", lambda one: measured(one["figure"], one["unit"]), is_number=True),
        gate(
            "threshold",
            lambda one: f"{one['comparison']} {measured(one['threshold'], one['unit'])}",
        ),
        gate("", lambda one: "[green]passed[/]" if one["passed"] else "[red]refused[/]"),
        gate("verdict", lambda one: escape(one["verdict"]), least=20),
    )
    show(columns, found["gates"])
    inside, outside = (figure_texts(found["figures"][s]) for s in ("in_sample", "out_of_sample"))
    figures: tuple[Column[str], ...] = (
        Column("figure", lambda label: label),
        Column("in sample", lambda label: inside[label], is_number=True),
        Column("out of sample", lambda label: outside[label], is_number=True),
    )
    console.print()
    show(figures, list(inside))
