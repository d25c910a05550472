"""How a process of ours ends: with a status and, on trouble, one readable line."""

import asyncio
import logging
import os
import sys
import traceback
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    TopicAuthorizationFailedError,
)

from tradepulse.runtime.db import LOST, DatabaseUnavailableError
from tradepulse.runtime.publisher import BrokerUnavailableError
from tradepulse.runtime.settings import DatabaseSettings, RefusedError, effective
from tradepulse.runtime.telemetry import configure_logging
from tradepulse.runtime.variables import unread

_FORBIDDEN = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)
_ASYNCPG = f"{os.sep}asyncpg{os.sep}"


def run_process(
    name: str, settings: DatabaseSettings, work: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Run a process to its end; exit with a status and, on trouble, one line."""
    configure_logging(name, settings.log_level, settings.log_format, settings.tradepulse_commit)
    log = logging.getLogger(name)
    for line in unread(os.environ):
        log.warning(line)
    log.info("settings", extra=effective(settings))
    try:
        settings.prepare()
        asyncio.run(work())
    except (RefusedError, DatabaseUnavailableError, BrokerUnavailableError) as error:
        log.critical(str(error))
        sys.exit(1)
    except Exception as error:
        said = _of_what_is_away(_inmost(error))
        # what is away is no fault of ours: where it was noticed says nothing
        log.critical(said or "service failed", exc_info=not said)
        sys.exit(1)


def _inmost(error: BaseException) -> BaseException:
    """Return the one error that a task group wraps."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _of_what_is_away(error: BaseException) -> str | None:
    """Say in one line that broker or database went away or forbids it; None for other errors."""
    line = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, _FORBIDDEN):
        return f"the broker forbids it: {line}; see the ACLs of KAFKA_USERNAME"
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return f"the database forbids it: {line}; see the role of DATABASE_URL"
    if isinstance(error, KafkaConnectionError):
        return f"the broker went away: {line}"
    passed = (part.filename for part in traceback.extract_tb(error.__traceback__))
    if isinstance(error, LOST) or (
        isinstance(error, OSError | TimeoutError) and any(_ASYNCPG in name for name in passed)
    ):
        return f"the database went away: {line}; this process ends, to be started again"
    return None
