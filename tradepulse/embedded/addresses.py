"""Where broker and database are: the environment's, or those of a running `tradepulse up`."""

import json
import os
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from tradepulse.runtime.kafka import KafkaAddress, KafkaSettings
from tradepulse.runtime.settings import DatabaseAddress, describe
from tradepulse.runtime.variables import unread

S = TypeVar("S", bound=BaseSettings)
KAFKA = "KAFKA_BOOTSTRAP_SERVERS"
DATABASE = "DATABASE_URL"
STATE = Path(".tradepulse")
"""The state folder where no other is given."""
PAGE_SERVICE = "studio_svc"
TOKEN_FILE = "studio_token"  # noqa: S105 - its name
SERVICES_FILE = "prometheus.json"
"""Where the services of a run are, in the state folder, as Prometheus reads it."""
KEPT = {DATABASE: "database", KAFKA: "broker"}
"""What a run keeps in its state folder where the variable does not name another."""
_PID_FILE_SOCKET_LINE = 4


class NoSystemError(ValueError):
    """There is no such broker or database; one line that says what to do."""


def database_url(state: Path) -> str:
    """Return the database's address.

    Raises:
        NoSystemError: there is none.
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
        NoSystemError: there is none.
    """
    if os.environ.get(KAFKA, "").strip():
        return _given(KafkaSettings)
    ports = _running(state, KAFKA) / "kafka" / "ports.json"
    try:
        return f"127.0.0.1:{json.loads(ports.read_text())['broker']}"
    except (OSError, ValueError, KeyError):
        raise _not_there(state, KAFKA) from None


def _not_there(state: Path, variable: str) -> NoSystemError:
    return NoSystemError(
        f"`tradepulse up` runs in {state} but keeps no {KEPT[variable]} there: set {variable} as "
        "it is set for that run, or try again in a moment if it has just begun"
    )


def _given(cls: type[S]) -> S:
    try:
        return cls()
    except ValidationError as error:
        raise NoSystemError(describe(error)) from None


def _running(state: Path, variable: str) -> Path:
    from tradepulse.embedded.state import lock_holder  # noqa: PLC0415 - psutil takes its time

    if lock_holder(state) is None:
        meant = [line for line in unread(os.environ) if line.endswith(f"{variable}?")]
        raise NoSystemError(
            f"{variable} is not set and no `tradepulse up` runs in {state}: set it, or start one"
            + "".join(f"; {line}" for line in meant)
        )
    return state


def page_address(state: Path) -> tuple[str, str]:
    """Return where the page and its API of a running `tradepulse up` are, and their token.

    Raises:
        NoSystemError: none runs there, or it has no page yet.
    """
    from tradepulse.embedded.state import lock_holder  # noqa: PLC0415 - psutil takes its time

    if lock_holder(state) is None:
        raise NoSystemError(f"no `tradepulse up` runs in {state}: start one, or name its folder")
    try:
        token = (state / TOKEN_FILE).read_text().strip()
        return service_addresses(state)[PAGE_SERVICE], token
    except (OSError, ValueError, KeyError):
        raise NoSystemError(f"the page of {state} is not up yet; try again in a moment") from None


def service_addresses(state: Path) -> dict[str, str]:
    """Return the base URL of each service of a state folder, by name, as its last run had them.

    Raises:
        OSError, ValueError, KeyError: it has had none.
    """
    told = json.loads((state / SERVICES_FILE).read_text())
    return {one["labels"]["job"]: f"http://{one['targets'][0]}" for one in told}
