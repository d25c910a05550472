"""How a job that is not at its end ends all the same: cancelled, or because it had its turn."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

TURN_S = 300.0
"""How long a job is worked on while others wait; then they have their turn."""
REPLAYS = 3
"""A turn is at least so many times as long as it took to take up the job again."""


class Turn:
    """The time that a job has while others wait.

    Args:
        seconds: of it.
        clock: seconds that only grow.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._began = clock()
        self._replayed = 0.0
        self.is_given_up = False
        """Others wait: nothing more is begun."""

    def add_replay(self, seconds: float) -> None:
        """Have the turn be worth the time that it took to take up a search again."""
        self._replayed += seconds

    @property
    def is_over(self) -> bool:
        """Whether it is for others to go on, if there are any."""
        enough = max(self._seconds, REPLAYS * self._replayed)
        return self._clock() - self._began > enough


async def together(searches: Sequence[Callable[[], Awaitable[None]]], at_once: int) -> None:
    """Run all, a few at a time; the first failure ends the rest and is raised as it is."""
    slots = asyncio.Semaphore(at_once)

    async def in_turn(search: Callable[[], Awaitable[None]]) -> None:
        async with slots:
            await search()

    tasks = [asyncio.create_task(in_turn(search)) for search in searches]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
