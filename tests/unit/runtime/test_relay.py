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


async def test_who_wakes_it_is_told_once_all_that_was_there_is_published() -> None:
    relay = Rounds(poll_s=3_600)
    told: list[str] = []
    running = asyncio.create_task(relay.run())
    await turns()
    relay.found = [outbox._BATCH, outbox._BATCH, 7]
    rounds = relay.rounds
    relay.wake(lambda: told.append(f"first after {relay.rounds - rounds}"))
    # it publishes by now, perhaps without what this one has committed
    await turns(2)
    relay.wake(lambda: told.append(f"second after {relay.rounds - rounds}"))
    await turns()
    assert told == ["first after 3", "second after 3"]
    relay.wake()
    await turns()
    assert len(told) == 2
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_who_wakes_it_while_it_publishes_is_told_after_the_next_round() -> None:
    relay = Rounds(poll_s=3_600)
    told: list[int] = []
    relay.wake(lambda: relay.wake(lambda: told.append(relay.rounds)))
    running = asyncio.create_task(relay.run())
    await turns()
    assert told == [2]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
