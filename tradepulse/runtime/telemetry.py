"""Logs: one JSON object a line, or text, with the ids of the events that they tell of.

A line says which process wrote it (`service`, `instance`, `version`) and, where it is about one
event, which (`event_id`). What follows from one candle's close has its `trace_id`, in all services.
"""

import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from tradepulse.version import __version__

LogFormat: TypeAlias = Literal["json", "text"]
request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request over HTTP that is being answered; every line that is written meanwhile has it."""

_STANDARD = frozenset(
    logging.LogRecord("", 0, "", 0, "", (), None).__dict__ | {"message": "", "asctime": ""}
)

FOREIGN = frozenset(
    {"aiohttp", "aiokafka", "asyncio", "asyncpg", "ccxt", "faststream", "httpx", "uvicorn"}
    | {"opentelemetry", "urllib3", "websockets"}
)
"""Libraries whose loggers are limited; while a broker is away some say the same without end."""
QUIET_S = 30.0
MOST_KINDS = 256


@dataclass(slots=True)
class _Said:
    at: float
    more: int = 0


class OneOfAKind(logging.Filter):
    """Lets one line of each kind of foreign libraries through in `QUIET_S`, and counts the rest.

    A kind is a logger, a level, the message before its arguments, and the class of the exception.
    The next line of the kind tells in its field `more` how many were left out. Our own loggers are
    not limited. Of more than `MOST_KINDS` kinds the one that spoke longest ago is forgotten.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[tuple[object, ...], _Said] = {}
        # a handler asks its filters before it takes its own lock
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the line passes."""
        if record.name.partition(".")[0] not in FOREIGN:
            return True
        raised = record.exc_info[0] if record.exc_info else None
        kind = (record.name, record.levelno, str(record.msg), raised)
        with self._lock:
            now = self._clock()
            last = self._said.get(kind)
            if last is not None and now - last.at < QUIET_S:
                last.more += 1
                return False
            # anew, so that the first of all is the one that spoke longest ago
            self._said.pop(kind, None)
            self._said[kind] = _Said(now)
            if len(self._said) > MOST_KINDS:
                del self._said[next(iter(self._said))]
        if last is not None and last.more:
            record.more = f"and {last.more} more like it in the last {now - last.at:.0f} s"
        return True


def instance() -> str:
    """Return which process of which machine or container this is, as `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


def version(commit: str = "") -> str:
    """Return which code runs, as `0.1.0` or, where the commit is known, `0.1.0+3f2a9c1`."""
    return f"{__version__}+{commit[:12]}" if commit else __version__


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return what was given as `extra`, and the request that is being answered."""
    found = {k: v for k, v in record.__dict__.items() if k not in _STANDARD}
    request = request_id.get()
    return {"request_id": request, **found} if request else found


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON; what is given as `extra` (`event_id`, …) becomes fields.

    Args:
        service: who says it.
        commit: of the code that runs; empty where nobody has told it.
    """

    def __init__(self, service: str, commit: str = "") -> None:
        super().__init__()
        self._process = {"service": service, "instance": instance(), "version": version(commit)}

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname,
            **self._process,
            "logger": record.name,
            "message": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """Formats a record for people; which process it is they see by themselves.

    Args:
        service: who says it.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows on lines of its own."""
        time_ = datetime.fromtimestamp(record.created, tz=UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        said = [time_[:-3], f"{record.levelname:<8}", self._service, record.getMessage()]
        said += [f"{name}={value}" for name, value in _extras(record).items()]
        line = " ".join(said)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _is_news(record: logging.LogRecord) -> bool:
    return "username and password in the clear" not in record.getMessage()


def configure_logging(
    service: str, level: str, style: LogFormat = "json", commit: str = ""
) -> None:
    """Send every log of this process to standard error.

    Args:
        service: who says it.
        level: from which on.
        style: `json` for programs, `text` for people.
        commit: of the code that runs; empty where nobody has told it.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        TextFormatter(service) if style == "text" else JsonFormatter(service, commit)
    )
    handler.addFilter(OneOfAKind())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # aiokafka reports each normal step of a rebalance as a warning or error of its own
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    # the settings have chosen it, and every connection would say it anew
    logging.getLogger("aiokafka.conn").addFilter(_is_news)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # one line for every health question would bury the rest
    logging.getLogger("httpx").setLevel(logging.WARNING)
