"""The services of the integration tests, under the hands of an operator."""

import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tradepulse.embedded.kafka import EmbeddedKafka

# `system`: how the services are started and looked at
sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))


@pytest.fixture
def lose_kafka(embedded_kafka: EmbeddedKafka, state_folder: Path) -> Callable[[], Awaitable[None]]:
    """Kill the broker and lose its disk; `start` then brings an empty Kafka at the same address."""

    async def lose() -> None:
        await embedded_kafka.kill()
        folder = state_folder / "kafka"
        shutil.rmtree(folder / "data")
        for name in ("cluster_id", "formatted"):
            (folder / name).unlink()

    return lose
