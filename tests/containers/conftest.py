"""The stack of docker-compose.yml, built and started by the commands of the guide."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine import Client, Engine, NoEngineError
from stack import TAGS, Stack


@pytest.fixture(scope="session")
def engine() -> Iterator[Client]:
    """An engine of its own with stand-ins; the host's where COMPOSE_TEST_ENGINE=host."""
    if os.environ.get("COMPOSE_TEST_ENGINE") == "host":
        yield Client()
        return
    with tempfile.TemporaryDirectory(prefix="tp-engine-") as folder:
        try:
            with Engine(Path(folder) / "engine") as started:
                started.make_stand_ins(TAGS)
                yield started
        except NoEngineError as error:
            pytest.exit(str(error), returncode=3)


@pytest.fixture(scope="session")
def stack(engine: Client) -> Iterator[Stack]:
    """The whole system on a new host, replaying, with two executors."""
    with tempfile.TemporaryDirectory(prefix="tp-host-") as folder:
        stack = Stack(engine, Path(folder) / "tradepulse")
        try:
            stack.start()
            yield stack
        finally:
            stack.end()
