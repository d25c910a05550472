"""Which broker and database a command means: the environment's, or those of a running `up`."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import quote

import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from tradepulse.cli.errors import CliError
from tradepulse.runtime.kafka import KafkaAddress, KafkaSettings
from tradepulse.runtime.settings import DatabaseAddress, describe
from tradepulse.runtime.variables import unread

if TYPE_CHECKING:
    import asyncpg

R = TypeVar("R")
S = TypeVar("S", bound=BaseSettings)
KAFKA = "KAFKA_BOOTSTRAP_SERVERS"
DATABASE = "DATABASE_URL"
State = Annotated[
    Path,
    typer.Option(
        help="State folder of a running `tradepulse up`, whose broker and database are used "
        f"where {KAFKA} and {DATABASE} are not set."
    ),
]
STATE = Path(".tradepulse")
KEPT = {DATABASE: "database", KAFKA: "broker"}
"""What a run keeps in its state folder where the variable does not name another."""
_PID_FILE_SOCKET_LINE = 4


def database_url(state: Path) -> str:
    """Return the database's address.

    Raises:
        CliError: there is none.
    """
    if os.environ.get(DATABASE, "").strip():
        return _given(DatabaseAddress).database_url
    pid_file = _running(state, DATABASE) / "postgres" / "data" / "postmaster.pid"
    try:
        socket_folder = pid_file.read_text().splitlines()[_PID_FILE_SOCKET_LINE]
    except (OSError, IndexError):
        raise _not_there(state, DATABASE) from None
    return f"postgresql://postgres@/tradepulse?host={quote(socket_folder, safe='/')}&port=5432"


def kafka_address(state: Path) -> KafkaAddress:
    """Return the broker's address, and how to speak to it.

    Raises:
        CliError: there is none.
    """
    if os.environ.get(KAFKA, "").strip():
        return _given(KafkaSettings)
    ports = _running(state, KAFKA) / "kafka" / "ports.json"
    try:
        return f"127.0.0.1:{json.loads(ports.read_text())['broker']}"
    except (OSError, ValueError, KeyError):
        raise _not_there(state, KAFKA) from None


def _not_there(state: Path, variable: str) -> CliError:
    return CliError(
        f"`tradepulse up` runs in {state} but keeps no {KEPT[variable]} there: set {variable} as "
        "it is set for that run, or try again in a moment if it has just begun"
    )


def _given(cls: type[S]) -> S:
    try:
        return cls()
    except ValidationError as error:
        raise CliError(describe(error)) from None


def _running(state: Path, variable: str) -> Path:
    from tradepulse.embedded.state import lock_holder

    if lock_holder(state) is None:
        likely = "".join(
            f"; {line}" for line in unread(os.environ) if line.endswith(f"{variable}?")
        )
        raise CliError(
            f"{variable} is not set and no `tradepulse up` runs in {state}: set it, or start one"
            f"{likely}"
        )
    return state


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
