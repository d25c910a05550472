"""What optimizer_svc says again: to a Kafka that it has not known, and after a restore."""

import logging
from collections.abc import Sequence

import asyncpg

from contracts.events import ConfigurationChanged
from contracts.topics import CONFIGURATIONS
from tradepulse.research.configurations import OWNER, list_configurations
from tradepulse.runtime import outbox
from tradepulse.runtime.db import Connection
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.outbox import Relay

log = logging.getLogger(__name__)

_OLDER = """
update trained_configurations set revision = told.revision + 1, updated_at = now()
from unnest($1::uuid[], $2::integer[]) as told (id, revision)
where configuration_id = told.id and trained_configurations.revision < told.revision
returning configuration_id
"""
_KNOWN = "select configuration_id from trained_configurations where configuration_id = any($1)"


async def tell_configurations(connection: Connection) -> None:
    """Queue the event of every configuration as it stands now, inside the caller's transaction."""
    # the outbox must keep the order of each one's revisions: no change may come in between
    await connection.execute("lock table trained_configurations in share row exclusive mode")
    await outbox.add_many(
        connection,
        OWNER,
        CONFIGURATIONS,
        [
            (str(row.configuration_id), row.event().model_dump_json().encode())
            for row in await list_configurations(connection)
        ],
    )


class NewerOnTheTopic:
    """Hears what is published of configurations; the database's word counts.

    A revision is in the database before it is on the topic. Where the topic has a later one, the
    database was restored: who reads the topic follows what the database knows nothing of, and would
    take no change of it for news.

    Args:
        pool: the database.
        relay: publishes the outbox.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", relay: Relay) -> None:
        self._pool = pool
        self._relay = relay

    async def on_configurations(self, batch: Sequence[Delivery]) -> None:
        """Say again, as a still later revision, what the database knows of them."""
        last: dict[object, ConfigurationChanged] = {}
        for delivery in batch:
            event = delivery.event
            known = last.get(event.configuration_id)
            if known is None or event.revision >= known.revision:
                last[event.configuration_id] = event
        async with self._pool.acquire() as connection, connection.transaction():
            told = await self._told_again(connection, list(last.values()))
        for event, what in told:
            log.warning(
                "the topic had a later revision of a configuration than the database, as after a "
                "restore: it is %s",
                what,
                extra={"event_id": event.id},
            )
        if told:
            self._relay.wake()

    async def _told_again(
        self, connection: Connection, events: Sequence[ConfigurationChanged]
    ) -> list[tuple[ConfigurationChanged, str]]:
        ids = [event.configuration_id for event in events]
        revisions = [event.revision for event in events]
        older = {row[0] for row in await connection.fetch(_OLDER, ids, revisions)}
        there = {row[0] for row in await connection.fetch(_KNOWN, ids)}
        again = {
            row.configuration_id: row.event()
            for row in (await list_configurations(connection) if older else ())
            if row.configuration_id in older
        }
        told = [(event, "told anew") for event in again.values()]
        for event in events:
            if event.configuration_id not in there and event.is_active:
                # its positions are still left by its rules
                off = {"revision": event.revision + 1, "is_active": False, "has_traded": True}
                told.append((event.model_copy(update=off), "switched off: nothing is known of it"))
        await outbox.add_many(
            connection,
            OWNER,
            CONFIGURATIONS,
            [(str(event.configuration_id), event.model_dump_json().encode()) for event, _ in told],
        )
        return told
