"""Where an event-time consumer stands, kept with what it decided.

Exactly one process works for a consumer's name. It holds an advisory lock, which is free as soon as
the process is gone, and a lease, which it renews while it goes on: the lease of one that hangs runs
out, and who waits ends its sessions. Who takes over raises the position's epoch, so that a
predecessor which is still alive can no longer write.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from tradepulse.runtime.db import UNREACHABLE, Connection, connect
from tradepulse.runtime.service import Service
from tradepulse.runtime.settings import RefusedError

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=10)
RENEW_EVERY_S = 2.0
ANSWERED_S = 5.0
"""Who cannot renew its lease in this time is about to lose it, and ends before."""
LOOK_EVERY_S = 0.5

# by the clock: in a database that was restored, one more than its last epoch may be the epoch of a
# predecessor which it does not know of, and which is still alive
_TAKE_OVER = """
insert into event_time_positions (consumer, epoch)
values ($1, (extract(epoch from clock_timestamp()) * 1000)::bigint)
on conflict (consumer) do update
set epoch = greatest(event_time_positions.epoch + 1, excluded.epoch) returning *
"""
# one statement: nobody sees the lock taken with the lease of a predecessor
_HOLD = """
with free as materialized (select pg_try_advisory_lock(hashtextextended($1, 0)) as taken)
insert into leases (consumer, holder, until)
select $1, $2, clock_timestamp() + $3 from free where taken
on conflict (consumer) do update set holder = excluded.holder, until = excluded.until
returning holder
"""
_RENEW = """
update leases set until = case when $4 then clock_timestamp() + $3 else until end
where consumer = $1 and holder = $2
"""
# of the same process: one of its sessions may hold the position's row in a transaction
_END_HANGING = """
select pg_terminate_backend(session.pid) as ended
from leases, pg_locks lock, pg_stat_activity holding, pg_stat_activity session
where leases.consumer = $1 and leases.until < clock_timestamp()
    and lock.locktype = 'advisory' and lock.granted and lock.objsubid = 1
    and lock.database = (select oid from pg_database where datname = current_database())
    and ((lock.classid::bigint << 32) | lock.objid::bigint) = hashtextextended($1, 0)
    and holding.pid = lock.pid
    and (session.pid = holding.pid or (
        session.application_name = holding.application_name
        and session.application_name = leases.holder
        and session.datname = current_database()))
    and session.pid <> pg_backend_pid()
"""


_FORGET = """
update event_time_positions set epoch = epoch + 1, offsets = '{}' where starts_with(consumer, $1)
"""


class FencedError(RefusedError):
    """Another process took over, or may do so; this one must end."""


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
    row = await pool.fetchrow(_TAKE_OVER, consumer)
    if row is None:
        raise RuntimeError(f"the position of {consumer} was not returned")
    return Ownership(consumer, row["epoch"], row["settled_time"], row["offsets"], row["state"])


async def forget_offsets(connection: Connection, consumers: str) -> None:
    """Let the consumers whose names begin so read from the front, for theirs is another Kafka.

    What they have settled, they know by its time. Who works for one of them can write no more.
    """
    await connection.execute(_FORGET, consumers)


class OwnerMeters:
    """Which of several processes works for a consumer, and how often that changed.

    Args:
        registry: of the metrics.
        consumer: unique name.
    """

    def __init__(self, registry: CollectorRegistry, consumer: str) -> None:
        label = ["consumer"]
        self.held = Gauge(
            "tradepulse_lock_held", "1: this process works for it", label, registry=registry
        ).labels(consumer)
        self.epoch = Gauge(
            "tradepulse_epoch", "Of the position that it took over", label, registry=registry
        ).labels(consumer)
        self.takeovers = Counter(
            "tradepulse_takeovers_total", "Times that it took over", label, registry=registry
        ).labels(consumer)


async def become_owner(
    service: Service, consumer: str, held: str, meters: OwnerMeters
) -> Ownership:
    """Wait until this process alone works for a consumer, then take its position over.

    The process ends when it loses the lock or the lease.

    Args:
        service: the process.
        consumer: unique name.
        held: what `/readyz` waits for while another process is seen to hold the lock.
        meters: of the consumer.
    """
    connection = await connect(service.settings.database_url, application=service.session)
    hold = consumer, service.session, LEASE
    try:
        while not await connection.fetchval(_HOLD, *hold, timeout=ANSWERED_S):
            service.readiness[held] = lambda: False
            service.waits_for = held
            if ended := await connection.fetch(_END_HANGING, consumer):
                log.warning(
                    "the owner of %s hangs: its sessions were ended, this process takes over",
                    consumer,
                    extra={"sessions": len(ended)},
                )
                continue
            await asyncio.sleep(LOOK_EVERY_S)
    except BaseException:
        connection.terminate()
        raise
    # told from now on, as of who waits: of both together it tells that one has it
    service.readiness[held] = lambda: True
    service.waits_for = None
    meters.held.set(1)
    # at once: what follows may take longer than the lease
    service.background(
        partial(_keep_lease, service, connection, consumer), f"lease of {consumer}", at_once=True
    )
    owner = await take_over(service.pool, consumer)
    meters.epoch.set(owner.epoch)
    meters.takeovers.inc()
    return owner


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
        "update event_time_positions set settled_time = $3, offsets = offsets || $4, "
        "state = $5::text::jsonb where consumer = $1 and epoch = $2",
        owner.consumer,
        owner.epoch,
        settled,
        dict(offsets),
        # with a thousand series it is large, and written at each close
        msgspec.json.encode(state).decode(),
    )
    if done != "UPDATE 1":
        raise FencedError(f"another process took over {owner.consumer}; this one ends")


async def _keep_lease(
    service: Service, connection: "asyncpg.Connection[Any]", consumer: str
) -> None:
    """Renew the lease for ever while the service goes on; raise when it is lost."""
    try:
        while True:
            goes_on = not service.hanging()
            try:
                done = await connection.execute(
                    _RENEW, consumer, service.session, LEASE, goes_on, timeout=ANSWERED_S
                )
            except UNREACHABLE as error:
                # what is in hand can be written no more, and would wait for a server that is gone
                service.pool.terminate()
                raise FencedError(
                    f"the hold on {consumer} is lost ({type(error).__name__}: {error}): the "
                    "database restarted, or another process took over; this one ends"
                ) from error
            if done != "UPDATE 1":
                raise FencedError(f"another process took over {consumer}; this one ends")
            await asyncio.sleep(RENEW_EVERY_S)
    finally:
        # nothing is handled any more: the lock is free
        connection.terminate()
