"""What the live feed keeps: where each feed stands, what is stored, what the venue has said."""

import pytest

from market_ingest.live.bars import Bar
from market_ingest.live.rest_candles import bars_of
from market_ingest.live.store import RECHECKED, FeedPosition, LiveStore, candle_event
from market_ingest.restoring import publish_again
from tests.candle_series import random_walk
from tradepulse.market_data.backfill import missing_ranges
from tradepulse.market_data.store import store_candles
from tradepulse.market_data.subscriptions import feed_of
from tradepulse.runtime.db import connect_pool, migrate

pytestmark = pytest.mark.integration
MINUTE = 60_000
SERIES = ("kraken", "A/USD", "1m")


async def test_a_feed_goes_on_where_it_stood_and_begins_anew_once_ended(database_url: str) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    store = LiveStore(pool)
    assert await store.open_feeds() == set()
    assert await store.begin(SERIES, 5 * MINUTE) == FeedPosition(5 * MINUTE, 5 * MINUTE)
    await store.advance(SERIES, 7 * MINUTE)
    # a predecessor that lost its lock may still write once
    await store.advance(SERIES, 6 * MINUTE)
    assert await store.begin(SERIES, 9 * MINUTE) == FeedPosition(5 * MINUTE, 7 * MINUTE)
    assert await store.open_feeds() == {SERIES}
    await store.end(SERIES)
    assert await store.open_feeds() == set()
    await store.advance(SERIES, 20 * MINUTE)
    stands = await pool.fetchval(
        "select published_until from feeds where feed = $1", feed_of(*SERIES)
    )
    assert stands == 7 * MINUTE, "it has ended"
    assert await store.begin(SERIES, 9 * MINUTE) == FeedPosition(9 * MINUTE, 9 * MINUTE)
    await pool.close()


