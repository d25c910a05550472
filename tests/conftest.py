"""The real Kafka and the real PostgreSQL of a test run, started once, by the first who asks.

`KAFKA_BOOTSTRAP_SERVERS` and `DATABASE_URL` in the environment are used instead where given; their
user must then be allowed to create databases.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from aiokafka.admin import AIOKafkaAdminClient
from hypothesis import HealthCheck, settings

from contracts.topics import TOPICS
from tradepulse.embedded.children import Children
from tradepulse.embedded.kafka import EmbeddedKafka
from tradepulse.embedded.postgres import EmbeddedPostgres
from tradepulse.strategies import files as strategy_files
from tradepulse.strategies._registry import STRATEGIES

# how long an example takes says how busy the machine is
settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any")


@pytest.fixture(autouse=True, scope="module")
def _strategies_forgotten() -> Iterator[None]:
    """Forget what the tests of a file have registered: the next one sees what comes along."""
    known, loaded = set(STRATEGIES), set(strategy_files._loaded)
    yield
    for name in STRATEGIES.keys() - known:
        del STRATEGIES[name]
    for path in strategy_files._loaded.keys() - loaded:
        del strategy_files._loaded[path]


@pytest.fixture(scope="session")
def state_folder() -> Iterator[Path]:
    """A folder of this run with a short path (a Unix socket lies in it)."""
    with tempfile.TemporaryDirectory(prefix="tp-") as folder:
        yield Path(folder)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def children(state_folder: Path) -> AsyncIterator[Children]:
    """Starter of this run's child processes; none outlives the run, even a killed one."""
    async with Children() as starter:
        yield starter


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def embedded_kafka(state_folder: Path, children: Children) -> AsyncIterator[EmbeddedKafka]:
    """The run's own broker, to be killed and started again by tests that need that.

    Whoever kills it starts it again: `await embedded_kafka.kill(); await embedded_kafka.start()`.
    """
    broker = EmbeddedKafka(state_folder / "kafka", children)
    await broker.start()
    yield broker
    await broker.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def embedded_postgres(
    state_folder: Path, children: Children
) -> AsyncIterator[EmbeddedPostgres]:
    """The run's own database server."""
    server = EmbeddedPostgres(state_folder / "postgres", children, durable=False)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
def kafka_bootstrap(request: pytest.FixtureRequest) -> str:
    """Address of the run's broker."""
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    return given or request.getfixturevalue("embedded_kafka").bootstrap_servers


@pytest.fixture(scope="session")
def database_server_url(request: pytest.FixtureRequest) -> str:
    """Address of a database of the run's server, from which others are created."""
    given = os.environ.get("DATABASE_URL")
    return given or request.getfixturevalue("embedded_postgres").url()


@pytest_asyncio.fixture
async def database_url(database_server_url: str) -> AsyncIterator[str]:
    """Address of an empty database of this test's own (no migration applied)."""
    name = f"test_{uuid4().hex[:16]}"
    connection = await asyncpg.connect(database_server_url)
    try:
        await connection.execute(f'create database "{name}"')
        yield urlsplit(database_server_url)._replace(path=f"/{name}").geturl()
        await connection.execute(f'drop database "{name}" with (force)')
    finally:
        await connection.close()


@pytest_asyncio.fixture
async def no_topics(kafka_bootstrap: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Remove this project's topics, and with them the offsets committed on them."""
    await _remove_topics(kafka_bootstrap)
    yield lambda: _remove_topics(kafka_bootstrap)
    await _remove_topics(kafka_bootstrap)


async def _remove_topics(bootstrap: str) -> None:
    ours = {name for topic in TOPICS for name in (topic.name, topic.dead_letters)}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        async with asyncio.timeout(120):
            while present := ours & set(await admin.list_topics()):
                await admin.delete_topics(sorted(present))
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
