"""The coordinator of the live feed on fakes: which symbols it takes, and what it tells each."""

import asyncio
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from market_ingest.live import feed as feed_module
from market_ingest.live import series_track
from market_ingest.live.bars import Bar
from market_ingest.live.feed import LiveFeed
from market_ingest.live.followed import LiveOptions
from market_ingest.live.meters import LiveMeters
from market_ingest.live.series_track import Publish, SeriesTrack, Timing
from market_ingest.live.shares import Shares
from market_ingest.live.store import LiveStore, Series
from tradepulse.market_data.subscriptions import Subscription

MINUTE = 60_000
START = 1_700_006_400_000


class Symbol:
    """The feed of one symbol, which keeps what it is told."""

    def __init__(self, venue: str, symbol: str, *_: Any) -> None:
        self.name = f"{venue}:{symbol}"
        self.group = venue, symbol.rpartition("/")[2]
        self.wants: tuple[set[str], set[str], set[str]] = (set(), set(), set())
        self.looks = 3
        self.fails: Exception | None = None

    def want(self, wanted: set[str], ended: set[str], filled: set[str]) -> None:
        self.wants = wanted, ended, filled

    def figures(self) -> tuple[int, int, float]:
        return len(self.wants[0]), 1, 1.5 * len(self.wants[0])

    def behind(self) -> dict[tuple[str, str, str], float]:
        venue, symbol = self.name.split(":")
        return {(venue, symbol, timeframe): 1.5 for timeframe in self.wants[0]}

    async def run(self) -> None:
        if self.fails:
            raise self.fails
        await asyncio.Event().wait()


class Store:
    def __init__(self) -> None:
        self.subscribed: list[Series] = []
        self.begun: set[Series] = set()
        self.filled: set[Series] = set()
        self.troubles: dict[Series, str] = {}

    async def subscriptions(self) -> list[Subscription]:
        return [Subscription(*one, self.troubles.get(one), None) for one in self.subscribed]

    async def open_feeds(self) -> set[Series]:
        return set(self.begun)

    async def filled_series(self) -> set[Series]:
        return self.filled

    async def tell_trouble(self, series: Series, reason: str) -> None:
        self.troubles[series] = reason


class Locks:
    """Takes what there is; others may want something back."""

    count = 2

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.back: set[str] = set()
        self.given: list[str] = []

    async def join(self) -> None:
        pass

    async def look(self, units: dict[str, Any]) -> list[str]:
        return sorted((self.held - units.keys()) | (self.held & self.back))

    async def take(self, units: dict[str, Any]) -> list[str]:
        taken = sorted(units.keys() - self.held - self.back)
        self.held |= set(taken)
        return taken

    async def give(self, unit: str) -> None:
        self.given.append(unit)
        self.held.discard(unit)


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.locks, self.registry = Store(), Locks(), CollectorRegistry()
        monkeypatch.setattr(feed_module, "SymbolFeed", Symbol)
        venues: Any = type("Venues", (), {"venue": staticmethod(lambda name: name)})
        sender: Any = None
        self.feed = LiveFeed(
            venues, cast(LiveStore, self.store), cast(Shares, self.locks), sender,
            LiveMeters(self.registry), lambda: START, LiveOptions(), poll_s=0.001,
        )  # fmt: skip

    async def wants(self) -> dict[str, tuple[str, str, str]]:
        await self.feed._look()
        units = [cast(Any, one) for one, _ in self.feed._units.values()]
        return {
            one.name: cast(Any, tuple(" ".join(sorted(names)) for names in one.wants))
            for one in units
        }

    def told(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"tradepulse_live_{name}", labels)

    async def end(self) -> None:
        await asyncio.gather(*(self.feed._stop(unit) for unit in list(self.feed._units)))


