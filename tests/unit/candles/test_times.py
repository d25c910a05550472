"""One way to read a time, for the command line, files and the library."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from tradepulse.candles.times import time_ms
from tradepulse.cli.errors import CliError
from tradepulse.cli.options import time_of

DAY = 86_400_000
NOON = DAY + DAY // 2


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("1970-01-02", DAY),
        ("1970-01-02T12:00", NOON),
        ("1970-01-02 12:00", NOON),
        ("1970-01-02T12:00:00", NOON),
        ("1970-01-02T12:00:00.250", NOON + 250),
        ("1970-01-02T12:00Z", NOON),
        ("1970-01-02T14:00+02:00", NOON),
        ("1970-01-02T11:30:00-00:30", NOON),
        ("1600000000000", 1_600_000_000_000),
        ("100000000000", 100_000_000_000),
        (NOON, NOON),
        (date(1970, 1, 2), DAY),
        (datetime(1970, 1, 2, 12), NOON),  # noqa: DTZ001 - what has no zone is UTC
        (datetime(1970, 1, 2, 12, tzinfo=UTC), NOON),
        (datetime(1970, 1, 2, 14, tzinfo=timezone(timedelta(hours=2))), NOON),
    ],
)
def test_times_that_are_taken(written: str | int | date, ms: int) -> None:
    assert time_ms(written) == ms


@pytest.mark.parametrize(
    "text",
    [
        "20190101-20190601",  # of fromisoformat: 20:19:06 of the first
        "20190101",
        "2019-01-01x12:30",
        "2019-01-01-12:30",
        "2019-01-01T1230",
        "2019-01-01T12",
        "2019-W01-1",
        "2019-1-1",
        " 2019-01-01",
        "2019-01-01T12:30+0200",
        "1546300800",  # seconds
        "٢٠١٩-٠١-٠١",  # noqa: RUF001 - digits elsewhere
        "soon",
        "",
    ],
)
def test_times_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=" is no time; write 2018-10-01 or ") as refused:
        time_ms(text)
    assert str(refused.value) == (
        f"{text} is no time; write 2018-10-01 or 2018-10-01T12:30 (UTC, or with a zone, as "
        "+02:00), or epoch ms"
    )


def test_a_day_that_is_not_in_the_calendar() -> None:
    with pytest.raises(ValueError, match=r"^2019-02-30 is no time, there is no such day or hour; "):
        time_ms("2019-02-30")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "20190101-20190601",
            (
                "--from: 20190101-20190601 is no time but a range; write --from 2019-01-01 "
                "--to 2019-06-01"
            ),
        ),
        ("20190101-", "--from: 20190101- is no time but a range; write --from 2019-01-01"),
        (
            "2019-01-01x12:30",
            (
                "--from: 2019-01-01x12:30 is no time; write 2018-10-01 or 2018-10-01T12:30 "
                "(UTC, or with a zone, as +02:00), or epoch ms"
            ),
        ),
    ],
)
def test_the_command_line_says_what_to_write(text: str, said: str) -> None:
    with pytest.raises(CliError) as refused:
        time_of("--from", text)
    assert str(refused.value) == said
