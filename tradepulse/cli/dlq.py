"""`dlq`: messages that could not be handled."""

import asyncio
import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tradepulse.cli.connections import STATE, State, kafka_address
from tradepulse.cli.errors import FAILED, CliError, one_line, values_refused
from tradepulse.cli.options import ListByDefault, grouped, time_text
from tradepulse.cli.tables import Column, Output
from tradepulse.runtime.kafka import KafkaAddress

if TYPE_CHECKING:
    from tradepulse.runtime.dead_letter_replay import DeadLetter

Topic = Annotated[
    str | None, typer.Argument(help="A topic, as tradepulse.candles or candles; all by default.")
]
Waiting = Annotated[bool, typer.Option("--waiting", help="Only those that were not sent back yet.")]
_PREVIEW = 60

app = typer.Typer(
    cls=ListByDefault,
    add_completion=False,
    help="List messages that could not be handled, export them, send them back.",
)


@app.command("list")
@grouped
def list_letters(
    *,
    topic: Topic = None,
    waiting: Waiting = False,
    output: Output,
    state: State = STATE,
) -> None:
    """Show each message: where it stood, why it was put aside, how it begins."""
    from tradepulse.runtime.dead_letter_replay import list_dead_letters

    kafka = _kafka(topic, state)
    letters = asyncio.run(list_dead_letters(kafka, topic))
    if waiting:
        letters = [letter for letter in letters if not letter.replayed]
    output.put(columns(), letters, _as_json, "no dead letters")


@app.command()
def replay(topic: Topic = None, state: State = STATE) -> None:
    """Send back, to their topic and with their key, those that were not sent back before."""
    from tradepulse.runtime.dead_letter_replay import replay_dead_letters

    kafka = _kafka(topic, state)
    done = asyncio.run(replay_dead_letters(kafka, topic))
    for line in done.refused:
        typer.echo(f"not sent back: {line}", err=True)
    if done.count or not done.refused:
        sent = f"sent back {_messages(done.count)}"
        typer.echo(sent if done.count else "nothing waits to be sent back")
    if done.refused:
        raise typer.Exit(FAILED)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="File to write, one JSON object a line.")],
    topic: Topic = None,
    waiting: Waiting = False,
    state: State = STATE,
) -> None:
    """Write the messages to a file, each whole as it was put aside, with its headers."""
    kafka = _kafka(topic, state)
    if file.exists():
        raise CliError(f"{file} is there already, and is not overwritten: choose another name")
    count = asyncio.run(_export(kafka, topic, file, waiting=waiting))
    typer.echo(f"wrote {_messages(count)} to {file}")


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count:,} messages"


async def _export(kafka: KafkaAddress, topic: str | None, file: Path, *, waiting: bool) -> int:
    from tradepulse.library.progress import progress_bar
    from tradepulse.runtime.dead_letter_replay import dead_letters

    # what has its name is whole
    partial = file.with_name(file.name + ".partial")
    count = 0
    try:
        with partial.open("w") as out, progress_bar() as bar:
            task = bar.add_task("messages", total=None)
            async for letter in dead_letters(kafka, topic):
                if waiting and letter.replayed:
                    continue
                out.write(json.dumps(_as_json(letter), ensure_ascii=False) + "\n")
                count += 1
                bar.update(task, completed=count)
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _as_json(letter: "DeadLetter") -> dict[str, Any]:
    return {
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "reason": letter.reason,
        "service": letter.service,
        "put_aside_at": datetime.fromtimestamp(letter.timestamp / 1000, tz=UTC).isoformat(),
        "dead_letter_offset": letter.dead_offset,
        "sent_back": letter.replayed,
        "headers": dict(letter.headers),
        **_bytes("key", letter.key),
        **_bytes("value", letter.value),
    }


def _bytes(name: str, value: bytes | None) -> dict[str, str | None]:
    """Return bytes as text where they are text, else as base64 under another name."""
    if value is None:
        return {name: None}
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value).decode()}


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


def columns() -> "Sequence[Column[DeadLetter]]":
    """Return the columns of a message."""
    from rich.markup import escape

    def place(letter: "DeadLetter") -> str:
        return "outbox" if letter.partition < 0 else f"{letter.partition}/{letter.offset}"

    return (
        Column("topic", lambda one: one.topic),
        Column("at", place),
        Column("put aside", lambda one: time_text(one.timestamp), 1),
        Column("by", lambda one: one.service, 2),
        Column("reason", lambda one: escape(one_line(one.reason)), least=24),
        Column("begins with", _beginning, 3, least=24),
        Column("sent\nback", lambda one: "yes" if one.replayed else "no"),
    )


def _beginning(letter: "DeadLetter") -> str:
    from rich.markup import escape

    value = b"" if letter.value is None else letter.value
    preview = escape(one_line(value[:_PREVIEW].decode(errors="replace")))
    more = "…" if len(value) > _PREVIEW else ""
    if letter.length is not None:
        more += f" ({len(value):,} of {letter.length:,} bytes; all of it: {letter.origin})"
    return preview + more