async def test_what_nobody_has_settled_is_published_again_to_another_kafka(
    database_url: str,
) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    store = LiveStore(pool)
    settle = "insert into event_time_positions (consumer, settled_time) values ($1, $2)"
    ended = ("kraken", "C/USD", "1m")
    for series in (SERIES, ("kraken", "B/USD", "5m"), ended):
        await store.begin(series, 0)
        await store.advance(series, 30 * MINUTE)
    await store.end(ended)
    replay = "insert into feeds (feed, spec, published_until, finished) values ($1, '{}', $2, true)"
    await pool.execute(replay, "done", 20 * MINUTE)
    await pool.execute(replay, "ahead", 40 * MINUTE)
    await pool.executemany(settle, [("executor:main", 23 * MINUTE), ("weights:main", 27 * MINUTE)])
    await pool.execute(
        "insert into outbox (service, topic, key, value) values "
        "('market_ingest', 'tradepulse.candles', 'k', ''), ('executor_svc', 'other', 'k', '')"
    )

    async def again() -> None:
        async with pool.acquire() as connection, connection.transaction():
            await publish_again(connection)

    await again()
    # by whole candles, from the first that somebody lacks
    assert await store.begin(SERIES, 99) == FeedPosition(0, 30 * MINUTE, 23 * MINUTE)
    coarse = await store.begin(("kraken", "B/USD", "5m"), 99)
    assert coarse == FeedPosition(0, 30 * MINUTE, 20 * MINUTE)
    assert (
        await pool.fetchval("select again_from from feeds where feed = $1", feed_of(*ended)) is None
    )
    assert [tuple(row) for row in await pool.fetch(
        "select feed, published_until, finished from feeds where spec = '{}' order by feed"
    )] == [("ahead", 23 * MINUTE, False), ("done", 20 * MINUTE, True)]  # fmt: skip
    # corrections are part of what is told again
    assert await pool.fetchval("select array_agg(service) from outbox") == ["executor_svc"]
    # another loss before it was told: not less
    await pool.execute("update event_time_positions set settled_time = settled_time + $1", MINUTE)
    await again()
    assert (await store.begin(SERIES, 99)).again_from == 23 * MINUTE
    walk = random_walk("A/USD", 30, exchange="kraken", timeframe="1m", start=0)
    async with pool.acquire() as connection:
        await store_candles(connection, [walk.rows(0, 25)], "live")
        await store_candles(connection, [walk.rows(26, 30)], "repaired")
    told = await store.stored(SERIES, MINUTE, 23 * MINUTE, 28 * MINUTE)
    assert [(c.open_time // MINUTE, c.source) for c in told] == [
        (23, "live"), (24, "live"), (26, "repaired"), (27, "repaired")
    ]  # fmt: skip
    await store.told_again(SERIES)
    assert await store.begin(SERIES, 99) == FeedPosition(0, 30 * MINUTE)
    # what the topic would not hold any more is history
    await store.advance(SERIES, 90 * 1440 * MINUTE)
    await again()
    assert (await store.begin(SERIES, 99)).again_from == 60 * 1440 * MINUTE
    await pool.close()


async def test_the_last_candles_of_the_stream_are_compared_after_a_start(database_url: str) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    store = LiveStore(pool)
    walk = random_walk("A/USD", RECHECKED + 10, exchange="kraken", timeframe="1m")
    async with pool.acquire() as connection:
        await store_candles(connection, [walk.rows(0, 55)], "live")
        await store_candles(connection, [walk.rows(55, 57)], "backfill")
        await store_candles(connection, [walk.rows(57, 60)], "live")
    position = int(walk.open_time[-2])
    told = await store.unchecked(SERIES, MINUTE, position)
    assert told == [*bars_of(walk)[8:55], bars_of(walk)[57]]
    assert await store.last_close(SERIES, position) == walk.close[-3]
    assert await store.last_close(SERIES, int(walk.open_time[0])) is None
    await pool.close()


async def test_what_is_stored_is_what_is_published(database_url: str) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    store = LiveStore(pool)
    walk = random_walk("A/USD", 4, exchange="kraken", timeframe="1m")
    async with pool.acquire() as connection:
        await store_candles(connection, [walk.rows(1, 2)], "repaired")
    bars = [Bar(bar.open_time, bar.open, bar.high * 2, bar.low, bar.close, 1.0)
            for bar in bars_of(walk)]  # fmt: skip
    wanted = [candle_event(SERIES, bar, MINUTE, "live") for bar in bars[:3]]
    stored = await store.save(wanted)
    # a better source said otherwise before
    kept = candle_event(SERIES, bars_of(walk)[1], MINUTE, "repaired")
    assert stored == [wanted[0], kept, wanted[2]]
    last = [candle_event(SERIES, bars[3], MINUTE, "backfill")]
    assert await store.save(last) == last
    await store.begin(SERIES, bars[0].open_time)
    await store.advance(SERIES, bars[3].open_time + MINUTE)
    await store.correct(SERIES, [bars_of(walk)[0]])
    assert await store.last_close(SERIES, bars[1].open_time) == walk.close[0]
    assert await pool.fetchval("select count(*) from outbox") == 1
    await pool.close()


async def test_what_the_venue_has_no_candle_of_is_not_asked_again(database_url: str) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    store = LiveStore(pool)
    await store.note_answers(SERIES, [3 * MINUTE, 5 * MINUTE], MINUTE)
    async with pool.acquire() as connection:
        missing = await missing_ranges(connection, *SERIES, 0, 8 * MINUTE)
    assert missing == [(0, 3 * MINUTE), (4 * MINUTE, 5 * MINUTE), (6 * MINUTE, 8 * MINUTE)]
    await pool.close()


async def test_trouble_is_kept_until_all_is_well(database_url: str) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    store = LiveStore(pool)
    await pool.execute("insert into subscriptions (exchange, symbol, timeframe) "
                       "values ($1, $2, $3)", *SERIES)  # fmt: skip
    for trouble in ("no such symbol", None):
        await store.tell_trouble(SERIES, trouble)
        assert [one.trouble for one in await store.subscriptions()] == [trouble]
    assert await store.filled_series() == set()
    await pool.close()
