"""One symbol, followed live on fakes: what is asked, told, counted, and kept, in which order."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from contracts.topics import CANDLES, FEEDS, Topic
from market_ingest.live.bars import Bar
from market_ingest.live.followed import Followed, LiveOptions, cancelled
from market_ingest.live.meters import LiveMeters, VenueHealth
from market_ingest.live.questions import Questions
from market_ingest.live.rows import TradeBars
from market_ingest.live.series_track import Publish, SeriesTrack, Timing
from market_ingest.live.store import FeedPosition, LiveStore, candle_event
from market_ingest.live.streams import StreamKey
from market_ingest.live.symbol_feed import SymbolFeed
from market_ingest.live.symbol_streams import SymbolStreams
from tests.candle_series import random_walk
from tradepulse.market_data.venues.client import Venue
from tradepulse.market_data.venues.errors import VenueDownError, VenueRefusedError
from tradepulse.market_data.venues.rules import rules_of

MINUTE = 60_000
START = 1_700_006_400_000
LABELS = ("kraken", "USD")
OPTIONS = LiveOptions(tick_s=0.001, retry_first_s=0.0, retry_last_s=0.0, refused_again_s=0.0)


def at(slot: float) -> int:
    return START + int(slot * MINUTE)


def bar(slot: int) -> Bar:
    return Bar(at(slot), 10.0, 12.0, 9.0, 11.0, 3.0)


class Told:
    """The metrics of a registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.meters = LiveMeters(self.registry)

    def __call__(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"tradepulse_live_{name}", labels)

    def group(self, name: str, group: str = "USD", **more: str) -> float | None:
        return self(name, exchange="kraken", group=group, **more)


def test_a_venue_that_is_down_is_told_of_once_and_so_is_its_return(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = CollectorRegistry()
    health = VenueHealth(registry)
    up = []
    with caplog.at_level(logging.INFO):
        for answers in (True, False, False, True, True, False):
            if answers:
                health.answered("kraken")
            else:
                health.failed("kraken", OSError("down"))
            up.append(registry.get_sample_value("tradepulse_live_venue_up", {"exchange": "kraken"}))
    assert up == [1, 0, 0, 1, 1, 0]
    assert caplog.messages == [
        "venue does not answer", "venue answers again", "venue does not answer"
    ]  # fmt: skip


def test_a_group_that_is_followed_no_longer_is_shown_as_nothing() -> None:
    told = Told()
    told.meters.show({("kraken", "USD"): (3, 2, 1.5), ("kraken", "EUR"): (1, 1, 0.5)})
    told.meters.show({("kraken", "EUR"): (2, 1, 0.0)})
    names = ("subscriptions", "streams_connected", "behind_seconds")
    assert [told.group(name) for name in names] == [0, 0, 0]
    assert [told.group(name, "EUR") for name in names] == [2, 1, 0]
    told.meters.show({("kraken", "USD"): (1, 1, 7.0)})
    assert [told.group(name) for name in names] == [1, 1, 7]
    assert [told.group(name, "EUR") for name in names] == [0, 0, 0]


async def test_what_is_cancelled_has_ended_however_it_ends() -> None:
    ended = []

    async def fails_on_its_way_out() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("it")
            raise ValueError("on its way out")

    task = asyncio.create_task(fails_on_its_way_out())
    await asyncio.sleep(0)
    await cancelled(task)
    assert ended == ["it"]
    await cancelled(None)


def followed(timeframe: str = "1m", *, trades: bool = False, position: int = START) -> Followed:
    series = "kraken", "A/USD", timeframe
    key = StreamKey("A/USD", None if trades else timeframe)
    track = SeriesTrack(MINUTE, position, Timing())
    bars = TradeBars(*series) if trades else None
    return Followed(series, MINUTE, track, key, bars, OPTIONS.backoff())


class Asked:
    """A venue that answers as told: with candles, or with an error."""

    name = "kraken"

    def __init__(self, *answers: Any, honours_since: bool = True) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[int, int]] = []
        self.checks: list[Exception | None] = []
        self.rules = replace(rules_of("kraken"), honours_since=honours_since)

    async def candles(self, symbol: str, timeframe: str, start: int, end: int) -> Any:
        assert (symbol, timeframe) == ("A/USD", "1m")
        self.asked.append((start, end))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        covered = answer if isinstance(answer, tuple) else (start, end)
        count = (covered[1] - covered[0]) // MINUTE
        candles = random_walk("A/USD", count, timeframe="1m", start=covered[0])
        return SimpleNamespace(candles=candles, covered=covered)

    def listed(self, symbols: list[str]) -> list[str]:
        return symbols

    async def check(self, symbol: str) -> None:
        assert symbol == "A/USD"
        if self.checks and (error := self.checks.pop(0)):
            raise error


