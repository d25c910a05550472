"""A stream: what it takes for a sign of life, when it is renewed, how it comes back."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from market_ingest.live import streams
from market_ingest.live.streams import (
    GARBAGE_BORNE,
    STALL_LIMIT,
    TRADES_KEPT,
    Backoff,
    Stream,
    StreamKey,
    guard,
    is_confirmation,
    is_reply,
)

KEY = StreamKey("A/USD", "1m")


class Highest:
    """A chance that always says the upper end."""

    def uniform(self, _: float, high: float) -> float:
        return high


def backoff(first_s: float = 1.0, last_s: float = 60.0) -> Backoff:
    made = Backoff(first_s, last_s)
    made._random = Highest()  # type: ignore[assignment]  # of the same form
    return made


def test_pauses_double_to_their_limit_and_begin_anew() -> None:
    pauses = backoff()
    assert [pauses.next_s() for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    pauses.reset()
    assert [pauses.next_s(), pauses.next_s(9.9), pauses.next_s(10.0)] == [1, 2, 1]
    for _ in range(2_000):
        assert pauses.next_s() <= 60
    drawn = Backoff()
    assert all(0.5 <= Backoff().next_s() <= 1.0 for _ in range(20))
    assert 0.5 <= drawn.next_s() <= 1.0 <= drawn.next_s() <= 2.0


@pytest.mark.parametrize(
    ("message", "confirms"),
    [
        ({"result": None, "id": 1}, True),
        ({"result": None}, False),
        ({"id": 1}, False),
        ({"result": {}, "id": 1}, False),
        ({"method": "subscribe", "success": True}, True),
        ({"method": "subscribe", "success": False}, False),
        ({"method": "unsubscribe", "success": True}, False),
        ({"channel": "subscriptions"}, True),
        ({"channel": "candles"}, False),
        ({"event": "bts:subscription_succeeded"}, True),
        ({"event": "trade"}, False),
        ([1], False),
        ("subscriptions", False),
    ],
)
def test_a_subscription_is_confirmed_in_the_venue_s_words(message: Any, confirms: bool) -> None:
    assert is_confirmation(message) is confirms


@pytest.mark.parametrize(
    ("message", "replies"),
    [
        ({"method": "pong"}, True),
        ({"event": "bts:heartbeat"}, True),
        ({"method": "subscribe"}, False),
        ({"event": "trade"}, False),
        ([1], False),
    ],
)
def test_an_answer_to_a_ping_is_no_news(message: Any, replies: bool) -> None:
    assert is_reply(message) is replies


class Socket:
    """A socket of ccxt: it reads a frame with the method of its class."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.read: list[Any] = []

    def handle_message(self, frame: Any) -> None:
        if frame == "bad":
            raise ValueError("cannot be\nread")
        self.read.append(frame)


class Client:
    """A ccxt client; `watch` gives what was put into it, and raises exceptions."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self.handled: list[Any] = []
        self.queue: asyncio.Queue[Any] = asyncio.Queue()
        self.watched: list[tuple[str, ...]] = []
        self.closed = False
        self.client: Callable[[str], Any] = Socket
        self.handle_message: Callable[[Any, Any], None] = lambda _, m: self.handled.append(m)

    async def watch_trades(self, *what: str) -> Any:
        return await self._next(what)

    async def watch_ohlcv(self, *what: str) -> Any:
        return await self._next(what)

    async def _next(self, what: tuple[str, ...]) -> Any:
        self.watched.append(what)
        found = await self.queue.get()
        if isinstance(found, Exception):
            raise found
        return found

    async def close(self) -> None:
        self.closed = True


def test_every_frame_is_looked_at_before_the_library_does() -> None:
    client, seen, garbage = Client(), [], []
    guard(client, seen.append, garbage.append)
    one, other = SimpleNamespace(url="one"), SimpleNamespace(url="other")
    for socket, message in (
        (one, {"sequence_num": 5}),
        (one, {"sequence_num": 6}),
        (one, {"sequence_num": 8}),
        (one, {"sequence_num": 8}),
        (one, {"sequence_num": 7}),
        (one, {"sequence_num": 9}),
        (other, {"sequence_num": 1}),
        (other, {"sequence_num": 4}),
        (other, [1, 2]),
        (other, {"sequence_num": "x"}),
        (other, "text"),
    ):
        client.handle_message(socket, message)
    assert garbage == ["messages 7 to 7 are missing", "messages 2 to 3 are missing", "text"]
    assert len(seen) == len(client.handled) == 10


def test_a_frame_that_cannot_be_read_does_not_end_the_reading() -> None:
    client, garbage = Client(), []
    guard(client, lambda _: None, garbage.append)
    socket = client.client("wss://x")
    socket.handle_message("good")
    socket.handle_message("bad")
    assert socket.read == ["good"]
    assert garbage == ["ValueError cannot be read"]


class Heard:
    """What a stream has told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def on_connected(self, key: StreamKey) -> None:
        self.told.append(("connected", key))

    def on_broken(self, key: StreamKey, reason: str) -> None:
        self.told.append(("broken", reason))

    def on_refused(self, key: StreamKey, reason: str) -> None:
        self.told.append(("refused", reason))

    def on_missed(self, key: StreamKey) -> None:
        self.told.append(("missed", key))

    def on_rows(self, key: StreamKey, rows: list[Any]) -> None:
        self.told.append(("rows", rows))

    def take(self) -> list[tuple[str, Any]]:
        told, self.told = self.told, []
        return told


