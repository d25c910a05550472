"""signal_svc's tables: signals are kept once, and windows end before their candle."""

from typing import Any
from uuid import UUID

import numpy as np
import pytest

from contracts.events import Signal, signal_id
from optimizer_svc.store import Store as JobStore
from signal_svc.active import ActiveConfigurations
from signal_svc.store import SignalStore
from tests.candle_series import random_walk
from tradepulse.market_data.store import store_candles
from tradepulse.research.configurations import (
    NewConfiguration,
    activate,
    add_discovered,
    configuration_of,
)
from tradepulse.research.jobs import JobSpec
from tradepulse.runtime.db import at, connect_pool, migrate
from tradepulse.runtime.refusals import RefusedError

pytestmark = pytest.mark.integration
HOUR = 3_600_000
SERIES = "x:A/USD:1h"


def signal(number: int, **more: Any) -> Signal:
    return Signal(
        id=signal_id(UUID(int=1), SERIES, number * HOUR),
        configuration_id=UUID(int=1),
        strategy="s",
        action="enter_long",
        reference_price=100.0 + number,
        expires_at=(number + 2) * HOUR,
        **more,
    )


async def test_a_signal_is_kept_as_it_was_first_said(database_url: str) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    store = SignalStore(pool)
    full = signal(2, stop_price=90.0, take_profit_price=120.0, confidence=0.5, limit_price=99.0,
                  trail=3.0, max_holding_ms=7 * HOUR,
                  targets=((0, 130.0), (60, 110.5)), cooldown_ms=HOUR)  # fmt: skip
    await store.archive([(2 * HOUR, SERIES, signal(1)), (3 * HOUR, SERIES, full)])
    changed = signal(1).model_copy(update={"reference_price": 7.0})
    await store.archive([(9 * HOUR, SERIES, changed), (4 * HOUR, SERIES, signal(3))])
    rows = await pool.fetch("select * from signals order by decided_at")
    assert [(row["decided_at"], row["reference_price"]) for row in rows] == [
        (at(2 * HOUR), 101.0), (at(3 * HOUR), 102.0), (at(4 * HOUR), 103.0)
    ]  # fmt: skip
    kept = rows[1]
    assert (kept["signal_id"], kept["configuration_id"], kept["strategy"]) == (
        full.id, UUID(int=1), "s"
    )  # fmt: skip
    assert (kept["exchange"], kept["symbol"], kept["timeframe"]) == ("x", "A/USD", "1h")
    for name in ("action", "stop_price", "take_profit_price", "confidence", "limit_price", "trail",
                 "max_holding_ms", "cooldown_ms"):  # fmt: skip
        assert kept[name] == getattr(full, name), name
    assert kept["targets"] == [[0, 130.0], [60, 110.5]]
    assert rows[0]["targets"] is None
    await pool.close()


async def test_a_window_ends_before_its_candle(database_url: str) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    candles = random_walk("A/USD", 20, timeframe="1h")
    async with pool.acquire() as connection:
        await store_candles(connection, [candles], "import")
    store = SignalStore(pool)
    opens = candles.open_time.tolist()
    for row, count in ((10, 4), (2, 4), (0, 4)):
        found = await store.candles_before("test", "A/USD", "1h", opens[row], count)
        assert found.open_time.tolist() == opens[max(0, row - count) : row]
    await pool.close()


async def test_configurations_are_known_before_any_event_tells_of_them(database_url: str) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    one, other = UUID(int=2), UUID(int=3)
    async with pool.acquire() as connection, connection.transaction():
        for number in (one, other):
            params = {"fast": 5.0, "slow": 20.0}
            new = NewConfiguration(number, "sma_cross", "x", "A/USD", "1h", params, 0.5, {})
            await add_discovered(connection, new, "made")
    await activate(pool, one, "for this test")
    active = ActiveConfigurations(lambda _: None)
    await active.take_in(await SignalStore(pool).configurations())
    assert [c.configuration_id for c in active.on(SERIES)] == [one]
    # its event comes late, and is no news
    event = (await configuration_of(pool, one)).event()
    active.on_configuration(event.model_copy(update={"revision": 1, "is_active": False}))
    assert [c.configuration_id for c in active.on(SERIES)] == [one]
    await pool.close()


async def test_the_last_close_of_a_series_is_known(database_url: str) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    store = SignalStore(pool)
    assert await store.last_close("test", "A/USD", "1h") == 0
    candles = random_walk("A/USD", 20, timeframe="1h")
    async with pool.acquire() as connection:
        await store_candles(connection, [candles, random_walk("B/USD", 30, timeframe="1h")], "live")
    assert await store.last_close("test", "A/USD", "1h") == candles.close_time[-1]
    await pool.close()


async def test_what_looks_at_an_instrument_that_nobody_follows_is_not_activated(
    database_url: str,
) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    made = UUID(int=4)
    async with pool.acquire() as connection, connection.transaction():
        new = NewConfiguration(made, "relative_strength", "test", "A/USD", "1h", {}, 0.5, {})
        await add_discovered(connection, new, "made")
        await connection.execute("insert into subscriptions values ('test', 'A/USD', '1h')")
    words = (
        "^relative_strength on test:A/USD:1h looks at test:BTC/USD, whose 1h candles nobody "
        "follows: subscribe to them, or import them for a replay, then activate it$"
    )
    with pytest.raises(RefusedError, match=words) as refused:
        await activate(pool, made, "for this test")
    assert refused.value.code == "no_reference"
    async with pool.acquire() as connection:
        await store_candles(connection, [random_walk("BTC/USD", 30, timeframe="1h")], "import")
    # stored once, but nobody follows it while the series is followed
    with pytest.raises(RefusedError, match=words):
        await activate(pool, made, "for this test")
    await pool.execute("insert into subscriptions values ('test', 'BTC/USD', '1h')")
    assert (await activate(pool, made, "for this test")).is_active
    await pool.close()


async def test_a_search_has_the_candles_of_what_its_strategies_look_at(database_url: str) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    eth = random_walk("ETH/USD", 200, seed=1, timeframe="1h", without=range(90, 120))
    btc = random_walk("BTC/USD", 200, seed=2, timeframe="1h", without=range(45, 60))
    spec = JobSpec(
        strategies=("relative_strength", "sma_cross"), exchange="test", symbols=("ETH/USD",),
        timeframe="1h", start=int(eth.open_time[100]), end=int(eth.close_time[149]),
    )  # fmt: skip
    store = JobStore(pool, "w")
    async with pool.acquire() as connection:
        await store_candles(connection, [eth], "import")
    with pytest.raises(ValueError, match="looks at test:BTC/USD, of which there are no 1h candles"):
        await store.candles(spec, "ETH/USD", 40, None)
    async with pool.acquire() as connection:
        await store_candles(connection, [btc], "import")
    found = await store.candles(spec, "ETH/USD", 40, None)
    (name,) = found.references
    beside = found.references[name]
    assert (name, beside.series) == ("test:BTC/USD", "test:BTC/USD:1h")
    # as many before the series' own first as a parameter set may need, over its hole
    assert int(np.count_nonzero(beside.open_time < found.open_time[0])) == 40
    assert beside.close_time[-1] == found.close_time[-1]
    plain = await store.candles(
        spec.model_copy(update={"strategies": ("sma_cross",)}), "ETH/USD", 40, None
    )
    assert plain.references == {}
    await pool.close()
