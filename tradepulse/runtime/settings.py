"""Settings by environment, refused with one readable line."""

import json
import re
import sys
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from tradepulse.runtime.database_url import readable, with_password
from tradepulse.runtime.kafka import KafkaSettings
from tradepulse.runtime.secret_files import SecretFile
from tradepulse.runtime.telemetry import LogFormat

DatabaseUrl: TypeAlias = Annotated[str, Field(repr=False), AfterValidator(readable)]
"""Holds a password; never told to anybody."""


class RefusedError(RuntimeError):
    """The service cannot run as it is set up; the message is one readable line."""


class DatabaseAddress(BaseSettings):
    """Where the database is; names are upper-case in the environment."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    database_password_file: SecretFile | None = None
    database_url: DatabaseUrl
    """With the password of `database_password_file` where that is given."""

    @field_validator("database_url")
    @classmethod
    def _with_password(cls, url: str, info: ValidationInfo) -> str:
        password: SecretStr | None = info.data.get("database_password_file")
        return url if password is None else with_password(url, password.get_secret_value())


class DatabaseSettings(DatabaseAddress):
    """What every process is told that works on the database."""

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


class RuntimeSettings(DatabaseSettings, KafkaSettings):
    """What every service is told; a service adds fields."""

    broker_patience_s: float = Field(default=60.0, gt=0, le=86_400)
    """How long a service goes on without a broker; then it ends, to be started again."""
    loop_patience_s: float = Field(default=60.0, gt=0, le=86_400)
    """How long its event loop may stand still before the process ends itself."""
    otel_exporter_otlp_endpoint: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """Where traces are sent to, by OTLP over HTTP; nothing is traced where it is empty."""


S = TypeVar("S", bound=BaseSettings)
_MASK = "**********"
"""As pydantic writes a secret."""
_SECRETS = (
    (re.compile(r'(://[^/@:\s"]*):[^@\s"]*(?=@)'), rf"\1:{_MASK}"),
    (re.compile(r'([?&]\w*(?:password|token|secret)=)[^&\s"]*', re.IGNORECASE), rf"\1{_MASK}"),
)
"""What addresses hold that nobody may see."""


def effective(settings: BaseSettings) -> dict[str, Any]:
    """Return every setting by its variable, as it counts, without what is secret."""
    said = json.dumps(settings.model_dump(mode="json"), ensure_ascii=False)
    for secret, mask in _SECRETS:
        said = secret.sub(mask, said)
    return {name.upper(): value for name, value in json.loads(said).items()}


def describe(error: ValidationError) -> str:
    """Say in one line which variables are wrong and why, without repeating their values."""
    parts = []
    for problem in error.errors(include_url=False, include_input=False):
        name = "_".join(str(part) for part in problem["loc"]).upper()
        said = problem["msg"].removeprefix("Value error, ")
        # what concerns more than one names them itself
        parts.append(f"{name}: {said}" if name else said)
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
