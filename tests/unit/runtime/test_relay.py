"""The relay's rounds: at once after a full batch and when woken, else after a pause."""

import asyncio
from typing import Any

from tradepulse.runtime import outbox
from tradepulse.runtime.outbox import Relay


class Rounds(Relay):
    """Publishes what it is told to have found."""

    def __init__(self, *found: int, poll_s: float) -> None:
        nothing: Any = None
        super().__init__(nothing, nothing, "executor_svc", poll_s=poll_s)
        self.found = list(found)
        self.rounds = 0

    async def publish_once(self) -> int:
        self.rounds += 1
        await asyncio.sleep(0)
        return self.found.pop(0) if self.found else 0


async def turns(count: int = 100) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_relay_goes_on_at_once_after_a_full_batch_and_then_waits_to_be_woken() -> None:
    relay = Rounds(outbox._BATCH, outbox._BATCH, 7, poll_s=3_600)
    running = asyncio.create_task(relay.run())
    await turns()
    assert relay.rounds == 3
    for number in (4, 5):
        relay.wake()
        await turns()
        assert relay.rounds == number
    assert relay.pulse._last is not None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_relay_that_nobody_wakes_looks_again_after_its_pause() -> None:
    relay = Rounds(poll_s=0.001)
    running = asyncio.create_task(relay.run())
    while relay.rounds < 3:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
