"""Times as people write them: days, ISO with or without a zone, epoch milliseconds."""

import re
from datetime import UTC, date, datetime
from datetime import time as clock

Time = str | int | date
"""A day, a time or epoch ms; a `datetime` is a `date`, too."""

WRITTEN = "2018-10-01 or 2018-10-01T12:30 (UTC, or with a zone, as +02:00), or epoch ms"
_EPOCH_MS = re.compile(r"\d{12,13}", re.ASCII)
# `datetime.fromisoformat` takes any character between day and time, and days without dashes:
# 20190101-20190601 would be 20:19:06 of the first of the two
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII
)


def time_ms(value: Time) -> int:
    """Return a time as epoch ms; what has no zone is UTC, a day is its first moment.

    Args:
        value: a `date` or `datetime`, epoch ms as a number, or text: `2018-10-01`,
            `2018-10-01T12:30`, also with seconds, a zone or a blank for the T, or epoch ms.

    Raises:
        ValueError: it is none of these; one line that names it.
    """
    if isinstance(value, datetime):
        return _ms(value)
    if isinstance(value, date):
        return _ms(datetime.combine(value, clock()))
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = str(value)
    if _EPOCH_MS.fullmatch(text):
        return int(text)
    if not _ISO.fullmatch(text):
        raise ValueError(f"{text} is no time; write {WRITTEN}")
    try:
        return _ms(datetime.fromisoformat(text))
    except ValueError:
        raise ValueError(
            f"{text} is no time, there is no such day or hour; write {WRITTEN}"
        ) from None


def _ms(time: datetime) -> int:
    return round((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
