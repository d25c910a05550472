"""How replicas of a service share a topic: a group, with offsets committed after the work."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING

import asyncpg
from aiokafka import ConsumerRebalanceListener, ConsumerRecord
from aiokafka import TopicPartition as Partition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
)

from contracts.topics import Topic
from tradepulse.runtime.db import UNREACHABLE, is_refused_value
from tradepulse.runtime.delivery import Decoder, Delivery
from tradepulse.runtime.offsets import NotedOffsets
from tradepulse.runtime.publisher import BrokerUnavailableError
from tradepulse.runtime.reading import Handler, Reading

if TYPE_CHECKING:
    from tradepulse.runtime.broker import Broker

log = logging.getLogger(__name__)

COMMIT_EVERY_S = 1.0
_TROUBLE = (KafkaError, BrokerUnavailableError, asyncpg.PostgresError, *UNREACHABLE, TimeoutError)
"""Of broker, database and network."""

_NOT_COMMITTED = (CommitFailedError, IllegalStateError, RebalanceInProgressError, TimeoutError)
"""Somebody else may go on with the partitions, or this replica is to stop."""


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    def __init__(
        self,
        on_revoked: Callable[[], None],
        on_assigned: Callable[[Collection[Partition]], Awaitable[None]],
    ) -> None:
        self._on_revoked = on_revoked
        self._on_assigned = on_assigned

    async def on_partitions_revoked(self, revoked: object) -> None:
        """Forget what belongs to partitions that may move."""
        del revoked
        self._on_revoked()

    async def on_partitions_assigned(self, assigned: Collection[Partition]) -> None:
        """Log what this replica was given."""
        log.info("partitions assigned", extra={"count": len(assigned)})
        await self._on_assigned(assigned)


class SharedReading(Reading):
    """A topic whose partitions the replicas of a service share.

    What is done is committed about once a second: a commit after each batch would cost more than
    the batch; what lies between two commits may be read again after a crash. When broker or
    database fail, the process ends and is started again at the last commit. When a message itself
    cannot be handled, it is found by halving the batch, and put aside.

    Args:
        broker: as of `Reading`; so are `topic`, `handle` and `decode`.
        group: of the replicas.
        forget: called before anything may be handled again; drops what `handle` remembers.
        noted: keeps in the database how far the work is; None where it leaves nothing there.
        clock: seconds.
    """

    def __init__(
        self,
        broker: "Broker",
        topic: Topic,
        handle: Handler,
        *,
        group: str,
        forget: Callable[[], None],
        decode: Decoder | None = None,
        noted: NotedOffsets | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._forget = forget
        self._noted = noted
        self._fault: Exception | None = None
        """What kept it from knowing where to begin."""
        self._clock = clock
        self._rebalances = broker.meters.rebalances.labels(topic.name)
        self._handled: dict[Partition, int] = {}
        self._committed_at = 0.0
        self._commits: set[asyncio.Timeout] = set()
        super().__init__(
            broker,
            topic,
            handle,
            decode,
            topic.name,
            group_id=group,
            auto_offset_reset="earliest",
            # said, for two versions that run together must agree on it
            partition_assignment_strategy=(RoundRobinPartitionAssignor,),
            # the shortest the broker allows: a killed replica's partitions move after this
            session_timeout_ms=6_000,
            heartbeat_interval_ms=1_500,
            listener=_Listener(self._on_revoked, self._on_assigned),
        )

    async def on_batch(self, batch: list[Delivery], records: Sequence[ConsumerRecord]) -> None:
        """Handle a batch, and note how far its partitions are done."""
        refused = await handled(batch, self._handle, self._forget) if batch else []
        if refused:
            await self._letters.put_aside(self.topic, refused)
        done = {record.partition: record.offset + 1 for record in records}
        self._handled |= {Partition(self.topic.name, one): next_ for one, next_ in done.items()}
        if self._clock() - self._committed_at >= COMMIT_EVERY_S:
            await self.commit()

    async def commit(self) -> None:
        """Commit what is handled. A rebalance in between only means that it is read again."""
        self._committed_at = self._clock()
        mine = self.consumer.assignment()
        handled = {one: offset for one, offset in self._handled.items() if one in mine}
        self._handled = {}
        if not handled:
            return
        if self._noted is not None:
            # first: see `NotedOffsets`
            await self._noted.note(handled)
        try:
            # without an end while the broker is away, but for a stop
            async with asyncio.timeout(None) as limit:
                self._commits.add(limit)
                try:
                    await self.consumer.commit(handled)
                finally:
                    self._commits.discard(limit)
        except _NOT_COMMITTED as error:
            log.info("offsets not committed, partitions are moving: %r", error)

    async def keep_committing(self) -> None:
        """Commit for ever what was handled before a pause.

        Raises:
            Exception: it is not known where to begin, since database or broker do not answer.
        """
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            if self._fault is not None:
                raise self._fault
            if self._handled:
                await self.commit()

    async def stop(self) -> None:
        """Handle what is in hand, commit it, and leave the group."""
        for limit in self._commits:
            limit.reschedule(asyncio.get_running_loop().time() + COMMIT_EVERY_S)
        if self._handled:
            with contextlib.suppress(*_TROUBLE):
                async with asyncio.timeout(COMMIT_EVERY_S):
                    await self.commit()
        await super().stop()

    async def _on_assigned(self, assigned: Collection[Partition]) -> None:
        # nothing is fetched before it is known from where; the client fetches while this waits
        self.consumer.pause(*assigned)
        try:
            await self._tell_what_is_gone(assigned)
            await self._go_back(assigned)
        except Exception as error:  # noqa: BLE001 - the client would log it and go on
            self._fault = error
            return
        self.consumer.resume(*assigned)

    async def _go_back(self, assigned: Collection[Partition]) -> None:
        """Begin where the database stands, where that is before what Kafka has kept."""
        noted = {} if self._noted is None else await self._noted.noted()
        first = await self.consumer.beginning_offsets(assigned)
        for one in sorted(noted.keys() & set(assigned)):
            kept = await self.consumer.committed(one)
            if kept is None or noted[one] >= kept:
                continue
            begin = max(noted[one], first[one])
            self.consumer.seek(one, begin)
            log.warning(
                "the database is older than what Kafka has kept of this group, as after a restore:"
                " %s/%d is read again from %d, not from %d; what that repeats is dropped",
                *(one.topic, one.partition, begin, kept),
            )

    async def _tell_what_is_gone(self, assigned: Collection[Partition]) -> None:
        """Warn where the group's offset is not among what the topic holds: it begins at the front.

        There is nothing better to go on with, and it bears repeats; so it is said, not refused.
        """
        self._rebalances.inc()
        first = await self.consumer.beginning_offsets(assigned)
        end = await self.consumer.end_offsets(assigned)
        for one in sorted(assigned):
            offset = await self.consumer.committed(one)
            if offset is None or first[one] <= offset <= end[one]:
                continue
            lost = (
                f"the {first[one] - offset} before it are lost"
                if offset < first[one]
                else "it was set up anew"
            )
            log.warning(
                "%s/%d holds the offsets %d to %d, but this group has handled up to %d: %s. It goes"
                " on at the oldest message that is there; what it repeats is dropped. See"
                " docs/guides/recovery.md",
                *(one.topic, one.partition, first[one], end[one], offset, lost),
            )

    def _on_revoked(self) -> None:
        self._handled = {}
        # another replica may go on with these: what we remember of them is worth nothing
        self._forget()


async def handled(
    batch: list[Delivery], handle: Handler, forget: Callable[[], None]
) -> list[tuple[ConsumerRecord, str]]:
    """Handle a batch; find the messages that cannot be handled by halving, and return them.

    Raises:
        Exception: what says that broker or database are away, which is no fault of a message.
    """
    try:
        await handle(batch)
    except Exception as error:
        if isinstance(error, _TROUBLE) and not is_refused_value(error):
            raise
        forget()
        if len(batch) == 1:
            log.exception("message cannot be handled")
            return [(batch[0].record, f"cannot be handled: {error!r}")]
        middle = len(batch) // 2
        refused = await handled(batch[:middle], handle, forget)
        return refused + await handled(batch[middle:], handle, forget)
    return []