class Asking:
    """The questions of one series."""

    def __init__(self, venue: Asked) -> None:
        self.told, self.now, self.woken = Told(), at(3) + 2_000, 0
        self.one = followed()
        self.questions = Questions(
            cast(Venue, venue), self.told.meters.venues, lambda: self.now, self.wake
        )

    def wake(self) -> None:
        self.woken += 1

    async def ask(self) -> None:
        self.questions.ask(self.one, self.now)
        if self.one.asking is not None:
            await self.one.asking

    def count(self, why: str, outcome: str) -> float | None:
        return self.told("requests_total", exchange="kraken", why=why, outcome=outcome)


async def test_a_question_is_asked_once_and_its_answer_wakes() -> None:
    venue = Asked("all")
    asking = Asking(venue)
    asking.questions.ask(asking.one, asking.now)
    first = asking.one.asking
    asking.questions.ask(asking.one, asking.now)
    assert asking.one.asking is first, "one at a time"
    assert first is not None
    await first
    assert venue.asked == [(START, at(3))]
    assert (asking.woken, asking.count("hole", "answered")) == (1, 1)
    assert asking.told("venue_up", exchange="kraken") == 1
    steps = asking.one.track.advance(asking.now)
    assert [step.source for step in steps if isinstance(step, Publish)] == ["backfill"] * 3
    asking.questions.ask(asking.one, asking.now)
    assert asking.one.asking is None, "there is nothing to ask"


async def test_a_venue_that_does_not_answer_is_asked_again_later() -> None:
    venue = Asked(VenueDownError("down"), VenueRefusedError("never"), "all")
    asking = Asking(venue)
    for now, asked, failed, refused, answered in (
        (0, 1, 1, None, None), (999, 1, 1, None, None), (1_000, 2, 1, 1, None), (3_000, 3, 1, 1, 1),
    ):  # fmt: skip
        asking.now = at(3) + 2_000 + now
        await asking.ask()
        assert len(venue.asked) == asked
        counts = [asking.count("hole", outcome) for outcome in ("failed", "refused", "answered")]
        assert counts == [failed, refused, answered]
    assert asking.told("venue_up", exchange="kraken") == 1


async def test_a_failure_of_ours_in_a_question_is_not_swallowed() -> None:
    asking = Asking(Asked(ZeroDivisionError("ours")))
    asking.questions.ask(asking.one, asking.now)
    for _ in range(5):
        await asyncio.sleep(0)
    with pytest.raises(ZeroDivisionError):
        asking.questions.ask(asking.one, asking.now)


@pytest.mark.parametrize(
    ("honours_since", "begin", "position"), [(False, 2, 2), (True, 2, 0), (False, 0, 0)]
)
async def test_what_a_venue_does_not_serve_any_more_is_left_out(
    honours_since: bool, begin: int, position: int, caplog: pytest.LogCaptureFixture
) -> None:
    asking = Asking(Asked((at(begin), at(3)), honours_since=honours_since))
    await asking.ask()
    assert asking.one.track.position == at(position)
    assert (len(caplog.records) == 1) == (position > 0)


class Streamed:
    """The streams of one symbol; their clients say nothing by themselves."""

    def __init__(self, *series: Followed) -> None:
        self.told, self.now, self.series = Told(), START - 5_000, list(series)
        self.streams = SymbolStreams(
            "kraken", LABELS, self.client, lambda: self.series,
            self.told.meters.streams, lambda: self.now, OPTIONS,
        )  # fmt: skip
        self.opened = 0

    def client(self) -> Any:
        self.opened += 1

        async def silent(*_: str) -> None:
            await asyncio.Event().wait()

        async def close() -> None:
            pass

        return SimpleNamespace(
            options={}, handle_message=None, client=None, watch_ohlcv=silent, watch_trades=silent,
            close=close,
        )  # fmt: skip


async def test_series_share_a_stream_until_the_last_has_left() -> None:
    one, other, own = followed(trades=True), followed("5m", trades=True), followed()
    world = Streamed(one, other, own)
    for series in (one, other, own):
        world.streams.join(series)
    await asyncio.sleep(0)
    assert world.opened == 2
    assert one.stream == other.stream != own.stream
    world.streams.on_connected(one.stream)
    now = at(1) + 2_000
    world.series.remove(one)
    await world.streams.leave(one)
    assert one.stream in world.streams._streams
    world.series.remove(other)
    await world.streams.leave(other)
    assert set(world.streams._streams) == {own.stream}
    await world.streams.stop()
    assert world.streams._streams == {}
    assert own.track.advance(now) == []


