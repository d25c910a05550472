"""One owner of an account: a predecessor is fenced, one that hangs is replaced."""

import asyncio
import gc
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import pytest
import pytest_asyncio
from asyncpg import Pool
from prometheus_client import CollectorRegistry
from system import System, announcement, candle_events, configurations_for, demo_candles

from contracts.topics import CANDLES
from tradepulse.market_data.store import store_candles
from tradepulse.runtime import ownership
from tradepulse.runtime.db import connect, connect_pool, migrate
from tradepulse.runtime.ownership import (
    FencedError,
    OwnerMeters,
    Ownership,
    advance,
    become_owner,
    take_over,
)
from tradepulse.runtime.publisher import Publisher
from tradepulse.runtime.rules_version import accept_rules, check_rules
from tradepulse.runtime.service import Service
from tradepulse.runtime.settings import RefusedError
from tradepulse.trading import RULES_VERSION

pytestmark = pytest.mark.integration
PATIENCE_S = 120
NAME = "executor:main"


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator["Pool[asyncpg.Record]"]:
    await migrate(database_url)
    made = await connect_pool(database_url)
    yield made
    await made.close()
    # a connection that somebody left open is told of here, and not beside another test
    gc.collect()


async def write(pool: "Pool[asyncpg.Record]", owner: Ownership, settled: int) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await advance(connection, owner, settled, {"t/0": settled}, {"by": owner.epoch})


async def position(pool: "Pool[asyncpg.Record]") -> tuple[int, int, dict[str, int]]:
    row = await pool.fetchrow("select * from event_time_positions where consumer = $1", NAME)
    assert row is not None
    return row["epoch"], row["settled_time"], row["offsets"]


async def test_a_former_owner_cannot_write_any_more(pool: "Pool[asyncpg.Record]") -> None:
    first = await take_over(pool, NAME)
    await write(pool, first, 100)
    second = await take_over(pool, NAME)
    assert second.epoch > first.epoch
    # it begins where the former one stood
    assert (second.settled, second.offsets, second.state) == (
        100,
        {"t/0": 100},
        {"by": first.epoch},
    )
    with pytest.raises(FencedError, match="another process took over executor:main"):
        await write(pool, first, 200)
    assert await position(pool) == (second.epoch, 100, {"t/0": 100})
    await write(pool, second, 300)
    with pytest.raises(FencedError):
        await write(pool, first, 400)
    assert await position(pool) == (second.epoch, 300, {"t/0": 300})


async def test_what_a_former_owner_decided_is_rolled_back_with_it(
    pool: "Pool[asyncpg.Record]",
) -> None:
    first = await take_over(pool, NAME)
    await take_over(pool, NAME)

    async def decide() -> None:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "insert into accounts (account, initial_cash, cash) values ('main', 1, 1)"
            )
            await advance(connection, first, 100, {}, {})

    with pytest.raises(FencedError):
        await decide()
    assert await pool.fetchval("select count(*) from accounts") == 0


class Process:
    """What `become_owner` asks of a service, without the rest of one."""

    def __init__(self, url: str, name: str) -> None:
        self.settings = SimpleNamespace(database_url=url)
        self.session = f"{name} 0123456789ab"
        self.url = url
        self.readiness: dict[str, Callable[[], bool]] = {}
        self.stuck: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.pool: Any = None
        self.registry = CollectorRegistry()
        self.meters = OwnerMeters(self.registry, NAME)

    def background(
        self, work: Callable[[], Coroutine[Any, Any, None]], name: str, *, at_once: bool = False
    ) -> None:
        assert at_once
        self.tasks.append(asyncio.create_task(work(), name=name))

    def hanging(self) -> list[str]:
        return self.stuck

    async def own(self) -> Ownership:
        self.pool = await connect_pool(self.url)
        return await become_owner(cast(Service, self), NAME, "the account", self.meters)

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.pool.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "LEASE", timedelta(seconds=1))
    monkeypatch.setattr(ownership, "RENEW_EVERY_S", 0.1)
    monkeypatch.setattr(ownership, "LOOK_EVERY_S", 0.05)


