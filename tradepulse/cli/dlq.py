"""`dlq`: messages that could not be handled."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradepulse.cli.connections import STATE, State, bootstrap_servers
from tradepulse.cli.errors import CliError, one_line
from tradepulse.cli.options import time_text

if TYPE_CHECKING:
    from tradepulse.runtime.dead_letters import DeadLetter

Topic = Annotated[
    str | None, typer.Argument(help="A topic, as tradepulse.candles or candles; all by default.")
]
_PREVIEW = 60

app = typer.Typer(
    add_completion=False, help="List messages that could not be handled, and send them back."
)


@app.callback(invoke_without_command=True)
def dlq(context: typer.Context) -> None:
    """List messages that could not be handled, and send them back."""
    if context.invoked_subcommand is None:
        list_letters()


@app.command("list")
def list_letters(
    topic: Topic = None,
    waiting: Annotated[
        bool, typer.Option("--waiting", help="Only those that were not sent back yet.")
    ] = False,
    state: State = STATE,
) -> None:
    """Show each message: where it stood, why it was put aside, how it begins."""
    from rich.console import Console
    from rich.table import Table

    from tradepulse.runtime.dead_letters import list_dead_letters

    letters = _call(list_dead_letters(bootstrap_servers(state), _checked(topic)))
    if waiting:
        letters = [letter for letter in letters if not letter.replayed]
    if not letters:
        typer.echo("no dead letters")
        return
    table = Table("topic", "at", "put aside", "by", "reason", "begins with", "sent back")
    for letter in letters:
        table.add_row(*_row(letter))
    Console().print(table)


@app.command()
def replay(topic: Topic = None, state: State = STATE) -> None:
    """Send back, to their topic and with their key, those that were not sent back before."""
    from tradepulse.runtime.dead_letters import replay_dead_letters

    count = _call(replay_dead_letters(bootstrap_servers(state), _checked(topic)))
    typer.echo(f"sent back {count:,} messages" if count else "nothing waits to be sent back")


def _checked(topic: str | None) -> str | None:
    from tradepulse.runtime.dead_letters import topics_named

    try:
        topics_named(topic)
    except ValueError as error:
        raise CliError(str(error)) from error
    return topic


def _call(work: Any) -> Any:
    from aiokafka.errors import UnknownTopicOrPartitionError

    try:
        return asyncio.run(work)
    except UnknownTopicOrPartitionError as error:
        raise CliError("the topics are not there yet: run `tradepulse topics`") from error


def _row(letter: "DeadLetter") -> list[str]:
    from rich.markup import escape

    value = b"" if letter.value is None else letter.value
    preview = one_line(value[:_PREVIEW].decode(errors="replace"))
    return [
        letter.topic,
        f"{letter.partition}/{letter.offset}",
        time_text(letter.timestamp),
        letter.service,
        escape(one_line(letter.reason)),
        escape(preview + ("…" if len(value) > _PREVIEW else "")),
        "yes" if letter.replayed else "no",
    ]
