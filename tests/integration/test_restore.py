"""The database is destroyed in the middle of a replay, twice, and comes back from its backups."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from system import (
    ROOT,
    START,
    System,
    configurations_for,
    demo_candles,
    equity_rows,
    expected,
    last_close,
    trade_rows,
    with_four_hours,
)
from topic_reader import read_all

from contracts.topics import EVALUATIONS, TOPICS
from tradepulse.cli.backup import files
from tradepulse.embedded.children import Children
from tradepulse.embedded.postgres import EmbeddedPostgres, service_user
from tradepulse.runtime.db import connect
from tradepulse.runtime.dead_letter_replay import list_dead_letters
from tradepulse.trading.weights import InverseVolatility

pytestmark = pytest.mark.integration
DAY = 86_400_000
DAYS = 60
SPEED = 86_400 / 8
"""A day in eight seconds, until the last restore: on a slow machine, too, the end is far then."""
SERVICES = ("signal_svc", "rl_svc", "executor_svc")
CANDLES = with_four_hours(demo_candles(DAYS))


@pytest.fixture
def place(state_folder: Path) -> Path:
    """A folder that the server's user reaches."""
    made = state_folder / "restore"
    made.mkdir()
    return made


@pytest_asyncio.fixture
async def postgres(place: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server of this test's own, which archives its WAL."""
    archive = place / "archive"
    archive.mkdir()
    # where its user may run it
    script = shutil.copy(ROOT / "deploy" / "postgres" / "archive-wal.sh", archive)
    if (user := service_user()) is not None:
        os.chown(archive, *user)
    async with Children() as children:
        server = EmbeddedPostgres(place / "pg", children)
        await server.start()
        connection = await connect(server.url())
        command = f'archive_command = \'{script} "%p" "%f" {archive}\''
        for setting in ("archive_mode = on", command):
            await connection.execute(f"alter system set {setting}")
        await connection.close()
        await server.stop()
        await server.start()
        yield server
        await server.stop()


class Drill:
    """A replay, and what happens to it."""

    def __init__(self, system: System, postgres: EmbeddedPostgres, folder: Path) -> None:
        self.system = system
        self.postgres = postgres
        self.folder = folder

    async def begin(self) -> None:
        """Start the replay."""
        replay = await self.system.prepare_replay(CANDLES, speed=SPEED)
        self.system.start("market_ingest", **replay)
        for name in SERVICES:
            self.system.start(name)

    def go_on(self, **ingest: str) -> None:
        """Start the services."""
        self.system.start_anew("market_ingest", **ingest)
        for name in SERVICES:
            self.system.start(name)

    async def half_a_day(self) -> None:
        """Wait until half a day more of the replay is settled."""
        begun = max(START, await self.system.settled())
        await self.system.wait_settled(begun + DAY // 2, 240)
        assert await self.system.settled() < START + (DAYS - 5) * DAY, "the replay is nearly over"

    async def command(self, *arguments: object) -> str:
        """Run `tradepulse` as an operator does, while the loop goes on."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tradepulse.cli.main", *map(str, arguments)),
            env={**os.environ, "DATABASE_URL": self.system.database_url},
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
        assert process.returncode == 0, said
        return said

    async def destroy(self) -> None:
        """Lose the disk of the database; whoever works with it ends."""
        await self.postgres.kill()
        shutil.rmtree(self.folder / "pg" / "data")
        self.system.stop()


async def a_time(system: System) -> tuple[str, int, int]:
    """Return a time of the server, and what was settled just before and just after it."""
    connection = await connect(system.database_url)
    before = await system.settled()
    time = await connection.fetchval("select clock_timestamp()")
    after = await system.settled()
    while await system.settled() == after:  # noqa: ASYNC110 - recovery stops at what comes later
        await asyncio.sleep(0.05)
    # what is archived survives
    segment = await connection.fetchval("select pg_walfile_name(pg_switch_wal())")
    archived = "select last_archived_wal >= $1 from pg_stat_archiver"
    while not await connection.fetchval(archived, segment):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.05)
    await connection.close()
    return time.isoformat(), before, after


async def test_a_destroyed_database_comes_back_and_the_ledger_goes_on(
    kafka_bootstrap: str,
    no_topics: object,
    place: Path,
    postgres: EmbeddedPostgres,
    tmp_path: Path,
) -> None:
    system = System(kafka_bootstrap, postgres.url(), tmp_path)
    drill = Drill(system, postgres, place)
    kept = tmp_path / "backups"
    try:
        await drill.begin()
        await drill.half_a_day()
        await drill.command("backup", kept)
        await drill.half_a_day()
        await drill.command("backup", kept, "--physical")
        await drill.half_a_day()
        time, before, after = await a_time(system)
        lost = await system.settled()
        await drill.destroy()

        # to a time between two closes of the ledger
        (base,) = files.backups(kept, files.PHYSICAL)
        data = place / "pg" / "data"
        archive = place / "archive"
        said = await drill.command(
            "restore", base, "--archive", archive, "--until", time, "--into", data
        )
        assert said.startswith(f"made {data}: start a PostgreSQL server on it")
        await postgres.start()
        connection = await connect(postgres.url())
        while await connection.fetchval("select pg_is_in_recovery()"):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
        await connection.close()
        assert before <= await system.settled() <= after < lost
        drill.go_on()
        await drill.half_a_day()
        await drill.destroy()

        # a new server, and the older backup
        await postgres.start()
        (dump,) = files.backups(kept, files.PORTABLE)
        said = await drill.command("restore", dump)
        restored = await system.settled()
        assert "executor:main stands at 2018-01-0" in said
        assert restored < before
        # roles are the server's, not the backup's
        await system.give_roles()
        drill.go_on(REPLAY_SPEED="max")
        await system.wait_settled(last_close(CANDLES), 300)
        await system.outbox_is_empty()
    finally:
        system.stop()
    days = [(time - START) / DAY for time in (lost, before, restored)]
    print("destroyed at day {:.2f}, back at {:.2f}, destroyed, back at {:.2f}".format(*days))
    await all_is_as_if_nothing_had_happened(system)


async def all_is_as_if_nothing_had_happened(system: System) -> None:
    """Compare everything that services keep with what an undisturbed replay leaves."""
    result = expected(CANDLES, configurations_for(CANDLES), InverseVolatility(96))
    assert await system.trades() == trade_rows(result)
    assert len(result.trades) > 200
    ledger = await system.ledger()
    assert await system.equity() == equity_rows(result)
    refused = {row[0] for row in ledger["orders"] if row[15] == "REFUSED"}
    assert refused == {order.order_id for order in result.refused}
    closes = {row[1] for row in ledger["equity"]}
    assert closes <= {row[1] for row in ledger["weights"]}
    # nothing that was evaluated is missing, though signal_svc had done it before
    said = await read_all(system.bootstrap, EVALUATIONS)
    assert {row[0] for row in ledger["signals"]} == {s.id for one in said for s in one.signals}
    connection = await connect(system.database_url)
    stored = await connection.fetchval("select count(*) from candles")
    await connection.close()
    assert stored == sum(map(len, CANDLES))
    for topic in TOPICS:
        assert await list_dead_letters(system.bootstrap, topic.name) == []
