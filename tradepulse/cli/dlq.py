"""`dlq`: messages that could not be handled."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tradepulse.cli.connections import STATE, State, kafka_address
from tradepulse.cli.errors import FAILED, CliError, one_line, values_refused
from tradepulse.cli.options import time_text
from tradepulse.runtime.kafka import KafkaAddress

if TYPE_CHECKING:
    from tradepulse.runtime.dead_letter_replay import DeadLetter

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

    from tradepulse.runtime.dead_letter_replay import list_dead_letters

    kafka = _kafka(topic, state)
    letters = asyncio.run(list_dead_letters(kafka, topic))
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
    from tradepulse.runtime.dead_letter_replay import replay_dead_letters

    kafka = _kafka(topic, state)
    done = asyncio.run(replay_dead_letters(kafka, topic))
    for line in done.refused:
        typer.echo(f"not sent back: {line}", err=True)
    if done.count or not done.refused:
        count = done.count
        typer.echo(f"sent back {count:,} messages" if count else "nothing waits to be sent back")
    if done.refused:
        raise typer.Exit(FAILED)


def _kafka(topic: str | None, state: Path) -> KafkaAddress:
    """Return the broker's address, once it is sure that it has what is asked for."""
    from tradepulse.cli.setup import present_topics
    from tradepulse.runtime.dead_letter_replay import topics_named

    with values_refused():
        wanted = {one.dead_letters for one in topics_named(topic)}
    kafka = kafka_address(state)
    # a consumer would wait most of a minute for a topic that is not there
    if missing := sorted(wanted - asyncio.run(present_topics(kafka)).keys()):
        raise CliError(f"the broker has no topic {missing[0]}: run `tradepulse topics`")
    return kafka


def _row(letter: "DeadLetter") -> list[str]:
    from rich.markup import escape

    value = b"" if letter.value is None else letter.value
    preview = escape(one_line(value[:_PREVIEW].decode(errors="replace")))
    more = "…" if len(value) > _PREVIEW else ""
    if letter.length is not None:
        more += f" ({len(value):,} of {letter.length:,} bytes; all of it: {letter.origin})"
    return [
        letter.topic,
        "outbox" if letter.partition < 0 else f"{letter.partition}/{letter.offset}",
        time_text(letter.timestamp),
        letter.service,
        escape(one_line(letter.reason)),
        preview + more,
        "yes" if letter.replayed else "no",
    ]