async def test_who_joins_a_stream_that_is_connected_is_told_all_from_now_on() -> None:
    one, late = followed(), followed()
    world = Streamed(one, late)
    world.streams.join(one)
    world.streams._streams[one.stream][0].is_connected = True
    world.streams.join(late)
    assert world.streams.connected == 1
    late.track.on_bar(bar(0))
    assert late.track.advance(at(1) + 2_000) == [Publish(bar(0), "live")]
    await world.streams.stop()
    assert world.streams.connected == 0


async def test_rows_reach_their_series_and_what_is_unreadable_is_counted() -> None:
    one = followed()
    world = Streamed(one)
    world.streams.join(one)
    world.streams.on_connected(one.stream)
    good = [at(0), 10.0, 12.0, 9.0, 11.0, 3.0]
    world.streams.on_rows(one.stream, [good])
    assert world.told.group("lost_messages_total") is None
    world.streams.on_rows(StreamKey("A/USD", "5m"), [[at(0), 1.0, 1.0, 1.0, 1.0, 1.0]])
    assert one.track.advance(at(1) + 2_000) == [Publish(bar(0), "live")]
    world.now = at(1.5)
    world.streams.on_rows(one.stream, [[at(1)], [at(2), *good[1:]]])
    assert world.told.group("lost_messages_total") == 1
    # the slot that was touched comes from the venue
    assert one.track.advance(at(3) + 2_000) == []
    await world.streams.stop()


async def test_what_was_built_of_trades_before_a_break_is_kept_and_the_rest_forgotten() -> None:
    one = followed(trades=True)
    world = Streamed(one)
    world.streams.join(one)
    world.streams.on_connected(one.stream)

    def trade(slot: float, number: int) -> dict[str, Any]:
        return {"timestamp": at(slot), "id": str(number), "price": 10.0, "amount": 1.0}

    world.streams.on_rows(one.stream, [trade(0.5, 1), trade(1.1, 2)])
    world.now = at(1) + 2_000
    world.streams.on_broken(one.stream, "gone")
    assert world.told.group("breaks_total") == 1
    (step,) = one.track.advance(world.now)
    assert isinstance(step, Publish)
    assert (step.bar.open_time, step.source) == (START, "live")
    world.streams.on_connected(one.stream)
    world.streams.on_rows(one.stream, [trade(1.6, 3), {"id": "4"}])
    assert world.told.group("lost_messages_total") == 1
    one.collect(at(2) + 2_000, 2_000)
    assert one.track.advance(at(2) + 2_000) == []
    await world.streams.stop()
    # of what is no longer followed nothing is told
    world.streams.on_broken(one.stream, "stopped")
    assert world.told.group("breaks_total") == 1


async def test_silent_and_deaf_streams_are_renewed_and_counted() -> None:
    one = followed()
    world = Streamed(one)
    world.streams.join(one)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await world.streams.look_after()
    assert world.told.group("stalls_total") is None
    world.now += OPTIONS.stall_after_ms + 1
    await world.streams.look_after()
    assert world.told.group("stalls_total") == 1
    world.streams.renew_deaf(one)
    assert world.told.group("stalls_total") == 1, "it is not connected"
    world.streams._streams[one.stream][0].is_connected = True
    world.streams.renew_deaf(one)
    assert world.told.group("stalls_total") == 2
    await world.streams.stop()


async def test_a_stream_that_fails_ends_the_symbol() -> None:
    one = followed()
    world = Streamed(one)

    def broken() -> Any:
        raise ZeroDivisionError("ours")

    world.streams._open_client = broken
    world.streams.join(one)
    await asyncio.sleep(0)
    with pytest.raises(ZeroDivisionError):
        await world.streams.look_after()
    await world.streams.stop()


