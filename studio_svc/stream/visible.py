"""How far the page may look: a replay has its future stored."""

from collections.abc import Awaitable, Callable

import asyncpg

from studio_svc.stream.hub import Hub

Visible = Callable[[], Awaitable[int | None]]
"""Returns the last close that the page may know of, epoch ms; None trusts all that is stored."""

# Everything closed at or before this has been published; what is stored beyond it (a replay's
# future) must not be shown. A feed begins with 0, before it has published anything.
_PUBLISHED_UNTIL = "select nullif(max(published_until), 0) from feeds"


async def published_until(pool: "asyncpg.Pool[asyncpg.Record]") -> int | None:
    """Return the close time up to which candles were published, epoch ms; None: no feed."""
    found: int | None = await pool.fetchval(_PUBLISHED_UNTIL)
    return found


async def visible_until(pool: "asyncpg.Pool[asyncpg.Record]", hub: Hub) -> int | None:
    """Return the last close that the page may know of: published, or seen on the topic."""
    published = await published_until(pool)
    seen = hub.event_time
    return max(published, seen) if published is not None and seen is not None else published
