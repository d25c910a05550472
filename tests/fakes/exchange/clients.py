"""The real ccxt clients, pointed at a fake exchange."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

import ccxt.pro
from ccxt.base.errors import BaseError

from tests.fakes.exchange.server import PATIENCE_SECONDS, FakeExchange


@asynccontextmanager
async def connected(fake: FakeExchange, venue: str, **config: Any) -> AsyncIterator[Any]:
    """Yield the venue's unmodified ccxt.pro client with its markets loaded; close it at the end.

    Args:
        fake: the exchange.
        venue: as in `FakeExchange`.
        config: more of ccxt's settings, as `timeout` in ms or `options`.
    """
    client = getattr(ccxt.pro, venue)(fake.config(venue, **config))
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()


RETRY_SECONDS = 0.01


class Watched:
    """What a loop over a watch method has seen: items as they came, and ccxt's errors."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.errors: list[BaseError] = []
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition on what was seen; TimeoutError when it does not come about."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def follow(self, method: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Call a watch method over and over, as a bot does; errors are kept, and it goes on."""
        while True:
            try:
                self.items.extend(deepcopy(list(await method(*args))))
            except BaseError as error:
                self.errors.append(error)
                # ccxt may fail again at once, without a turn of the event loop
                await asyncio.sleep(RETRY_SECONDS)
            self._changed.set()


@asynccontextmanager
async def watching(client: Any, method: str, *args: Any) -> AsyncIterator[Watched]:
    """Follow one of ccxt's watch methods in the background."""
    watched = Watched()
    task = asyncio.create_task(watched.follow(getattr(client, method), args))
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
