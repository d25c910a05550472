"""Events written in the transaction of what they tell of, and published after it.

A service adds rows to `outbox` inside its transaction; its relay publishes them in order and
deletes what is acknowledged. A crash in between publishes again, with the same event ids. What is
too large for one record leaves the outbox for `outbox_refused`, so that the rest goes on.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

import asyncpg
from prometheus_client import CollectorRegistry, Gauge

from contracts.topics import TOPICS, Topic
from tradepulse.runtime.db import Connection
from tradepulse.runtime.dead_letters import DeadLetters
from tradepulse.runtime.health import Pulse
from tradepulse.runtime.publisher import Publisher, TooLargeError, check_size

log = logging.getLogger(__name__)

_TOPICS = {topic.name: topic for topic in TOPICS}
_REFUSE = """
with taken as (delete from outbox where id = $1 returning id, service, topic, key, value)
insert into outbox_refused (id, service, topic, key, value, reason)
select id, service, topic, key, value, $2 from taken
"""
# what a crash of the database brings back is published again, with the same ids: so the commit need
# not wait for the disk, nor the next messages for the commit
_PUBLISHED = """
delete from outbox using (select set_config('synchronous_commit', 'off', true)) as not_waiting
where id = any($1::bigint[])
"""
_WAITING = """
select count(*) as messages, coalesce(extract(epoch from clock_timestamp() - (
    select created_at from outbox where service = $1 order by id limit 1
))::float8, 0) as oldest_s from outbox where service = $1
"""
_BATCH = 2_000
MEASURED_EVERY_S = 15.0


async def add(
    connection: "Connection",
    service: str,
    topic: Topic,
    key: str,
    value: bytes,
) -> None:
    """Add one message to a service's outbox, inside the caller's transaction."""
    await add_many(connection, service, topic, [(key, value)])


async def add_many(
    connection: "Connection",
    service: str,
    topic: Topic,
    messages: Iterable[tuple[str, bytes]],
) -> None:
    """Add messages to a service's outbox in order, inside the caller's transaction."""
    rows = list(messages)
    await connection.execute(
        "insert into outbox (service, topic, key, value) "
        "select $1, $2, k, v from unnest($3::text[], $4::bytea[]) with ordinality as m(k, v, n) "
        "order by n",
        service,
        topic.name,
        [key for key, _ in rows],
        [value for _, value in rows],
    )


class OutboxMeters:
    """How much waits to be published, and for how long."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.messages = Gauge(
            "tradepulse_outbox_messages", "Messages that wait to be published", registry=registry
        )
        self.oldest = Gauge(
            "tradepulse_outbox_oldest_seconds", "How long the oldest waits", registry=registry
        )


class Relay:
    """Publishes one service's outbox. `wake()` after a commit saves the poll interval.

    Args:
        pool: the database.
        publisher: to Kafka.
        service: whose outbox.
        letters: told of what is too large; None where nobody is.
        poll_s: pause between two looks.

    Attributes:
        pulse: beats with every look.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        publisher: Publisher,
        service: str,
        *,
        letters: DeadLetters | None = None,
        poll_s: float = 1.0,
    ) -> None:
        self.pulse = Pulse()
        self._letters = letters
        self._pool = pool
        self._publisher = publisher
        self._service = service
        self._poll_s = poll_s
        self._wake = asyncio.Event()
        self._to_tell: list[Callable[[], None]] = []

    def wake(self, published: Callable[[], None] | None = None) -> None:
        """Publish now instead of at the next poll.

        Args:
            published: called once all that is committed by now is published.
        """
        if published is not None:
            self._to_tell.append(published)
        self._wake.set()

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            self._wake.clear()
            self.pulse.beat()
            told = len(self._to_tell)
            if await self.publish_once() == _BATCH:
                continue
            for tell in self._to_tell[:told]:
                tell()
            del self._to_tell[:told]
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def keep_measuring(self, meters: OutboxMeters) -> None:
        """Tell for ever what waits, also while publishing hangs."""
        while True:
            row = await self._pool.fetchrow(_WAITING, self._service)
            if row is not None:
                meters.messages.set(row["messages"])
                meters.oldest.set(row["oldest_s"])
            await asyncio.sleep(MEASURED_EVERY_S)

    async def publish_once(self) -> int:
        """Publish the oldest messages and delete them; return how many there were.

        The rows are locked while they are published, so a second relay of the same service
        (a replica, or a predecessor that is still stopping) waits instead of overtaking.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(
                "select id, topic, key, value from outbox where service = $1 "
                "order by id limit $2 for update",
                self._service,
                _BATCH,
            )
            if not rows:
                return 0
            by_topic: dict[str, list[tuple[str, bytes]]] = {}
            for row in rows:
                try:
                    check_size(row["key"], row["value"])
                except TooLargeError as error:
                    await self._refuse(connection, row, str(error))
                    continue
                by_topic.setdefault(row["topic"], []).append((row["key"], row["value"]))
            for name, messages in by_topic.items():
                await self._publisher.send_many(_TOPICS[name], messages)
            await connection.execute(_PUBLISHED, [row["id"] for row in rows])
            return len(rows)

    async def _refuse(self, connection: Connection, row: asyncpg.Record, reason: str) -> None:
        await connection.execute(_REFUSE, row["id"], reason)
        log.error(
            "message not published",
            extra={"topic": row["topic"], "outbox_refused": row["id"], "reason": reason},
        )
        if self._letters is not None:
            await self._letters.put_output_aside(
                _TOPICS[row["topic"]], row["key"].encode(), row["value"], row["id"], reason
            )
