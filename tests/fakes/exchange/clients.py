"""The real ccxt clients, pointed at a fake exchange."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ccxt.pro

from tests.fakes.exchange.server import FakeExchange


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
