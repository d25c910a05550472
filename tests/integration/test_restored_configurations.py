"""After a restore the topic knows later revisions than the database, whose word counts."""

from uuid import UUID, uuid4

import asyncpg
import pytest
from topic_reader import broker_for, read_all

from contracts.events import ConfigurationChanged
from contracts.topics import CONFIGURATIONS
from optimizer_svc.restoring import NewerOnTheTopic
from signal_svc.active import ActiveConfigurations
from tradepulse.research.configurations import (
    NewConfiguration,
    activate,
    add_discovered,
    configuration_of,
    deactivate,
)
from tradepulse.runtime.db import migrate, opened_pool
from tradepulse.runtime.offsets import from_beginning
from tradepulse.runtime.outbox import Relay
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.reading import AssignedReading
from tradepulse.runtime.topics import create_topics
from tradepulse.strategies import get_strategy

pytestmark = pytest.mark.integration
OLD = "select * from trained_configurations order by configuration_id"


async def discovered(pool: "asyncpg.Pool[asyncpg.Record]") -> UUID:
    one = uuid4()
    new = NewConfiguration(
        configuration_id=one,
        strategy="sma_cross",
        exchange="venue",
        symbol="A/USD",
        timeframe="30m",
        params=get_strategy("sma_cross").complete({"fast": 5, "slow": 20}),
        share=1.0,
        metrics={},
    )
    async with pool.acquire() as connection, connection.transaction():
        await add_discovered(connection, new, "found")
    return one


async def test_the_word_of_a_restored_database_counts(
    kafka_bootstrap: str, database_url: str, no_topics: object
) -> None:
    await migrate(database_url)
    await create_topics(kafka_bootstrap)
    publisher = await Publisher(kafka_bootstrap, "test").start()
    failures: list[BaseException] = []
    async with opened_pool(database_url) as pool:
        relay = Relay(pool, publisher, "optimizer_svc")

        async def heard() -> dict[UUID, ConfigurationChanged]:
            """Let optimizer_svc read the topic; return what stands on it then."""
            newer = NewerOnTheTopic(pool, relay)
            broker = broker_for(kafka_bootstrap, publisher, failures)
            broker.first(
                AssignedReading(
                    broker, CONFIGURATIONS, newer.on_configurations, begin=from_beginning
                )
            )
            await broker.start()
            await broker.stop()
            await relay.publish_once()
            events = await read_all(kafka_bootstrap, CONFIGURATIONS)
            return {event.configuration_id: event for event in events}

        off_since, on_since, as_ever = [await discovered(pool) for _ in range(3)]
        await activate(pool, off_since, "now")
        await activate(pool, as_ever, "now")
        backup = [dict(row) for row in await pool.fetch(OLD)]
        await deactivate(pool, off_since, "it loses")
        await activate(pool, on_since, "now")
        unknown = await discovered(pool)
        await activate(pool, unknown, "now")
        await relay.publish_once()
        assert (await heard())[off_since].revision == 3
        # nothing is said where nothing was restored
        assert len(await read_all(kafka_bootstrap, CONFIGURATIONS)) == 9

        await pool.execute(
            "delete from trained_configurations where configuration_id = $1", unknown
        )
        for row in backup:
            await pool.execute(
                "update trained_configurations set revision = $2, stage = $3, is_active = $4,"
                " has_traded = $5 where configuration_id = $1",
                *(row[name] for name in ("configuration_id", "revision", "stage", "is_active")),
                row["has_traded"],
            )
        stands = await heard()
        assert {one: (event.revision, event.is_active) for one, event in stands.items()} == {
            off_since: (4, True),
            on_since: (3, False),
            as_ever: (2, True),
            unknown: (3, False),
        }
        # whoever had the later ones takes these for news
        active = ActiveConfigurations()
        for event in await read_all(kafka_bootstrap, CONFIGURATIONS):
            active.on_configuration(event)
        assert len(active) == 2
        assert (await configuration_of(pool, off_since)).revision == 4
        # once
        said = len(await read_all(kafka_bootstrap, CONFIGURATIONS))
        assert await heard() == stands
        assert len(await read_all(kafka_bootstrap, CONFIGURATIONS)) == said
    await publisher.stop()
    assert failures == []