class World:
    """A stream whose clients are faked; it comes back without a pause."""

    def __init__(self, key: StreamKey = KEY) -> None:
        self.now = 1_000
        self.heard = Heard()
        self.clients: list[Client] = []
        self.stream = Stream(
            key, self.open, self.heard, lambda: self.now, stall_after_ms=100, backoff=backoff(0, 0)
        )
        self.running = asyncio.create_task(self.stream.run())

    def open(self) -> Client:
        self.clients.append(Client())
        return self.clients[-1]

    async def say(self, rows: Any) -> list[tuple[str, Any]]:
        self.clients[-1].queue.put_nowait(rows)
        return await self.told()

    async def message(self, message: Any) -> list[tuple[str, Any]]:
        self.clients[-1].handle_message(SimpleNamespace(url="u"), message)
        return await self.told()

    async def told(self) -> list[tuple[str, Any]]:
        for _ in range(20):
            await asyncio.sleep(0)
        return self.heard.take()

    async def end(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


async def test_the_first_rows_connect_and_an_error_breaks() -> None:
    world = World()
    assert await world.told() == []
    assert world.clients[0].options["tradesLimit"] == TRADES_KEPT
    assert await world.say([1]) == [("connected", KEY), ("rows", [1])]
    assert world.stream.is_connected
    assert await world.say([2]) == [("rows", [2])]
    assert world.clients[0].watched == [("A/USD", "1m")] * 3
    assert await world.say(OSError("gone")) == [("broken", "OSError gone")]
    assert (world.clients[0].closed, len(world.clients)) == (True, 2)
    assert not world.stream.is_connected
    assert await world.say([3]) == [("connected", KEY), ("rows", [3])]
    world.stream.renew("deaf")
    assert await world.told() == [("broken", "deaf")]
    await world.say([4])
    await world.end()
    assert world.heard.take() == [("broken", "stopped")]
    assert all(client.closed for client in world.clients)


async def test_who_does_not_connect_is_told_of_once() -> None:
    world = World()
    await world.told()
    assert await world.say(OSError("no")) == [("refused", "OSError no")]
    assert await world.say(OSError("no")) == []
    assert await world.say([1]) == [("connected", KEY), ("rows", [1])]
    assert await world.say(OSError("gone")) == [("broken", "OSError gone")]
    assert await world.say(OSError("no")) == [("refused", "OSError no")]
    await world.end()


async def test_trades_are_watched_and_a_full_buffer_has_lost_some() -> None:
    key = StreamKey("A/USD", None)
    world = World(key)
    await world.told()
    few, full = [0] * (TRADES_KEPT - 1), [0] * TRADES_KEPT
    assert await world.say(few) == [("connected", key), ("rows", few)]
    assert await world.say(full) == [("missed", key), ("rows", full)]
    assert world.clients[0].watched == [("A/USD",)] * 3
    await world.end()
    candles = World()
    await candles.told()
    assert ("missed", KEY) not in await candles.say(full)
    await candles.end()


async def test_a_confirmation_connects_and_news_are_a_sign_of_life() -> None:
    world = World()
    await world.told()
    assert await world.message({"channel": "subscriptions"}) == [("connected", KEY)]
    assert await world.message({"channel": "subscriptions"}) == []
    world.now += 100
    assert not world.stream.look_after()
    await world.message({"event": "trade"})
    world.now += 100
    assert not world.stream.look_after()
    # a pong is no sign of life
    await world.message({"method": "pong"})
    world.now += 1
    assert world.stream.look_after()
    assert await world.told() == [("broken", "silent for 0 s")]
    await world.end()


async def test_a_quiet_market_is_renewed_ever_more_rarely() -> None:
    world = World()
    assert not world.stream.look_after(), "it has not begun"
    waited = []
    for _ in range(9):
        await world.told()
        since = world.now
        while not world.stream.look_after():
            world.now += 10
        waited.append((world.now - since - 10) // 100)
    assert waited == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    assert waited[-1] == STALL_LIMIT
    await world.told()
    # rows make it impatient again
    await world.say([1])
    since = world.now
    while not world.stream.look_after():
        world.now += 10
    assert (world.now - since - 10) // 100 == 1
    await world.end()


async def test_nothing_but_garbage_renews_and_a_good_frame_forgives() -> None:
    world = World()
    await world.told()
    await world.say([1])
    for _ in range(GARBAGE_BORNE - 1):
        assert await world.message("garbage") == [("missed", KEY)]
    await world.say([2])
    for _ in range(GARBAGE_BORNE - 1):
        assert await world.message("garbage") == [("missed", KEY)]
    assert await world.message("garbage") == [
        ("missed", KEY), ("broken", "nothing but unreadable frames")
    ]  # fmt: skip
    await world.end()


async def test_what_no_venue_has_caused_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    await world.told()

    def broken(key: StreamKey, rows: list[Any]) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(world.heard, "on_rows", broken)
    await world.say([1])
    with pytest.raises(ZeroDivisionError, match="ours"):
        await world.running
    assert streams._words(ValueError("x " * 300)) == "ValueError " + ("x " * 300)[:189]
