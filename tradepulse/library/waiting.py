"""Waits for what is asynchronous, also where an event loop runs already, as in a notebook."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

R = TypeVar("R")


def waited(work: Callable[[], Coroutine[Any, Any, R]]) -> R:
    """Do the work and return what it returns.

    It runs in a thread with a loop of its own: a notebook's cell is called by a loop that runs,
    and no second one can run in its thread. What it opens it must close: nothing of that loop is
    left afterwards.
    """
    with ThreadPoolExecutor(1, "tradepulse") as thread:
        return thread.submit(lambda: asyncio.run(work())).result()
