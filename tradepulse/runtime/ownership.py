"""Where an event-time consumer stands, kept with what it decided.

Exactly one process works for a consumer's name: it holds an advisory lock, and it raises the
row's epoch when it takes over, so that a predecessor which is still alive can no longer write.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg

from tradepulse.runtime.db import Connection, acquire_lock
from tradepulse.runtime.service import Service


class FencedError(RuntimeError):
    """Another process took over; this one must end."""


@dataclass(frozen=True, slots=True)
class Ownership:
    """A consumer's position when it was taken over.

    Attributes:
        consumer: unique name.
        epoch: raised by each owner.
        settled: last settled close time, epoch ms; 0 for none.
        offsets: next offset by `topic/partition`.
        state: whatever else the consumer keeps, as JSON.
    """

    consumer: str
    epoch: int
    settled: int
    offsets: Mapping[str, int]
    state: Mapping[str, Any]


async def take_over(pool: "asyncpg.Pool[asyncpg.Record]", consumer: str) -> Ownership:
    """Become the owner of a consumer's position."""
    row = await pool.fetchrow(
        "insert into event_time_positions (consumer, epoch) values ($1, 1) "
        "on conflict (consumer) do update set epoch = event_time_positions.epoch + 1 returning *",
        consumer,
    )
    if row is None:
        raise RuntimeError(f"the position of {consumer} was not returned")
    return Ownership(consumer, row["epoch"], row["settled_time"], row["offsets"], row["state"])


async def become_owner(service: Service, consumer: str, held: str) -> Ownership:
    """Wait until this process alone works for a consumer, then take its position over.

    The process ends when it loses the lock.

    Args:
        service: the process.
        consumer: unique name.
        held: what `/readyz` waits for while another process is seen to hold the lock.
    """
    lock = await acquire_lock(
        service.settings.database_url,
        consumer,
        when_held=lambda: service.readiness.update({held: lambda: False}),
    )
    service.readiness.pop(held, None)
    service.background(partial(_watch_lock, lock), f"lock of {consumer}")
    return await take_over(service.pool, consumer)


async def advance(
    connection: Connection,
    owner: Ownership,
    settled: int,
    offsets: Mapping[str, int],
    state: Mapping[str, Any],
) -> None:
    """Move the position, inside the transaction of what was decided.

    Raises:
        FencedError: another process has taken over since.
    """
    done = await connection.execute(
        "update event_time_positions set settled_time = $3, offsets = offsets || $4, state = $5 "
        "where consumer = $1 and epoch = $2",
        owner.consumer,
        owner.epoch,
        settled,
        dict(offsets),
        dict(state),
    )
    if done != "UPDATE 1":
        raise FencedError(f"another process took over {owner.consumer}; this one ends")


async def _watch_lock(connection: "asyncpg.Connection[Any]", *, every_s: float = 1.0) -> None:
    """Ask for ever whether the connection that holds the lock still lives; raise when not."""
    while True:
        await connection.execute("select 1")
        await asyncio.sleep(every_s)
