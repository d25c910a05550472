"""Which Kafka this is: a process works with one for life, and its service knows when it is another.

An offset means something in one Kafka only. Where the broker at an address is replaced by an empty
one, a client would go on at its old offset, past what was published by then, or publish what others
are not ready for. So every connection of a process is asked for its cluster before anything else
goes over it, and a process whose Kafka is another one ends. When it is started again, its service
finds that the cluster is not the one it knew, and says again what the new one lacks.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias
from weakref import WeakSet

import asyncpg
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from tradepulse.runtime.db import Connection
from tradepulse.runtime.settings import RefusedError

log = logging.getLogger(__name__)

Restore: TypeAlias = Callable[[Connection], Awaitable[None]]
"""Prepares, inside a transaction, what is to be said again."""

_ENTER = """
insert into kafka_clusters (service, cluster) values ($1, $2) on conflict (service) do nothing
"""
_KNOWN = "select cluster from kafka_clusters where service = $1 for update"
_LEARN = "update kafka_clusters set cluster = $2 where service = $1"

# as `Service.session` names them
_RUNNING = """
select distinct split_part(application_name, ' ', 1) as name from pg_stat_activity
where datname = current_database() and application_name ~ '^\\w+ [0-9a-f]{12}$'
order by name
"""


class AnotherKafkaError(RefusedError):
    """The broker belongs to another Kafka than when the process began."""


class Cluster:
    """The Kafka of one process: the first that answers.

    Args:
        on_other: told when another one answers; nothing is asked of that one.

    Attributes:
        id: as Kafka itself calls it; None before it has answered.
        other: why nothing can be had of it any more; None while that is not so.
    """

    def __init__(self, *on_other: Callable[[BaseException], None]) -> None:
        self.id: str | None = None
        self.other: AnotherKafkaError | None = None
        self._on_other = list(on_other)
        self._asked: WeakSet[Any] = WeakSet()

    def when_other(self, do: Callable[[BaseException], None]) -> None:
        """Do this, too, when another Kafka answers."""
        self._on_other.append(do)

    def keep(self, client: Any) -> None:
        """Let an aiokafka client use connections to this Kafka only.

        It has no option for it, so its minor version is pinned; this is where it gets every
        connection but the one that it bootstraps by, which asks for addresses alone.
        """
        connection_to = client._get_conn  # noqa: SLF001 - see above

        async def same(node: Any, **options: Any) -> Any:
            connection = await connection_to(node, **options)
            if connection is None or connection in self._asked:
                return connection
            try:
                told = await connection.send(MetadataRequest([]))
            except (KafkaError, TimeoutError):
                return None
            if not self._is_mine(told.cluster_id or ""):
                connection.close()
                return None
            self._asked.add(connection)
            return connection

        client._get_conn = same  # noqa: SLF001 - see above

    def _is_mine(self, found: str) -> bool:
        if self.id is None:
            self.id = found
        elif self.id != found and self.other is None:
            self.other = AnotherKafkaError(
                f"the Kafka broker belongs to another cluster ({found}) than when this process "
                f"began ({self.id}): it ends, to be started again and to begin anew there"
            )
            for do in self._on_other:
                do(self.other)
        return self.id == found


async def arrive(
    pool: "asyncpg.Pool[asyncpg.Record]", service: str, cluster: str, restores: Iterable[Restore]
) -> bool:
    """Note which Kafka a service works with, and prepare what a new one lacks, all or nothing.

    Args:
        pool: of the database.
        service: its name; one replica does it for all.
        cluster: the Kafka's own name.
        restores: what is to be prepared.

    Returns:
        Whether it is another Kafka than the service knew.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_ENTER, service, cluster)
        if await connection.fetchval(_KNOWN, service) == cluster:
            return False
        for restore in restores:
            await restore(connection)
        await connection.execute(_LEARN, service, cluster)
    log.warning("this is another Kafka than before: what it lacks is published again")
    return True


async def running_services(connection: Connection) -> list[str]:
    """Return the names of the services that are connected to the database."""
    return [row["name"] for row in await connection.fetch(_RUNNING)]


async def forget_clusters(connection: Connection) -> None:
    """Let every service publish again, at its next start, what others may lack."""
    await connection.execute("update kafka_clusters set cluster = ''")
