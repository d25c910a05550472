"""How the database is opened and left, on a real server."""

import asyncio

import pytest

from tradepulse.runtime import db
from tradepulse.runtime.db import (
    DatabaseUnavailableError,
    acquire_lock,
    connect,
    lazy_pool,
    migrate,
    opened,
    opened_pool,
)

pytestmark = pytest.mark.integration
_SLEEPS = """
select exists (select from pg_stat_activity
               where datname = current_database() and wait_event = 'PgSleep')
"""


async def test_a_pool_is_left_without_cutting_off_what_was_cancelled(database_url: str) -> None:
    """A connection is given back in a task of asyncpg's; once cancelled, nobody awaits it."""
    await migrate(database_url)
    async with opened_pool(database_url, max_size=2) as pool:
        task = asyncio.create_task(pool.execute("select pg_sleep(3600)"))
        while not await pool.fetchval(_SLEEPS):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
        # the first ends the query, the second the wait for the connection's return
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        returns = [one for one in asyncio.all_tasks() if "release" in repr(one.get_coro())]
    assert [one.exception() for one in returns] == [None]


async def test_a_pool_is_left_although_a_connection_does_not_come_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrate(database_url)
    monkeypatch.setattr(db, "_RETURN_SECONDS", 0.1)
    async with opened_pool(database_url) as pool:
        await pool.acquire()
    assert pool.is_closing()


async def test_a_database_without_tables_is_refused(database_url: str) -> None:
    with pytest.raises(DatabaseUnavailableError, match="run `tradepulse migrate`"):
        async with opened_pool(database_url):
            raise AssertionError("never lent")


async def test_a_lock_is_told_to_be_held_only_once_another_is_seen_to_hold_it(
    database_url: str,
) -> None:
    seen = asyncio.Event()
    first = await acquire_lock(database_url, "only one", when_held=seen.set)
    assert not seen.is_set()
    waiting = asyncio.create_task(
        acquire_lock(database_url, "only one", poll_s=0.01, when_held=seen.set)
    )
    await seen.wait()
    assert not waiting.done()
    await first.close()
    await (await waiting).close()


async def test_sessions_bear_their_name_and_end_where_a_client_stands_still(
    database_url: str,
) -> None:
    """Also once they were given back: a pool resets what was only set in a session."""
    await migrate(database_url)
    pool = lazy_pool(database_url, application="a service 0123")
    async with opened(pool):
        for _ in range(2):
            async with pool.acquire() as connection:
                assert await connection.fetchval("show application_name") == "a service 0123"
                timeout = await connection.fetchval("show idle_in_transaction_session_timeout")
                assert timeout == "1min"
    alone = await connect(database_url)
    assert await alone.fetchval("show application_name") == "tradepulse"
    assert await alone.fetchval("show idle_in_transaction_session_timeout") == "1min"
    await alone.close()


async def test_who_waits_for_a_lock_keeps_one_connection(database_url: str) -> None:
    first = await acquire_lock(database_url, "only one")
    seen: list[int] = []
    connections = "select pid from pg_stat_activity where datname = current_database()"
    waiting = asyncio.create_task(
        acquire_lock(database_url, "only one", poll_s=0.01, when_held=lambda: seen.append(1))
    )
    pids: set[int] = set()
    while len(seen) < 20:
        pids |= {row["pid"] for row in await first.fetch(connections)}
        await asyncio.sleep(0.01)
    # its own and that of the one who waits; one that begins or ends shows for a moment
    assert len(pids) == 2
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await first.close()
