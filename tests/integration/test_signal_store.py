"""signal_svc's tables: signals are kept once, and windows end before their candle."""

from typing import Any
from uuid import UUID

import pytest

from contracts.events import Signal, signal_id
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
from tradepulse.runtime.db import at, connect_pool, migrate

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
