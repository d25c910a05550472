"""A line of the log says who wrote it and what it is about, for programs and for people."""

import contextvars
import json
import logging
import os
import re
import socket
import subprocess
import sys

from tradepulse import __version__
from tradepulse.runtime.telemetry import JsonFormatter, TextFormatter, request_id

TALK = """
import logging
from tradepulse.runtime.telemetry import configure_logging
configure_logging("reader", "INFO", "text", "3f2a9c1")
logging.getLogger("x").info("order", extra={"event_id": "order:1:OPEN"})
"""


def record(message: str = "order", **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("executor_svc", logging.INFO, "", 0, message, (), None)
    made.__dict__ |= extra
    made.created = 1_764_437_052.25
    return made


def test_json_tells_the_process_and_the_ids() -> None:
    line = JsonFormatter("executor_svc", "3f2a9c1d4e5f60718293").format(
        record(event_id="order:1:OPEN", trace_id="kraken:BTC/USD:1h:7200000")
    )
    assert json.loads(line) == {
        "time": "2025-11-29T17:24:12.250000+00:00",
        "level": "INFO",
        "service": "executor_svc",
        "instance": f"{socket.gethostname()}:{os.getpid()}",
        "version": f"{__version__}+3f2a9c1d4e5f",
        "logger": "executor_svc",
        "message": "order",
        "event_id": "order:1:OPEN",
        "trace_id": "kraken:BTC/USD:1h:7200000",
    }


def test_a_version_without_a_commit_is_the_version() -> None:
    assert json.loads(JsonFormatter("x").format(record()))["version"] == __version__


def test_every_line_within_a_request_has_its_id_and_no_other() -> None:
    def within() -> str:
        request_id.set("abc")
        return JsonFormatter("studio_svc").format(record())

    assert json.loads(contextvars.copy_context().run(within))["request_id"] == "abc"
    assert "request_id" not in json.loads(JsonFormatter("studio_svc").format(record()))


def test_text_is_one_line_for_people_and_a_traceback_below() -> None:
    formatter = TextFormatter("executor_svc")
    said = formatter.format(record(event_id="order:1:OPEN"))
    assert said == "2025-11-29 17:24:12.250 INFO     executor_svc order event_id=order:1:OPEN"
    failed = record("failed")
    try:
        int("why")
    except ValueError:
        failed.exc_info = sys.exc_info()
    first, *rest = formatter.format(failed).splitlines()
    assert first.endswith("executor_svc failed")
    assert rest[0].startswith("Traceback")
    assert rest[-1] == "ValueError: invalid literal for int() with base 10: 'why'"


def test_a_process_writes_text_where_it_is_asked_to() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TALK], capture_output=True, text=True, check=True, timeout=60
    )
    [line] = done.stderr.splitlines()
    assert re.fullmatch(r"[0-9-]{10} [0-9:.]{12} INFO     reader order event_id=order:1:OPEN", line)
