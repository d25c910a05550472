"""One run of the whole system on one machine, from its first process to its end."""

import asyncio
import json
import math
import os
import shutil
import sys
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Protocol

import asyncpg
import httpx

from tradepulse.cli.up.connections import Connections, given_connections, reach
from tradepulse.cli.up.dashboard import Dashboard, View
from tradepulse.cli.up.figures import Figures, read_figures
from tradepulse.cli.up.first_jobs import job_id, unfinished, unsent
from tradepulse.cli.up.own import Traded as Own
from tradepulse.cli.up.replay import STRATEGIES
from tradepulse.cli.up.services import EARLY, INGEST, STUDIO, Services
from tradepulse.embedded.addresses import SERVICES_FILE
from tradepulse.embedded.children import Child, Children, EmbeddedError, last_line
from tradepulse.embedded.kafka import EmbeddedKafka
from tradepulse.embedded.postgres import EmbeddedPostgres
from tradepulse.embedded.state import StateFolder
from tradepulse.embedded.supervisor import Part, Supervisor
from tradepulse.research.jobs import JobSpec, job_status, submit_job
from tradepulse.runtime.db import UNREACHABLE, migrate, opened_pool
from tradepulse.runtime.kafka import KafkaAddress
from tradepulse.runtime.publisher import BrokerUnavailableError
from tradepulse.runtime.topics import create_topics
from tradepulse.strategies.files import VARIABLE

_TITLES = {"postgres": "PostgreSQL", "kafka": "Kafka"}
_COMPILE_SECONDS = 60.0
_READY_SECONDS = 180.0
_LOOK_SECONDS = 0.25
_ASK_SECONDS = 5.0
"""From one question to services that were ready to the next."""
_FULL_BYTES = 50_000_000


