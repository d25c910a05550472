"""Event time: gather what belongs to one close, until nothing of it can still come.

Within a series, messages arrive in order of close time. So a series is clear at time t once it
has shown something at or after t, or once its grid has no close left at or before t: a hole in
the data is proven by the candle after it. Nothing here depends on how partitions interleave.

Live, a series may fall silent; then a close is settled a grace period after its first arrival,
and what comes later is handed out as a late moment of its own. What had piled up before the start
is waited for longer: its grace begins when no more of it comes.

What no feed has announced is put by: either its announcement is on its way, or it is nobody's.
"""

import heapq
import math
from bisect import insort
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from contracts.events import FeedSeries
from tradepulse.candles.checks import time_text
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.trading.announcements import Announcements, Offset

GRACE_MS = 5_000
"""How long a close is waited for live, by default: a candle that was lost by its stream comes from
the venue's HTTP answer seconds later, and what is decided without it is another trade."""
TOLERANCE_MS = 60_000
"""How far ahead of our clock a close may be, by default: no two clocks are the same."""

_NONE = -1
"""No close."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was gathered for one close time: by stream, then by series."""

    close_time: int
    items: Mapping[str, Mapping[str, Any]]
    missing: tuple[str, ...] = ()
    """Series that had not shown up when the grace period ended."""
    late: bool = False


@dataclass(slots=True)
class _Partition:
    """Offsets of one partition that are not settled, and the next offset to be read."""

    next_offset: int = 0
    waiting: deque[tuple[int, int]] = field(default_factory=deque)
    """(offset, close time)"""


