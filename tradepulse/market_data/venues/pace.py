"""Requests to a venue, so spaced that all processes together stay within its rate limit."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import asyncpg
from prometheus_client import CollectorRegistry, Counter

from tradepulse.market_data.venues.rules import VENUES
from tradepulse.runtime.db import DatabaseUnavailableError
from tradepulse.runtime.metrics import touch

OnWait = Callable[[str, float], None]
"""Told the venue and the seconds of each wait."""

_RESERVE = """
insert into venue_pace as pace (venue, next_at) values ($1, clock_timestamp() + $2 * interval '1 s')
on conflict (venue) do update
    set next_at = greatest(pace.next_at, clock_timestamp()) + $2 * interval '1 s'
returning extract(epoch from next_at - clock_timestamp())::float8 - $2
"""
_HOLD = """
insert into venue_pace as pace (venue, next_at, held_until)
values ($1, clock_timestamp() + $2 * interval '1 s', clock_timestamp() + $2 * interval '1 s')
on conflict (venue) do update
    set next_at = greatest(pace.next_at, excluded.next_at),
        held_until = greatest(pace.held_until, excluded.held_until)
"""
_HELD = """
select greatest(extract(epoch from held_until - clock_timestamp())::float8, 0)
from venue_pace where venue = $1
"""
_SHORTEST_S = 0.001


class Pace(Protocol):
    """Spaces requests."""

    async def wait(self, venue: str, spacing_s: float) -> None:
        """Return when the next request may be sent; the one after it follows `spacing_s` later."""

    async def hold(self, venue: str, seconds: float) -> None:
        """Let nobody ask the venue for so many seconds."""


class SharedPace:
    """Keeps every process of one database together, by a row for each venue.

    Its methods raise DatabaseUnavailableError where the database does not answer.

    Args:
        pool: the database.
        on_wait: told of each wait.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", on_wait: OnWait | None = None) -> None:
        self._pool = pool
        self._on_wait = on_wait

    async def wait(self, venue: str, spacing_s: float) -> None:
        """Return when the next request may be sent."""
        delay = await self._value(_RESERVE, venue, spacing_s)
        while delay > _SHORTEST_S:
            if self._on_wait is not None:
                self._on_wait(venue, delay)
            await asyncio.sleep(delay)
            # the venue may have asked for a pause after this turn was given
            delay = await self._value(_HELD, venue) or 0.0

    async def hold(self, venue: str, seconds: float) -> None:
        """Let nobody ask the venue for so many seconds."""
        await self._value(_HOLD, venue, seconds)

    async def _value(self, query: str, *values: str | float) -> float:
        try:
            value: float = await self._pool.fetchval(query, *values)
        except OSError as error:
            # it must not look as if the venue did not answer
            raise DatabaseUnavailableError(f"the database does not answer: {error}") from error
        return value


class LocalPace:
    """Keeps the tasks of this process together; for work without a database.

    Args:
        on_wait: told of each wait.
    """

    def __init__(self, on_wait: OnWait | None = None) -> None:
        self._next: dict[str, float] = {}
        self._held: dict[str, float] = {}
        self._on_wait = on_wait

    async def wait(self, venue: str, spacing_s: float) -> None:
        """Return when the next request may be sent."""
        loop = asyncio.get_running_loop()
        turn = max(self._next.get(venue, 0.0), loop.time())
        self._next[venue] = turn + spacing_s
        while (delay := max(turn, self._held.get(venue, 0.0)) - loop.time()) > _SHORTEST_S:
            if self._on_wait is not None:
                self._on_wait(venue, delay)
            await asyncio.sleep(delay)

    async def hold(self, venue: str, seconds: float) -> None:
        """Let nobody ask the venue for so many seconds."""
        until = asyncio.get_running_loop().time() + seconds
        self._next[venue] = max(self._next.get(venue, 0.0), until)
        self._held[venue] = max(self._held.get(venue, 0.0), until)


def counted_waits(registry: CollectorRegistry) -> OnWait:
    """Register the metrics of waits and return what counts them."""
    waits = Counter(
        "tradepulse_rate_limit_waits_total",
        "Requests that waited for the rate limit of a venue",
        ["exchange"],
        registry=registry,
    )
    seconds = Counter(
        "tradepulse_rate_limit_wait_seconds_total",
        "Seconds that requests waited for the rate limit of a venue",
        ["exchange"],
        registry=registry,
    )

    for one in (waits, seconds):
        touch(one, VENUES)

    def count(venue: str, waited_s: float) -> None:
        waits.labels(venue).inc()
        seconds.labels(venue).inc(waited_s)

    return count