class Traded(Protocol):
    """What a run trades; see `cli.up.replay.Replay` and `cli.up.live.Live`."""

    @property
    def clock(self) -> str:
        """Whose time judges what is stale: `replay` or `wall`."""
        ...

    @property
    def start(self) -> int:
        """First open time that is traded, epoch ms."""
        ...

    @property
    def jobs(self) -> tuple[JobSpec, ...]:
        """Training jobs to be done before."""
        ...

    @property
    def past(self) -> int:
        """How many candles are to be stored before."""
        ...

    @property
    def own(self) -> Own:
        """The strategies that the user brings."""
        ...

    def environment(self) -> dict[str, str]: ...  # noqa: D102 - see class

    async def prepare(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None: ...  # noqa: D102 - see class

    def phase(self, figures: Figures) -> str: ...  # noqa: D102 - see class


class Run:
    """One run from its first process to its end.

    Args:
        state: the locked folder.
        view: what is shown, kept up to date here.
        dashboard: shows it.
        children: starts the processes.
        supervisor: keeps them running.
    """

    def __init__(
        self,
        state: StateFolder,
        view: View,
        dashboard: Dashboard,
        children: Children,
        supervisor: Supervisor,
    ) -> None:
        self._state = state
        self._view = view
        self._dashboard = dashboard
        self._children = children
        self._supervisor = supervisor
        self._kernels: Child | None = None

    def say_stopping(self) -> None:
        """Say that the end has begun, where there is anything to end."""
        if self._view.parts:
            self._view.progress, self._view.unready = None, {}
            self._say("Stopping")

    async def go(self, connections: Connections, market: Traded, port: int) -> None:
        """Start the services, train once, let the market in, and show it for ever."""
        applied, _ = await asyncio.gather(migrate(connections.database), _topics(connections.kafka))
        services = Services(
            self._state,
            self._children,
            connections.environment | market.own.environment(os.environ.get(VARIABLE, "")),
            market.environment(),
            market.clock,
            port,
        )
        (self._state.path / SERVICES_FILE).write_text(json.dumps(services.targets()))
        self._say("Starting the services" + (", database made" if applied else ""))
        address = services.address
        await self._supervisor.start(**{name: services.program(name) for name in EARLY})
        self._view.parts = self._supervisor.kept
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(opened_pool(connections.database, max_size=2))
            client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
            await self._wait_until_ready(pool, services, client, [STUDIO])
            # an address that is printed must answer
            self._view.address = address
            begun = await self._train(pool, services, market)
            await market.prepare(pool)
            await self._wait_until_ready(pool, services, client, list(EARLY) if begun else [])
            await self._supervisor.start(**{name: services.program(name) for name in services.late})
            self._view.parts = self._supervisor.kept
            await self._show(pool, services, client, market)

    async def foundations(self, market: Traded) -> Connections:
        """Start Kafka and PostgreSQL, or take those of the environment; give the way to them."""
        given = given_connections()
        # what is compiled of a user's file is not kept, so nobody does it for others
        if names := market.own.bundled() if market.own.names else STRATEGIES:
            self._kernels = self._children.spawn(
                "kernels",
                [sys.executable, "-m", "tradepulse.cli.up.kernels", *names],
                log=self._state.logs / "kernels.log",
            )
        parts: dict[str, Part] = {}
        kafka = EmbeddedKafka(
            self._state.path / "kafka", self._children, self._state.logs / "kafka.log"
        )
        postgres = EmbeddedPostgres(
            self._state.path / "postgres", self._children, self._state.logs / "postgres.log"
        )
        await reach(given)
        if given.database is None:
            parts["postgres"] = postgres
        if given.kafka is None:
            parts["kafka"] = kafka
        if parts:
            self._say("Starting " + " and ".join(_TITLES[name] for name in parts))
            await self._supervisor.start(**parts)
            self._view.parts = self._supervisor.kept
        return given.or_own(kafka.bootstrap_servers, postgres.url())

    async def _train(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        services: Services,
        market: Traded,
    ) -> bool:
        """Store what came before and run the training jobs that this database has not finished.

        Say whether that was to be done, or a strategy begins to trade without training.
        """
        waiting = await unfinished(pool, market.jobs)
        if not waiting and (market.jobs or not (market.past or market.own.names)):
            return False
        if market.past:
            what = "to train on" if waiting else "to warm up on"
            self._say(f"Storing {market.past:,} candles {what}")
            await self._history(services)
        # two processes that compile the same thing would only take longer
        if self._kernels is not None:
            await self._kernels.wait(_COMPILE_SECONDS)
        for spec in waiting:
            await submit_job(pool, spec, job_id=job_id(spec))
        for spec in waiting:
            await self._wait_for_job(pool, spec)
        self._view.progress = None
        return True

    async def _history(self, services: Services) -> None:
        history = services.history()
        await history.start()
        child = history.child
        while child is not None and child.running:
            self._dashboard.show()
            await asyncio.sleep(_LOOK_SECONDS)
        await history.stop()
        if child is not None and child.exit_code != 0:
            log = services.log(INGEST)
            raise EmbeddedError(f"the candles could not be stored: {last_line(log)}; see {log}")

    async def _wait_for_job(self, pool: "asyncpg.Pool[asyncpg.Record]", spec: JobSpec) -> None:
        pairs = f"{len(spec.strategies)} strategies on {len(spec.symbols)} symbols"
        while True:
            with suppress(*UNREACHABLE):  # a database that restarts: asked again
                job = await job_status(pool, job_id(spec))
                if job.status == "SUCCEEDED":
                    return
                if job.is_final:
                    raise EmbeddedError(
                        f"the training job {job.job_id} ended as {job.status}: "
                        f"{job.error or 'no reason given'}; --fresh begins anew"
                    )
                # before it has planned, what it was asked for
                asked = spec.trials * len(spec.strategies) * len(spec.symbols)
                self._view.progress = (job.done, job.total or asked)
                self._say(f"Training {pairs}")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _wait_until_ready(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        services: Services,
        client: httpx.AsyncClient,
        names: list[str],
    ) -> None:
        """Wait until the named services are ready and the trained configurations are published.

        A candle that comes before them is not lost, but it would be judged without them.
        """
        self._say("Waiting for the services")
        deadline = asyncio.get_running_loop().time() + _READY_SECONDS
        waiting = 1
        while waiting or self._view.unready:
            self._view.unready = await services.all_unready(client, names)
            with suppress(*UNREACHABLE):
                waiting = await unsent(pool)
            self._dashboard.show()
            if asyncio.get_running_loop().time() > deadline:
                slow = ", ".join(self._view.unready) or "optimizer_svc"
                raise EmbeddedError(
                    f"not ready after {_READY_SECONDS:.0f} s: {slow}; see the logs in "
                    f"{self._state.logs}"
                )
            await asyncio.sleep(_LOOK_SECONDS)

    async def _show(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        services: Services,
        client: httpx.AsyncClient,
        market: Traded,
    ) -> None:
        names = [*EARLY, *services.late]
        asked = -math.inf
        while True:
            begun = time.monotonic()
            try:
                self._view.figures = await read_figures(pool, market.start)
                self._view.note = when_full(self._state.path).removeprefix("; ")
            except (*UNREACHABLE, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self._view.note = f"the figures wait for the database: {error}"
            took = time.monotonic() - begun
            if self._view.unready or begun - asked >= _ASK_SECONDS:
                asked = begun
                self._view.unready = await services.all_unready(client, names)
            self._say(market.phase(self._view.figures))
            # a ledger of years takes longer to count: at most a tenth of the time goes to it
            await asyncio.sleep(max(1.0, 9 * took))

    def _say(self, phase: str) -> None:
        if phase != self._view.phase:
            self._view.phase, self._view.since = phase, time.monotonic()
        self._dashboard.show()


async def _topics(kafka: KafkaAddress) -> None:
    try:
        await create_topics(kafka)
    except RuntimeError as error:
        raise BrokerUnavailableError(str(error)) from error


def when_full(folder: Path) -> str:
    """Say that the disk is full where it is: the reason of many another failure; else nothing."""
    with suppress(OSError):
        if shutil.disk_usage(folder).free < _FULL_BYTES:
            return f"; the disk of {folder} is full: free some space and start again"
    return ""
