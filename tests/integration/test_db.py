"""How the database is opened and left, on a real server."""

import asyncio

import pytest

from tradepulse.runtime import db
from tradepulse.runtime.db import DatabaseUnavailableError, acquire_lock, migrate, opened_pool

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
