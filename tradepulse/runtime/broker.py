"""The broker as one service uses it: FastStream's, with what is read and what is published."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property, partial
from typing import Any, TypeVar, cast

from aiokafka import TopicPartition as Partition
from aiokafka.errors import ConsumerStoppedError, KafkaError
from faststream import BaseMiddleware, StreamMessage
from faststream.exceptions import StopConsume
from faststream.kafka import KafkaBroker
from prometheus_client import CollectorRegistry

from contracts.topics import Topic
from tradepulse.runtime.cluster import Cluster
from tradepulse.runtime.dead_letters import DeadLetters
from tradepulse.runtime.delivery import described
from tradepulse.runtime.kafka import KafkaAddress, bootstrap_servers, client_options
from tradepulse.runtime.meters import ReadingMeters
from tradepulse.runtime.newer import NewerWords
from tradepulse.runtime.offsets import ranges_of
from tradepulse.runtime.reading import AssignedReading, Reading, WaitingConsumer
from tradepulse.runtime.tracing import NO_TRACES

R = TypeVar("R", bound=Reading)
MEASURED_EVERY_S = 15.0
log = logging.getLogger(__name__)
_library_log = logging.getLogger("faststream")


class EndProcess(BaseMiddleware):
    """Ends the process with what a handler raised, before a later batch is handled."""

    def __init__(self, fail: Callable[[BaseException], None], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fail = fail

    async def consume_scope(
        self, call_next: Callable[[Any], Awaitable[Any]], msg: StreamMessage[Any]
    ) -> Any:
        """Handle a batch; FastStream alone would log what it raises, and go on with the next."""
        try:
            return await call_next(msg)
        except Exception as error:
            self._fail(error)
            raise StopConsume from error


class _Watch:
    """FastStream's logger; what its client cannot get over ends the process.

    FastStream logs every fault of the client and tries again for ever.
    """

    def __init__(self, fail: Callable[[BaseException], None]) -> None:
        self._fail = fail

    def log(
        self,
        level: int,
        msg: Any,
        /,
        *,
        exc_info: Any = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Log it; its steps on the way up and down are told elsewhere."""
        del extra
        if isinstance(exc_info, KafkaError) and not exc_info.retriable:
            self._fail(exc_info)
        _library_log.log(level if exc_info else logging.DEBUG, msg, exc_info=exc_info)


class Broker(KafkaBroker):
    """The broker as one service uses it: what it reads and what it publishes.

    Args:
        kafka: where it is.
        service: name of the service.
        letters: takes what cannot be decoded or handled.
        registry: of the metrics.
        fail: ends the process with a reason.
        cluster: the only Kafka that is read; the one that answers first where not given.
    """

    def __init__(
        self,
        kafka: KafkaAddress,
        service: str,
        letters: DeadLetters,
        registry: CollectorRegistry,
        fail: Callable[[BaseException], None],
        cluster: Cluster | None = None,
    ) -> None:
        self._cluster = cluster or Cluster(fail)
        self.letters = letters
        self.traces = NO_TRACES
        self.newer = NewerWords(registry)
        self._kafka = kafka
        self._registry = registry
        self.published: set[str] = set()
        self._first: list[AssignedReading] = []
        self._then: list[Reading] = []
        super().__init__(
            bootstrap_servers(kafka).split(","),
            client_id=service,
            # publishing has its own client, and topics are made by `tradepulse topics`
            consumer_only=True,
            allow_auto_create_topics=False,
            middlewares=[partial(EndProcess, fail)],
            logger=_Watch(fail),
        )

    @cached_property
    def meters(self) -> ReadingMeters:
        """Of what is read; who reads nothing has none."""
        return ReadingMeters(self._registry)

    async def keep_measuring(self) -> None:
        """Tell for ever how far the readings are behind.

        While the broker does not answer that is not known, and not told.
        """
        while True:
            lags: dict[Partition, int] = {}
            for reading in self._readings:
                with contextlib.suppress(KafkaError, ConsumerStoppedError, TimeoutError):
                    async with asyncio.timeout(MEASURED_EVERY_S):
                        lags |= await reading.lags()
            if self._readings:
                self.meters.show_lags(lags)
            await asyncio.sleep(MEASURED_EVERY_S)

    def first(self, reading: AssignedReading) -> None:
        """Read all that is there before anything of the others."""
        self._first.append(self._announced(reading))

    def then(self, reading: Reading) -> None:
        """Read after that."""
        self._then.append(self._announced(reading))

    def publishes(self, topic: Topic) -> None:
        """Declare that the service publishes to a topic."""
        self.published.add(topic.name)
        self.publisher(
            topic.name, title=topic.name, description=described(topic), schema=topic.event
        )

    async def start(self) -> None:
        """Begin to read every topic.

        Raises:
            RefusedError: a kept offset is not among what its partition holds.
        """
        await self.connect()
        config = self.config.broker_config
        # what FastStream has put together, with a client of ours
        given = cast("partial[Any]", config.builder).keywords | client_options(self._kafka)
        config.builder = partial(WaitingConsumer, cluster=self._cluster, **given)
        assigned = [one for one in self._readings if isinstance(one, AssignedReading)]
        held = await ranges_of(self._kafka, {p for reading in assigned for p in reading.partitions})
        for one in self._first:
            await one.start_at(held)
        for one in self._first:
            await one.caught_up()
        for reading in self._then:
            if isinstance(reading, AssignedReading):
                await reading.start_at(held)
            else:
                await reading.start()
        self.running = True

    async def stop(self, *args: Any) -> None:
        """Let every reading handle what it has in hand, and disconnect."""
        stopping = [reading.stop() for reading in self._readings]
        for error in await asyncio.gather(*stopping, return_exceptions=True):
            # a client that stops while its broker is away raises a cancellation of its own making
            if isinstance(error, BaseException) and not isinstance(error, asyncio.CancelledError):
                log.warning("a reading did not stop cleanly: %r", error)
        await super().stop(*args)

    @property
    def _readings(self) -> list[Reading]:
        return [*self._first, *self._then]

    def _announced(self, reading: R) -> R:
        topic = reading.topic
        if not reading.puts_aside:
            return reading
        self.publisher(
            topic.dead_letters,
            title=topic.dead_letters,
            description=f"what could not be decoded or handled of {topic.name}, as it came",
            schema=bytes,
        )
        return reading