@pytest.mark.usefixtures("quick")
async def test_an_owner_that_goes_on_keeps_its_place_and_one_that_hangs_loses_it(
    pool: "Pool[asyncpg.Record]", database_url: str
) -> None:
    first, second = Process(database_url, "first"), Process(database_url, "second")
    owner = await first.own()
    waiting = asyncio.create_task(second.own())
    while "the account" not in second.readiness:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    # for longer than the lease
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        await write(pool, owner, 100)
        await asyncio.sleep(0.05)
    assert not waiting.done()
    assert not first.tasks[0].done()
    # its loop turns, but its work does not; a transaction of it holds the position
    connection = await first.pool.acquire()
    await connection.execute("select set_config('application_name', $1, false)", first.session)
    transaction = connection.transaction()
    await transaction.start()
    await advance(connection, owner, 200, {}, {})
    first.stuck.append("ledger")
    async with asyncio.timeout(PATIENCE_S):
        successor = await waiting
    assert second.readiness["the account"]()
    assert successor.epoch > owner.epoch
    assert successor.settled == 100
    for process, epoch in ((first, owner.epoch), (second, successor.epoch)):
        told = [
            process.registry.get_sample_value(f"tradepulse_{name}", {"consumer": NAME})
            for name in ("lock_held", "epoch", "takeovers_total")
        ]
        assert told == [1, epoch, 1]
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(FencedError, match="executor:main"):
            await first.tasks[0]
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        await transaction.commit()
    with pytest.raises(FencedError):
        await write(pool, owner, 300)
    await write(pool, successor, 400)
    assert await position(pool) == (successor.epoch, 400, {"t/0": 400})
    await first.pool.release(connection)
    await first.end()
    await second.end()


@pytest.mark.usefixtures("quick")
async def test_the_place_of_one_that_is_gone_is_taken_at_once(
    pool: "Pool[asyncpg.Record]", database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "LEASE", timedelta(days=1))
    first, second = Process(database_url, "first"), Process(database_url, "second")
    owner = await first.own()
    await pool.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1",
        first.session,
    )
    async with asyncio.timeout(PATIENCE_S):
        assert (await second.own()).epoch > owner.epoch
        with pytest.raises(FencedError, match="the hold on executor:main is lost"):
            await first.tasks[0]
    await first.end()
    await second.end()


