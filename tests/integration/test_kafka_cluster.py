"""A process works with one Kafka, and a service says again what another one lacks, once."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid5

import pytest

from contracts.events import ConfigurationChanged, PortfolioWeightsDecided
from contracts.topics import CONFIGURATIONS, FEEDS, WEIGHTS
from optimizer_svc.restoring import tell_configurations
from rl_svc.store import tell_weights
from tradepulse.research.configurations import (
    NewConfiguration,
    activate,
    add_discovered,
    deactivate,
)
from tradepulse.runtime.cluster import (
    AnotherKafkaError,
    Cluster,
    arrive,
    forget_clusters,
    running_services,
)
from tradepulse.runtime.db import Connection, at, connect, connect_pool, migrate
from tradepulse.runtime.ownership import FencedError, advance, forget_offsets, take_over
from tradepulse.runtime.publisher import BrokerUnavailableError, Publisher
from tradepulse.runtime.topics import create_topics

pytestmark = pytest.mark.integration
PATIENCE_S = 120


async def test_nothing_is_sent_to_another_kafka_and_nothing_waited_for(
    kafka_bootstrap: str, no_topics: object
) -> None:
    await create_topics(kafka_bootstrap)
    told: list[BaseException] = []
    cluster = Cluster(told.append)
    publisher = await Publisher(kafka_bootstrap, "test", cluster=cluster).start()
    assert cluster.id
    await publisher.send(FEEDS, "k", b"1")
    assert told == []
    # as if the broker were another one when it is connected to next
    cluster.id = "another"
    for connection in publisher._producer.client._conns.values():
        connection.close()
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(BrokerUnavailableError):
            await publisher.send(FEEDS, "k", b"2")
        assert [type(error) for error in told] == [AnotherKafkaError]
        assert "than when this process began (another)" in str(told[0])
        with pytest.raises(BrokerUnavailableError):
            await publisher.send_many(FEEDS, [("k", b"3")])
        await publisher.stop()


async def test_what_another_kafka_lacks_is_prepared_once_and_all_or_nothing(
    database_url: str,
) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    done: list[str] = []

    def restore(what: str) -> Callable[[Connection], Awaitable[None]]:
        async def note(connection: Connection) -> None:
            done.append(what)
            await connection.execute("insert into accounts values ($1, 1, 1)", what)
            if what == "fails":
                raise ConnectionResetError

        return note

    assert not await arrive(pool, "a", "one", [restore("first of all")])
    assert not await arrive(pool, "a", "one", [restore("the same")])
    assert done == []
    with pytest.raises(ConnectionResetError):
        await arrive(pool, "a", "two", [restore("lost"), restore("fails")])
    assert await pool.fetchval("select count(*) from accounts") == 0
    done.clear()
    # of two replicas one does it, and the other comes after it
    came = await asyncio.gather(*(arrive(pool, "a", "two", [restore("kept")]) for _ in range(3)))
    assert (sorted(came), done) == ([False, False, True], ["kept"])
    assert not await arrive(pool, "b", "two", [restore("another service")])
    async with pool.acquire() as connection:
        await forget_clusters(connection)
    assert await arrive(pool, "b", "two", [restore("asked for")])
    await pool.close()


async def test_who_decides_begins_at_the_front_and_its_former_owner_is_fenced(
    database_url: str,
) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    mine, other = await take_over(pool, "executor:main"), await take_over(pool, "weights:main")
    async with pool.acquire() as connection:
        for owner in (mine, other):
            await advance(connection, owner, 700, {"t/0": 5}, {"marks": 1})
        await forget_offsets(connection, "executor:")
        with pytest.raises(FencedError):
            await advance(connection, mine, 800, {"t/0": 6}, {})
        await advance(connection, other, 800, {"t/0": 6}, {})
    again = await take_over(pool, "executor:main")
    assert (again.settled, again.offsets, again.state) == (700, {}, {"marks": 1})
    await pool.close()


async def test_every_vector_that_an_executor_may_need_is_told_again_in_order(
    database_url: str,
) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    events = [
        PortfolioWeightsDecided(
            portfolio=portfolio,
            close_time=close,
            policy="fixed",
            weights={"x:B/USD": 0.25, "x:AAA/USD": 0.5},
            missing=("x:B/USD",),
            budget=2.0,
            fallback="unknown" if close == 3_000 else None,
        )
        for close in (1_000, 2_000, 3_000)
        for portfolio in ("main", "second")
    ]
    for one in events:
        await pool.execute(
            "insert into portfolio_weights (portfolio, close_time, policy, weights, missing, "
            "budget, fallback) values ($1, $2, $3, $4, $5, $6, $7)",
            *(one.portfolio, at(one.close_time), one.policy, one.weights, list(one.missing)),
            *(one.budget, one.fallback),
        )
    # the last was not published yet
    await pool.execute(
        "insert into outbox (service, topic, key, value) values ('rl_svc', $1, 'main', $2)",
        WEIGHTS.name,
        events[4].model_dump_json().encode(),
    )

    async def told() -> list[PortfolioWeightsDecided]:
        async with pool.acquire() as connection, connection.transaction():
            await tell_weights(connection)
            rows = await connection.fetch("select * from outbox order by id")
        assert {(row["service"], row["topic"]) for row in rows} <= {("rl_svc", WEIGHTS.name)}
        found = [PortfolioWeightsDecided.model_validate_json(row["value"]) for row in rows]
        assert [row["key"] for row in rows] == [one.portfolio for one in found]
        return found

    # nobody has settled anything
    assert await told() == events
    # the executor waits for the vector of its last close
    executor = "insert into event_time_positions (consumer, settled_time) values ($1, $2)"
    await pool.execute(executor, "executor:main", 2_000)
    await pool.execute(executor, "weights:main", 3_000)
    assert await told() == events[2:]
    await pool.close()


async def test_every_configuration_is_told_again_as_it_stands(database_url: str) -> None:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    ids = [uuid5(UUID(int=0), name) for name in "abc"]
    async with pool.acquire() as connection, connection.transaction():
        for one in ids:
            new = NewConfiguration(one, "sma_cross", "x", "A/USD", "1h", {"fast": 5}, 1, {})
            await add_discovered(connection, new, "made")
    await activate(pool, ids[1], "for this test")
    await activate(pool, ids[2], "for this test")
    await deactivate(pool, ids[2], "for this test")
    await pool.execute("delete from outbox")
    async with pool.acquire() as connection, connection.transaction():
        await tell_configurations(connection)
    rows = await pool.fetch("select * from outbox")
    assert {(row["service"], row["topic"]) for row in rows} == {
        ("optimizer_svc", CONFIGURATIONS.name)
    }
    found = [ConfigurationChanged.model_validate_json(row["value"]) for row in rows]
    assert [row["key"] for row in rows] == [str(one.configuration_id) for one in found]
    assert {(c.configuration_id, c.revision, c.is_active, c.has_traded) for c in found} == {
        (ids[0], 1, False, False), (ids[1], 2, True, True), (ids[2], 3, False, True)
    }  # fmt: skip
    await pool.close()


async def test_which_services_run_is_known_by_their_sessions(database_url: str) -> None:
    connections = [
        await connect(database_url, application=name)
        for name in ("rl_svc 0123456789ab", "rl_svc ffffffffffff", "tradepulse", "x 0123")
    ]
    assert await running_services(connections[2]) == ["rl_svc"]
    for connection in connections:
        await connection.close()