class Store:
    """Keeps a journal of what a symbol's feed does to the database and to Kafka."""

    def __init__(self) -> None:
        self.journal: list[tuple[str, Any]] = []
        self.troubles: list[str | None] = []
        self.again_from: int | None = None

    async def begin(self, series: Any, position: int) -> FeedPosition:
        self.journal.append(("begin", position))
        return FeedPosition(position, position, self.again_from)

    async def stored(self, series: Any, length: int, start: int, end: int) -> list[Any]:
        self.journal.append(("stored", (start, end)))
        slots = range(start, end, length)
        return [candle_event(series, bar((at_ - START) // MINUTE), length, "live") for at_ in slots]

    async def told_again(self, series: Any) -> None:
        self.journal.append(("told again", series))
        self.again_from = None

    async def keep_rules(self, found: Any) -> None:
        self.journal.append(("rules", found))

    async def unchecked(self, *_: Any) -> list[Bar]:
        return []

    async def last_close(self, *_: Any) -> float | None:
        return None

    async def tell_trouble(self, series: Any, trouble: str | None) -> None:
        self.troubles.append(trouble)

    async def save(self, candles: list[Any]) -> list[Any]:
        self.journal.append(("save", [c.open_time for c in candles]))
        return candles

    async def correct(self, series: Any, bars: list[Bar]) -> None:
        self.journal.append(("correct", [one.open_time for one in bars]))

    async def note_answers(self, series: Any, slots: list[int], length: int) -> None:
        self.journal.append(("answers", (slots, length)))

    async def advance(self, series: Any, until: int) -> None:
        self.journal.append(("advance", until))

    async def end(self, series: Any) -> None:
        self.journal.append(("end", series))

    async def send(self, topic: Topic, key: str, value: bytes) -> None:
        assert topic is FEEDS
        self.journal.append(("announce", value))

    async def send_many(self, topic: Topic, messages: Sequence[tuple[str, bytes]]) -> None:
        assert topic is CANDLES
        self.journal.append(("send", len(messages)))


class Symbol:
    """The feed of one symbol."""

    def __init__(self, venue: Asked) -> None:
        self.told, self.store, self.now = Told(), Store(), START
        client = Streamed().client
        self.feed = SymbolFeed(
            cast(Venue, venue), "A/USD", client, cast(LiveStore, self.store),
            self.store, self.told.meters, lambda: self.now, OPTIONS,
        )  # fmt: skip
        self.running = asyncio.create_task(self.feed.run())

    async def until(self, what: str) -> None:
        while not any(done == what for done, _ in self.store.journal):
            if self.running.done():
                self.running.result()
            await self.looks(1)

    async def looks(self, count: int) -> None:
        goal = self.feed.looks + count
        while self.feed.looks < goal and not self.running.done():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)

    async def stop(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


async def test_a_candle_is_stored_then_published_and_its_place_noted_last() -> None:
    symbol = Symbol(Asked("all", "all", "all"))
    symbol.feed.want({"1m"}, set(), set())
    await symbol.until("announce")
    assert symbol.feed.group == LABELS
    symbol.now = at(2) + 5_000
    assert symbol.feed.figures() == (1, 0, 65.0)
    await symbol.until("advance")
    assert [what for what, _ in symbol.store.journal] == [
        "rules", "begin", "announce", "save", "send", "advance"
    ]  # fmt: skip
    assert symbol.store.journal[3:] == [
        ("save", [START, at(1)]), ("send", 2), ("advance", at(2))
    ]  # fmt: skip
    assert symbol.told.group("candles_total", source="backfill") == 2
    assert symbol.told.group("lag_seconds_count") == 2
    assert symbol.told.group("lag_seconds_sum") == 70
    symbol.feed.want(set(), {"1m"}, set())
    await symbol.until("end")
    assert b'"last_close_time":%d' % (at(2) + 1) in symbol.store.journal[-2][1]
    assert symbol.feed.figures() == (0, 0, 0)
    await symbol.stop()


async def test_what_another_kafka_lacks_is_published_from_what_is_stored() -> None:
    symbol = Symbol(Asked())
    symbol.store.again_from = at(-3)
    symbol.feed.want({"1m"}, set(), set())
    await symbol.until("told again")
    # before anything new, and after the announcement that everybody needs first
    assert [what for what, _ in symbol.store.journal] == [
        "rules", "begin", "announce", "stored", "send", "told again"
    ]  # fmt: skip
    assert symbol.store.journal[3:5] == [("stored", (at(-3), START)), ("send", 3)]
    await symbol.stop()


async def test_what_the_venue_has_no_candle_of_is_noted_and_counted() -> None:
    venue = Asked((START, START), honours_since=True)
    symbol = Symbol(venue)
    symbol.feed.want({"1m"}, set(), set())
    await symbol.until("announce")
    (one,) = symbol.feed._followed.values()
    one.track._answers[START] = None, at(9)
    one.track.unconfirmed = 3
    symbol.now = at(1) + 1
    await symbol.until("advance")
    assert ("answers", ([START], MINUTE)) in symbol.store.journal
    assert symbol.told.group("no_trade_total") == 1
    assert symbol.told.group("unconfirmed_total") == 3
    await symbol.looks(3)
    assert symbol.told.group("unconfirmed_total") == 3, "counted once"
    one.corrections = [Publish(bar(0), "repaired")]
    await symbol.until("correct")
    assert symbol.told.group("candles_total", source="repaired") == 1
    await symbol.stop()


async def test_a_symbol_is_asked_for_until_the_venue_knows_it() -> None:
    venue = Asked()
    venue.checks = [VenueDownError("down"), VenueRefusedError("no such symbol"), None]
    symbol = Symbol(venue)
    symbol.feed.want({"1m"}, set(), set())
    await symbol.until("announce")
    assert symbol.store.troubles == ["down; it is asked again", "no such symbol", None]
    assert symbol.told("venue_up", exchange="kraken") == 1
    await symbol.stop()
