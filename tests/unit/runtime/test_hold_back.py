"""What runs far ahead waits, but never what the next close waits for."""

from contracts.events import FeedSeries
from contracts.topics import CANDLES
from tradepulse.runtime.hold_back import FAR_AHEAD, partition_of_series, to_hold_back
from tradepulse.trading.event_time import EventTime

MINUTE = 60_000


def test_nothing_waits_until_something_is_far_ahead() -> None:
    assert to_hold_back(FAR_AHEAD, ["x:A/B:1m"], ["tradepulse.candles/3"]) == {}


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
