"""Messages that can be decoded and not believed: what is done with them, and when.

A message that is ahead of the clock is put aside at once. One about what no feed has announced is
kept for a moment: an announcement is published before the first message that needs it, so a message
that is without one when the feeds were read to their end, as it was after the message came, is
nobody's. It holds up what is decided for that moment only.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from contracts.events import FeedAnnounced
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.reading import AssignedReading, Reading

LOOK_EVERY_S = 0.1
Offset = tuple[str, int]
"""(`topic/partition`, offset) of a message."""


class Waiting(Protocol):
    """Keeps what is not announced; see `tradepulse.trading.announcements.Announcements`."""

    def __len__(self) -> int: ...

    def waiting(self) -> list[int]: ...  # noqa: D102 - see class

    def offsets(self) -> list[Offset]: ...  # noqa: D102 - see class


class Judge(Protocol):
    """Judges messages; see `tradepulse.trading.event_time.EventTime`."""

    @property
    def announcements(self) -> Waiting: ...  # noqa: D102 - see class

    def refusal(self, time: int, now: int) -> str | None:
        """Say why a message cannot be of a time; what can be of one can be of any before it."""

    def give_up(self, numbers: Collection[int]) -> Mapping[Offset, str]: ...  # noqa: D102 - see class


class Doubts:
    """Puts aside what one service cannot believe.

    Args:
        judge: says what that is.
        lock: held by whoever takes messages in.
        feeds: reads the announcements.
    """

    def __init__(self, judge: Judge, lock: asyncio.Lock, feeds: AssignedReading) -> None:
        self._judge = judge
        self._lock = lock
        self._feeds = feeds
        self._kept: dict[Offset, tuple[Reading, Delivery]] = {}
        self._doubted = asyncio.Event()

    async def believed(self, reading: Reading, batch: list[Delivery], now: int) -> list[Delivery]:
        """Put aside what is ahead of the clock, and return the rest."""
        latest = max((time_of(delivery.event) for delivery in batch), default=0)
        if self._judge.refusal(latest, now) is None:
            return batch
        believed: list[Delivery] = []
        refused: list[tuple[Delivery, str]] = []
        for delivery in batch:
            reason = self._judge.refusal(time_of(delivery.event), now)
            if reason is None:
                believed.append(delivery)
            else:
                refused.append((delivery, reason))
        await reading.put_aside(refused)
        return believed

    async def take_in(
        self,
        reading: Reading,
        batch: list[Delivery],
        now: Callable[[], int],
        take: Callable[[Any, Offset, int], object],
    ) -> None:
        """Take in what can be believed, each message by its event, offset and time of arrival."""
        arrived = now()
        believed = await self.believed(reading, batch, arrived)
        before = len(self._judge.announcements)
        for delivery in believed:
            take(delivery.event, delivery.offset_at, arrived)
        if len(self._judge.announcements) > before:
            there = set(self._judge.announcements.offsets())
            self._kept |= {
                delivery.offset_at: (reading, delivery)
                for delivery in believed
                if delivery.offset_at in there
            }
            self._doubted.set()

    async def keep_putting_aside(self) -> None:
        """Put aside for ever what nobody has announced."""
        while True:
            await self._doubted.wait()
            await self.put_aside_strangers()
            await asyncio.sleep(LOOK_EVERY_S)

    async def put_aside_strangers(self) -> None:
        """Put aside what waits now, unless it is announced by all that the feeds have said."""
        asked = self._judge.announcements.waiting()
        if not asked:
            self._kept.clear()
            self._doubted.clear()
            return
        await self._feeds.heard_all()
        async with self._lock:
            refused: dict[Reading, list[tuple[Delivery, str]]] = {}
            for offset_at, reason in self._judge.give_up(asked).items():
                reading, delivery = self._kept[offset_at]
                refused.setdefault(reading, []).append((delivery, reason))
            for reading, letters in refused.items():
                await reading.put_aside(letters)
            there = set(self._judge.announcements.offsets())
            self._kept = {at: kept for at, kept in self._kept.items() if at in there}


def time_of(event: Any) -> int:
    """Return the latest time, epoch ms, that a message says has come."""
    if isinstance(event, FeedAnnounced):
        return max((one.first_open_time for one in event.series), default=0)
    close_time: int = event.close_time
    return close_time
