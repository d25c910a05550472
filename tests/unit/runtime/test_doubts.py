"""What cannot be believed is put aside, and what is announced meanwhile is not."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.events import FeedAnnounced, FeedSeries
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.doubts import Doubts, time_of
from tradepulse.trading.event_time import EventTime

HOUR = 3_600_000
NOW = 100 * HOUR


def series(symbol: str, first: int = 0, last: int | None = None) -> FeedSeries:
    return FeedSeries(
        exchange="x", symbol=symbol, timeframe="1h", first_open_time=first, last_close_time=last
    )


def message(symbol: str, close: int, offset: int) -> Delivery:
    event = SimpleNamespace(series=f"x:{symbol}:1h", close_time=close * HOUR)
    return Delivery(event, SimpleNamespace(topic="t", partition=0, offset=offset))


class Letters:
    """A reading that keeps what is put aside."""

    def __init__(self) -> None:
        self.aside: list[tuple[int, str]] = []

    async def put_aside(self, refused: list[tuple[Delivery, str]]) -> None:
        self.aside += [(delivery.record.offset, reason) for delivery, reason in refused]


class Feeds:
    """Feeds in which something more may be found when they are read to their end."""

    def __init__(self) -> None:
        self.found: Callable[[], None] = lambda: None
        self.heard = 0

    async def heard_all(self) -> None:
        self.heard += 1
        await asyncio.sleep(0)
        self.found()


class World:
    def __init__(self, grace_ms: int | None) -> None:
        self.event_time = EventTime(("candle",), grace_ms=grace_ms)
        self.event_time.announce([series("A", last=None if grace_ms else 200 * HOUR)])
        self.feeds, self.letters, self.lock = Feeds(), Letters(), asyncio.Lock()
        self.doubts = Doubts(self.event_time, self.lock, self.feeds)  # type: ignore[arg-type]  # a fake
        self.now = NOW

    async def take(self, *batch: Delivery) -> None:
        def take(event: Any, offset_at: tuple[str, int], now: int) -> None:
            args = event.series, event.close_time, None, now, offset_at
            self.event_time.add("candle", *args)

        reading: Any = self.letters
        await self.doubts.take_in(reading, list(batch), lambda: self.now, take)

    def settled(self) -> list[int]:
        found = []
        while (gathered := self.event_time.ready(self.now)) is not None:
            self.event_time.settle(gathered)
            found.append(gathered.close_time // HOUR)
        return found


async def test_what_is_ahead_of_the_clock_goes_aside_and_the_rest_goes_on() -> None:
    world = World(1)
    await world.take(message("A", 99, 0), message("A", 101, 1), message("A", 100, 2))
    assert world.settled() == [99, 100]
    assert world.letters.aside == [
        (1, "its time 1970-01-05T05:00Z is ahead of the clock, 1970-01-05T04:00Z")
    ]
    world.now += HOUR
    await world.take(message("A", 101, 3))
    assert world.settled() == [101]


@pytest.mark.parametrize("close", [1, 2, 3])
@pytest.mark.parametrize("grace_ms", [1, None])
async def test_what_nobody_announces_goes_aside_once_the_feeds_are_read(
    grace_ms: int | None, close: int
) -> None:
    world = World(grace_ms)
    await world.take(message("A", 1, 0))
    assert world.settled() == [1]
    await world.take(message("Z", close, 1), message("A", 2, 2))
    assert world.settled() == []
    assert world.letters.aside == []
    await world.doubts.put_aside_strangers()
    assert world.letters.aside == [(1, "no feed has announced its series")]
    assert world.settled() == [2]
    assert world.event_time.offsets() == {"t/0": 3}
    assert world.feeds.heard == 1
    await world.doubts.put_aside_strangers()
    assert world.feeds.heard == 1, "there is nothing to ask for"
    # the next one is put aside, too, and nothing waits for that
    await world.take(message("Z", close + 1, 3), message("A", 3, 4))
    assert world.settled() == [3]
    await world.doubts.put_aside_strangers()
    assert [offset for offset, _ in world.letters.aside] == [1, 3]


async def test_what_is_announced_meanwhile_is_taken_in() -> None:
    world = World(None)
    await world.take(message("Z", 1, 0), message("A", 1, 1), message("A", 201, 2))
    world.feeds.found = lambda: world.event_time.announce([series("Z", 0, HOUR)])
    await world.doubts.put_aside_strangers()
    assert [offset for offset, _ in world.letters.aside] == [2]
    assert world.settled() == [1]


async def test_a_replay_that_is_made_longer_loses_nothing() -> None:
    world = World(None)
    await world.take(message("A", 201, 0))
    world.feeds.found = lambda: world.event_time.announce([series("A", 0, 201 * HOUR)])
    await world.doubts.put_aside_strangers()
    assert world.letters.aside == []
    assert world.settled() == [201]


async def test_what_comes_while_the_feeds_are_read_is_asked_for_again() -> None:
    """Its announcement may be in the feeds after the end that was asked for."""
    world = World(None)
    await world.take(message("Y", 1, 0))

    async def later() -> None:
        await world.take(message("Z", 1, 1))

    await asyncio.gather(world.doubts.put_aside_strangers(), later())
    assert [offset for offset, _ in world.letters.aside] == [0]
    await world.doubts.put_aside_strangers()
    assert [offset for offset, _ in world.letters.aside] == [0, 1]


def test_the_time_of_a_message_is_what_it_says_has_come() -> None:
    assert time_of(message("A", 7, 0).event) == 7 * HOUR
    feed = FeedAnnounced(feed="f", series=(series("A", 3 * HOUR), series("B", 5 * HOUR)))
    assert time_of(feed) == 5 * HOUR
    assert time_of(FeedAnnounced(feed="f", series=())) == 0
