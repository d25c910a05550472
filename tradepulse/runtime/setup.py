"""What has to be there before a service runs, and no more: `python -m tradepulse.runtime.setup`.

Applies the missing migrations and creates the missing topics, then ends: the one-time part of a
deployment. It needs what every service needs, while `tradepulse migrate` and `tradepulse topics`,
which do the same, need the whole command line. Running it again changes nothing.
"""

import logging

from tradepulse.runtime import db
from tradepulse.runtime.publisher import BrokerUnavailableError
from tradepulse.runtime.service import run_process
from tradepulse.runtime.settings import RefusedError, RuntimeSettings, load_settings
from tradepulse.runtime.topics import create_topics

NAME = "setup"
log = logging.getLogger(NAME)


async def set_up(settings: RuntimeSettings) -> None:
    """Apply the migrations and create the topics that are missing.

    Raises:
        DatabaseUnavailableError: the database cannot be used.
        BrokerUnavailableError: no broker answers.
        RefusedError: the broker refuses, or a topic exists with another number of partitions.
    """
    applied = await db.migrate(settings.database_url)
    log.info("database migrated", extra={"migrations": applied})
    try:
        created = await create_topics(settings)
    except BrokerUnavailableError:
        raise
    except RuntimeError as error:
        raise RefusedError(str(error)) from error
    log.info("topics made", extra={"topics": created})


def main() -> None:
    """Run once; exit with 0, 1 with one line, or 2 for wrong settings."""
    settings = load_settings(RuntimeSettings)
    run_process(NAME, settings, lambda: set_up(settings))


if __name__ == "__main__":
    main()
