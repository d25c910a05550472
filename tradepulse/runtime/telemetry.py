"""Logs as one JSON object a line, with the ids of the events that they tell of."""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_STANDARD = frozenset(
    logging.LogRecord("", 0, "", 0, "", (), None).__dict__ | {"message": "", "asctime": ""}
)

FOREIGN = frozenset(
    {"aiohttp", "aiokafka", "asyncio", "asyncpg", "ccxt", "faststream", "httpx", "uvicorn"}
    | {"websockets"}
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


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON; what is given as `extra` (`event_id`, …) becomes fields."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({k: v for k, v in record.__dict__.items() if k not in _STANDARD})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging(service: str, level: str) -> None:
    """Send every log of this process to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    handler.addFilter(OneOfAKind())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # aiokafka reports each normal step of a rebalance as a warning or error of its own
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    # one line for every health question would bury the rest
    logging.getLogger("httpx").setLevel(logging.WARNING)
