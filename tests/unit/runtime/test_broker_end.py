"""How a broker is left: what a client raises on its way out does not hide why the process ends."""

import asyncio
import logging
from typing import cast

import pytest
from prometheus_client import CollectorRegistry

from contracts.topics import CANDLES
from tradepulse.runtime.broker import Broker
from tradepulse.runtime.dead_letters import DeadLetters
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.reading import Reading


class Leaving:
    topic = CANDLES
    puts_aside = False

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.stopped = False

    async def stop(self) -> None:
        await asyncio.sleep(0)
        self.stopped = True
        if self.error is not None:
            raise self.error


async def test_a_client_that_cancels_itself_ends_like_any_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """aiokafka's does where it is stopped in the pause after a failed fetch."""
    registry = CollectorRegistry()
    letters = DeadLetters(Publisher("nowhere:1", "test"), "test", registry)
    broker = Broker("nowhere:1", "test", letters, registry, lambda _: None)
    readings = [Leaving(asyncio.CancelledError()), Leaving(OSError("gone")), Leaving()]
    for reading in readings:
        broker.then(cast(Reading, reading))
    with caplog.at_level(logging.WARNING):
        await broker.stop()
    assert all(reading.stopped for reading in readings)
    assert caplog.messages == ["a reading did not stop cleanly: OSError('gone')"]
