"""What market_ingest keeps in PostgreSQL: candles, and where each feed stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from contracts.events import CandleClosed, Source
from tradepulse.market_data.store import store_candles

_BEGIN = """
insert into feeds (feed, spec, published_until) values ($1, $2, 0)
on conflict (feed) do update set updated_at = now()
returning spec, published_until, finished
"""
_ADVANCE = "update feeds set published_until = $2, updated_at = now() where feed = $1"
_FINISH = "update feeds set finished = true, updated_at = now() where feed = $1"


@dataclass(frozen=True, slots=True)
class FeedProgress:
    """Where a feed stands.

    Attributes:
        published_until: everything that closed at or before this is in Kafka, epoch ms.
        finished: the feed has ended.
        spec: what was replayed when the feed was begun.
    """

    published_until: int
    finished: bool
    spec: dict[str, Any]


class CandleStore:
    """The tables `market_data` and `feeds`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", source: Source) -> None:
        self._pool = pool
        self._source = source

    async def begin(self, feed: str, spec: dict[str, Any]) -> FeedProgress:
        """Enter a feed where it is new, and return where it stands."""
        row = await self._pool.fetchrow(_BEGIN, feed, spec)
        if row is None:
            raise RuntimeError(f"feed {feed} was neither entered nor found")
        return FeedProgress(row["published_until"], row["finished"], row["spec"])

    async def save(self, batch: Sequence[CandleClosed]) -> int:
        """Store a batch, all or nothing; return how many rows changed.

        Raises:
            CandleConflictError: a candle of a better source says otherwise.
        """
        async with self._pool.acquire() as connection:
            return await store_candles(connection, batch, self._source)

    async def advance(self, feed: str, published_until: int) -> None:
        """Note that everything up to this close time is acknowledged by Kafka."""
        await self._pool.execute(_ADVANCE, feed, published_until)

    async def finish(self, feed: str) -> None:
        """Note that the feed has ended."""
        await self._pool.execute(_FINISH, feed)
