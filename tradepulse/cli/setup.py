"""`migrate`, `topics` and `doctor`: what has to be there before anything runs."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from tradepulse.cli.connections import STATE, State, database_url, kafka_address
from tradepulse.cli.options import grouped
from tradepulse.cli.tables import Column, Output
from tradepulse.runtime.kafka import KafkaAddress


def migrate(
    accept_rules: Annotated[
        bool,
        typer.Option(
            help="Let this version's rules of trading decide from here on; nobody may run that "
            "decides by others."
        ),
    ] = False,
    state: State = STATE,
) -> None:
    """Apply the database migrations that are missing."""
    from tradepulse.runtime import db, rules_version
    from tradepulse.trading import RULES_VERSION

    url = database_url(state)
    applied = asyncio.run(db.migrate(url, lambda line: typer.echo(line, err=True)))
    for name in applied:
        typer.echo(f"applied {name}")
    taken = asyncio.run(rules_version.accept_rules(url, RULES_VERSION)) if accept_rules else []
    for consumer in taken:
        typer.echo(f"{consumer} goes on by rules {RULES_VERSION}")
    if not applied and not taken:
        typer.echo("nothing to do: the database is up to date")


@grouped
def topics(
    *,
    only_list: Annotated[
        bool, typer.Option("--list", help="Only show the topics and whether they exist.")
    ] = False,
    restore: Annotated[
        bool,
        typer.Option(
            "--restore",
            help="Delete the topics, create them anew, and let the services publish again what is "
            "lacking when they start. All of them must be stopped.",
        ),
    ] = False,
    output: Output,
    state: State = STATE,
) -> None:
    """Create the Kafka topics that are missing."""
    from tradepulse.cli.errors import CliError
    from tradepulse.runtime.publisher import BrokerUnavailableError
    from tradepulse.runtime.topics import create_topics

    kafka = kafka_address(state)
    if only_list:
        _list_topics(kafka, output)
        return
    if restore:
        asyncio.run(_empty_topics(kafka, database_url(state)))
    try:
        created = asyncio.run(create_topics(kafka))
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


async def _empty_topics(kafka: KafkaAddress, url: str) -> None:
    from tradepulse.cli.errors import CliError
    from tradepulse.runtime.cluster import forget_clusters, running_services
    from tradepulse.runtime.db import connect
    from tradepulse.runtime.topics import delete_topics

    connection = await connect(url)
    try:
        if running := await running_services(connection):
            raise CliError(
                f"{', '.join(running)} run: stop every service first, for they would go on at "
                "offsets that mean nothing any more"
            )
        await delete_topics(kafka)
        await forget_clusters(connection)
    finally:
        await connection.close()


def _list_topics(kafka: "KafkaAddress", output: Output) -> None:
    from contracts.topics import DAY_MS, DEAD_LETTERS_BYTES, DEAD_LETTERS_MS, TOPICS

    present = asyncio.run(present_topics(kafka))
    aside = f"{DEAD_LETTERS_MS // DAY_MS} days, {DEAD_LETTERS_BYTES >> 30} GiB"
    rows: list[dict[str, Any]] = []
    for topic in TOPICS:
        kept = "latest of each key" if topic.compacted else f"{topic.retention_ms // DAY_MS} days"
        for name, partitions, how_long in (
            (topic.name, topic.partitions, kept),
            (topic.dead_letters, 1, aside),
        ):
            found = present.get(name)
            exists = "no" if found is None else "yes" if found == partitions else f"with {found}"
            rows.append(
                {
                    "topic": name,
                    "partitions": partitions,
                    "kept": how_long,
                    "key": topic.key,
                    "writer": topic.writer,
                    "exists": exists,
                }
            )
    columns: tuple[Column[dict[str, Any]], ...] = (
        Column("topic", lambda one: one["topic"]),
        Column("partitions", lambda one: str(one["partitions"]), 3, is_number=True),
        Column("kept", lambda one: one["kept"], 1, least=10),
        Column("key", lambda one: one["key"], 2),
        Column("written by", lambda one: one["writer"]),
        Column("exists", lambda one: one["exists"]),
    )
    output.put(columns, rows, dict, "no topics")


async def present_topics(kafka: KafkaAddress) -> dict[str, int]:
    """Return the number of partitions by name of each topic that exists."""
    from aiokafka.admin import AIOKafkaAdminClient

    from tradepulse.runtime.kafka import client_options
    from tradepulse.runtime.publisher import retry_connect

    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await retry_connect(admin.start, kafka, 5)
        return {t["topic"]: len(t["partitions"]) for t in await admin.describe_topics()}
    finally:
        await admin.close()
