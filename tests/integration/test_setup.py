"""What a deployment does once: migrations and topics, without the command line's libraries."""

import json
import os
import subprocess
import sys

import pytest

from contracts.topics import TOPICS
from tradepulse.runtime.db import connect, migrations

pytestmark = pytest.mark.integration
LEAN = """
import runpy, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"typer", "rich", "polars", "numba", "ccxt", "httpx", "psutil"}:
            raise ImportError(name)
sys.meta_path.insert(0, Absent())
runpy.run_module("tradepulse.runtime.setup", run_name="__main__")
"""


def set_up(bootstrap: str, url: str, status: int = 0) -> list[dict[str, object]]:
    """Run the process where only what every service needs is installed; return its log."""
    ended = subprocess.run(
        [sys.executable, "-c", LEAN],
        env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == status, ended.stderr
    return [json.loads(line) for line in ended.stderr.splitlines()]


async def test_a_deployment_is_set_up_once(
    kafka_bootstrap: str, database_url: str, no_topics: None
) -> None:
    names = [name for topic in TOPICS for name in (topic.name, topic.dead_letters)]
    first = set_up(kafka_bootstrap, database_url)
    assert first[0]["migrations"] == [name for name, _ in migrations()]
    assert sorted(first[1]["topics"]) == sorted(names)
    again = set_up(kafka_bootstrap, database_url)
    assert (again[0]["migrations"], again[1]["topics"]) == ([], [])
    connection = await connect(database_url)
    assert await connection.fetchval("select count(*) from migrations") == len(migrations())
    await connection.close()


def test_what_is_not_there_is_said_in_one_line(kafka_bootstrap: str) -> None:
    (line,) = set_up(kafka_bootstrap, "postgresql://nobody@127.0.0.1:1/none", status=1)
    assert "the database of DATABASE_URL cannot be used" in str(line["message"])
