"""What runs far ahead waits, but never what the next close waits for."""

from collections.abc import Collection
from typing import cast

from contracts.events import FeedSeries
from contracts.topics import CANDLES, EVALUATIONS, Topic
from tradepulse.runtime.hold_back import FAR_AHEAD, hold_back, partition_of_series, to_hold_back
from tradepulse.runtime.reading import AssignedReading
from tradepulse.trading.event_time import EventTime

MINUTE = 60_000


class Gathered:
    """What is gathered, by its numbers."""

    def __init__(self, ahead: int, leaders: list[str]) -> None:
        self._ahead = ahead
        self._leaders = leaders

    def ahead(self) -> int:
        return self._ahead

    def blocking(self) -> list[str]:
        return ["x:A/B:1m"]

    def leaders(self) -> list[str]:
        return self._leaders


class Paused:
    """A reading that keeps what it was last told to pause."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.numbers: set[int] | None = None

    def pause_only(self, numbers: Collection[int]) -> None:
        self.numbers = set(numbers)


def test_nothing_waits_until_something_is_far_ahead() -> None:
    needed = partition_of_series("x:A/B:1m")
    other = (needed + 1) % CANDLES.partitions
    leaders = [f"{CANDLES.name}/{needed}", f"{CANDLES.name}/{other}", f"{EVALUATIONS.name}/{other}"]
    held = {CANDLES.name: {other}, EVALUATIONS.name: {other}}
    for ahead, expected in ((FAR_AHEAD, {}), (FAR_AHEAD + 1, held)):
        assert to_hold_back(ahead, ["x:A/B:1m"], leaders) == expected
        candles, evaluations = Paused(CANDLES), Paused(EVALUATIONS)
        readings = (cast(AssignedReading, candles), cast(AssignedReading, evaluations))
        assert hold_back(Gathered(ahead, leaders), *readings) == ahead
        assert candles.numbers == expected.get(CANDLES.name, set())
        assert evaluations.numbers == expected.get(EVALUATIONS.name, set())


def test_leaders_wait_for_a_silent_series_and_its_own_partition_does_not() -> None:
    symbols = [f"{letter}/USD" for letter in "ABCDEFGHIJKL"]
    names = {symbol: f"x:{symbol}:1m" for symbol in symbols}
    silent = names[symbols[0]]
    event_time = EventTime(("candle",))
    event_time.announce(
        FeedSeries(exchange="x", symbol=symbol, timeframe="1m", first_open_time=0)
        for symbol in symbols
    )
    offset = 0
    for close in range(1, FAR_AHEAD + 2):
        for name in names.values():
            if name != silent:
                place = f"{CANDLES.name}/{partition_of_series(name)}", offset
                event_time.add("candle", name, close * MINUTE, 1.0, 0, place)
                offset += 1
    assert event_time.ready(0) is None
    held = to_hold_back(event_time.ahead(), event_time.blocking(), event_time.leaders())
    others = {partition_of_series(name) for name in names.values()} - {partition_of_series(silent)}
    assert held == {CANDLES.name: others}
    assert len(others) > 2
