"""What a service does beside its handlers, from its start to its end."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Work = Callable[[], Coroutine[Any, Any, object]]


class Background:
    """Tasks of a process, none of which may end before it.

    Args:
        fail: told why the process must end: a task has failed, or ended.
    """

    def __init__(self, fail: Callable[[BaseException], None]) -> None:
        self._fail = fail
        self._declared: list[tuple[Work, str]] = []
        self._tasks: list[asyncio.Task[object]] = []
        self._is_started = False

    def add(self, work: Work, name: str) -> None:
        """Do it once `start` was called: from then on, or now."""
        if self._is_started:
            self.add_now(work, name)
        else:
            self._declared.append((work, name))

    def add_now(self, work: Work, name: str) -> None:
        """Do it from now on."""
        task = asyncio.create_task(work(), name=name)
        self._tasks.append(task)
        task.add_done_callback(self._on_ended)

    def start(self) -> None:
        """Begin what was added."""
        self._is_started = True
        for work, name in self._declared:
            self.add_now(work, name)

    async def end(self) -> None:
        """Cancel all of it, and wait until it has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_ended(self, task: asyncio.Task[object]) -> None:
        if not task.cancelled():
            self._fail(
                task.exception() or RuntimeError(f"background task {task.get_name()!r} ended")
            )
