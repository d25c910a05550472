"""What rl_svc keeps and reads: vectors with their events and place, closes until a time."""

import pytest

from contracts.events import FeedSeries, PortfolioWeightsDecided
from contracts.topics import WEIGHTS
from rl_svc.store import WeightStore
from tests.candle_series import random_walk
from tradepulse.market_data.store import store_candles
from tradepulse.runtime.db import at, connect_pool, migrate
from tradepulse.runtime.ownership import FencedError, take_over

pytestmark = pytest.mark.integration
HOUR = 3_600_000
MODEL_ID = "11111111-2222-5333-8444-555555555555"


async def test_the_last_closes_until_a_time_are_those_that_had_come_by_then(
    database_url: str,
) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    candles = random_walk("A/USD", 20, timeframe="1h", without=[9])
    async with pool.acquire() as connection:
        await store_candles(connection, [candles], "import")
    store = WeightStore(pool, "main")
    series = FeedSeries(exchange="test", symbol="A/USD", timeframe="1h", first_open_time=0)
    closes = list(zip(candles.close_time.tolist(), candles.close.tolist(), strict=True))
    for until in (closes[8][0], closes[12][0], closes[12][0] + 1, closes[13][0] - 1):
        had_come = [one for one in closes if one[0] <= until]
        assert await store.closes_until(series, until, 5) == had_come[-5:]
    assert await store.closes_until(series, closes[0][0] - 1, 5) == []
    await pool.close()


async def test_a_vector_is_kept_with_its_event_and_its_place_or_not_at_all(
    database_url: str,
) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    store = WeightStore(pool, "main")
    owner = await take_over(pool, "weights:main")
    made = [
        PortfolioWeightsDecided(
            portfolio="main",
            close_time=close * HOUR,
            policy="equal",
            weights={"x:A/USD": 1.0},
            missing=("x:B/USD",),
            budget=1.5,
            model_id=MODEL_ID,
            fallback="history",
        )
        for close in (1, 2)
    ]
    await store.record(made[:1], owner, HOUR, {"candles/0": 4}, {"frontiers": {"c x": 1}})
    successor = await take_over(pool, "weights:main")
    assert (successor.settled, successor.offsets) == (HOUR, {"candles/0": 4})
    assert successor.state == {"frontiers": {"c x": 1}}
    with pytest.raises(FencedError):
        await store.record(made[1:], owner, 2 * HOUR, {}, {})
    rows = await pool.fetch("select * from portfolio_weights")
    assert [(row["portfolio"], row["close_time"], row["policy"]) for row in rows] == [
        ("main", at(HOUR), "equal")
    ]
    assert (rows[0]["weights"], rows[0]["missing"]) == ({"x:A/USD": 1.0}, ["x:B/USD"])
    assert (rows[0]["budget"], str(rows[0]["model_id"]), rows[0]["fallback"]) == (
        *(1.5, MODEL_ID),
        "history",
    )
    sent = await pool.fetch("select service, topic, key, value from outbox")
    assert [tuple(row) for row in sent] == [
        ("rl_svc", WEIGHTS.name, "main", made[0].model_dump_json().encode())
    ]
    await pool.close()
