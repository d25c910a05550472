"""What a deployment does once: migrations and topics, without the command line's libraries."""

import asyncio
import json
import os
import subprocess
import sys
from urllib.parse import unquote, urlsplit

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


def set_up(
    bootstrap: str, url: str, status: int = 0, patience_s: str = "60", **more: str
) -> list[dict[str, object]]:
    """Run the process where only what every service needs is installed; return its log."""
    ended = subprocess.run(
        [sys.executable, "-c", LEAN],
        env={
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "DATABASE_URL": url,
            "SETUP_PATIENCE_S": patience_s,
            **more,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == status, ended.stderr
    settings, *said = [json.loads(line) for line in ended.stderr.splitlines()]
    assert settings["message"] == "settings"
    return said


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


async def test_an_operator_accepts_other_rules(
    kafka_bootstrap: str, database_url: str, no_topics: None
) -> None:
    set_up(kafka_bootstrap, database_url)
    connection = await connect(database_url)
    await connection.execute(
        "insert into event_time_positions (consumer, epoch, settled_time, offsets, state) "
        "values ('executor:main', 1, 0, '{}', '{\"rules_version\": 1}')"
    )
    said = set_up(kafka_bootstrap, database_url, SETUP_ACCEPT_RULES="7")
    assert [(line["rules"], line["consumers"]) for line in said if "rules" in line] == [
        (7, ["executor:main"])
    ]
    kept = "select state ->> 'rules_version' from event_time_positions"
    assert await connection.fetchval(kept) == "7"
    await connection.close()


def test_what_does_not_come_is_said_in_one_line(kafka_bootstrap: str) -> None:
    (line,) = set_up(kafka_bootstrap, "postgresql://nobody@127.0.0.1:1/none", 1, "0")
    assert "the database of DATABASE_URL cannot be used" in str(line["message"])


async def test_what_is_there_and_refuses_is_not_waited_for(
    kafka_bootstrap: str, database_url: str
) -> None:
    (line,) = set_up(kafka_bootstrap, database_url.replace("postgres@", "nobody@"), 1)
    assert 'role "nobody" does not exist' in str(line["message"])


async def test_a_database_that_is_not_there_yet_is_waited_for(
    kafka_bootstrap: str, database_url: str, no_topics: None, unused_tcp_port: int
) -> None:
    """The address answers only once a relay to the database is started beside the process."""
    socket_folder = database_url.partition("host=")[2].partition("&")[0]
    where = f"{unquote(socket_folder)}/.s.PGSQL.5432"
    name = urlsplit(database_url).path
    late = f"postgresql://postgres@127.0.0.1:{unused_tcp_port}{name}"
    running = asyncio.create_task(asyncio.to_thread(set_up, kafka_bootstrap, late))
    await asyncio.sleep(1.5)
    assert not running.done()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(where)

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                sink.write(data)
            sink.close()

        await asyncio.gather(copy(reader, back), copy(there, writer))

    async with await asyncio.start_server(relay, "127.0.0.1", unused_tcp_port):
        said = await running
    assert "cannot be used" in str(said[0]["message"])
    assert said[-1]["message"] == "topics made"