class EventTime:
    """Gathers the items of some streams by close time.

    Args:
        streams: names of the streams that each close waits for, as in `("candles",)`.
        settled: the last close time that was settled, epoch ms; 0 for none.
        frontiers: what `frontiers()` returned at that time.
        grace_ms: how long to wait live, None to wait without limit, as in a replay.
        tolerance_ms: live, so far ahead of the clock may a close be.
        outage_closes: live, a series that missed so many closes is no longer waited for.
    """

    def __init__(
        self,
        streams: Sequence[str],
        *,
        settled: int = 0,
        frontiers: Mapping[str, int] | None = None,
        grace_ms: int | None = None,
        tolerance_ms: int = TOLERANCE_MS,
        outage_closes: int = 3,
    ) -> None:
        self.settled = settled
        self.announcements = Announcements(is_replay=grace_ms is None)
        self._streams = tuple(streams)
        self._grace_ms = grace_ms
        self._tolerance_ms = tolerance_ms
        self._outage_closes = outage_closes
        self._frontiers: dict[str, dict[str, int]] = {stream: {} for stream in streams}
        for key, time in (frontiers or {}).items():
            stream, _, series = key.partition(" ")
            self._frontiers[stream][series] = time
        self._length: dict[str, int] = {}
        self._waited_for = _NONE
        self._blocking: dict[str, None] = {}
        self._buffer: dict[int, dict[str, dict[str, Any]]] = {}
        self._times: list[int] = []
        self._arrived: dict[int, int] = {}
        self._late: deque[Gathered] = deque()
        self._partitions: dict[str, _Partition] = {}
        self._newest = self._backlog_until = 0
        self._backlog_at = -math.inf

    @property
    def series(self) -> dict[str, FeedSeries]:
        """Every series that was announced, by name."""
        return self.announcements.series

    def announce(self, series: Iterable[FeedSeries]) -> None:
        """Learn which series there are; each is waited for from its first candle to its last."""
        series = list(series)
        self.announcements.add(series)
        for one in series:
            self._length[one.series] = timeframe_ms(one.timeframe)
            for shown in self._frontiers.values():
                shown[one.series] = max(shown.get(one.series, 0), one.first_open_time)
        self._waited_for = _NONE
        self.announcements.take_again()

    def add(
        self,
        stream: str,
        series: str,
        close_time: int,
        item: Any,
        now: int,
        offset_at: Offset | None = None,
    ) -> bool:
        """Take in one message; tell whether it was new, or put by.

        Args:
            stream: one of the streams.
            series: `exchange:symbol:timeframe`.
            close_time: of its candle, epoch ms.
            item: what to hand out.
            now: time of arrival, epoch ms.
            offset_at: (`topic/partition`, offset) of the message.
        """
        if self.announcements.lack(close_time, series):
            take = partial(self.add, stream, series, close_time, item, now, offset_at)
            self.announcements.put_by(close_time, series, take, offset_at)
            return True
        shown = self._frontiers[stream]
        is_new = close_time > shown[series]
        if offset_at is not None:
            self.track(offset_at, close_time if is_new else 0)
        if not is_new:
            return False
        shown[series] = close_time
        if series in self._blocking and self._is_clear(series, self._waited_for):
            del self._blocking[series]
        self.heard(close_time, now)
        if close_time <= self.settled:
            self._late.append(Gathered(close_time, {stream: {series: item}}, late=True))
            return True
        at_close = self._buffer.get(close_time)
        if at_close is None:
            at_close = self._buffer[close_time] = {name: {} for name in self._streams}
            heapq.heappush(self._times, close_time)
            self._arrived[close_time] = now
        at_close[stream][series] = item
        return True

    def ready(self, now: int) -> Gathered | None:
        """Return the next close that can be settled, or None; call `settle` after using it."""
        if self._late:
            return self._late[0]
        if not self._times or self.announcements.awaited():
            return None
        time = self._times[0]
        waiting = self._blocking_at(time)
        if waiting:
            if self._grace_ms is None:
                return None
            is_alive = any(not self._is_in_outage(series, time) for series in waiting)
            since = max(self._arrived[time], self._backlog_at) if is_alive else self._backlog_at
            if now - since < self._grace_ms:
                return None
        return Gathered(time, self._buffer[time], tuple(waiting))

    def waited_enough(self, gathered: Gathered, now: int) -> bool:
        """Tell whether the grace period of a close is over; it never is without one."""
        if self._grace_ms is None:
            return False
        since = max(self._arrived[gathered.close_time], self._backlog_at)
        return now - since >= self._grace_ms

    def settle(self, gathered: Gathered) -> None:
        """Forget a close that was settled."""
        if gathered.late:
            self._late.popleft()
            return
        self.settled = gathered.close_time
        heapq.heappop(self._times)
        del self._buffer[gathered.close_time], self._arrived[gathered.close_time]

    def track(self, offset_at: Offset, close_time: int) -> None:
        """Remember where a message stands; it is settled when its close time is."""
        name, offset = offset_at
        partition = self._partitions.get(name)
        if partition is None:
            partition = self._partitions[name] = _Partition()
        if offset >= partition.next_offset:
            partition.next_offset = offset + 1
        if close_time > self.settled:
            waiting = partition.waiting
            if waiting and offset < waiting[-1][0]:
                # it was put by meanwhile
                insort(waiting, (offset, close_time))
            else:
                waiting.append((offset, close_time))

    # What is believed

    def refusal(self, time: int, now: int) -> str | None:
        """Say why a message cannot be about this time, by the clock; None where it may be.

        In a replay the clock says nothing: there the feeds say where the series end.
        """
        if self._grace_ms is None or time <= now + self._tolerance_ms:
            return None
        return f"its time {time_text(time)} is ahead of the clock, {time_text(now)}"

    def give_up(self, numbers: Collection[int]) -> dict[Offset, str]:
        """Let go of messages that nobody has announced; see `Announcements.give_up`."""
        given_up = self.announcements.give_up(numbers)
        for offset_at in given_up:
            self.track(offset_at, 0)
        return given_up

    # What had piled up

    def still_reading(self, now: int) -> None:
        """Note that what lay there at the start is not all read: what has come is backlog."""
        self._backlog_at = now
        self._backlog_until = self._newest

    def heard(self, close_time: int, now: int) -> None:
        """Note that something of a close has come: of a backlog more may be on its way."""
        self._newest = max(self._newest, close_time)
        if close_time <= self._backlog_until and self.settled < self._backlog_until:
            self._backlog_at = max(self._backlog_at, now)

    # Where it stands

    def offsets(self) -> dict[str, int]:
        """Return by partition the offset at which to go on after a restart."""
        resume = {}
        for name, partition in self._partitions.items():
            waiting = partition.waiting
            while waiting and waiting[0][1] <= self.settled:
                waiting.popleft()
            resume[name] = waiting[0][0] if waiting else partition.next_offset
        for name, offset in self.announcements.offsets():
            resume[name] = min(resume.get(name, offset), offset)
        return resume

    def frontiers(self) -> dict[str, int]:
        """Return the last close time settled or handed out late, by stream and series.

        What is only gathered is left out: it is read again after a restart.
        """
        return {
            f"{stream} {series}": min(time, self.settled)
            for stream, shown in self._frontiers.items()
            for series, time in shown.items()
        }

    def frontier(self, stream: str, series: str) -> int:
        """Return the close time up to which a series has shown itself, 0 where it never has."""
        return self._frontiers[stream].get(series, 0)

    def ahead(self) -> int:
        """Return how many close times are gathered and not settled."""
        return len(self._times)

    def waits_since(self) -> int | None:
        """Return when the next close first showed itself, epoch ms; None where none is gathered."""
        return self._arrived[self._times[0]] if self._times else None

    def leaders(self) -> list[str]:
        """Return the partitions that have run ahead of the middle of what is gathered."""
        if not self._times:
            return []
        return [
            name
            for name, partition in self._partitions.items()
            if partition.waiting and partition.waiting[-1][1] > self._times[len(self._times) // 2]
        ]

    def blocking(self) -> list[str]:
        """Return the series that the next close waits for, or whose announcement is awaited."""
        if awaited := self.announcements.awaited():
            return awaited
        if not self._times:
            return []
        return list(self._blocking_at(self._times[0]))

    def _blocking_at(self, time: int) -> Mapping[str, None]:
        """Return the series that are not clear at the next close, in their announced order.

        They are looked for once; what they show since takes them out (`add`), for messages may come
        one by one, and series by the thousand.
        """
        if self._waited_for != time:
            self._waited_for = time
            self._blocking = {s: None for s in self._length if not self._is_clear(s, time)}
        return self._blocking

    def _is_clear(self, series: str, time: int) -> bool:
        last = self.series[series].last_close_time
        if last is not None:
            # once it has shown its last candle it holds nobody up
            time = min(time, last)
        before = time - self._length[series]
        for shown in self._frontiers.values():  # noqa: SIM110 - asked at every message
            if shown[series] <= before:
                return False
        return True

    def _is_in_outage(self, series: str, time: int) -> bool:
        length = self._length[series]
        return all(
            shown[series] + self._outage_closes * length < time
            for shown in self._frontiers.values()
        )
