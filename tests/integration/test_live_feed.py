"""The live feed against a fake exchange and a real database: streams, breaks, stalls, halts."""

import pytest
from live_market import BTC, MINUTE, START, following

from tests.fakes.exchange import HOUR, FakeExchange, Tape
from tests.fakes.exchange.faults import (
    DropSocket,
    GarbageFrame,
    LostMessage,
    RateLimited,
    ServerError,
    SilentSocket,
    TruncatedBody,
    TruncatedFrame,
)
from tests.fakes.exchange.synthetic import random_trades

pytestmark = pytest.mark.integration
VENUES = ("binanceus", "coinbase", "kraken", "bitstamp")


def busy(seed: int = 0) -> Tape:
    return Tape(BTC, trades=random_trades(1_200, START - HOUR, START + 2 * HOUR, seed=seed))


def data_of(venue: str) -> str:
    """Return ccxt's name of what the live feed watches there."""
    return "watch_ohlcv" if venue in {"binanceus", "kraken"} else "watch_trades"


@pytest.mark.parametrize("venue", VENUES)
async def test_a_calm_market_comes_from_the_stream(venue: str, database_url: str) -> None:
    series = f"{venue}:BTC/USD:1m"
    async with (
        FakeExchange(START + 5_000, {venue: [busy()]}) as fake,
        following(fake, database_url, series) as market,
    ):
        await market.connected(1)
        await market.pass_time(20 * MINUTE)
        await market.settled(series)
        counts = await market.check(series, START)
        assert counts["live"] >= 18
        assert fake.open_sockets(venue) == 1


@pytest.mark.parametrize("clean", [True, False], ids=["closed", "cut"])
@pytest.mark.parametrize("venue", VENUES)
async def test_a_hole_after_a_disconnect_is_filled_in_order(
    venue: str, clean: bool, database_url: str
) -> None:
    series = f"{venue}:BTC/USD:1m"
    async with (
        FakeExchange(START + 5_000, {venue: [busy()]}) as fake,
        following(fake, database_url, series) as market,
    ):
        await market.connected(1)
        for _ in range(3):
            await market.pass_time(4 * MINUTE)
            fault = fake.faults.add(DropSocket(clean=clean), method=data_of(venue), count=1)
            await market.pass_time(MINUTE)
            assert fault.hits == 1
        await market.pass_time(4 * MINUTE)
        await market.settled(series)
        counts = await market.check(series, START)
        assert counts["live"] >= 8
        assert counts["backfill"] >= 3
        assert market.value("tradepulse_live_breaks_total", exchange=venue, group="USD") == 3


@pytest.mark.parametrize("venue", VENUES)
async def test_a_silent_socket_is_replaced(venue: str, database_url: str) -> None:
    series = f"{venue}:BTC/USD:1m"
    async with (
        FakeExchange(START + 5_000, {venue: [busy()]}) as fake,
        following(fake, database_url, series) as market,
    ):
        await market.connected(1)
        await market.pass_time(4 * MINUTE)
        fake.faults.add(SilentSocket(), count=1)
        await market.pass_time(10 * MINUTE)
        await market.settled(series)
        counts = await market.check(series, START)
        assert counts["live"] >= 6
        assert market.value("tradepulse_live_stalls_total") >= 1
        assert fake.open_sockets(venue) == 1


@pytest.mark.parametrize("venue", VENUES)
async def test_garbage_costs_the_slot_not_the_connection(venue: str, database_url: str) -> None:
    series = f"{venue}:BTC/USD:1m"
    async with (
        FakeExchange(START + 5_000, {venue: [busy()]}) as fake,
        following(fake, database_url, series) as market,
    ):
        await market.connected(1)
        hits = 0
        for fault in (GarbageFrame(), TruncatedFrame(), GarbageFrame("[1,2"), GarbageFrame("")):
            await market.pass_time(3 * MINUTE)
            planned = fake.faults.add(fault, method=data_of(venue), count=1)
            await market.pass_time(MINUTE)
            hits += planned.hits
        await market.settled(series)
        counts = await market.check(series, START)
        assert counts["live"] >= 8
        assert hits == 4
        assert market.value("tradepulse_live_lost_messages_total") >= 4
        assert market.value("tradepulse_live_breaks_total") == 0


@pytest.mark.parametrize("venue", VENUES)
async def test_a_venue_that_answers_badly_delays_and_loses_nothing(
    venue: str, database_url: str
) -> None:
    series = f"{venue}:BTC/USD:1m"
    async with (
        FakeExchange(START + 5_000, {venue: [busy()]}) as fake,
        following(fake, database_url, series) as market,
    ):
        await market.connected(1)
        for fault in (ServerError(503), ServerError(500), TruncatedBody(), RateLimited(0)):
            fake.faults.add(fault, method="fetch_ohlcv", count=2)
        fake.faults.add(DropSocket(), method=data_of(venue), count=1)
        await market.pass_time(15 * MINUTE)
        await market.settled(series)
        counts = await market.check(series, START)
        assert counts["live"] >= 5
        failed = market.value("tradepulse_live_requests_total", outcome="failed")
        assert failed >= 6
        assert market.value("tradepulse_live_venue_up", exchange=venue) == 1


@pytest.mark.parametrize("venue", VENUES)
async def test_an_outage_of_a_venue(venue: str, database_url: str) -> None:
    series, other = f"{venue}:BTC/USD:1m", "kraken:BTC/USD:1m"
    if venue == "kraken":
        other = "binanceus:BTC/USD:1m"
    venues = {venue: [busy()], other.split(":")[0]: [busy(1)]}
    async with (
        FakeExchange(START + 5_000, venues) as fake,
        following(fake, database_url, series, other) as market,
    ):
        await market.connected(2)
        fake.faults.outage(venue, START + 4 * MINUTE + 10_000, START + 9 * MINUTE + 20_000)
        await market.pass_time(8 * MINUTE)
        seen = market.sent.of(other)
        assert len(seen) >= 7, "the other venue goes on"
        assert market.value("tradepulse_live_venue_up", exchange=venue) == 0
        await market.until(
            lambda: market.value("tradepulse_live_behind_seconds", exchange=venue) > 100
        )
        await market.pass_time(7 * MINUTE)
        await market.settled(series)
        counts = await market.check(series, START)
        assert counts["live"] >= 6
        # whole minutes in which nothing traded have no candle anywhere, and are no hole of ours
        assert market.value("tradepulse_live_no_trade_total", exchange=venue) == 4
        assert (await market.check(other, START)).get("repaired", 0) <= 1


async def test_a_correction_that_cannot_be_sent_is_sent_after_the_next_start(
    database_url: str,
) -> None:
    series = "bitstamp:BTC/USD:1m"
    async with FakeExchange(START + 5_000, {"bitstamp": [busy()]}) as fake:
        fake.faults.add(LostMessage(), method="watch_trades", probability=0.5)
        async with following(fake, database_url, series, may_fail=True) as market:
            await market.connected(1)
            market.sent.fails_at = "repaired"
            while not market.has_ended:
                await fake.advance(5_000)
                await market.looked()
            stored = await market.corrected()
            assert stored
        fake.faults.clear()
        async with following(fake, database_url, series) as market:
            await market.settled(series)
            told = [c.open_time for c in market.sent.of(series) if c.source == "repaired"]
            # others were published and not compared before the end
            assert set(stored) <= set(told)
            assert sorted(told) == await market.corrected()
