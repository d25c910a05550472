"""What the feeds have announced, and the messages about what none of them has.

Such a message is put by: either its announcement is on its way, or it is nobody's. Which of the two
it is, who reads the feeds can tell: it reads them to their end, and then gives up what is left.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import count

from contracts.events import FeedSeries
from tradepulse.candles.checks import time_text

EVERY = "every series"
Offset = tuple[str, int]
"""(`topic/partition`, offset) of a message."""


@dataclass(frozen=True, slots=True)
class _PutBy:
    close_time: int
    series: str | None
    take: Callable[[], object]
    offset_at: Offset | None


class Announcements:
    """The series of all feeds, and what is put by.

    Args:
        is_replay: whether the announced ends are the ends: nothing closes after them.
    """

    def __init__(self, *, is_replay: bool) -> None:
        self.series: dict[str, FeedSeries] = {}
        self._is_replay = is_replay
        self._put_by: dict[int, _PutBy] = {}
        self._numbers = count()
        self._given_up: set[str | None] = set()

    def __len__(self) -> int:
        """Return how many messages are put by."""
        return len(self._put_by)

    def add(self, series: Iterable[FeedSeries]) -> None:
        """Learn of series; `take_again` what was put by."""
        self.series |= {one.series: one for one in series}
        self._given_up.clear()

    def take_again(self) -> None:
        """Take in what is put by, as far as it is announced now."""
        for number, message in list(self._put_by.items()):
            if not self.lack(message.close_time, message.series):
                del self._put_by[number]
                message.take()

    def lack(self, close_time: int, series: str | None = None) -> str:
        """Say what no feed has announced of a close: its series, or that one closes so late.

        Args:
            close_time: epoch ms.
            series: whose close it is; None where it is that of all.

        Returns:
            A reason; empty where all is announced.
        """
        if series is None:
            ends = [one.last_close_time for one in self.series.values()] if self._is_replay else []
            last = max((end for end in ends if end is not None), default=None)
            last = None if None in ends else last
        else:
            one = self.series.get(series)
            if one is None:
                return "no feed has announced its series"
            last = one.last_close_time if self._is_replay else None
        if last is None or close_time <= last:
            return ""
        return f"its close {time_text(close_time)} is after the announced end, {time_text(last)}"

    def put_by(
        self,
        close_time: int,
        series: str | None,
        take: Callable[[], object],
        offset_at: Offset | None = None,
    ) -> None:
        """Keep a message until it is announced, or given up.

        Args:
            close_time: as of `lack`; so is `series`.
            series: see there.
            take: takes the message in.
            offset_at: where it stands.
        """
        self._put_by[next(self._numbers)] = _PutBy(close_time, series, take, offset_at)

    def waiting(self) -> list[int]:
        """Return the numbers of all messages that are put by."""
        return list(self._put_by)

    def offsets(self) -> list[Offset]:
        """Return where they stand."""
        return [m.offset_at for m in self._put_by.values() if m.offset_at is not None]

    def give_up(self, numbers: Collection[int]) -> dict[Offset, str]:
        """Let go of messages that are still put by; return why, by where they stand.

        What comes later about the same is put by again, but holds nobody up.
        """
        given_up = [self._put_by.pop(number) for number in numbers if number in self._put_by]
        self._given_up.update(message.series for message in given_up)
        return {
            m.offset_at: self.lack(m.close_time, m.series)
            for m in given_up
            if m.offset_at is not None
        }

    def awaited(self) -> list[str]:
        """Return whose announcement may be on its way: until then nothing is decided."""
        awaited = {message.series for message in self._put_by.values()} - self._given_up
        return sorted(series or EVERY for series in awaited)
