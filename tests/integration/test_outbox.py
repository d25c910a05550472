"""The outbox: what is committed is published, in order, whoever relays it and whatever it holds."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import asyncpg
import pytest
import pytest_asyncio
from asyncpg import Pool
from prometheus_client import CollectorRegistry

from contracts.topics import ACCOUNT, Topic
from tradepulse.runtime import outbox
from tradepulse.runtime.db import connect_pool, migrate
from tradepulse.runtime.dead_letter_replay import list_dead_letters, replay_dead_letters
from tradepulse.runtime.dead_letters import CUT_BYTES, DeadLetters
from tradepulse.runtime.outbox import OutboxMeters, Relay
from tradepulse.runtime.publisher import MOST_BYTES, Publisher
from tradepulse.runtime.topics import create_topics

pytestmark = pytest.mark.integration
PATIENCE_S = 120
SERVICE = "executor_svc"
_WAITS = """
select exists (select from pg_stat_activity
               where datname = current_database() and wait_event_type = 'Lock')
"""


class Slow(Publisher):
    """Publishes into a list; each call waits until it may go on."""

    def __init__(self) -> None:
        super().__init__("nowhere:1", "test")
        self.sent: list[bytes] = []
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def send_many(self, topic: Topic, messages: Sequence[tuple[str, bytes]]) -> None:
        assert topic is ACCOUNT
        self.calls += 1
        await self.gate.wait()
        self.sent += [value for _, value in messages]


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator["Pool[asyncpg.Record]"]:
    await migrate(database_url)
    made = await connect_pool(database_url, max_size=8)
    yield made
    # a test that fails has not given everything back
    with suppress(TimeoutError):
        async with asyncio.timeout(10):
            await made.close()


async def add(pool: "Pool[asyncpg.Record]", *values: bytes) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await outbox.add_many(connection, SERVICE, ACCOUNT, [("main", one) for one in values])


async def test_a_row_that_is_committed_late_is_published_late_and_not_lost(
    pool: "Pool[asyncpg.Record]",
) -> None:
    publisher = Slow()
    relay = Relay(pool, publisher, SERVICE)
    late = await pool.acquire()
    transaction = late.transaction()
    await transaction.start()
    # it takes the lower id, and is committed after the higher one was read
    await outbox.add_many(late, SERVICE, ACCOUNT, [("main", b"1")])
    await add(pool, b"2")
    publisher.gate.clear()
    publishing = asyncio.create_task(relay.publish_once())
    while not publisher.calls:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    await transaction.commit()
    publisher.gate.set()
    assert await publishing == 1
    assert publisher.sent == [b"2"]
    assert await relay.publish_once() == 1
    assert publisher.sent == [b"2", b"1"]
    assert await pool.fetchval("select count(*) from outbox") == 0
    await pool.release(late)


async def test_a_second_relay_waits_for_the_first_and_repeats_nothing(
    pool: "Pool[asyncpg.Record]",
) -> None:
    publisher = Slow()
    first, second = (Relay(pool, publisher, SERVICE) for _ in range(2))
    await add(pool, b"1", b"2")
    publisher.gate.clear()
    one = asyncio.create_task(first.publish_once())
    while not publisher.calls:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    other = asyncio.create_task(second.publish_once())
    await add(pool, b"3")
    # it waits in the database for the rows of the first
    async with asyncio.timeout(PATIENCE_S):
        while not await pool.fetchval(_WAITS) and not other.done():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    assert publisher.calls == 1
    publisher.gate.set()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(one, other)
        while await first.publish_once():
            pass
    assert publisher.sent == [b"1", b"2", b"3"]


async def test_a_relay_that_fails_leaves_everything_for_the_next(
    pool: "Pool[asyncpg.Record]",
) -> None:
    class Broken(Slow):
        async def send_many(self, topic: Topic, messages: Sequence[tuple[str, bytes]]) -> None:
            await super().send_many(topic, messages)
            raise ConnectionResetError("no broker")

    await add(pool, b"1", b"2")
    with pytest.raises(ConnectionResetError):
        await Relay(pool, Broken(), SERVICE).publish_once()
    publisher = Slow()
    assert await Relay(pool, publisher, SERVICE).publish_once() == 2
    assert publisher.sent == [b"1", b"2"]
    assert await Relay(pool, publisher, "rl_svc").publish_once() == 0


async def test_what_is_too_large_for_a_record_is_put_aside_and_the_rest_goes_on(
    pool: "Pool[asyncpg.Record]", kafka_bootstrap: str, no_topics: object
) -> None:
    await create_topics(kafka_bootstrap)
    publisher = await Publisher(kafka_bootstrap, "test").start()
    letters = DeadLetters(publisher, SERVICE, CollectorRegistry())
    large = b"x" * (MOST_BYTES + 1)
    await add(pool, b"before", large, b"after")
    relay = Relay(pool, publisher, SERVICE, letters=letters)
    assert await relay.publish_once() == 3
    assert await pool.fetchval("select count(*) from outbox") == 0
    kept = await pool.fetchrow("select * from outbox_refused")
    assert kept is not None
    assert (kept["topic"], kept["key"], kept["value"]) == (ACCOUNT.name, "main", large)
    (letter,) = await list_dead_letters(kafka_bootstrap, "account")
    assert (letter.value, letter.length) == (large[:CUT_BYTES], len(large))
    assert letter.origin == f"outbox_refused/{kept['id']}"
    assert "too large" in letter.reason
    done = await replay_dead_letters(kafka_bootstrap, "account")
    assert done.count == 0
    assert f"row {kept['id']} of the table outbox_refused" in done.refused[0]
    await publisher.stop()


async def test_what_waits_is_told_with_its_age(
    pool: "Pool[asyncpg.Record]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MEASURED_EVERY_S", 0.01)
    registry = CollectorRegistry()
    relay = Relay(pool, Slow(), SERVICE)
    await add(pool, b"1", b"2")
    await pool.execute("update outbox set created_at = now() - interval '1 hour' where id = 1")
    await pool.execute("insert into outbox (service, topic, key, value) values ('x', 't', 'k', '')")
    measuring = asyncio.create_task(relay.keep_measuring(OutboxMeters(registry)))

    def told() -> tuple[float, float]:
        messages = registry.get_sample_value("tradepulse_outbox_messages")
        oldest = registry.get_sample_value("tradepulse_outbox_oldest_seconds")
        assert messages is not None
        assert oldest is not None
        return messages, oldest

    async with asyncio.timeout(PATIENCE_S):
        while told()[0] != 2:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        assert told()[1] >= 3_600
        assert await relay.publish_once() == 2
        while told() != (0, 0):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    measuring.cancel()
