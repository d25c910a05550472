"""What has to be there before a service runs, and no more: `python -m tradepulse.runtime.setup`.

Waits for the database and the broker, applies the missing migrations, creates the missing topics,
and ends: the one-time part of a deployment. It needs what every service needs, while
`tradepulse migrate` and `tradepulse topics`, which do the same, need the whole command line.
Running it again changes nothing.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from pydantic import Field

from tradepulse.runtime import db
from tradepulse.runtime.db import DatabaseUnavailableError
from tradepulse.runtime.process import run_process
from tradepulse.runtime.publisher import BrokerUnavailableError
from tradepulse.runtime.rules_version import accept_rules
from tradepulse.runtime.settings import RefusedError, RuntimeSettings, load_settings
from tradepulse.runtime.topics import create_topics

NAME = "setup"
_PAUSE_S = 1.0
log = logging.getLogger(NAME)


class SetupSettings(RuntimeSettings):
    """How long is waited for what is deployed at the same time."""

    setup_patience_s: float = Field(default=120, ge=0, allow_inf_nan=False)
    """Seconds that the database and the broker may take to answer."""
    setup_accept_rules: int | None = None
    """The number of the rules of trading that are to decide from here on, as an operator says."""


async def set_up(settings: SetupSettings) -> None:
    """Apply the migrations and create the topics that are missing.

    Raises:
        DatabaseUnavailableError: the database does not answer in time, or refuses.
        BrokerUnavailableError: no broker answers in time.
        RefusedError: the broker refuses, a topic exists with another number of partitions, or the
            rules are to change while somebody decides.
    """
    deadline = time.monotonic() + settings.setup_patience_s
    applied = await _once_there(lambda: db.migrate(settings.database_url), deadline)
    log.info("database migrated", extra={"migrations": applied})
    if (rules := settings.setup_accept_rules) is not None:
        taken = await accept_rules(settings.database_url, rules)
        log.info("rules of trading accepted", extra={"rules": rules, "consumers": taken})
    try:
        created = await _once_there(lambda: create_topics(settings), deadline)
    except BrokerUnavailableError:
        raise
    except RuntimeError as error:
        raise RefusedError(str(error)) from error
    log.info("topics made", extra={"topics": created})


async def _once_there(work: Callable[[], Awaitable[list[str]]], deadline: float) -> list[str]:
    """Do something with a server that may be starting still."""
    while True:
        try:
            return await work()
        except (DatabaseUnavailableError, BrokerUnavailableError) as error:
            # what refuses a login is there already
            refuses = isinstance(error, DatabaseUnavailableError) and not isinstance(
                error.__context__, db.UNREACHABLE
            )
            if refuses or time.monotonic() > deadline:
                raise
            log.info(str(error))
        await asyncio.sleep(_PAUSE_S)


def main() -> None:
    """Run once; exit with 0, 1 with one line, or 2 for wrong settings."""
    settings = load_settings(SetupSettings)
    run_process(NAME, settings, lambda: set_up(settings))


if __name__ == "__main__":
    main()
