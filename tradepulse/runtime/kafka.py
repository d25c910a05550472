"""Where the broker is and how it is spoken to: one set of options for every client."""

import ssl
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tradepulse.runtime.secret_files import SecretFile


def _certificates(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise ValueError(f"{path} holds no certificates in PEM") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    return path


class KafkaSettings(BaseSettings):
    """The broker as the environment names it."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    kafka_bootstrap_servers: str = Field(pattern=r"^[^\s,:]+:\d+(,[^\s,:]+:\d+)*$")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_username: str = ""
    kafka_password_file: SecretFile | None = None
    kafka_ca_file: Annotated[Path, AfterValidator(_certificates)] | None = None
    """Whose certificates are believed; the system's where not given."""
    kafka_replication_factor: int = Field(default=1, ge=1, le=32_767)
    """On how many brokers a topic that is made is kept."""
    kafka_acls: bool = False
    """Whether who makes the topics gives each service the rights it needs."""

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        protocol = self.kafka_security_protocol
        login = bool(self.kafka_username), self.kafka_password_file is not None
        if self._logs_in and not all(login):
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL is {protocol}, which needs KAFKA_USERNAME and "
                "KAFKA_PASSWORD_FILE"
            )
        if any(login) and not self._logs_in:
            raise ValueError(
                "KAFKA_USERNAME and KAFKA_PASSWORD_FILE need KAFKA_SECURITY_PROTOCOL=SASL_SSL; "
                f"it is {protocol}"
            )
        if self.kafka_ca_file is not None and not self._is_encrypted:
            raise ValueError(
                f"KAFKA_CA_FILE needs KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL; it is {protocol}"
            )
        return self

    @property
    def _logs_in(self) -> bool:
        return self.kafka_security_protocol.startswith("SASL")

    @property
    def _is_encrypted(self) -> bool:
        return self.kafka_security_protocol.endswith("SSL")

    def client_options(self) -> dict[str, Any]:
        """Return what every client of aiokafka is made with; holds the password."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.kafka_bootstrap_servers,
            "security_protocol": self.kafka_security_protocol,
        }
        if self._is_encrypted:
            options["ssl_context"] = ssl.create_default_context(cafile=self.kafka_ca_file)
        if self._logs_in and self.kafka_password_file is not None:
            options |= {
                "sasl_mechanism": self.kafka_sasl_mechanism,
                "sasl_plain_username": self.kafka_username,
                "sasl_plain_password": self.kafka_password_file.get_secret_value(),
            }
        return options


KafkaAddress: TypeAlias = str | KafkaSettings
"""`host:port[,host:port…]` of a broker that asks for nothing, or how to speak to one that does."""


def client_options(kafka: KafkaAddress) -> dict[str, Any]:
    """Return what every client of aiokafka is made with; may hold a password."""
    if isinstance(kafka, str):
        return {"bootstrap_servers": kafka}
    return kafka.client_options()


def bootstrap_servers(kafka: KafkaAddress) -> str:
    """Return `host:port[,host:port…]`, to be said."""
    return kafka if isinstance(kafka, str) else kafka.kafka_bootstrap_servers


def replication_factor(kafka: KafkaAddress) -> int:
    """Return on how many brokers a topic is to be kept."""
    return 1 if isinstance(kafka, str) else kafka.kafka_replication_factor


def gives_rights(kafka: KafkaAddress) -> bool:
    """Tell whether who makes the topics gives the services their rights."""
    return not isinstance(kafka, str) and kafka.kafka_acls
