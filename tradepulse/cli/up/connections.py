"""The broker and the database of a run: those of the environment, or those that come along."""

import asyncio
import os
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from tradepulse.cli.up.choice import OptionError
from tradepulse.embedded.kafka import broker_answers
from tradepulse.runtime.broker_refusal import refusal
from tradepulse.runtime.db import DatabaseUnavailableError, connect
from tradepulse.runtime.kafka import KafkaAddress, KafkaSettings, bootstrap_servers
from tradepulse.runtime.publisher import BrokerUnavailableError
from tradepulse.runtime.settings import DatabaseAddress, describe

S = TypeVar("S", bound=BaseSettings)
KAFKA = "KAFKA_BOOTSTRAP_SERVERS"
DATABASE = "DATABASE_URL"
_BROKER_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Connections:
    """How a run reaches its broker and its database.

    Attributes:
        kafka: the broker.
        database: address of the database; may hold a password.
        environment: what services are told beside what they inherit.
    """

    kafka: KafkaAddress
    database: str = field(repr=False)
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class Given:
    """What the environment names; None for what comes along.

    Attributes:
        kafka: the broker.
        database: address of the database; may hold a password.
    """

    kafka: KafkaSettings | None
    database: str | None = field(repr=False)

    def or_own(self, kafka: str, database: str) -> Connections:
        """Return what is given, and for the rest our own broker and database.

        Our own ask for no password: what is meant for another's is not for them.
        """
        environment: dict[str, str] = {}
        if self.kafka is None:
            environment |= {name.upper(): "" for name in KafkaSettings.model_fields}
            environment[KAFKA] = kafka
        if self.database is None:
            environment |= {name.upper(): "" for name in DatabaseAddress.model_fields}
            environment[DATABASE] = database
        return Connections(self.kafka or kafka, self.database or database, environment)


def given_connections() -> Given:
    """Return what the environment names.

    Raises:
        OptionError: it cannot be used as it is written.
    """
    database = _read(DATABASE, DatabaseAddress)
    return Given(_read(KAFKA, KafkaSettings), None if database is None else database.database_url)


def _read(name: str, cls: type[S]) -> S | None:
    if not os.environ.get(name, "").strip():
        return None
    try:
        return cls()
    except ValidationError as error:
        raise OptionError(f"{describe(error)}; correct it in the environment or unset it") from None


async def reach(given: Given) -> None:
    """Connect to what is given.

    Raises:
        DatabaseUnavailableError, BrokerUnavailableError: it does not answer or refuses us.
    """
    if given.database is not None:
        await _reach_database(given.database)
    if given.kafka is not None:
        await _reach_broker(given.kafka)


async def _reach_database(url: str) -> None:
    try:
        connection = await connect(url)
    except DatabaseUnavailableError as error:
        raise DatabaseUnavailableError(f"{error}; or unset {DATABASE}") from None
    await connection.close()


async def _reach_broker(kafka: KafkaSettings) -> None:
    deadline = asyncio.get_running_loop().time() + _BROKER_SECONDS
    while not await broker_answers(kafka):
        if (refused := await refusal(kafka)) is not None:
            raise BrokerUnavailableError(f"{refused}; or unset {KAFKA}")
        if asyncio.get_running_loop().time() > deadline:
            raise BrokerUnavailableError(
                f"no Kafka broker answers at {bootstrap_servers(kafka)} within "
                f"{_BROKER_SECONDS:.0f} s; start it, correct {KAFKA}, or unset it to use the one "
                "that comes along"
            )
        await asyncio.sleep(0.5)