async def test_each_symbol_is_told_its_own_timeframes(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    a, b = ("kraken", "A/USD"), ("bitstamp", "B/EUR")
    world.store.subscribed = [(*a, "1m"), (*a, "1h"), (*b, "5m")]
    world.store.begun = {(*a, "1m"), (*a, "4h"), ("kraken", "C/USD", "1d")}
    world.store.filled = {(*a, "1h"), (*b, "5m")}
    assert await world.wants() == {
        "kraken:A/USD": ("1h 1m", "4h", "1h"),
        "bitstamp:B/EUR": ("5m", "", "5m"),
        "kraken:C/USD": ("", "1d", ""),
    }
    assert world.feed.looks == dict.fromkeys(("kraken:A/USD", "bitstamp:B/EUR", "kraken:C/USD"), 3)
    kraken = {"exchange": "kraken", "group": "USD"}
    # of both symbols together: series and streams add up, the oldest counts
    assert world.told("subscriptions", **kraken) == 2
    assert world.told("streams_connected", **kraken) == 2
    assert world.told("behind_seconds", **kraken) == 3
    assert (world.told("replicas"), world.told("troubled")) == (2, 0)
    one = {"exchange": "kraken", "symbol": "A/USD", "timeframe": "1h"}
    assert world.registry.get_sample_value("tradepulse_series_behind_seconds", one) == 1.5
    # nobody subscribes to it any more, and its feed has ended
    world.store.subscribed.pop()
    world.store.begun.discard(("kraken", "C/USD", "1d"))
    assert set(await world.wants()) == {"kraken:A/USD"}
    assert world.locks.given == ["bitstamp:B/EUR", "kraken:C/USD"]
    world.locks.back = {"kraken:A/USD"}
    assert await world.wants() == {}
    await world.end()


async def test_what_cannot_be_followed_is_told_and_harms_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(monkeypatch)
    wrong = ("kraken", "A/USD", "7m")
    world.store.subscribed = [wrong, ("kraken", "A/USD", "1m")]
    for _ in range(2):
        assert await world.wants() == {"kraken:A/USD": ("1m", "", "")}
    assert list(world.store.troubles) == [wrong]
    assert len(caplog.records) == 1, "told once"
    assert world.told("troubled") == 1
    await world.end()


async def test_a_symbol_that_fails_ends_the_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    running = asyncio.create_task(world.feed.run())
    while not world.feed.is_ready:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.001)
    assert not running.done(), "nothing is followed"
    monkeypatch.setattr(Symbol, "run", lambda _: asyncio.sleep(0))
    world.store.subscribed = [("kraken", "A/USD", "1m")]
    with pytest.raises(RuntimeError, match="the feed of kraken:A/USD ended"):
        await running


def test_so_many_candles_are_kept_waiting_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_track, "KEPT", 3)

    def bar(slot: int, volume: float = 1.0) -> Bar:
        return Bar(START + slot * MINUTE, 10.0, 12.0, 9.0, 11.0, volume)

    for count, live in ((3, [1, 2, 3]), (4, [2, 3, 4])):
        track = SeriesTrack(MINUTE, START, Timing())
        track.connected(START - 5_000)
        for slot in range(1, count + 1):
            track.on_bar(bar(slot))
        now = START + (count + 1) * MINUTE + 2_000
        assert track.advance(now) == [], "the first one is missing"
        ask = track.request(now)
        assert ask is not None
        # what was dropped is asked of the venue
        assert (ask.start, ask.end) == (START, START + live[0] * MINUTE)
        track.answered([bar(slot) for slot in range(live[0])], (ask.start, ask.end), now)
        steps = [step for step in track.advance(now) if isinstance(step, Publish)]
        told = [(s.bar.open_time - START) // MINUTE for s in steps if s.source == "live"]
        assert told == live
    # nor are more kept to be compared
    checked = SeriesTrack(
        MINUTE, START + 9 * MINUTE, Timing(), unchecked=[bar(n) for n in range(4)]
    )
    checked.advance(START)
    assert sorted(checked._unchecked) == [bar(n).open_time for n in (1, 2, 3)]
