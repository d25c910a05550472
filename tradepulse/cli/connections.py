"""Which broker and database a command means: the environment's, or those of a running `up`."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from tradepulse.cli.errors import values_refused
from tradepulse.embedded import addresses
from tradepulse.embedded.addresses import DATABASE, KAFKA, STATE

if TYPE_CHECKING:
    import asyncpg

    from tradepulse.runtime.kafka import KafkaAddress

__all__ = ["DATABASE", "KAFKA", "STATE", "State", "database_url", "kafka_address", "with_database"]

R = TypeVar("R")
State = Annotated[
    Path,
    typer.Option(
        help="State folder of a running `tradepulse up`, whose broker and database are used "
        f"where {KAFKA} and {DATABASE} are not set."
    ),
]


def database_url(state: Path) -> str:
    """Return the database's address.

    Raises:
        CliError: there is none.
    """
    with values_refused():
        return addresses.database_url(state)


def kafka_address(state: Path) -> "KafkaAddress":
    """Return the broker's address, and how to speak to it.

    Raises:
        CliError: there is none.
    """
    with values_refused():
        return addresses.kafka_address(state)


def with_database(url: str, work: Callable[["asyncpg.Connection[Any]"], Awaitable[R]]) -> R:
    """Do something with a connection to a database, closed at the end."""

    async def run() -> R:
        from tradepulse.runtime.db import connect

        connection = await connect(url)
        try:
            return await work(connection)
        finally:
            await connection.close()

    return asyncio.run(run())
