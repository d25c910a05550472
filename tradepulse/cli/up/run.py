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
from uuid import UUID, uuid5

import asyncpg
import httpx
from pydantic import ValidationError

from contracts.events import NAMESPACE
from tradepulse.cli.up.dashboard import Dashboard, View
from tradepulse.cli.up.figures import Figures, read_figures
from tradepulse.cli.up.replay import OptionError
from tradepulse.cli.up.services import EARLY, INGEST, STUDIO, Services
from tradepulse.embedded.children import Child, Children, EmbeddedError
from tradepulse.embedded.kafka import EmbeddedKafka, broker_answers, last_line
from tradepulse.embedded.postgres import EmbeddedPostgres
from tradepulse.embedded.state import StateFolder
from tradepulse.embedded.supervisor import Part, Supervisor
from tradepulse.research.jobs import JobSpec, job_status, submit_job
from tradepulse.runtime.db import (
    UNREACHABLE,
    DatabaseUnavailableError,
    connect,
    migrate,
    opened_pool,
)
from tradepulse.runtime.publisher import BrokerUnavailableError
from tradepulse.runtime.settings import RuntimeSettings, describe
from tradepulse.runtime.topics import create_topics

KAFKA = "KAFKA_BOOTSTRAP_SERVERS"
DATABASE = "DATABASE_URL"
_TITLES = {"postgres": "PostgreSQL", "kafka": "Kafka"}
_BROKER_SECONDS = 15.0
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

    async def go(self, connections: dict[str, str], market: Traded, port: int) -> None:
        """Start the services, train once, let the market in, and show it for ever."""
        applied, _ = await asyncio.gather(
            migrate(connections[DATABASE]), _topics(connections[KAFKA])
        )
        services = Services(
            self._state, self._children, connections, market.environment(), market.clock, port
        )
        (self._state.path / "prometheus.json").write_text(json.dumps(services.targets()))
        self._say("Starting the services" + (", database made" if applied else ""))
        address = services.address
        await self._supervisor.start(**{name: services.program(name) for name in EARLY})
        self._view.parts = self._supervisor.kept
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(opened_pool(connections[DATABASE], max_size=2))
            client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
            await self._wait_until_ready(pool, services, client, [STUDIO])
            # an address that is printed must answer
            self._view.address = address
            trained = await self._train(pool, services, market.jobs)
            await self._wait_until_ready(pool, services, client, list(EARLY) if trained else [])
            await market.prepare(pool)
            await self._supervisor.start(**{name: services.program(name) for name in services.late})
            self._view.parts = self._supervisor.kept
            await self._show(pool, services, client, market)

    async def foundations(self) -> dict[str, str]:
        """Start Kafka and PostgreSQL, or take those of the environment; give their addresses."""
        given = given_connections()
        self._kernels = self._children.spawn(
            "kernels",
            [sys.executable, "-m", "tradepulse.cli.up.kernels"],
            log=self._state.logs / "kernels.log",
        )
        parts: dict[str, Part] = {}
        kafka = EmbeddedKafka(
            self._state.path / "kafka", self._children, self._state.logs / "kafka.log"
        )
        postgres = EmbeddedPostgres(
            self._state.path / "postgres", self._children, self._state.logs / "postgres.log"
        )
        if given[DATABASE]:
            await _reach_database(given[DATABASE])
        else:
            parts["postgres"] = postgres
        if given[KAFKA]:
            await _reach_broker(given[KAFKA])
        else:
            parts["kafka"] = kafka
        if parts:
            self._say("Starting " + " and ".join(_TITLES[name] for name in parts))
            await self._supervisor.start(**parts)
            self._view.parts = self._supervisor.kept
        return {
            KAFKA: given[KAFKA] or kafka.bootstrap_servers,
            DATABASE: given[DATABASE] or postgres.url(),
        }

    async def _train(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        services: Services,
        jobs: tuple[JobSpec, ...],
    ) -> bool:
        """Run the training jobs that this database has not finished; say whether there were any."""
        waiting = [spec for spec in jobs if not await _succeeded(pool, spec)]
        if not waiting:
            return False
        self._say("Storing the candles to train on")
        await self._history(services)
        # two processes that compile the same thing would only take longer
        if self._kernels is not None:
            await self._kernels.wait(_COMPILE_SECONDS)
        for spec in waiting:
            await submit_job(pool, spec, job_id=_job_id(spec))
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
                job = await job_status(pool, _job_id(spec))
                if job.status == "SUCCEEDED":
                    return
                if job.is_final:
                    raise EmbeddedError(
                        f"the training job {job.job_id} ended as {job.status}: "
                        f"{job.error or 'no reason given'}; --fresh begins anew"
                    )
                self._view.progress = (job.done, job.total)
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
        unsent = 1
        while unsent or self._view.unready:
            self._view.unready = await services.all_unready(client, names)
            with suppress(*UNREACHABLE):
                unsent = await pool.fetchval(
                    "select count(*) from outbox where service = 'optimizer_svc'"
                )
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
        self._view.phase = phase
        self._dashboard.show()


def _job_id(spec: JobSpec) -> UUID:
    # of what it asks for: a second start finds the job of the first
    return uuid5(NAMESPACE, f"first job:{spec.model_dump_json()}")


async def _succeeded(pool: "asyncpg.Pool[asyncpg.Record]", spec: JobSpec) -> bool:
    status = await pool.fetchval(
        "select status from training_jobs where job_id = $1", _job_id(spec)
    )
    return bool(status == "SUCCEEDED")


def given_connections() -> dict[str, str]:
    """Give the addresses in the environment, empty where it names none.

    Raises:
        OptionError: one is no address.
    """
    given = {name: os.environ.get(name, "").strip() for name in (KAFKA, DATABASE)}
    try:
        RuntimeSettings(
            kafka_bootstrap_servers=given[KAFKA] or "unused:1",
            database_url=given[DATABASE] or "postgresql://unused",
        )
    except ValidationError as error:
        raise OptionError(f"{describe(error)}; correct it in the environment or unset it") from None
    return given


async def _reach_database(url: str) -> None:
    try:
        connection = await connect(url)
    except DatabaseUnavailableError as error:
        raise DatabaseUnavailableError(f"{error}; or unset {DATABASE}") from None
    await connection.close()


async def _reach_broker(bootstrap_servers: str) -> None:
    deadline = asyncio.get_running_loop().time() + _BROKER_SECONDS
    while not await broker_answers(bootstrap_servers):
        if asyncio.get_running_loop().time() > deadline:
            raise BrokerUnavailableError(
                f"no Kafka broker answers at {bootstrap_servers} within {_BROKER_SECONDS:.0f} s; "
                f"start it, correct {KAFKA}, or unset it to use the one that comes along"
            )
        await asyncio.sleep(0.5)


async def _topics(bootstrap_servers: str) -> None:
    try:
        await create_topics(bootstrap_servers)
    except RuntimeError as error:
        raise BrokerUnavailableError(str(error)) from error


def when_full(folder: Path) -> str:
    """Say that the disk is full where it is: the reason of many another failure; else nothing."""
    with suppress(OSError):
        if shutil.disk_usage(folder).free < _FULL_BYTES:
            return f"; the disk of {folder} is full: free some space and start again"
    return ""
