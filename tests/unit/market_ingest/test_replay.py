"""The replay feed: order, whole close times, pace by the schedule, and the name."""

from pathlib import Path

import numpy as np
import pytest

from contracts.events import CandleClosed
from market_ingest.replay import ReplayFeed, Speed, feed_name
from tests.candle_series import START, as_events, random_walk
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms

STEP = timeframe_ms("30m")
SERIES = [
    random_walk("ETH/USD", 40, seed=1, without=[3, 4, 5]),
    random_walk("BTC/USD", 30, seed=2),
    random_walk("BTC/USD", 12, seed=3, timeframe="1h"),
    random_walk("BTC/USD", 20, seed=4, exchange="other", start=START + 10 * STEP),
]


class Wall:
    """A clock that moves only when someone sleeps or works."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


async def collect(feed: ReplayFeed, after: int = 0) -> list[list[CandleClosed]]:
    return [batch async for batch in feed.batches(after)]


def replay(
    series: list[Candles], speed: Speed = "max", batch: int = 4_000
) -> tuple[ReplayFeed, Wall]:
    wall = Wall()
    return ReplayFeed("r", series, speed, clock=wall, sleep=wall.sleep, batch=batch), wall


def order(event: CandleClosed) -> tuple[int, str]:
    return event.close_time, event.series


@pytest.mark.parametrize("batch", [1, 7, 4_000])
async def test_every_candle_once_by_close_time_then_name(batch: int) -> None:
    feed, _ = replay(SERIES, batch=batch)
    batches = await collect(feed)
    events = [event for part in batches for event in part]
    assert events == sorted(as_events(SERIES), key=order)
    assert len(feed) == len(events)


@pytest.mark.parametrize("batch", [1, 7, 50])
async def test_a_close_time_is_never_split(batch: int) -> None:
    batches = await collect(replay(SERIES, batch=batch)[0])
    ends = [part[-1].close_time for part in batches]
    starts = [part[0].close_time for part in batches]
    assert all(end < start for end, start in zip(ends, starts[1:], strict=False))
    assert max(len(part) for part in batches) < batch + len(SERIES)


async def test_it_goes_on_after_a_close_time() -> None:
    events = sorted(as_events(SERIES), key=order)
    for after in (0, START, START + 9 * STEP, START + 9 * STEP + 1, START + 10**12):
        batches = await collect(replay(SERIES, batch=3)[0], after)
        assert [e for part in batches for e in part] == [e for e in events if e.close_time > after]


async def test_the_pace_follows_the_event_time() -> None:
    feed, wall = replay([random_walk("BTC/USD", 10, without=[4, 5])], speed=3600)
    started = wall.now
    seen = []
    async for batch in feed.batches(0):
        seen.append((wall.now - started, [event.open_time for event in batch]))
        wall.now += 0.2  # the reader's work
    # half a second a candle, the hole of two lasts too, and the work does not add up
    due = [0.0, 0.5, 1.0, 1.5, 3.0, 3.5, 4.0, 4.5]
    assert [when for when, _ in seen] == pytest.approx(due)
    assert all(len(times) == 1 for _, times in seen)


async def test_a_late_reader_gets_what_became_due_together() -> None:
    feed, wall = replay([random_walk("BTC/USD", 10)], speed=1800)
    sizes = []
    async for batch in feed.batches(0):
        sizes.append(len(batch))
        if len(sizes) == 2:
            wall.now += 4.5
            assert feed.lateness_s(batch[-1].close_time) == pytest.approx(4.5)
    assert sizes == [1, 1, 4, 1, 1, 1, 1]


async def test_catching_up_respects_the_size_of_a_batch() -> None:
    feed, wall = replay([random_walk("BTC/USD", 10)], speed=1800, batch=3)
    sizes = []
    async for batch in feed.batches(0):
        sizes.append(len(batch))
        wall.now += 100
    assert sizes == [1, 3, 3, 3]


async def test_at_max_nobody_sleeps() -> None:
    feed, wall = replay(SERIES)
    assert len(await collect(feed)) == 1
    assert wall.slept == []
    assert feed.lateness_s(0) == 0.0


def test_the_announcement_tells_every_series_and_its_end() -> None:
    announced = {s.series: s for s in replay(SERIES)[0].announcement().series}
    assert sorted(announced) == sorted(candles.series for candles in SERIES)
    for candles in SERIES:
        told = announced[candles.series]
        assert told.first_open_time == candles.open_time[0]
        assert told.last_close_time == candles.open_time[-1] + timeframe_ms(candles.timeframe)


def test_events_equal_the_arrays_to_the_bit() -> None:
    candles = random_walk("BTC/USD", 100)
    feed, _ = replay([candles])
    events = feed._events(0, 100)
    assert np.array([e.close for e in events]).tobytes() == candles.close.tobytes()
    assert {event.source for event in events} == {"replay"}


def test_a_name_follows_from_content_and_part(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"candles")
    b.write_bytes(b"candles")
    name = feed_name(a, None, None, None)
    assert name == feed_name(b, None, None, None)
    assert feed_name(a, ("X", "Y"), 1, 2) == feed_name(a, ("Y", "X"), 1, 2)
    b.write_bytes(b"other candles")
    others = {
        feed_name(b, None, None, None),
        feed_name(a, ("X",), None, None),
        feed_name(a, None, 1, None),
        feed_name(a, None, None, 1),
    }
    assert len(others | {name}) == 5
