"""`migrate`, `topics` and `doctor`: what has to be there before anything runs."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from tradepulse.cli.connections import STATE, State, bootstrap_servers, database_url


def migrate(state: State = STATE) -> None:
    """Apply the database migrations that are missing."""
    from tradepulse.runtime import db

    applied = asyncio.run(db.migrate(database_url(state)))
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo("nothing to do: the database is up to date")


def topics(
    only_list: Annotated[
        bool, typer.Option("--list", help="Only show the topics and whether they exist.")
    ] = False,
    state: State = STATE,
) -> None:
    """Create the Kafka topics that are missing."""
    from tradepulse.cli.errors import CliError
    from tradepulse.runtime.publisher import BrokerUnavailableError
    from tradepulse.runtime.topics import create_topics

    servers = bootstrap_servers(state)
    if only_list:
        _list_topics(servers)
        return
    try:
        created = asyncio.run(create_topics(servers))
    except BrokerUnavailableError:
        raise
    except RuntimeError as error:
        raise CliError(str(error)) from error
    for name in created:
        typer.echo(f"created {name}")
    if not created:
        typer.echo("nothing to do: every topic exists")


def doctor(
    state: Annotated[Path, typer.Option(help="Folder that keeps everything of a run.")] = STATE,
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON, for a report of a fault.")
    ] = False,
) -> None:
    """Check what this machine needs for `tradepulse up`."""
    from tradepulse.cli.doctor import doctor as examine

    raise typer.Exit(examine(state, as_json=as_json))


def _list_topics(servers: str) -> None:
    from rich.console import Console
    from rich.table import Table

    from contracts.topics import DAY_MS, DEAD_LETTERS_BYTES, DEAD_LETTERS_MS, TOPICS

    present = asyncio.run(present_topics(servers))
    aside = f"{DEAD_LETTERS_MS // DAY_MS} days, {DEAD_LETTERS_BYTES >> 30} GiB"
    table = Table("topic", "partitions", "kept", "key", "written by", "exists")
    for topic in TOPICS:
        kept = "latest of each key" if topic.compacted else f"{topic.retention_ms // DAY_MS} days"
        for name, partitions, how_long in (
            (topic.name, topic.partitions, kept),
            (topic.dead_letters, 1, aside),
        ):
            found = present.get(name)
            exists = "no" if found is None else "yes" if found == partitions else f"with {found}"
            table.add_row(name, str(partitions), how_long, topic.key, topic.writer, exists)
    Console().print(table)


async def present_topics(servers: str) -> dict[str, int]:
    """Return the number of partitions by name of each topic that exists."""
    from aiokafka.admin import AIOKafkaAdminClient

    from tradepulse.runtime.publisher import retry_connect

    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    try:
        await retry_connect(admin.start, servers, 5)
        return {t["topic"]: len(t["partitions"]) for t in await admin.describe_topics()}
    finally:
        await admin.close()
