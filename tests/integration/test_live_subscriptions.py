"""Subscriptions that change while the market goes on, restarts, and what cannot be followed."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from live_market import BTC, ETH, FAST, MINUTE, START, LiveMarket, following

from tests.fakes.exchange import HOUR, FakeExchange, Tape
from tests.fakes.exchange.synthetic import random_candles, random_trades
from tradepulse.market_data.subscriptions import (
    SubscriptionError,
    list_subscriptions,
    subscribe,
    unsubscribe,
)
from tradepulse.market_data.venues.errors import VenueRefusedError

pytestmark = pytest.mark.integration
ONE, OTHER = "kraken:BTC/USD:1m", "kraken:ETH/USD:1m"


def tapes() -> list[Tape]:
    return [
        Tape(item, trades=random_trades(1_200, START - HOUR, START + 2 * HOUR, seed=seed))
        for seed, item in enumerate((BTC, ETH))
    ]


async def add(market: LiveMarket, series: str) -> None:
    async with market.pool.acquire() as connection:
        assert await subscribe(connection, *series.split(":"))


async def remove(market: LiveMarket, series: str, *, force: bool = False) -> None:
    async with market.pool.acquire() as connection:
        assert await unsubscribe(connection, *series.split(":"), force=force)


async def troubles(market: LiveMarket) -> dict[str, str | None]:
    async with market.pool.acquire() as connection:
        return {one.series: one.trouble for one in await list_subscriptions(connection)}


async def test_series_come_and_go_while_others_go_on(database_url: str) -> None:
    async with (
        FakeExchange(START + 5_000, {"kraken": tapes()}) as fake,
        following(fake, database_url, ONE) as market,
    ):
        await market.connected(1)
        await market.pass_time(3 * MINUTE)
        await add(market, OTHER)
        added = fake.clock.now // MINUTE * MINUTE
        await market.connected(2)
        await market.pass_time(4 * MINUTE)
        # announced before its first candle
        assert market.sent.order.index(f"feed {OTHER}") < market.sent.order.index(OTHER)
        assert market.sent.of(OTHER)[0].open_time == added

        await remove(market, OTHER)
        ended = lambda: market.sent.feeds[-1].series[0].last_close_time  # noqa: E731 - read where it stands
        await market.until(lambda: ended() is not None)
        told = market.sent.of(OTHER)
        assert market.sent.feeds[-1].series[0].series == OTHER
        assert ended() == max(candle.close_time for candle in told) + 1
        await market.pass_time(3 * MINUTE)
        assert market.sent.of(OTHER) == told
        await market.until(lambda: fake.open_sockets("kraken") == 1)

        await add(market, OTHER)
        again = fake.clock.now // MINUTE * MINUTE
        await market.until(lambda: ended() is None)
        assert market.sent.feeds[-1].series[0].first_open_time == again
        await market.pass_time(3 * MINUTE)
        await market.settled(OTHER)
        anew = [c.open_time for c in market.sent.of(OTHER)[len(told) :] if c.source != "repaired"]
        assert anew == list(range(again, anew[-1] + MINUTE, MINUTE))
        await market.check(ONE, START)


async def test_several_timeframes_of_one_symbol(database_url: str) -> None:
    """Kraken has 1m and 5m candles, and no 3m ones, which are built from trades."""
    frames = [f"kraken:BTC/USD:{timeframe}" for timeframe in ("1m", "5m", "3m")]
    begin = START // (15 * MINUTE) * 15 * MINUTE
    async with (
        FakeExchange(begin + 5_000, {"kraken": tapes()}) as fake,
        following(fake, database_url, *frames) as market,
    ):
        await market.connected(3)
        await market.pass_time(31 * MINUTE)
        for series in frames:
            await market.settled(series)
            counts = await market.check(series, begin)
            assert counts["live"] >= (25 if series.endswith(":1m") else 4), (series, counts)


async def test_a_restart_goes_on_where_it_stood(database_url: str) -> None:
    series = "bitstamp:BTC/USD:1m"
    async with FakeExchange(START + 5_000, {"bitstamp": tapes()}) as fake:
        async with following(fake, database_url, series) as market:
            await market.connected(1)
            await market.pass_time(5 * MINUTE)
        first = market.sent
        await fake.advance(7 * MINUTE)
        async with following(fake, database_url, series) as market:
            await market.connected(1)
            await market.pass_time(5 * MINUTE)
            await market.settled(series)
            assert first.feeds[0] == market.sent.feeds[0]
            market.sent.candles[:0] = first.candles
            counts = await market.check(series, START)
            assert counts["backfill"] >= 7


async def test_what_cannot_be_followed_harms_nobody(database_url: str) -> None:
    odd = "kraken:DOGE/USD:1m"
    async with (
        FakeExchange(START + 5_000, {"kraken": tapes()}) as fake,
        following(fake, database_url, ONE, odd, "coinbase:BTC/USD:1m") as market,
    ):
        await market.pool.execute(
            "insert into subscriptions values ('mtgox', 'BTC/USD', '1m'), "
            "('kraken', 'BTC/USD', '7m')"
        )
        await market.connected(1)
        await market.pass_time(3 * MINUTE)
        await market.settled(ONE)
        await market.check(ONE, START)
        async with asyncio.timeout(120):
            while sum(why is not None for why in (await troubles(market)).values()) < 3:  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.02)
        told = await troubles(market)
        assert told[ONE] is None
        assert told[odd] == "kraken has no DOGE/USD: check its spelling, as BTC/USD"
        assert "unknown venue 'mtgox'" in (told["mtgox:BTC/USD:1m"] or "")
        assert "unknown timeframe '7m'" in (told["kraken:BTC/USD:7m"] or "")
        assert {feed.series[0].series for feed in market.sent.feeds} == {ONE}


async def test_a_refused_subscription_is_one_line(database_url: str) -> None:
    async with (
        FakeExchange(START, {"kraken": tapes()}) as fake,
        following(fake, database_url) as market,
        market.pool.acquire() as connection,
    ):
        with pytest.raises(VenueRefusedError, match="unknown venue 'mtgox'; known are"):
            await subscribe(connection, "mtgox", "BTC/USD", "1m")
        with pytest.raises(SubscriptionError, match="unknown timeframe '7m'"):
            await subscribe(connection, "kraken", "BTC/USD", "7m")
        for symbol in ("BTCUSD", "BTC/USD:USD", "BTC /USD", "/USD", "B" * 40 + "/USD"):
            with pytest.raises(SubscriptionError, match=r"symbol|longer"):
                await subscribe(connection, "kraken", symbol, "1m")
        assert not await unsubscribe(connection, "kraken", "BTC/USD", "1m")


async def test_what_is_traded_is_given_up_by_force_only(database_url: str) -> None:
    async with (
        FakeExchange(START, {"kraken": tapes()}) as fake,
        following(fake, database_url, ONE) as market,
    ):
        await market.pool.execute(
            "insert into trained_configurations (configuration_id, strategy, exchange, symbol, "
            "timeframe, params, stage, is_active) values (gen_random_uuid(), 'sma_cross', "
            "'kraken', 'BTC/USD', '1m', '{}', 'PAPER', true)"
        )
        with pytest.raises(SubscriptionError, match="used by 1 active configurations"):
            await remove(market, ONE)
        await remove(market, ONE, force=True)


async def test_a_quiet_interval_is_filled_only_where_asked_for(database_url: str) -> None:
    """Coinbase has no candle where nothing traded."""
    rows = random_candles(40, START - 5 * MINUTE)
    quiet = [START + slot * MINUTE for slot in (3, 4, 8)]
    tape = Tape(BTC, candles=rows[~np.isin(rows[:, 0], quiet)])
    series, other = "coinbase:BTC/USD:1m", "coinbase:ETH/USD:1m"
    second = Tape(ETH, candles=rows[~np.isin(rows[:, 0], quiet)])
    async with (
        FakeExchange(START + 5_000, {"coinbase": [tape, second]}) as fake,
        following(fake, database_url, series, other) as market,
    ):
        await market.pool.execute(
            "insert into trained_configurations (configuration_id, strategy, exchange, symbol, "
            "timeframe, params, stage, is_active, fill_gaps) values (gen_random_uuid(), 'x', "
            "'coinbase', 'BTC/USD', '1m', '{}', 'PAPER', true, true)"
        )
        await market.connected(2)
        await market.pass_time(12 * MINUTE)
        await market.settled(series)
        await market.settled(other)
        told = {candle.open_time: candle for candle in market.sent.of(series)}
        assert sorted(told) == list(range(START, max(told) + MINUTE, MINUTE))
        assert [slot for slot, c in told.items() if c.source == "synthetic"] == quiet
        for slot in quiet:
            before, filled = told[slot - MINUTE], told[slot]
            assert filled.volume == 0
            assert {filled.open, filled.high, filled.low, filled.close} == {before.close}
        assert not set(quiet) & {candle.open_time for candle in market.sent.of(other)}
        noted = await market.pool.fetchval(
            "select count(*) from venue_answers, unnest(asked) as r(r) "
            "where symbol = 'ETH/USD' and lower(r) = any($1)",
            [quiet[0], quiet[2]],
        )
        assert noted == 2


async def test_two_replicas_share_the_symbols(database_url: str) -> None:
    both = (ONE, OTHER)
    async with (
        FakeExchange(START + 5_000, {"kraken": tapes()}) as fake,
        following(fake, database_url, *both) as first,
    ):
        await first.connected(2)
        await first.pass_time(2 * MINUTE)
        async with following(fake, database_url, options=replace(FAST)) as second:
            await second.connected(1)
            await first.until(lambda: len(first.looked_after) == 1)
            await first.pass_time(3 * MINUTE)
            assert first.looked_after | second.looked_after == {"kraken:BTC/USD", "kraken:ETH/USD"}
            assert first.value("tradepulse_live_replicas") == 2
        await first.connected(2)
        await first.pass_time(2 * MINUTE)
        for series in both:
            await first.settled(series)
            first.sent.candles += [] if series != OTHER else second.sent.candles
        first.sent.candles.sort(key=lambda candle: candle.close_time)
        for series in both:
            await first.check(series, START)
