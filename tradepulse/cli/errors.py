"""What a command says when it cannot go on: one line, no traceback, a status."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

FAILED = 1
INTERRUPTED = 130


class CliError(RuntimeError):
    """A command is refused or fails for a reason that the user can mend; one readable line."""


def one_line(text: object) -> str:
    """Return a text without line breaks and double blanks."""
    return " ".join(str(text).split())


_MENDABLE = (
    ("tradepulse.runtime.db", ("DatabaseUnavailableError",), ""),
    ("tradepulse.runtime.publisher", ("BrokerUnavailableError",), ""),
    ("tradepulse.runtime.settings", ("RefusedError",), ""),
    ("tradepulse.market_data.files", ("CandleFileError",), ""),
    ("asyncpg", ("PostgresError", "InterfaceError"), "the database refuses: "),
    ("aiokafka.errors", ("KafkaError",), "the broker refuses: "),
)
"""Errors of other modules that a user can mend: module, classes, what to say before."""


def readable(error: BaseException) -> str | None:
    """Return the line for an error that a user can mend, or None for a fault of ours."""
    if isinstance(error, CliError):
        return one_line(error)
    for module, classes, before in _MENDABLE:
        # what was never imported cannot have raised, and importing it all here would be slow
        loaded = sys.modules.get(module)
        if loaded and isinstance(error, tuple(getattr(loaded, name) for name in classes)):
            return before + (one_line(error) or type(error).__name__)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or one_line(error)}"
    return None


@contextmanager
def values_refused(what: str = "") -> Iterator[None]:
    """Turn a `ValueError` of what the user gave into a `CliError`, after `what` and a colon."""
    try:
        yield
    except CliError:
        raise
    except ValueError as error:
        before = f"{what}: " if what else ""
        raise CliError(before + _reason(error)) from error


def _reason(error: ValueError) -> str:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return one_line(error)
    parts = []
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        parts.append(f"{where}: {message}" if where else message)
    return one_line("; ".join(parts))
