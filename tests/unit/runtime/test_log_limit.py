"""What foreign libraries say again and again is said once in a while, and counted."""

import json
import logging
import subprocess
import sys

from tradepulse.runtime.telemetry import (
    MOST_KINDS,
    QUIET_S,
    JsonFormatter,
    OneOfAKind,
)

AWAY = "Unable connect to node with id %s: %s"
TALK = """
import logging
from tradepulse.runtime.telemetry import configure_logging
configure_logging("reader", "INFO")
logging.getLogger("aiokafka.conn").warning("Sending username and password in the clear")
for number in range(20):
    logging.getLogger("aiokafka.conn").error("lost %d", number)
    logging.getLogger("reader").error("lost %d", number)
"""


class Lines:
    """What passes, as the lines that are written."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.filter = OneOfAKind(clock=lambda: self.now)

    def say(
        self,
        message: object,
        *arguments: object,
        logger: str = "aiokafka",
        level: int = logging.ERROR,
        error: BaseException | None = None,
    ) -> dict[str, object] | None:
        raised = (type(error), error, None) if error else None
        record = logging.LogRecord(logger, level, "", 0, message, arguments, raised)
        if not self.filter.filter(record):
            return None
        line: dict[str, object] = json.loads(JsonFormatter("reader").format(record))
        return line


def test_one_line_of_a_kind_passes_and_the_next_counts_the_rest() -> None:
    lines = Lines()
    first = lines.say(AWAY, 1, "refused")
    assert first is not None
    assert first["message"] == "Unable connect to node with id 1: refused"
    assert "more" not in first
    for second in range(1, 400):
        lines.now = 1_000.0 + second * QUIET_S / 400
        # other arguments, the same kind
        assert lines.say(AWAY, second, "refused") is None
    lines.now = 1_000.0 + QUIET_S + 1
    later = lines.say(AWAY, 1, "refused")
    assert later is not None
    assert later["more"] == "and 399 more like it in the last 31 s"
    lines.now += QUIET_S
    last = lines.say(AWAY, 1, "refused")
    assert last is not None
    assert "more" not in last


def test_another_logger_level_message_or_exception_is_another_kind() -> None:
    lines = Lines()

    def each() -> list[dict[str, object] | None]:
        return [
            lines.say(AWAY, 1, 2),
            lines.say(AWAY, 1, 2, logger="aiokafka.consumer.fetcher"),
            lines.say(AWAY, 1, 2, level=logging.WARNING),
            lines.say("Unable to update metadata from %s", [1]),
            lines.say(AWAY, 1, 2, error=OSError("gone")),
            lines.say(AWAY, 1, 2, error=ValueError("odd")),
        ]

    assert None not in each()
    assert each() == [None] * 6


def test_our_own_loggers_are_not_limited() -> None:
    lines = Lines()
    for logger in ("tradepulse.runtime.sharing", "executor_svc", "aiokafkas"):
        assert None not in [lines.say("the same", logger=logger) for _ in range(50)]


def test_no_more_kinds_are_remembered_than_there_is_room_for() -> None:
    lines = Lines()
    for number in range(3 * MOST_KINDS):
        assert lines.say(f"made of {number}") is not None
    assert len(lines.filter._said) == MOST_KINDS
    # the last are those that are remembered
    assert lines.say(f"made of {3 * MOST_KINDS - 1}") is None
    assert lines.say("made of 0") is not None


def test_the_log_of_a_process_is_limited() -> None:
    done = subprocess.run([sys.executable, "-c", TALK], capture_output=True, text=True, check=True)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["message"] for line in said if line["logger"] == "aiokafka.conn"] == ["lost 0"]
    assert len([line for line in said if line["logger"] == "reader"]) == 20
