"""The frame of every service: one place where an application is put together.

A service is a FastStream application with settings, logs, metrics, health and a clean end. Its
`app.py` declares what it reads, what it publishes, what it does before and beside that; nothing is
connected then, so that the AsyncAPI documents come from the same declaration.

It is crash-only: a handler or a background task that fails ends the process with its reason, and
the supervisor starts it again. Start-up is recovery, there is no other path.
"""

import contextlib
import gc
import logging
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar
from uuid import uuid4

from faststream import FastStream
from faststream.specification import AsyncAPI

from contracts.topics import Topic
from tradepulse.runtime.background import Background, Work
from tradepulse.runtime.broker import Broker
from tradepulse.runtime.cluster import Cluster, Restore, arrive
from tradepulse.runtime.db import lazy_pool, opened
from tradepulse.runtime.dead_letters import DeadLetters
from tradepulse.runtime.delivery import Decoder
from tradepulse.runtime.health import ASGIApp, endpoints, http_server, told_version
from tradepulse.runtime.hearing import Hearing, database_answers
from tradepulse.runtime.hung_loop import LoopWatch
from tradepulse.runtime.meters import LoopMeter, PoolMeters, tell_ready
from tradepulse.runtime.metrics import new_registry
from tradepulse.runtime.newer import NewerWords
from tradepulse.runtime.offsets import NotedOffsets, from_beginning, from_end, from_kept
from tradepulse.runtime.outbox import OutboxMeters, Relay
from tradepulse.runtime.process import run_process
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.reading import AssignedReading, Handler, Reading
from tradepulse.runtime.retention import Kept, Retention
from tradepulse.runtime.settings import RuntimeSettings, load_settings
from tradepulse.runtime.sharing import SharedReading
from tradepulse.runtime.tracing import traces_of
from tradepulse.version import __version__

QUERY_S = 300.0
"""No query takes so long; who waits longer for an answer waits for a server that hangs."""
END_S = 30.0
"""How long a process that has failed may take to end; then it is ended."""
GARBAGE_AFTER = 20_000
"""Objects that must be there anew before Python looks for garbage among them; it would after 700,
several times in each batch of messages, which is a third of the time of a replay."""
S = TypeVar("S", bound=RuntimeSettings)