async def test_an_executor_that_is_stopped_by_a_signal_is_replaced_by_the_standby(
    kafka_bootstrap: str, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    candles = demo_candles(10)
    system = System(kafka_bootstrap, database_url, tmp_path)
    await system.prepare(configurations_for(candles))
    connection = await connect(database_url)
    await store_candles(connection, candles, "replay")
    publisher = await Publisher(kafka_bootstrap, "test").start()
    events = [event for one in candles for event in candle_events(one)]
    events.sort(key=lambda event: event.close_time)
    half = len(events) // 2

    async def publish(some: list[Any]) -> int:
        await publisher.send_many(
            CANDLES, [(e.instrument, e.model_dump_json().encode()) for e in some]
        )
        return max(event.close_time for event in some)

    try:
        for name in ("signal_svc", "rl_svc", "executor_svc"):
            system.start(name)
        await system.logged("service started", ["executor_svc"])
        system.start("standby", module="executor_svc.app")
        await system.announce(announcement(candles))
        close = await publish(events[:half])
        await system.wait_settled(close - 2 * 1_800_000, 240)
        epoch_of = "select epoch from event_time_positions where consumer = $1"
        epoch = await connection.fetchval(epoch_of, NAME)
        system.signal("executor_svc", signal.SIGSTOP)
        close = await publish(events[half:])
        await system.wait_settled(close, 240)
        assert "hangs: its sessions were ended" in (tmp_path / "standby.log").read_text()
        assert await connection.fetchval(epoch_of, NAME) > epoch
        # it comes to, and finds that it has lost its place
        system.signal("executor_svc", signal.SIGCONT)
        former = system.processes.pop("executor_svc")
        assert await asyncio.to_thread(former.wait, PATIENCE_S) == 1
        last = (tmp_path / "executor_svc.log").read_text().splitlines()[-1]
        # whichever of its sessions notices first says so
        assert "executor:main" in last or "the database went away" in last
        assert "exception" not in last
        system.none_has_ended()
    finally:
        system.stop()
        await publisher.stop()
        await connection.close()


async def test_a_restored_database_gives_no_epoch_that_was_given_before(
    pool: "Pool[asyncpg.Record]",
) -> None:
    first = await take_over(pool, NAME)
    kept = await pool.fetchrow("select * from event_time_positions")
    since = await take_over(pool, NAME)
    # epochs are milliseconds of the server's clock, and no restore is over within one
    await pool.execute("select pg_sleep(0.002)")
    await pool.execute("delete from event_time_positions")
    await pool.execute(
        "insert into event_time_positions (consumer, epoch) values ($1, $2)", NAME, kept["epoch"]
    )
    after = await take_over(pool, NAME)
    assert after.epoch > since.epoch > first.epoch
    with pytest.raises(FencedError):
        await write(pool, since, 100)


async def test_an_epoch_is_raised_when_the_clock_went_back(pool: "Pool[asyncpg.Record]") -> None:
    await take_over(pool, NAME)
    await pool.execute("update event_time_positions set epoch = epoch + 1000000000")
    ahead = await pool.fetchval("select epoch from event_time_positions")
    assert (await take_over(pool, NAME)).epoch == ahead + 1


async def test_a_process_with_other_rules_of_trading_stands_by(
    kafka_bootstrap: str, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    system = System(kafka_bootstrap, database_url, tmp_path)
    await system.prepare([])
    connection = await connect(database_url)
    for name in ("executor:main", "weights:main"):
        await connection.execute(
            "insert into event_time_positions (consumer, epoch, state) values ($1, 7, $2)",
            name,
            {"rules_version": RULES_VERSION + 1},
        )
    try:
        for service in ("executor_svc", "rl_svc"):
            system.start(service)
        await system.logged("is not taken over", ["executor_svc", "rl_svc"])
        assert await connection.fetchval("select sum(epoch) from event_time_positions") == 14
        assert await connection.fetchval("select count(*) from leases") == 0
        # it does not wait in vain, and takes nobody's lock while it does
        assert await accept_rules(database_url, RULES_VERSION) == ["executor:main", "weights:main"]
        await system.logged("service started", ["executor_svc", "rl_svc"])
        with pytest.raises(RefusedError, match="executor:main, weights:main is held by a running"):
            await accept_rules(database_url, RULES_VERSION + 1)
    finally:
        system.stop()
        await connection.close()
    for service in ("executor_svc", "rl_svc"):
        refusals = [
            line
            for line in (tmp_path / f"{service}.log").read_text().splitlines()
            if "is not taken over" in line
        ]
        assert len(refusals) == 1
        assert f"rules of trading {RULES_VERSION + 1} led to its position" in refusals[0]


async def test_positions_keep_the_rules_that_led_to_them(database_url: str) -> None:
    await migrate(database_url)
    connection = await connect(database_url)
    for name, state in (("a", {}), ("b", {"rules_version": 3, "marks": {"x": 1}}), ("c", {})):
        await connection.execute(
            "insert into event_time_positions (consumer, epoch, state) values ($1, 1, $2)",
            name,
            state,
        )
    # those from before there was a number have the first rules
    check_rules("a", {"marks": {}}, 1)
    check_rules("new", {}, 3)
    with pytest.raises(RefusedError, match=r"^a is not taken over: rules of trading 1 led"):
        check_rules("a", {"marks": {}}, 2)
    assert await accept_rules(database_url, 3) == ["a", "c"]
    assert await accept_rules(database_url, 3) == []
    rows = await connection.fetch("select consumer, state from event_time_positions")
    assert {row["consumer"]: row["state"] for row in rows} == {
        "a": {"rules_version": 3},
        "b": {"rules_version": 3, "marks": {"x": 1}},
        "c": {"rules_version": 3},
    }
    await connection.close()
