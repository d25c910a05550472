"""Settings by environment, refused with one readable line."""

import sys
from typing import Annotated, TypeAlias, TypeVar

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from tradepulse.runtime.database_url import readable
from tradepulse.runtime.telemetry import LogFormat

DatabaseUrl: TypeAlias = Annotated[
    str, Field(pattern=r"^postgres(ql)?://", repr=False), AfterValidator(readable)
]
"""Holds a password; never told to anybody."""


class RefusedError(RuntimeError):
    """The service cannot run as it is set up; the message is one readable line."""


class DatabaseSettings(BaseSettings):
    """What every process is told that works on the database; names are upper-case in the env."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: DatabaseUrl
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65535)
    """Where /metrics, /livez and /readyz are served; 0 takes a free port."""
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    log_format: LogFormat = "json"
    tradepulse_commit: str = ""
    """Of the code that runs, as /metrics and logs are to tell it; images have it."""

    def prepare(self) -> None:
        """Do what must be done once in the process before anything else.

        Raises:
            RefusedError: it cannot be done as these settings say.
        """


class RuntimeSettings(DatabaseSettings):
    """What every service is told; a service adds fields."""

    kafka_bootstrap_servers: str = Field(pattern=r"^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$")


S = TypeVar("S", bound=BaseSettings)


def describe(error: ValidationError) -> str:
    """Say in one line which variables are wrong and why, without repeating their values."""
    parts = []
    for problem in error.errors(include_url=False, include_input=False):
        name = "_".join(str(part) for part in problem["loc"]).upper() or "settings"
        parts.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
    return "; ".join(parts)


def load_settings(cls: type[S]) -> S:
    """Read settings from the environment, or end the process with status 2 and one line."""
    try:
        return cls()
    except ValidationError as error:
        sys.exit(_refuse(f"configuration refused: {describe(error)}. Set it in the environment"))


def _refuse(line: str) -> int:
    sys.stderr.write(line + "\n")
    return 2
