"""The `tradepulse` command. A command's module is imported only when the command is run."""

import logging
import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from tradepulse.cli.errors import FAILED, INTERRUPTED, readable, values_refused

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("up.command:up", "Run everything on this machine, on recorded candles or live ones."),
    "status": (
        "status.command:status",
        "Show what runs: services, event time, account, lag, last trouble.",
    ),
    "doctor": ("setup:doctor", "Check what this machine needs for `tradepulse up`."),
    "migrate": ("setup:migrate", "Apply the database migrations that are missing."),
    "backup": (
        "backup.command:backup",
        "Write the database to a file, or with --physical a copy of its whole server.",
    ),
    "restore": (
        "backup.command:restore",
        "Bring a backup back: into an empty database, or as the data folder of a server.",
    ),
    "topics": ("setup:topics", "Create the Kafka topics that are missing."),
    "backtest": (
        "research.backtests:backtest",
        "Trade recorded candles on a paper account, offline.",
    ),
    "new": (
        "research.project:new",
        "Begin a project: a strategy, its test, a notebook and settings, in a folder.",
    ),
    "strategies": (
        "research.strategies:app",
        "List strategies and parameters, begin and check a file of your own.",
    ),
    "optimize": (
        "research.searches:optimize",
        "Search parameters on stored candles, validate the best.",
    ),
    "configs": (
        "research.by_hand:app",
        "List configurations, add one, look at one, switch, move, edit or validate it.",
    ),
    "trades": (
        "ledger.commands:trades",
        "Show the trades that were closed, or write them to a file.",
    ),
    "orders": (
        "ledger.commands:orders",
        "Show the orders with their fills or refusals, or write them to a file.",
    ),
    "equity": (
        "ledger.commands:equity",
        "Show what the account was worth at each close, or write it to a file.",
    ),
    "weights": (
        "ledger.commands:weights",
        "Show the portfolio's weights at each close, or write them to a file.",
    ),
    "signals": (
        "ledger.commands:signals",
        "Show the signals of the strategies, or write them to a file.",
    ),
    "policy": (
        "research.models:app",
        "Train a model, list or compare them, look at one, promote, retire, import or export it.",
    ),
    "backfill": (
        "data.backfill:backfill",
        "Fetch the candles that are missing, page by page, and store them.",
    ),
    "subscriptions": (
        "data.subscriptions:app",
        "List the series that are followed live, follow more, or fewer.",
    ),
    "rules": (
        "data.rules:app",
        "List what venues accept as orders, import it, fetch it, set it.",
    ),
    "import": ("data.candle_data:import_candles", "Store the candles of a file, all or none."),
    "export": ("data.candle_data:export_candles", "Write stored candles to a parquet or CSV file."),
    "gaps": ("data.gaps:app", "Look for holes and bad candles, list them, repair them."),
    "coverage": (
        "data.coverage:coverage",
        "Show how much of each series there is, what is missing, and a map.",
    ),
    "trace": (
        "trace:trace",
        "Show an order or a signal with what led to it: signal, evaluation, candle.",
    ),
    "db": (
        "db:app",
        "Give the database's address, a shell that only reads, and what the tables mean.",
    ),
    "dlq": ("dlq:app", "List messages that could not be handled, export them, send them back."),
}
"""Where each command is, and the first line of its help."""


class LazyGroup(TyperGroup):
    """Lists commands without importing them, and turns errors into one line and a status."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands' names in the order of `COMMANDS`."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a stand-in that only carries the help line."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1])

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command to run, imported now."""
        name, found, rest = super().resolve_command(ctx, args)
        if found is not None and name in COMMANDS:
            found = load(name)
        return name, found, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; leave with one line where a user can mend what went wrong."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            line = readable(error)
            if line is None:
                raise
            typer.echo(f"tradepulse {ctx.invoked_subcommand}: {line}", err=True)
            raise typer.Exit(FAILED) from error


def _load_strategies() -> None:
    from tradepulse.strategies.files import load_strategy_files

    with values_refused("STRATEGY_FILES"):
        load_strategy_files()


def load(name: str) -> Any:
    """Import a command and build it."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found: typer.Typer | Callable[..., None] = getattr(
        import_module(f"tradepulse.cli.{module}"), attribute
    )
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False)
        single.command()(found)
        found = single
    command = get_command(found)
    command.name = name
    return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from tradepulse.version import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def tradepulse(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Systematic crypto trading: rule-based signals, sized by a portfolio policy."""
    del version
    # aiokafka logs every failed attempt to connect; what matters of it is said in one line
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    if os.environ.get("STRATEGY_FILES"):
        _load_strategies()


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
