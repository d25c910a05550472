"""Ranges of candles from the four venues, through the real ccxt, of a fake exchange."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from tests.fakes.exchange import HOUR, MINUTE, FakeExchange, Instrument, Refusal, Tape
from tests.fakes.exchange.faults import (
    Disconnect,
    Halt,
    NoAnswer,
    RateLimited,
    Refuse,
    ServerError,
    TruncatedBody,
)
from tests.fakes.exchange.synthetic import random_candles, random_trades
from tradepulse.market_data.venues.answers import CandlePage
from tradepulse.market_data.venues.client import Venue, open_venue
from tradepulse.market_data.venues.errors import (
    OutOfReachError,
    RateLimitedError,
    VenueDownError,
    VenueRefusedError,
)
from tradepulse.market_data.venues.history import Patience, pages
from tradepulse.market_data.venues.pace import LocalPace
from tradepulse.market_data.venues.rules import VENUES

START = 1_700_006_400_000
SYMBOL = "BTC/USD"
PATIENT = Patience(tries=6, first_s=0.001)
MORE_PATIENT = Patience(tries=20, first_s=0.001)
NAMES = tuple(VENUES)
DEEP = tuple(name for name, rules in VENUES.items() if rules.honours_since)
QUICK = {"binanceus": 1000, "coinbase": 300, "kraken": 720, "bitstamp": 1000}


@asynccontextmanager
async def opened(
    name: str, tape: Tape, now: int, **config: Any
) -> AsyncIterator[tuple[FakeExchange, Venue]]:
    async with FakeExchange(now, {name: [tape]}) as fake:
        options = {name: fake.config(name, **config)}
        async with open_venue(name, options, LocalPace(), lambda: fake.clock.now) as venue:
            yield fake, venue


async def collect(
    venue: Venue, start: int, end: int, into: list[CandlePage] | None = None, **how: Any
) -> list[CandlePage]:
    answered = [] if into is None else into
    how = {"timeframe": "1m", "patience": PATIENT} | how
    async for page in pages(venue, SYMBOL, start=start, end=end, **how):
        answered.append(page)
    return answered


def rows_of(answered: Sequence[CandlePage]) -> np.ndarray:
    """Rows as they came, a double or a wrong order included."""
    parts = [
        np.column_stack([c.open_time, c.open, c.high, c.low, c.close, c.volume])
        for c in (page.candles for page in answered)
    ]
    return np.vstack(parts) if parts else np.zeros((0, 6))


def covers(answered: Sequence[CandlePage], start: int, end: int) -> bool:
    """Whether the pages border on one another and cover a range."""
    spans = sorted(page.covered for page in answered)
    ends = [span[1] for span in spans]
    return (
        spans[0][0] == start
        and max(ends) == end
        and all(before >= span[0] for before, span in zip(ends, spans[1:], strict=False))
    )


def asked(fake: FakeExchange, method: str) -> int:
    return sum(call[1] == method for call in fake.calls)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("name", DEEP)
async def test_pages_in_both_directions_are_the_recorded_candles(name: str, backward: bool) -> None:
    per_call = QUICK[name]
    count = 3 * per_call + 7
    rows = random_candles(count, START, seed=3)
    async with opened(name, Tape(Instrument(SYMBOL), candles=rows), START + count * MINUTE) as (
        fake,
        venue,
    ):
        answered = await collect(venue, START, START + count * MINUTE, backward=backward)
        found = rows_of(answered[::-1] if backward else answered)
        assert np.array_equal(found, rows)
        assert covers(answered, START, START + count * MINUTE)
        assert asked(fake, "fetch_ohlcv") == 4


@pytest.mark.parametrize("backward", [False, True])
async def test_kraken_gives_its_last_720_and_says_what_it_left_out(backward: bool) -> None:
    rows = random_candles(1_000, START, seed=3)
    now = START + 999 * MINUTE + 20_000
    async with opened("kraken", Tape(Instrument(SYMBOL), candles=rows), now) as (fake, venue):
        answered: list[CandlePage] = []
        with pytest.raises(OutOfReachError) as refused:
            await collect(venue, START, now, backward=backward, into=answered)
        assert str(refused.value) == (
            "no candles for kraken BTC/USD 1m before 2023-11-15T04:39Z; kraken serves only the "
            "last 720: import a file or build from trades"
        )
        assert np.array_equal(rows_of(answered), rows[279:999])
        assert [page.covered[0] for page in answered] == [START + 279 * MINUTE]
        assert asked(fake, "fetch_ohlcv") == 1

        within = await collect(venue, START + 279 * MINUTE, now, backward=backward)
        assert np.array_equal(rows_of(within), rows[279:999])


async def test_kraken_is_never_taken_at_its_word_for_an_old_range() -> None:
    rows = random_candles(1_000, START, seed=3)
    tape = Tape(Instrument(SYMBOL), candles=rows)
    async with opened("kraken", tape, START + 1_000 * MINUTE) as (_, venue):
        page = await venue.candles(SYMBOL, "1m", START, START + 100 * MINUTE)
        assert len(page.candles) == 0
        assert page.covered[0] == page.covered[1]
        assert page.asked[0] == page.asked[1], "an answer about other times settles nothing"


@pytest.mark.parametrize("backward", [False, True])
async def test_kraken_history_is_built_from_trades(backward: bool) -> None:
    rows = random_candles(1_500, START, seed=4)
    now = START + 1_499 * MINUTE + 20_000
    async with opened("kraken", Tape(Instrument(SYMBOL), candles=rows), now) as (fake, venue):
        answered = await collect(venue, START, now, backward=backward, from_trades=True)
        found = rows_of(answered[::-1] if backward else answered)
        assert np.array_equal(found, rows[:1_499])
        assert covers(answered, START, START + 1_499 * MINUTE)
        assert asked(fake, "fetch_ohlcv") == 1, "what it serves itself is not built"
        assert asked(fake, "fetch_trades") > 3


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("name", ["binanceus", "coinbase", "bitstamp"])
async def test_candles_are_built_from_trades_where_asked(name: str, backward: bool) -> None:
    trades = random_trades(9_000, START, START + 6 * HOUR, seed=5)
    now = START + 6 * HOUR + 5 * MINUTE
    tape = Tape(Instrument(SYMBOL), trades=trades, fills_quiet=False)
    async with opened(name, tape, now) as (fake, venue):
        own = rows_of(await collect(venue, START, START + 6 * HOUR))
        fake.calls.clear()
        answered = await collect(
            venue, START, START + 6 * HOUR, backward=backward, from_trades=True
        )
        found = rows_of(answered[::-1] if backward else answered)
        assert np.array_equal(found[:, :5], own[:, :5])
        # the wire has 8 decimals, and the sums of both are exact to them
        assert np.allclose(found[:, 5], own[:, 5], rtol=0, atol=1e-8)
        assert covers(answered, START, START + 6 * HOUR)
        assert asked(fake, "fetch_ohlcv") == 0
        assert asked(fake, "fetch_trades") == 1 or name != "bitstamp"


@pytest.mark.parametrize("name", ["coinbase", "kraken"])
async def test_a_timeframe_that_a_venue_lacks_is_built_from_trades(name: str) -> None:
    rows = random_candles(60, START, seed=6)
    tape = Tape(Instrument(SYMBOL), candles=rows)
    async with opened(name, tape, START + 2 * HOUR) as (_, venue):
        with pytest.raises(VenueRefusedError, match=f"{name} has no 3m candles, only 1m"):
            await collect(venue, START, START + HOUR, timeframe="3m")
        found = rows_of(await collect(venue, START, START + HOUR, timeframe="3m", from_trades=True))
    assert len(found) == 20
    assert np.array_equal(found[:, 2], rows[:, 2].reshape(20, 3).max(axis=1))
    assert np.array_equal(found[:, 4], rows[2::3, 4])


async def test_bitstamp_trades_reach_back_one_day() -> None:
    rows = random_candles(30 * 60, START, seed=7)
    now = START + 30 * HOUR
    async with opened("bitstamp", Tape(Instrument(SYMBOL), candles=rows), now) as (_, venue):
        answered: list[CandlePage] = []
        with pytest.raises(OutOfReachError, match="serves only those of the last day"):
            await collect(venue, START, now, from_trades=True, into=answered)
    assert np.array_equal(rows_of(answered), rows[6 * 60 + 1 : -1])


@pytest.mark.parametrize("name", ["binanceus", "kraken"])
async def test_more_trades_in_a_millisecond_than_an_answer_holds(name: str) -> None:
    burst = [(START + 30_000, 100.0 + i % 7, 0.5, "buy") for i in range(1_500)]
    trades = [(START + 1, 99.0, 1.0, "buy"), *burst, (START + 59_999, 98.0, 1.0, "sell")]
    tape = Tape(Instrument(SYMBOL), trades=trades, fills_quiet=False)
    async with opened(name, tape, START + 10 * HOUR) as (_, venue):
        found = rows_of(
            await collect(venue, START, START + MINUTE, timeframe="1m", from_trades=True)
        )
        if name == "kraken":
            # within its reach its own candles are taken; ask for a timeframe that it lacks
            found = rows_of(
                await collect(venue, START, START + 3 * MINUTE, timeframe="3m", from_trades=True)
            )
    assert found[:, 1:].tolist() == [[99.0, 106.0, 98.0, 98.0, 752.0]]


async def test_coinbase_refuses_more_trades_in_a_second_than_it_serves() -> None:
    trades = [(START + 30_000, 100.0, 0.5, "buy") for _ in range(1_500)]
    tape = Tape(Instrument(SYMBOL), trades=trades, fills_quiet=False)
    async with opened("coinbase", tape, START + HOUR) as (_, venue):
        with pytest.raises(VenueRefusedError, match="take its own candles there"):
            await collect(venue, START, START + MINUTE, from_trades=True)


@pytest.mark.parametrize("name", NAMES)
async def test_what_has_not_closed_is_left_out_and_settles_nothing(name: str) -> None:
    rows = random_candles(100, START, seed=8)
    tape = Tape(Instrument(SYMBOL), candles=rows)
    now = START + 90 * MINUTE + 59_999
    async with opened(name, tape, now) as (fake, venue):
        page = await venue.candles(SYMBOL, "1m", START + 80 * MINUTE, START + 100 * MINUTE)
        assert np.array_equal(rows_of([page]), rows[80:90])
        assert page.covered == (START + 80 * MINUTE, START + 90 * MINUTE)
        assert page.asked == (START + 80 * MINUTE, START + 89 * MINUTE), "a minute is left to it"
        assert page.end_of_data
        fake.calls.clear()
        later = await venue.candles(SYMBOL, "1m", START + 90 * MINUTE, START + 100 * MINUTE)
        assert len(later.candles) == 0
        assert later.asked[0] == later.asked[1]
        assert not fake.calls, "what cannot have closed is not asked"


async def test_krakens_own_word_keeps_an_unfinished_candle_out_where_our_clock_is_ahead() -> None:
    rows = random_candles(100, START, seed=8)
    tape = Tape(Instrument(SYMBOL), candles=rows)
    async with FakeExchange(START + 90 * MINUTE + 30_000, {"kraken": [tape]}) as fake:
        options = {"kraken": fake.config("kraken")}
        async with open_venue(
            "kraken", options, LocalPace(), lambda: fake.clock.now + 45_000
        ) as venue:
            page = await venue.candles(SYMBOL, "1m", START + 80 * MINUTE, START + 91 * MINUTE)
    assert np.array_equal(rows_of([page]), rows[80:90])


@pytest.mark.parametrize("name", NAMES)
async def test_a_halt_is_a_hole_that_the_answer_settles(name: str) -> None:
    rows = random_candles(600, START, seed=9)
    now = START + 600 * MINUTE
    async with opened(name, Tape(Instrument(SYMBOL), candles=rows), now) as (fake, venue):
        fake.faults.add(Halt(START + 100 * MINUTE, START + 450 * MINUTE), venue=name)
        answered = await collect(venue, START, now - 5 * MINUTE)
        there = np.r_[0:100, 450:595]
        assert np.array_equal(rows_of(answered), rows[there])
        assert covers(answered, START, now - 5 * MINUTE)


async def test_binanceus_needs_no_request_for_what_was_before_its_first_candle() -> None:
    rows = random_candles(10, START, seed=9)
    now = START + 20 * MINUTE
    async with opened("binanceus", Tape(Instrument(SYMBOL), candles=rows), now) as (fake, venue):
        answered = await collect(venue, START - 365 * 24 * HOUR, START + 10 * MINUTE)
        assert np.array_equal(rows_of(answered), rows)
        assert covers(answered, START - 365 * 24 * HOUR, START + 10 * MINUTE)
        assert asked(fake, "fetch_ohlcv") == 1


FAULTS = [
    ServerError(503),
    ServerError(502),
    Disconnect(),
    NoAnswer(),
    TruncatedBody(),
    RateLimited(0),
]


@pytest.mark.parametrize("name", DEEP)
async def test_an_outage_in_the_middle_costs_patience_only(name: str) -> None:
    per_call = QUICK[name]
    rows = random_candles(3 * per_call, START, seed=10)
    end = START + len(rows) * MINUTE
    tape = Tape(Instrument(SYMBOL), candles=rows)
    async with opened(name, tape, end) as (fake, venue):
        await venue.check(SYMBOL)
        # for the answer that never comes; a slow machine may miss others by it
        venue.client.timeout = 500
        for number, fault in enumerate(FAULTS):
            # aiohttp repeats a GET by itself after a lost connection
            count = 2 if isinstance(fault, Disconnect) else 1
            fake.faults.add(fault, method="fetch_ohlcv", count=count, skip=min(number, 1))
        answered = await collect(venue, START, end, patience=MORE_PATIENT)
        assert np.array_equal(rows_of(answered), rows)
        assert all(planned.hits for planned in fake.faults._planned)


@pytest.mark.parametrize("name", NAMES)
async def test_trades_over_an_outage_are_whole(name: str) -> None:
    trades = random_trades(2_500, START, START + 2 * HOUR, seed=11)
    tape = Tape(Instrument(SYMBOL), trades=trades, fills_quiet=False)
    timeframe = "3m" if name in {"coinbase", "kraken"} else "5m"
    async with opened(name, tape, START + 3 * HOUR, timeout=500) as (fake, venue):
        how = {"timeframe": timeframe, "from_trades": True, "patience": MORE_PATIENT}
        undisturbed = rows_of(await collect(venue, START, START + 2 * HOUR, **how))
        for fault in (ServerError(), NoAnswer(), TruncatedBody(), RateLimited(0)):
            fake.faults.add(fault, method="fetch_trades", count=1)
        assert np.array_equal(
            rows_of(await collect(venue, START, START + 2 * HOUR, **how)), undisturbed
        )
        assert all(planned.hits for planned in fake.faults._planned)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", [TruncatedBody(), ServerError(503), NoAnswer()])
async def test_a_venue_that_stays_down_is_said_to_be(name: str, fault: object) -> None:
    rows = random_candles(10, START)
    tape = Tape(Instrument(SYMBOL), candles=rows)
    async with opened(name, tape, START + HOUR, timeout=200) as (fake, venue):
        fake.faults.add(fault)
        with pytest.raises(VenueDownError) as down:
            await collect(venue, START, START + 10 * MINUTE)
        assert str(down.value).startswith(f"{name} does not answer")
        assert str(down.value).endswith("(asked 6 times)")
        assert "\n" not in str(down.value)
        assert "http" not in str(down.value).replace("HTTP", "")
        fake.faults.clear()
        # it is well again, and nothing was left broken here
        assert len(rows_of(await collect(venue, START, START + 10 * MINUTE))) == 10


@pytest.mark.parametrize("name", NAMES)
async def test_a_cut_answer_is_never_no_candles(name: str) -> None:
    tape = Tape(Instrument(SYMBOL), candles=random_candles(10, START))
    async with opened(name, tape, START + HOUR) as (fake, venue):
        await venue.check(SYMBOL)
        fake.faults.add(TruncatedBody())
        with pytest.raises(VenueDownError, match="cut or unreadable"):
            await venue.candles(SYMBOL, "1m", START, START + 10 * MINUTE)
        with pytest.raises(VenueDownError, match="cut or unreadable"):
            await venue.trades(SYMBOL, START + 50 * MINUTE, START + 55 * MINUTE)


@pytest.mark.parametrize("name", NAMES)
async def test_a_rate_limit_says_how_long_it_lasts_and_holds_every_request(name: str) -> None:
    tape = Tape(Instrument(SYMBOL), candles=random_candles(10, START))
    async with FakeExchange(START + HOUR, {name: [tape]}) as fake:
        waits: list[tuple[str, float]] = []
        pace = LocalPace(lambda venue, seconds: waits.append((venue, seconds)))
        async with open_venue(
            name, {name: fake.config(name)}, pace, lambda: fake.clock.now
        ) as venue:
            await venue.check(SYMBOL)
            fake.faults.add(RateLimited(5), method="fetch_ohlcv", count=1)
            with pytest.raises(RateLimitedError) as limited:
                await venue.candles(SYMBOL, "1m", START, START + 10 * MINUTE)
            assert limited.value.retry_after_s == 5
            assert not waits
            await venue.candles(SYMBOL, "1m", START, START + 10 * MINUTE)
            assert [venue for venue, _ in waits] == [name]
            assert 0 < waits[0][1] <= 5


@pytest.mark.parametrize("name", NAMES)
async def test_what_can_never_be_had_is_refused_at_once(name: str) -> None:
    tape = Tape(Instrument(SYMBOL), candles=random_candles(10, START))
    async with opened(name, tape, START + HOUR) as (fake, venue):
        for symbol, timeframe, text in (
            ("BTC/EUR", "1m", f"{name} has no BTC/EUR; it has BTC/USD"),
            ("FOO", "1m", f"{name} has no FOO: check its spelling, as BTC/USD"),
            (SYMBOL, "7m", f"unknown timeframe '7m'; {name} has 1m"),
        ):
            with pytest.raises(VenueRefusedError) as refused:
                await venue.check(symbol, timeframe)
            assert str(refused.value).startswith(text)
        fake.calls.clear()
        fake.faults.add(Refuse(Refusal.BAD_REQUEST), method="fetch_ohlcv")
        with pytest.raises(VenueRefusedError, match=f"{name} refuses the request"):
            await collect(venue, START, START + 10 * MINUTE)
        assert asked(fake, "fetch_ohlcv") == 1


async def test_candles_off_the_grid_and_impossible_ones_are_left_out_and_told() -> None:
    rows = random_candles(30, START)
    rows[7, 0] += 12_000
    rows[11, 2] = rows[11, 3] - 1
    tape = Tape(Instrument(SYMBOL), candles=rows)
    async with opened("binanceus", tape, START + HOUR) as (_, venue):
        (page,) = await collect(venue, START, START + 30 * MINUTE)
    assert np.array_equal(rows_of([page]), np.delete(rows, [7, 11], axis=0))
    assert [one.open_time for one in page.refused] == [START + 7 * MINUTE + 12_000, rows[11, 0]]
    assert "off the grid of 1m" in page.refused[0].reason
    assert page.refused[1].reason.startswith("high ")
    assert page.asked == (START, START + 30 * MINUTE)


async def test_more_candles_than_slots_lose_nothing() -> None:
    rows = random_candles(1_100, START, timeframe=MINUTE)
    # every candle of the first hours has a second one off the grid
    doubled = np.vstack([rows, rows[:500] + np.array([20_000, 0, 0, 0, 0, 0])])
    doubled = doubled[np.argsort(doubled[:, 0])]
    tape = Tape(Instrument(SYMBOL), candles=doubled)
    end = START + 1_100 * MINUTE
    async with opened("binanceus", tape, end + HOUR) as (_, venue):
        for backward in (False, True):
            answered = await collect(venue, START, end, backward=backward)
            found = rows_of(answered)
            assert np.array_equal(found[np.argsort(found[:, 0])], rows)
            assert covers(answered, START, end)


async def test_the_venues_clock_is_told() -> None:
    tape = Tape(Instrument(SYMBOL), candles=random_candles(10, START))
    async with FakeExchange(START + HOUR, {"kraken": [tape]}) as fake:
        options = {"kraken": fake.config("kraken")}
        async with open_venue(
            "kraken", options, LocalPace(), lambda: fake.clock.now - 7_000
        ) as venue:
            assert await venue.server_time_offset_ms() == 7_000


@pytest.mark.parametrize("name", NAMES)
async def test_requests_at_once_are_spaced_by_ccxt_and_among_all_processes(name: str) -> None:
    tape = Tape(Instrument(SYMBOL), candles=random_candles(10, START))
    async with FakeExchange(START + HOUR, {name: [tape]}) as fake:
        turns: list[float] = []

        class Recorded(LocalPace):
            async def wait(self, venue: str, spacing_s: float) -> None:
                await super().wait(venue, spacing_s)
                turns.append(spacing_s)

        options = {name: fake.config(name, enableRateLimit=True, rateLimit=20)}
        async with open_venue(name, options, Recorded(), lambda: fake.clock.now) as venue:
            await venue.check(SYMBOL)
            turns.clear()
            loop = asyncio.get_running_loop()
            began = loop.time()
            await asyncio.gather(
                *(venue.candles(SYMBOL, "1m", START, START + 10 * MINUTE) for _ in range(5))
            )
            assert len(turns) == 5
            assert loop.time() - began >= 4 * min(turns) > 0
