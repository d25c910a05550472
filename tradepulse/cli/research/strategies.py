"""`strategies`: list them with their parameters, begin and check a file of one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradepulse.cli.errors import FAILED
from tradepulse.cli.options import (
    OfFile,
    StrategyFiles,
    file_told,
    grouped,
    json_of,
    load_strategies,
    numbers_of,
)
from tradepulse.cli.tables import Json, Output

if TYPE_CHECKING:
    from tradepulse.candles.arrays import Candles
    from tradepulse.strategies import Param, Strategy

app = typer.Typer(add_completion=False)


@app.callback(invoke_without_command=True)
def strategies(
    ctx: typer.Context,
    strategy_file: StrategyFiles = None,
    json: Json = None,
) -> None:
    """List strategies and parameters, begin and check a file of your own.

    Those of STRATEGY_FILES are among them.
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = tuple(strategy_file or ())
        return
    load_strategies(strategy_file)
    from tradepulse.strategies import get_strategy, strategy_names

    every = [get_strategy(name) for name in strategy_names()]
    if not Output(json=json).wrote([_as_json(one) for one in every]):
        for one in every:
            _show(one)


@app.command()
def new(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the strategy, as my_pullback.")],
    folder: Annotated[
        Path, typer.Option(help="Folder of the files.", file_okay=False, exists=True)
    ] = Path(),
) -> None:
    """Write a commented file with a strategy to change, and its test."""
    from tradepulse.cli.research.beginning import write_beginning

    load_strategies(ctx.obj)
    file, test = write_beginning(name, folder)
    typer.echo(f"wrote {file} and {test}\ncheck it: tradepulse strategies check {file}")


@app.command()
@grouped
def check(
    *,
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="Python file with strategies.")],
    candles: Annotated[
        Path | None, typer.Option(help="File of candles; without it, a random walk.")
    ] = None,
    of_file: OfFile,
    params: Annotated[
        str | None, typer.Option(help='Parameters, as {"fast": 10}; the rest are defaults.')
    ] = None,
    time_limit: Annotated[
        float,
        typer.Option(min=1, help="Seconds that each step may take: loading, one look at one."),
    ] = 60,
) -> None:
    """Load a file, and look whether its strategies know the future or never forget.

    Also how many candles they look back and how long they take, whether the levels of their
    entries are on their sides, and whether they divide by zero.
    Status 1 where anything is found.
    """
    from tradepulse.cli.research.checking import Wanted, findings

    read = None if candles is None else _read(candles, of_file)
    given = numbers_of("--params", json_of("--params", params or "{}"))
    passed = True
    for verdict, line in findings(Wanted(file, read, given, ctx.obj or ()), time_limit):
        typer.echo(f"{verdict:<6}{line}")
        passed = passed and verdict != "FOUND"
    if not passed:
        raise typer.Exit(FAILED)


def _read(file: Path, of_file: OfFile) -> "Candles":
    """Return the first series of the file that is asked for; strategies may look at the others."""
    from dataclasses import replace

    from tradepulse.market_data.files import read_series

    first, *others = read_series(file, of_file.asked(), file_told)
    beside = {one.instrument: one for one in others if one.timeframe == first.timeframe}
    return replace(first, references=beside)


def _show(strategy: "Strategy") -> None:
    """Write a strategy: what it does, and a line for each of its own parameters."""
    from tradepulse.strategies import COMMON

    typer.echo(f"{strategy.name}: {strategy.description.splitlines()[0]}")
    common = {param.name for param in COMMON}
    for param in strategy.space:
        if param.name not in common:
            default = strategy.defaults[param.name]
            typer.echo(f"  {param.name:14} {default:<8g} {_bounds(param)}")


def _as_json(strategy: "Strategy") -> dict[str, Any]:
    """Return a strategy for JSON, with the parameters that all have."""
    return {
        "strategy": strategy.name,
        "description": strategy.description,
        "params": [
            {
                "name": one.name,
                "default": strategy.defaults.get(one.name),
                "low": one.low,
                "high": one.high,
                "integer": one.integer,
                "searched": one.searched,
                "only_if": one.only_if,
            }
            for one in strategy.space
        ],
    }


def _bounds(param: "Param") -> str:
    notes = [
        f"{param.low:g} to {param.high:g}",
        *(["whole"] if param.integer else []),
        *(["by factors"] if param.log else []),
        *([] if param.searched else ["not searched"]),
        *([f"only with {param.only_if}"] if param.only_if else []),
    ]
    return ", ".join(notes)
