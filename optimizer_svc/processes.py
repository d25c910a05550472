"""The process pool in which trials run, so that the event loop is never held up."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import ParamSpec, TypeVar

from optimizer_svc.trials import warm_up

P = ParamSpec("P")
R = TypeVar("R")


def _begin() -> None:
    """Leave Ctrl-C, which reaches all, to the parent; follow a parent that was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("a trial process has no parent")
    sentinel = parent.sentinel

    def follow() -> None:
        wait([sentinel])
        os._exit(1)

    # the pool's queues stay open after the parent is gone: without this it would wait for ever
    threading.Thread(target=follow, daemon=True, name="follow parent").start()


class Processes:
    """Spawned processes that run functions; replaced as a whole when one of them dies."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin
        )

    def submit(
        self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[R]:
        """Run a function in one of the processes."""
        return asyncio.wrap_future(self._pool.submit(function, *args, **kwargs))

    async def warm_up(self) -> None:
        """Compile or load the kernels in every process."""
        await asyncio.gather(*(self.submit(warm_up) for _ in range(self.workers)))

    def restart(self) -> None:
        """Replace the processes after one has died."""
        self.close()
        self._pool = self._start()

    def close(self) -> None:
        """End the processes as soon as they are done with what they run."""
        self._pool.shutdown(wait=False, cancel_futures=True)
