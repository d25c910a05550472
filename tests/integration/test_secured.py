"""TLS, passwords, and no more rights than needed: the system works with them, and without not."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import asyncpg
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    NoError,
    TopicAuthorizationFailedError,
    for_code,
)

from contracts.topics import (
    ACCOUNT,
    CANDLES,
    CONFIGURATIONS,
    EVALUATIONS,
    TOPICS,
    WEIGHTS,
    Topic,
)
from tests.integration.secured import (
    OPERATOR,
    Authority,
    Logins,
    SecuredKafka,
    SecuredPostgres,
    SecuredSystem,
)
from tests.integration.system import (
    DAY,
    DEMO,
    START,
    configurations_for,
    demo_candles,
    expected,
    trade_rows,
)
from tradepulse.embedded.children import Children
from tradepulse.embedded.ports import HOST
from tradepulse.market_data.store import store_candles
from tradepulse.research.jobs import JobSpec, job_status, submit_job
from tradepulse.runtime.acls import create_acls
from tradepulse.runtime.db import connect, opened_pool
from tradepulse.runtime.dead_letter_replay import dead_letters_waiting
from tradepulse.runtime.kafka import KafkaSettings, client_options
from tradepulse.runtime.publisher import Publisher
from tradepulse.trading.weights import InverseVolatility

Work: TypeAlias = Callable[[KafkaSettings], Awaitable[None]]
UNFINISHED = (
    "select exists (select from training_jobs "
    "where status not in ('SUCCEEDED', 'FAILED', 'CANCELLED'))"
)
SERVICE_ROLES = (
    *("market_ingest", "signal_svc", "rl_svc", "executor_svc", "optimizer_svc", "studio_svc"),
    "rl_trainer",
)
pytestmark = pytest.mark.asyncio(loop_scope="module")
DAYS = 10


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SecuredSystem]:
    """A broker, a database server, roles, users, topics, rights: all that a deployment has."""
    folder = tmp_path_factory.mktemp("s")
    authority = Authority(folder / "authority")
    (folder / "logins").mkdir()
    logins = Logins(folder / "logins", authority.ca)
    async with Children() as children:
        kafka = SecuredKafka(folder / "kafka", children, authority, logins)
        server = SecuredPostgres(folder / "postgres", children, authority)
        await asyncio.gather(kafka.start(), server.start())
        made = SecuredSystem(kafka, server, server.url(), folder)
        await made.prepare(configurations_for(demo_candles(DAYS)))
        yield made
        made.stop()
        await asyncio.gather(kafka.stop(), server.stop())


async def test_the_services_trade_as_the_backtest(system: SecuredSystem) -> None:
    candles = demo_candles(DAYS)
    result = expected(candles, configurations_for(candles), InverseVolatility(96))
    assert len(result.trades) > 20
    token = system.folder / "token"
    token.write_text("a-token-that-is-long-enough")
    end = str(START + DAYS * DAY)
    connection = await connect(system.address_of_database("market_ingest"))
    await store_candles(connection, [one.between(None, START) for one in candles], "replay")
    await connection.close()
    try:
        for name in ("signal_svc", "rl_svc", "executor_svc"):
            system.start(name)
        system.start("studio_svc", STUDIO_TOKEN_FILE=str(token), STUDIO_SERVICES="{}")
        system.start("optimizer_svc", OPTIMIZER_WORKERS="1")
        replay = {"REPLAY_FILE": str(DEMO), "REPLAY_FROM": str(START), "REPLAY_TO": end}
        system.start("market_ingest", **replay)
        await system.wait_settled(max(int(one.close_time[-1]) for one in candles), 240)
        await system.outbox_is_empty()
        assert await system.trades() == trade_rows(result)
        system.none_has_ended()
        assert "secret of" not in system.last_words()
    finally:
        system.stop()


async def test_a_search_and_its_validation_are_worked_off(system: SecuredSystem) -> None:
    spec = JobSpec(
        strategies=("sma_cross",),
        exchange="bitfinex",
        symbols=("BTC/USD",),
        timeframe="30m",
        trials=8,
        min_trades=0,
        activate=True,
    )
    try:
        system.start("optimizer_svc")
        async with opened_pool(system.address_of_database("studio_svc"), max_size=1) as pool:
            job_id = await submit_job(pool, spec)
            async with asyncio.timeout(240):
                while await pool.fetchval(UNFINISHED):
                    assert system.processes["optimizer_svc"].poll() is None, system.last_words()
                    await asyncio.sleep(0.2)
            assert (await job_status(pool, job_id)).status == "SUCCEEDED"
            jobs = await pool.fetch("select kind, status, error from training_jobs")
        assert [(row["kind"], row["status"]) for row in jobs if row["kind"] != "search"] == [
            ("validation", "SUCCEEDED")
        ], jobs
        await system.outbox_is_empty()
    finally:
        system.stop()


def named(name: str, work: Work) -> Work:
    work.__name__ = name  # type: ignore[attr-defined]  # a function
    return work


def sends(topic: Topic) -> Work:
    async def work(kafka: KafkaSettings) -> None:
        publisher = await Publisher(kafka, "test").start()
        try:
            await publisher.send(topic, "k", b"{}")
        finally:
            await publisher.stop()

    return named(f"publishes {topic.name}", work)


def reads(topic: Topic, group: str | None = None) -> Work:
    async def work(kafka: KafkaSettings) -> None:
        consumer = AIOKafkaConsumer(
            topic.name, **client_options(kafka), group_id=group, auto_offset_reset="earliest"
        )
        try:
            await consumer.start()
            async with asyncio.timeout(30):
                await consumer.getone()
        finally:
            await consumer.stop()

    return named(f"reads {topic.name}" + (f" as {group}" if group else ""), work)


async def makes_a_topic(kafka: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(**client_options(kafka))
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic("other", 1, 1)])
    finally:
        await admin.close()
    raise for_code(answer.topic_errors[0][1])


async def counts_dead_letters(kafka: KafkaSettings) -> None:
    async with asyncio.timeout(30):
        assert set(await dead_letters_waiting(kafka)) == {topic.name for topic in TOPICS}


async def removes_a_topic(kafka: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(**client_options(kafka))
    await admin.start()
    try:
        answer = await admin.delete_topics([CANDLES.name])
    finally:
        await admin.close()
    raise for_code(answer.topic_error_codes[0][1])


@pytest.mark.parametrize(
    ("user", "work", "error"),
    [
        ("signal_svc", sends(CANDLES), TopicAuthorizationFailedError),
        ("market_ingest", sends(EVALUATIONS), TopicAuthorizationFailedError),
        ("executor_svc", sends(EVALUATIONS), TopicAuthorizationFailedError),
        ("signal_svc", sends(WEIGHTS), TopicAuthorizationFailedError),
        ("rl_svc", sends(ACCOUNT), TopicAuthorizationFailedError),
        ("studio_svc", sends(CONFIGURATIONS), TopicAuthorizationFailedError),
        ("optimizer_svc", reads(CANDLES), TopicAuthorizationFailedError),
        ("market_ingest", reads(ACCOUNT), TopicAuthorizationFailedError),
        ("executor_svc", reads(CANDLES, "signal_svc"), GroupAuthorizationFailedError),
        ("executor_svc", makes_a_topic, TopicAuthorizationFailedError),
        ("market_ingest", removes_a_topic, TopicAuthorizationFailedError),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_the_broker_refuses(
    user: str, work: Work, error: type[Exception], system: SecuredSystem
) -> None:
    with pytest.raises(error):
        await work(system.logins.kafka_settings(user, system.bootstrap_servers))


async def test_the_broker_gives_rights_to_nobody_who_asks(system: SecuredSystem) -> None:
    kafka = system.logins.kafka_settings("studio_svc", system.bootstrap_servers)
    with pytest.raises(RuntimeError, match="does not give executor_svc its rights: ClusterAuth"):
        await create_acls(kafka)


@pytest.mark.parametrize(
    ("user", "work"),
    [
        ("market_ingest", sends(CANDLES)),
        ("signal_svc", reads(CONFIGURATIONS, "signal_svc")),
        ("studio_svc", reads(CONFIGURATIONS)),
        ("studio_svc", counts_dead_letters),
        (OPERATOR, makes_a_topic),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_the_broker_allows_what_a_service_does(
    user: str, work: Work, system: SecuredSystem
) -> None:
    try:
        await work(system.logins.kafka_settings(user, system.bootstrap_servers))
    except NoError:
        assert work is makes_a_topic


OTHERS_NAME = "insert into outbox (service, topic, key, value) values ('{}', 't', 'k', 'v')"


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("signal_svc", "insert into orders default values"),
        ("signal_svc", "update candles set close = 1"),
        ("signal_svc", "create temporary table t ()"),
        ("market_ingest", "insert into signals default values"),
        ("market_ingest", "delete from candles"),
        ("market_ingest", "delete from subscriptions"),
        ("rl_svc", "insert into fills default values"),
        ("rl_svc", "update portfolio_weights set weights = null"),
        ("rl_svc", "insert into rl_models default values"),
        ("executor_svc", "insert into portfolio_weights default values"),
        ("executor_svc", "delete from orders"),
        ("executor_svc", "update equity set equity = 1"),
        ("executor_svc", OTHERS_NAME.format("optimizer_svc")),
        ("optimizer_svc", "update accounts set cash = 0"),
        ("optimizer_svc", OTHERS_NAME.format("executor_svc")),
        ("studio_svc", "insert into orders default values"),
        ("studio_svc", "update positions set quantity = 0"),
        ("studio_svc", "delete from trained_configurations"),
        ("studio_svc", OTHERS_NAME.format("executor_svc")),
        ("rl_trainer", "update rl_models set stage = 'ACTIVE'"),
        ("rl_trainer", "update trained_configurations set is_active = true"),
        ("tradepulse_operator", "insert into fills default values"),
        ("tradepulse_backup", "update accounts set cash = 0"),
        ("tradepulse_monitor", "select * from accounts"),
        ("tradepulse_read", "update accounts set cash = 0"),
        ("tradepulse_read", "create table mine ()"),
        *[(role, "drop table candles") for role in SERVICE_ROLES],
        *[(role, "create table mine ()") for role in SERVICE_ROLES],
        *[(role, "truncate orders cascade") for role in SERVICE_ROLES],
        *[(role, "insert into migrations (name) values ('x')") for role in SERVICE_ROLES],
    ],
)
async def test_the_database_refuses(role: str, statement: str, system: SecuredSystem) -> None:
    connection = await connect(system.address_of_database(role))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        # what is kept long enough
        ("market_ingest", "delete from gap_repairs where false"),
        ("signal_svc", "delete from signals where false"),
        ("executor_svc", "delete from equity where false"),
        ("optimizer_svc", "delete from training_batches where false"),
        # what the tests of services do not come to
        ("market_ingest", "update instrument_rules set price_tick = null where false"),
        ("market_ingest", "update data_gaps set status = status where false"),
        ("tradepulse_operator", "update kafka_clusters set cluster = cluster where false"),
        ("tradepulse_operator", "create temporary table t ()"),
        ("tradepulse_read", "select * from outbox, pattern_training_results"),
        ("tradepulse_backup", "select last_value from outbox_id_seq"),
        ("tradepulse_backup", "update backups set name = name where false"),
        ("tradepulse_monitor", "select * from pg_stat_activity"),
        ("tradepulse_monitor", "select pg_database_size(current_database())"),
    ],
)
async def test_the_database_allows(role: str, statement: str, system: SecuredSystem) -> None:
    connection = await connect(system.address_of_database(role))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_outbox_of_another_service_is_out_of_reach(system: SecuredSystem) -> None:
    executor = await connect(system.address_of_database("executor_svc"))
    optimizer = await connect(system.address_of_database("optimizer_svc"))
    try:
        await executor.execute(OTHERS_NAME.format("executor_svc"))
        count = "select count(*) from outbox where service = 'executor_svc'"
        assert await optimizer.fetchval(count) == 1
        assert await optimizer.execute("delete from outbox") == "DELETE 0"
        assert await executor.execute("delete from outbox") == "DELETE 1"
    finally:
        await executor.close()
        await optimizer.close()


async def test_every_table_has_a_role_that_writes_it(system: SecuredSystem) -> None:
    connection = await connect(system.database_url)
    try:
        rows = await connection.fetch(
            "select c.oid::regclass::text as name from pg_class c where c.relkind in ('r', 'p') "
            "and c.relnamespace = 'public'::regnamespace and not c.relispartition and not exists "
            "(select from unnest($1::text[]) r where has_table_privilege(r, c.oid, 'insert'))",
            [*SERVICE_ROLES, "tradepulse_backup"],
        )
        owners = await connection.fetch(
            "select distinct relowner::regrole::text as name from pg_class "
            "where relnamespace = 'public'::regnamespace"
        )
    finally:
        await connection.close()
    assert [row["name"] for row in rows] == ["migrations"]
    assert [row["name"] for row in owners] == ["tradepulse_owner"]


@pytest.mark.parametrize(
    ("role", "change", "said"),
    [
        (
            "executor_svc",
            lambda s: {"KAFKA_PASSWORD_FILE": s.wrong_password()},
            "SASL mechanism SCRAM-SHA-512; see KAFKA_USERNAME and KAFKA_PASSWORD_FILE",
        ),
        (
            "executor_svc",
            lambda s: {"KAFKA_SASL_MECHANISM": "PLAIN"},
            "takes no login by PLAIN; see KAFKA_SASL_MECHANISM",
        ),
        (
            "executor_svc",
            lambda s: {"KAFKA_CA_FILE": s.other_authority()},
            "is not believed: unable to get local issuer certificate; see KAFKA_CA_FILE",
        ),
        (
            "executor_svc",
            lambda s: {"KAFKA_BOOTSTRAP_SERVERS": s.bootstrap_servers.replace(HOST, "localhost")},
            "is not believed: Hostname mismatch",
        ),
        (
            "executor_svc",
            lambda s: {"DATABASE_PASSWORD_FILE": s.wrong_password()},
            'cannot be used: InvalidPasswordError: password authentication failed for user "exec',
        ),
        (
            "executor_svc",
            lambda s: {
                "DATABASE_URL": s.reach("executor_svc")["DATABASE_URL"].replace(
                    str(s.logins.ca), s.other_authority()
                )
            },
            "cannot be used: its certificate is not believed: unable to get local issuer certif",
        ),
        (
            "executor_svc",
            lambda s: s.logins.kafka("optimizer_svc", s.bootstrap_servers),
            "the broker shows us no topic tradepulse.candles: make it by `tradepulse topics`, or",
        ),
        (
            "executor_svc",
            lambda s: {
                "DATABASE_URL": s.reach("signal_svc")["DATABASE_URL"],
                "DATABASE_PASSWORD_FILE": str(s.logins.file("signal_svc")),
            },
            "the database forbids it: InsufficientPrivilegeError: permission denied for table",
        ),
    ],
    ids=[
        "password",
        "mechanism",
        "authority",
        "name",
        "role's password",
        "database's authority",
        "another user",
        "another role",
    ],
)
async def test_a_service_that_is_refused_says_so_at_once(
    role: str, change: Callable[[SecuredSystem], dict[str, str]], said: str, system: SecuredSystem
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"{role}.app"),
        env={
            **os.environ,
            "HTTP_PORT": "0",
            "CLOCK": "replay",
            **system.reach(role),
            **change(system),
        },
        stdout=PIPE,
        stderr=STDOUT,
    )
    written, _ = await process.communicate()
    assert process.returncode == 1
    last = written.decode().splitlines()[-1]
    assert said in json.loads(last)["message"], written.decode()
    assert b"secret of" not in written
    assert b"a wrong word" not in written
    assert b"Traceback" not in written


async def test_commands_and_the_doctor_speak_to_it(system: SecuredSystem) -> None:
    async def says(*arguments: str, **more: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tradepulse.cli.main", *arguments),
            env={**os.environ, "COLUMNS": "200", **system.reach(OPERATOR), **more},
            stdout=PIPE,
            stderr=STDOUT,
        )
        written, _ = await process.communicate()
        assert b"secret of" not in written
        assert b"a wrong word" not in written
        return process.returncode, written.decode()

    state = str(system.folder / "state")
    assert await says("topics", KAFKA_ACLS="1") == (0, "nothing to do: every topic exists\n")
    code, listed = await says("topics", "--list")
    assert (code, listed.count("yes")) == (0, 12)
    code, told = await says("dlq")
    assert code == 0
    code, told = await says("configs")
    assert code == 0
    code, told = await says("doctor", "--state", state)
    assert f"{system.bootstrap_servers} answers" in told
    assert "PostgreSQL 18" in told
    refused = {
        name: system.wrong_password() for name in ("KAFKA_PASSWORD_FILE", "DATABASE_PASSWORD_FILE")
    }
    code, told = await says("doctor", "--state", state, **refused)
    assert code == 1
    assert "refuses the login" in told
    assert "InvalidPasswordError" in told
