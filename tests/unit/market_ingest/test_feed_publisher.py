"""Store first, publish, then note the position, whatever stops it in between."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from contracts.events import CandleClosed, FeedAnnounced
from contracts.topics import CANDLES, FEEDS, Topic
from market_ingest.publishing import FeedPublisher, Meters, uninterrupted
from market_ingest.replay import ReplayFeed
from market_ingest.store import FeedProgress
from tests.candle_series import random_walk

SERIES = [random_walk("BTC/USD", 10), random_walk("ETH/USD", 10, seed=1)]


class World:
    """A database and a broker in memory, with one journal of what was done to them."""

    def __init__(self) -> None:
        self.journal: list[tuple[str, Any]] = []
        self.published: list[CandleClosed] = []
        self.until = 0
        self.is_finished = False
        self.fail_at: str | None = None
        self.gate: asyncio.Event | None = None

    def _do(self, what: str, detail: Any) -> None:
        if self.fail_at == what:
            self.fail_at = None
            raise ConnectionError(what)
        self.journal.append((what, detail))

    async def save(self, batch: Sequence[CandleClosed]) -> int:
        self._do("save", [candle.id for candle in batch])
        return len(batch)

    async def advance(self, feed: str, published_until: int) -> None:
        self._do("advance", published_until)
        self.until = published_until

    async def finish(self, feed: str) -> None:
        self._do("finish", feed)
        self.is_finished = True

    async def send(self, topic: Topic, key: str, value: bytes) -> None:
        assert topic is FEEDS
        self._do("announce", FeedAnnounced.model_validate_json(value))
        assert key == "r"

    async def send_many(self, topic: Topic, messages: Sequence[tuple[str, bytes]]) -> None:
        assert topic is CANDLES
        if self.gate is not None:
            await self.gate.wait()
        candles = [CandleClosed.model_validate_json(value) for _, value in messages]
        assert [key for key, _ in messages] == [candle.instrument for candle in candles]
        self._do("send", [candle.id for candle in candles])
        self.published += candles


def publisher(world: World, registry: CollectorRegistry | None = None) -> FeedPublisher:
    feed = ReplayFeed("r", SERIES, "max", batch=4)
    position = FeedProgress(world.until, world.is_finished, {})
    return FeedPublisher(feed, position, world, world, Meters(registry or CollectorRegistry()))


async def idle(world: World) -> None:
    """Let the event loop turn until nothing is done in the world any more."""
    seen = -1
    while seen != len(world.journal):
        seen = len(world.journal)
        for _ in range(100):
            await asyncio.sleep(0)


async def run_to_idle(work: FeedPublisher, world: World) -> None:
    """Run until nothing happens any more; then it must still be alive."""
    task = asyncio.create_task(work.run())
    await idle(world)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_announced_then_stored_then_sent_then_noted() -> None:
    world, registry = World(), CollectorRegistry()
    work = publisher(world, registry)
    assert not work.is_announced
    await run_to_idle(work, world)
    assert work.is_announced
    steps = [what for what, _ in world.journal]
    assert steps == ["announce", *["save", "send", "advance"] * 5, "finish"]
    assert {s.symbol for s in world.journal[0][1].series} == {"BTC/USD", "ETH/USD"}
    for i in range(1, 16, 3):
        assert world.journal[i][1] == world.journal[i + 1][1]
    sample = registry.get_sample_value
    labels = {"exchange": "test", "symbol": "BTC/USD"}
    assert sample("tradepulse_candles_published_total", labels) == 10
    assert sample("tradepulse_event_time_seconds") == SERIES[0].close_time[-1] / 1000
    assert sample("tradepulse_feed_lag_seconds") == 0
    assert sample("tradepulse_feed_finished") == 1


@pytest.mark.parametrize("step", ["announce", "save", "send", "advance", "finish"])
async def test_a_failure_anywhere_loses_nothing(step: str) -> None:
    calm, world = World(), World()
    await run_to_idle(publisher(calm), calm)
    world.fail_at = step
    with pytest.raises(ConnectionError):
        await publisher(world).run()
    await run_to_idle(publisher(world), world)
    repeats = 4 if step == "advance" else 0
    assert world.published[repeats:] == calm.published
    assert world.published[:repeats] == calm.published[:repeats]
    assert world.is_finished


async def test_a_finished_feed_is_announced_and_stays_silent() -> None:
    world = World()
    await run_to_idle(publisher(world), world)
    count = len(world.published)
    again = publisher(world)
    await run_to_idle(again, world)
    assert again.is_announced
    assert len(world.published) == count


async def test_a_stop_lets_the_batch_in_hand_end() -> None:
    world = World()
    world.gate = asyncio.Event()
    task = asyncio.create_task(publisher(world).run())
    await idle(world)
    assert [what for what, _ in world.journal] == ["announce", "save"]
    task.cancel()
    await idle(world)
    assert not task.done()
    world.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [what for what, _ in world.journal] == ["announce", "save", "send", "advance"]


async def test_what_is_cancelled_twice_is_still_let_end() -> None:
    gate, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await gate.wait()
        done.set()

    task = asyncio.create_task(uninterrupted(work()))
    for _ in range(2):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()
