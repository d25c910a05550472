"""Which symbols this replica follows: as many as its share, none that another one holds.

Each replica holds a shared advisory lock while it lives, and one lock for each symbol that it
follows, all on one connection. When that connection is lost, the locks are too, and the process
must end. A replica takes free symbols while it has fewer than its share, and gives symbols up only
while it has more; so the symbols come to rest, and nothing moves when nothing changes.
"""

import math
from collections.abc import Collection
from typing import Any

import asyncpg

from tradepulse.market_data.subscriptions import REPLICA_LOCK, UNIT_LOCK_SEED, replicas

_JOIN = "select pg_advisory_lock_shared($1, 0)"
_TAKE = "select pg_try_advisory_lock(hashtextextended($1, $2))"
_GIVE = "select pg_advisory_unlock(hashtextextended($1, $2))"


def share_of(units: int, count: int) -> int:
    """Return how many units one of `count` replicas follows at most."""
    return math.ceil(units / max(1, count))


def surplus(held: Collection[str], share: int) -> list[str]:
    """Return the units to give up: the last by name."""
    return sorted(held)[share:]


class Shares:
    """The locks of one replica.

    Args:
        connection: of its own; nothing else may use it.
    """

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection
        self.held: set[str] = set()
        self.count = 0
        """Live replicas at the last look."""

    async def join(self) -> None:
        """Be counted as a replica from now on, until the connection ends."""
        await self._connection.execute(_JOIN, REPLICA_LOCK)

    async def look(self, units: Collection[str]) -> list[str]:
        """Return which of the held units to give up now: others' share, or no longer wanted.

        Raises:
            asyncpg.InterfaceError: the connection is lost, and the locks with it.
            asyncpg.PostgresError: so it is.
        """
        self.count = await replicas(self._connection)
        unwanted = self.held - set(units)
        return sorted(unwanted) + surplus(self.held - unwanted, share_of(len(units), self.count))

    async def take(self, units: Collection[str]) -> list[str]:
        """Take free units up to this replica's share; return the new ones."""
        taken: list[str] = []
        for unit in sorted(set(units) - self.held):
            if len(self.held) >= share_of(len(units), self.count):
                break
            if await self._connection.fetchval(_TAKE, unit, UNIT_LOCK_SEED):
                self.held.add(unit)
                taken.append(unit)
        return taken

    async def give(self, unit: str) -> None:
        """Give a unit up, once nothing works on it any more."""
        await self._connection.execute(_GIVE, unit, UNIT_LOCK_SEED)
        self.held.discard(unit)
