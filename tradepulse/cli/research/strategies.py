"""`strategies`: list them with their parameters, and check a file of one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradepulse.cli.errors import FAILED, values_refused
from tradepulse.cli.options import (
    OfFile,
    StrategyFiles,
    file_told,
    grouped,
    json_of,
    load_strategies,
    numbers_of,
)

if TYPE_CHECKING:
    from tradepulse.candles.arrays import Candles
    from tradepulse.strategies import Param, Strategy

app = typer.Typer(add_completion=False)

MADE_UP = 5_000
"""Candles of a random walk that strategies are checked on where none are given."""
WARM_UPS = 8
"""Lookbacks that a check wants candles for."""


@app.callback(invoke_without_command=True)
def strategies(
    ctx: typer.Context,
    strategy_file: StrategyFiles = None,
) -> None:
    """List strategies and parameters, check a file of your own.

    Those of STRATEGY_FILES are among them.
    """
    load_strategies(strategy_file)
    if ctx.invoked_subcommand is None:
        from tradepulse.strategies import get_strategy, strategy_names

        for name in strategy_names():
            _show(get_strategy(name))


@app.command()
@grouped
def check(
    *,
    file: Annotated[Path, typer.Argument(help="Python file with strategies.")],
    candles: Annotated[
        Path | None, typer.Option(help="File of candles; without it, a random walk.")
    ] = None,
    of_file: OfFile,
    params: Annotated[
        str | None, typer.Option(help='Parameters, as {"fast": 10}; the rest are defaults.')
    ] = None,
) -> None:
    """Load a file, and look whether its strategies know the future or never forget.

    Status 1 where anything is found.
    """
    from tradepulse.strategies import get_strategy
    from tradepulse.strategies.detectors import look_ahead, recursive
    from tradepulse.strategies.files import load_strategy_file

    read = None if candles is None else _read(candles, of_file)
    given = numbers_of("--params", json_of("--params", params or "{}"))
    with values_refused():
        names = load_strategy_file(file)
    passed = True
    for name in names:
        found = get_strategy(name)
        with values_refused():
            series = _series(read, found.lookback(given))
            for detection in (look_ahead(found, given, series), recursive(found, given, series)):
                verdict = "ok    " if detection.passed else "FOUND "
                typer.echo(f"{verdict}{name}: {detection.name}: {detection.sentence}")
                passed = passed and detection.passed
    if not passed:
        raise typer.Exit(FAILED)


def _read(file: Path, of_file: OfFile) -> "Candles":
    """Return the first series of the file that is asked for."""
    from tradepulse.market_data.files import read_series

    return read_series(file, of_file.asked(), file_told)[0]


def _series(read: "Candles | None", lookback: int) -> "Candles":
    """Return what was read of a file, or a random walk; not longer than the check needs."""
    from tradepulse.strategies.detectors import random_walk

    count = max(MADE_UP, WARM_UPS * lookback)
    return random_walk(count) if read is None else read.rows(0, count)


def _show(strategy: "Strategy") -> None:
    """Write a strategy: what it does, and a line for each of its own parameters."""
    from tradepulse.strategies import COMMON

    typer.echo(f"{strategy.name}: {strategy.description.splitlines()[0]}")
    common = {param.name for param in COMMON}
    for param in strategy.space:
        if param.name not in common:
            default = strategy.defaults[param.name]
            typer.echo(f"  {param.name:14} {default:<8g} {_bounds(param)}")


def _bounds(param: "Param") -> str:
    notes = [
        f"{param.low:g} to {param.high:g}",
        *(["whole"] if param.integer else []),
        *(["by factors"] if param.log else []),
        *([] if param.searched else ["not searched"]),
        *([f"only with {param.only_if}"] if param.only_if else []),
    ]
    return ", ".join(notes)
