"""The one-machine Kafka and PostgreSQL: start, kill, start again with the same data."""

import asyncio
import os
import pwd
import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tradepulse.embedded import jars
from tradepulse.embedded.children import Children, EmbeddedError
from tradepulse.embedded.kafka import EmbeddedKafka, broker_answers
from tradepulse.embedded.ports import free_ports, remembered_ports
from tradepulse.embedded.postgres import EmbeddedPostgres, system_user

pytestmark = pytest.mark.integration


async def test_a_killed_broker_comes_back_with_its_messages(embedded_kafka: EmbeddedKafka) -> None:
    address = embedded_kafka.bootstrap_servers
    topic = "embedded.kill"
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=address, enable_idempotence=True)
    await producer.start()
    await producer.send_and_wait(topic, b"before")

    await embedded_kafka.kill()
    assert not await broker_answers(address)
    await embedded_kafka.start()

    assert embedded_kafka.bootstrap_servers == address
    await producer.send_and_wait(topic, b"after")
    await producer.stop()
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=address, auto_offset_reset="earliest")
    await consumer.start()
    values = [(await asyncio.wait_for(consumer.getone(), 120)).value for _ in range(2)]
    await consumer.stop()
    assert values == [b"before", b"after"]


async def test_a_killed_server_comes_back_with_its_rows(tmp_path: Path) -> None:
    async with Children() as children:
        server = EmbeddedPostgres(tmp_path / "pg", children)
        await server.start()
        connection = await asyncpg.connect(server.url())
        await connection.execute("create table kept (x int); insert into kept values (7)")
        await server.kill()
        await server.start()
        again = await asyncpg.connect(server.url())
        assert await again.fetchval("select x from kept") == 7
        await again.close()
        connection.terminate()
        await server.stop()
        assert server.child is not None
        assert server.child.exit_code == 0


async def test_a_start_waits_for_the_last_processes_of_a_killed_server(tmp_path: Path) -> None:
    async with Children() as children:
        server = EmbeddedPostgres(tmp_path / "pg", children, durable=False)
        await server.start()
        assert server.child is not None
        log = tmp_path / "pg" / "postgres.log"
        slow = psutil.Process(server.child.pid).children()[0]
        slow.suspend()
        try:
            await server.kill()
            starting = asyncio.create_task(server.start())
            while "still in use" not in log.read_text():
                assert not starting.done()
                await asyncio.sleep(0.02)
        finally:
            slow.resume()
        await starting
        await server.stop()


async def test_a_state_folder_with_a_long_path_works(tmp_path: Path) -> None:
    async with Children() as children:
        server = EmbeddedPostgres(tmp_path / ("d" * 100), children, durable=False)
        await server.start()
        connection = await asyncpg.connect(server.url())
        assert await connection.fetchval("select 1") == 1
        await connection.close()
        await server.stop()
    (host,) = parse_qs(urlsplit(server.url()).query)["host"]
    assert len(host) < 100
    assert not Path(host).exists()  # noqa: ASYNC240 - nothing else runs in this loop


async def test_the_server_does_not_run_as_root(embedded_postgres: EmbeddedPostgres) -> None:
    assert embedded_postgres.child is not None
    user = psutil.Process(embedded_postgres.child.pid).uids().effective
    assert user != 0
    assert os.geteuid() in {0, user}


def test_a_user_that_another_start_makes_meanwhile_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = pwd.getpwuid(os.geteuid())
    looks = 0

    def found(_: str) -> pwd.struct_passwd:
        nonlocal looks
        looks += 1
        if looks < 3:
            raise KeyError
        return mine

    monkeypatch.setattr("pwd.getpwnam", found)
    assert system_user("another", program="false", patience_s=60) == mine
    looks = -10
    with pytest.raises(EmbeddedError, match="the system user another cannot be made") as caught:
        system_user("another", program="false", patience_s=0)
    assert "\n" not in str(caught.value)


async def test_a_failed_download_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr("jgo.build", offline)
    with pytest.raises(EmbeddedError, match="KAFKA_BOOTSTRAP_SERVERS") as caught:
        jars.class_path(tmp_path / "jars" / "x")
    assert "no route to host" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not jars.present(tmp_path / "jars" / "x")


def test_ports_stay_the_same_unless_taken(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    first = remembered_ports(path, ("a", "b"))
    assert remembered_ports(path, ("a", "b")) == first
    with socket.create_server(("127.0.0.1", first["a"])):
        moved = remembered_ports(path, ("a", "b"))
    assert moved["b"] == first["b"]
    assert moved["a"] != first["a"]
    assert len(set(free_ports(5))) == 5