class Service:
    """What a service declares itself on; made inside a running event loop, connects nothing yet."""

    def __init__(self, name: str, settings: RuntimeSettings) -> None:
        self.name = name
        self.settings = settings
        self.log = logging.getLogger(name)
        self.session = f"{name} {uuid4().hex[:12]}"
        """How the database calls the sessions of this process, and of no other."""
        self.registry = new_registry(settings.tradepulse_commit)
        self.cluster = Cluster(self.fail)
        """The Kafka of this process."""
        self.pool = lazy_pool(
            settings.database_url,
            application=self.session,
            query_s=QUERY_S,
            meters=PoolMeters(self.registry),
        )
        self.publisher = Publisher(settings, name, registry=self.registry, cluster=self.cluster)
        self.traces = self.publisher.traces = traces_of(name, settings)
        letters = DeadLetters(self.publisher, name, self.registry)
        self._broker = Broker(settings, name, letters, self.registry, self.fail, self.cluster)
        self._broker.traces = self.traces
        self.app = FastStream(
            self._broker,
            logger=None,
            lifespan=self._lifespan,
            specification=AsyncAPI(title=name, version=__version__, schema_version="3.0.0"),
        )
        self.app.after_startup(self._on_started)
        self.readiness: dict[str, Callable[[], bool]] = {
            "start-up": lambda: self._is_started,
            "broker": lambda: self.publisher.hears,
            "database": lambda: self._database.hears,
        }
        """Conditions of /readyz by name; all must hold."""
        tell_ready(self.registry, self.readiness)
        self._database = Hearing(partial(database_answers, self.pool))
        self.broker_patience_s = settings.broker_patience_s
        """How long it goes on without a broker."""
        self.waits_for: str | None = None
        """The condition of /readyz that a standby waits for; it is ready to take over."""
        self._loop_meter = LoopMeter(self.registry)
        self.liveness: dict[str, Callable[[], bool]] = {}
        """Conditions of /livez by name; where one does not hold, this process is to be replaced."""
        self.pages: ASGIApp | None = None
        """Serves every path that the frame does not."""
        self.failure: BaseException | None = None
        """What ends the process."""
        self._is_started = False
        self._restores: list[Restore] = []
        self._background = Background(self.fail)

    @property
    def newer(self) -> NewerWords:
        """Reads what newer versions say."""
        return self._broker.newer

    # What is declared

    def publishes(self, *topics: Topic) -> None:
        """Declare what is published; the publisher refuses any other topic."""
        for topic in topics:
            self.publisher.allow(topic)
            self._broker.publishes(topic)

    def follows(
        self, topic: Topic, handle: Handler, *, decode: Decoder | None = None
    ) -> AssignedReading:
        """Read a topic from its beginning; all that is there comes before any other topic."""
        reading = AssignedReading(self._broker, topic, handle, begin=from_beginning, decode=decode)
        self._read(self._broker.first, reading)
        return reading

    def resumes(
        self,
        topic: Topic,
        handle: Handler,
        offsets: Callable[[], Mapping[str, int]],
        *,
        decode: Decoder | None = None,
    ) -> AssignedReading:
        """Read a topic from the offsets by `topic/partition` that are known at the start."""
        reading = AssignedReading(
            self._broker, topic, handle, begin=from_kept(offsets), decode=decode
        )
        self._read(self._broker.then, reading)
        return reading

    def watches(
        self, topic: Topic, handle: Handler, *, decode: Decoder, puts_aside: bool
    ) -> AssignedReading:
        """Read what comes from the start on; who only looks on need not put anything aside."""
        reading = AssignedReading(
            self._broker, topic, handle, begin=from_end, decode=decode, puts_aside=puts_aside
        )
        self._read(self._broker.then, reading)
        return reading

    def shares(
        self,
        topic: Topic,
        handle: Handler,
        forget: Callable[[], None],
        *,
        decode: Decoder | None = None,
    ) -> SharedReading:
        """Read a topic whose partitions the replicas of this service share; see `SharedReading`."""
        noted = NotedOffsets(self.pool, self.name)
        self.on_new_kafka(noted.forget)
        reading = SharedReading(
            self._broker,
            topic,
            handle,
            group=self.name,
            forget=forget,
            decode=decode,
            noted=noted,
        )
        self._read(self._broker.then, reading)
        self.background(reading.keep_committing, f"offsets of {topic.name}")
        return reading

    def _read(self, add: Callable[[Any], None], reading: Reading) -> None:
        add(reading)
        self.liveness[f"reading of {reading.topic.name}"] = reading.pulse.is_beating

    def relay_outbox(self) -> Relay:
        """Publish what the service adds to its outbox."""
        relay = Relay(self.pool, self.publisher, self.name, letters=self._broker.letters)
        self.background(relay.run, "outbox relay")
        meters = OutboxMeters(self.registry)
        self.background(partial(relay.keep_measuring, meters), "measuring the outbox")
        self.liveness["outbox relay"] = relay.pulse.is_beating
        return relay

    def retains(self, *kept: Kept) -> None:
        """Remove what was kept long enough of tables that this service writes."""
        self.background(Retention(self.pool, kept, self.registry).run, "retention")

    def on_new_kafka(self, restore: Restore) -> None:
        """Do this once when the service finds another Kafka than it knew, before all else.

        One replica does it, inside a transaction, for all of them.
        """
        self._restores.append(restore)

    def on_startup(self, recover: Callable[[], Awaitable[None]]) -> None:
        """Do this once the database is there, before anything is read."""
        self.app.on_startup(recover)

    def on_shutdown(self, work: Callable[[], object]) -> None:
        """Do this first when the service is to end."""
        self.app.on_shutdown(work)

    def background(self, work: Work, name: str, *, at_once: bool = False) -> None:
        """Run `work` from the start on, or at once; if it ends or fails, the process ends."""
        add = self._background.add_now if at_once else self._background.add
        add(work, name)

    # What happens then

    def fail(self, error: BaseException) -> None:
        """End the process with its reason; the first counts."""
        if self.failure is None:
            self.failure = error
            # whoever it cannot say goodbye to must not keep it
            end = threading.Timer(END_S, os._exit, [1])
            end.daemon = True
            end.start()
        self.app.exit()

    def unready(self) -> list[str]:
        """Return the names of the conditions that do not hold."""
        return [name for name, holds in self.readiness.items() if not holds()]

    def unready_as_standby(self) -> list[str]:
        """Return the same of one that is ready where it only waits for its turn."""
        unready = self.unready()
        if self.waits_for is None:
            return unready
        return [name for name in unready if name in ("broker", "database")]

    def version(self) -> dict[str, str]:
        """Return which code runs here."""
        return told_version(self.name, self.settings.tradepulse_commit)

    def hanging(self) -> list[str]:
        """Return the names of what does not go on."""
        return [name for name, holds in self.liveness.items() if not holds()]

    @contextlib.asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(opened(self.pool))
            self._database.heard()
            stack.push_async_callback(self.traces.stop)
            await self.publisher.start()
            stack.push_async_callback(self.publisher.stop)
            await arrive(self.pool, self.name, self.cluster.id or "", self._restores)
            await stack.enter_async_context(http_server(self.settings, endpoints(self)))
            stack.push_async_callback(self._background.end)
            # who only reads has a publisher, too: for what cannot be decoded
            asking = partial(self.publisher.keep_asking, self.broker_patience_s)
            loop_watch = LoopWatch(self.settings.loop_patience_s)
            for work, name in (
                (asking, "asking the broker"),
                (self._database.keep_asking, "asking the database"),
                (loop_watch.run, "turning with the loop"),
                (self._loop_meter.run, "measuring the loop"),
                (self._broker.keep_measuring, "measuring what lies ahead"),
            ):
                self._background.add_now(work, name)
            # where the start itself fails, nobody else ends what was started by then
            stack.push_async_callback(self._broker.stop)
            yield

    async def _on_started(self) -> None:
        self._is_started = True
        # what is there now stays: looked at again, it would hold up the loop for 40 ms
        gc.collect()
        gc.freeze()
        self._background.start()
        self.log.info("service started")


@dataclass(frozen=True, slots=True)
class Application(Generic[S]):
    """A service before it is started.

    Attributes:
        name: of the service; its consumer group, too.
        settings: class of its settings.
        declare: declares what it reads, publishes and does.
    """

    name: str
    settings: type[S]
    declare: Callable[[Service, S], None]

    def declared(self, settings: S) -> Service:
        """Return the service with everything declared."""
        service = Service(self.name, settings)
        self.declare(service, settings)
        return service


def run(application: Application[S]) -> None:
    """Run a service until SIGTERM or SIGINT; exit with a status and, on trouble, one line."""
    gc.set_threshold(GARBAGE_AFTER, *gc.get_threshold()[1:])
    settings = load_settings(application.settings)
    run_process(application.name, settings, lambda: _run(application, settings))


async def _run(application: Application[S], settings: S) -> None:
    service = application.declared(settings)
    try:
        await service.app.run(sleep_time=0.2)
    finally:
        if service.failure is not None:
            # whatever else broke on the way down came of it
            raise service.failure
    service.log.info("service stopped")
