"""signal_svc as it is put together: its clock, and what it tells of itself."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.events import CandleClosed
from signal_svc.app import APPLICATION
from signal_svc.settings import SignalSettings
from tradepulse.runtime.reading import Reading
from tradepulse.runtime.service import Service

PLACE = {"kafka_bootstrap_servers": "k:1", "database_url": "postgresql://u@h/d"}
MINUTE = 60_000


def declared(**told: Any) -> Service:
    async def made() -> Service:
        return APPLICATION.declared(SignalSettings(**PLACE, **told))

    return asyncio.run(made())


def decoder(service: Service) -> Callable[[bytes], Any]:
    (candles,) = (one for one in service._broker._then if isinstance(one, Reading))
    return candles._decode


def closing(close_time: int) -> bytes:
    event = CandleClosed(
        exchange="x", symbol="A/B", timeframe="1m", open_time=close_time - MINUTE,
        close_time=close_time, open=1.0, high=1.0, low=1.0, close=1.0, volume=1.0, source="live",
    )  # fmt: skip
    return event.model_dump_json().encode()


def test_a_candle_may_close_so_far_ahead_of_the_clock_as_the_settings_say() -> None:
    told = decoder(declared(clock_tolerance_s=600))
    now = time.time_ns() // 1_000_000 // MINUTE * MINUTE
    for ahead in (-5, 0, 1, 9):
        assert told(closing(now + ahead * MINUTE)).close_time == now + ahead * MINUTE
    for ahead in (12, 100):
        with pytest.raises(ValueError, match="is ahead of the clock"):
            told(closing(now + ahead * MINUTE))


def test_the_tolerance_is_a_minute_by_default_and_never_negative() -> None:
    assert SignalSettings(**PLACE).clock_tolerance_s == 60
    assert SignalSettings(**PLACE, clock_tolerance_s=0).clock_tolerance_s == 0
    with pytest.raises(ValidationError, match="clock_tolerance_s"):
        SignalSettings(**PLACE, clock_tolerance_s=-1)


def test_it_tells_how_many_configurations_are_active() -> None:
    assert declared().registry.get_sample_value("tradepulse_active_configurations") == 0
