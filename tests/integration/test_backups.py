"""Backups of a real server: what is written is whole, what is refused is one line."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from unittest.mock import AsyncMock
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from studio_svc.system.backups import BackupWatch
from tests.command import invoke
from tradepulse.cli.backup import files
from tradepulse.cli.backup.database import is_empty
from tradepulse.runtime.db import connect, migrate, migrations, opened_pool

pytestmark = pytest.mark.integration
NEWEST = migrations()[-1][0]


@pytest_asyncio.fixture
async def filled(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with an account that holds a position, known to the command by DATABASE_URL."""
    await migrate(database_url)
    connection = await connect(database_url)
    await connection.execute("insert into accounts values ('main', 10000, 9899.9, now())")
    await connection.execute(
        "insert into positions (position_id, account, configuration_id, exchange, symbol,"
        " timeframe, side, quantity, entry_time, entry_price, fees) values"
        " (gen_random_uuid(), 'main', gen_random_uuid(), 'x', 'A/B', '1h', 'long', 2, now(), 50,"
        " 0.1)"
    )
    await connection.execute(
        "insert into event_time_positions values ('executor:main', 7, 3600000)"
    )
    await connection.close()
    monkeypatch.setenv("DATABASE_URL", database_url)
    return database_url


async def another(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make an empty database, known to the command from now on."""
    name = f"test_{uuid4().hex[:16]}"
    connection = await connect(url)
    await connection.execute(f'create database "{name}"')
    await connection.close()
    made = urlsplit(url)._replace(path=f"/{name}").geturl()
    monkeypatch.setenv("DATABASE_URL", made)
    return made


async def drop(url: str, made: str) -> None:
    connection = await connect(url)
    await connection.execute(f'drop database "{urlsplit(made).path[1:]}" with (force)')
    await connection.close()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


async def command(*arguments: object, status: int = 0) -> str:
    """Run the command beside this loop; return what it says, on one line where it is refused."""
    said, refused = await asyncio.to_thread(invoke, *arguments, status=status)
    if status:
        assert refused.count("\n") == 1, refused
    return said + refused


async def test_a_backup_is_whole_private_and_brings_everything_back(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = await command("backup", tmp_path / "b")
    (dump,) = files.backups(tmp_path / "b", files.PORTABLE)
    assert said.startswith(f"wrote {dump}: ")
    assert "0 orders, 0 fills, 1 positions" in said
    assert dump.stat().st_mode & 0o777 == 0o600
    assert names_in(tmp_path / "b") == [dump.name, f"{dump.name}.sha256"]
    # as everybody's tool reads it
    checked = await asyncio.create_subprocess_exec(
        "sha256sum", "--check", "--quiet", f"{dump.name}.sha256", cwd=tmp_path / "b"
    )
    assert await checked.wait() == 0

    made = await another(filled, monkeypatch)
    said = await command("restore", dump)
    assert "executor:main stands at 1970-01-01 01:00; from there it reads Kafka again" in said
    one, two = await connect(filled), await connect(made)
    for table in ("accounts", "positions", "event_time_positions", "migrations"):
        query = f"select * from {table} order by 1"
        assert await one.fetch(query) == await two.fetch(query), table
    sequences = "select sequencename, last_value from pg_sequences order by 1"
    assert await one.fetch(sequences) == await two.fetch(sequences)
    # of before the backup, in the copy; the one that was backed up knows of it
    assert await two.fetch("select * from backups") == []
    noted = await one.fetchrow("select kind, name, bytes from backups")
    assert tuple(noted) == ("portable", dump.name, dump.stat().st_size)
    await one.close()
    await two.close()
    again = await command("restore", dump, status=1)
    assert again.startswith("tradepulse restore: the database is not empty, and nothing in it is")
    await drop(filled, made)


async def test_what_cannot_be_restored_is_refused_and_leaves_nothing(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await connect(filled)
    await connection.execute("insert into migrations values ('9999_later.sql')")
    await connection.close()
    assert "the database is of a newer version (migrations 9999_later.sql): install" in (
        await command("backup", tmp_path / "b", status=1)
    )
    connection = await connect(filled)
    await connection.execute("delete from migrations where name like '9999%'")
    await command("backup", tmp_path / "b")
    (dump,) = files.backups(tmp_path / "b", files.PORTABLE)
    made = await another(filled, monkeypatch)
    target = await connect(made)

    assert "there is no" in await command("restore", tmp_path / "none.dump", status=1)
    bare = tmp_path / "bare.dump"
    bare.write_bytes(dump.read_bytes())
    assert "has no checksums" in await command("restore", bare, status=1)
    sums = dump.with_name(dump.name + ".sha256")
    right = sums.read_text()
    cut = tmp_path / "cut.dump"
    cut.write_bytes(dump.read_bytes()[:-100])
    cut.with_name("cut.dump.sha256").write_text(right.replace(dump.name, "cut.dump"))
    assert "has another checksum" in await command("restore", cut, status=1)
    # one that says it is whole, and fails at its end, leaves an empty database
    cut.with_name("cut.dump.sha256").write_text(f"{files.sha256(cut)}  cut.dump\n")
    assert "pg_restore failed: " in await command("restore", cut, status=1)
    assert await is_empty(target)

    await connection.execute("insert into migrations values ('9999_later.sql')")
    newer = [*migrations(), ("9999_later.sql", "")]
    monkeypatch.setattr("tradepulse.cli.backup.database.migrations", lambda: newer)
    monkeypatch.setenv("DATABASE_URL", filled)
    await command("backup", tmp_path / "later")
    monkeypatch.setattr("tradepulse.cli.backup.database.migrations", migrations)
    monkeypatch.setenv("DATABASE_URL", made)
    (later,) = files.backups(tmp_path / "later", files.PORTABLE)
    assert "is of a newer version (migrations 9999_later.sql)" in (
        await command("restore", later, status=1)
    )
    assert await is_empty(target)
    await connection.close()
    await target.close()
    await drop(filled, made)


async def test_a_backup_that_is_killed_leaves_nothing_that_looks_whole(
    filled: str, tmp_path: Path
) -> None:
    connection = await connect(filled)
    # it waits for the table that is locked here, in the middle of its work
    async with connection.transaction():
        await connection.execute("lock table accounts in access exclusive mode")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tradepulse.cli.main", "backup", str(tmp_path / "b")),
            env={**os.environ, "DATABASE_URL": filled},
        )
        while not list((tmp_path / "b").glob("*.partial")):
            assert process.returncode is None
            await asyncio.sleep(0.05)
        busy = await command("backup", tmp_path / "b", status=1)
        assert "another backup is being written to" in busy
        process.send_signal(signal.SIGKILL)
        await process.wait()
    await connection.close()
    assert files.backups(tmp_path / "b", files.PORTABLE) == []
    refused = await command("restore", "--drill", tmp_path / "b", status=1)
    assert "has no backup tradepulse-*.dump: make one first" in refused
    await command("backup", tmp_path / "b")
    assert len(files.backups(tmp_path / "b", files.PORTABLE)) == 1
    assert not list((tmp_path / "b").glob("*.partial"))


async def test_only_the_newest_are_kept(filled: str, tmp_path: Path) -> None:
    for day in ("01", "02"):
        old = tmp_path / f"tradepulse-201801{day}T000000Z.dump"
        old.write_text("")
        old.with_name(old.name + ".sha256").write_text("")
    (tmp_path / "mine.dump").write_text("not of ours")
    said = await command("backup", tmp_path, "--keep", 2)
    assert f"removed {tmp_path}/tradepulse-20180101T000000Z.dump" in said
    names = names_in(tmp_path)
    assert "tradepulse-20180102T000000Z.dump" in names
    assert "mine.dump" in names
    assert not [name for name in names if "20180101" in name]
    assert len(files.backups(tmp_path, files.PORTABLE)) == 2


async def test_a_drill_restores_checks_and_leaves_nothing(filled: str, tmp_path: Path) -> None:
    await command("backup", tmp_path)
    said = await command("restore", "--drill", tmp_path)
    assert "can be restored: " in said
    assert "1 positions" in said
    connection = await connect(filled)
    kinds = {row["kind"] for row in await connection.fetch("select kind from backups")}
    assert kinds == {"portable", "drill"}
    drilled = await connection.fetchval("select ended_at from backups where kind = 'drill'")
    names = [row[0] for row in await connection.fetch("select datname from pg_database")]
    assert "tradepulse_drill" not in names

    # a ledger of which a row is lost
    await connection.execute("update accounts set cash = cash + 1e-18")
    await command("backup", tmp_path / "wrong")
    refused = await command("restore", "--drill", tmp_path / "wrong", status=1)
    assert "the ledger is out of balance: main by 0.000000000000000001;" in refused
    assert drilled == await connection.fetchval("select ended_at from backups where kind = 'drill'")
    names = [row[0] for row in await connection.fetch("select datname from pg_database")]
    assert "tradepulse_drill" not in names
    await connection.close()


async def test_a_role_of_its_own_backs_up_what_policies_hide_and_tries_it_out(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"backup_{uuid4().hex[:8]}"
    connection = await connect(filled)
    # what deploy/postgres/roles.sql and grants.sql give tradepulse_backup
    await connection.execute(
        f"create role {name} login replication bypassrls createdb password 'a#b'"
    )
    await connection.execute(f"create role {name}_other")
    try:
        await connection.execute(f"grant pg_read_all_data to {name}")
        await connection.execute(f"grant insert, update on backups to {name}")
        await connection.execute("alter table outbox enable row level security")
        await connection.execute(f"create policy its_own on outbox to {name}_other using (true)")
        await connection.execute(
            "insert into outbox (service, topic, key, value) values ('s', 't', 'k', 'v')"
        )
        parts = urlsplit(filled)
        host = parts.netloc.rpartition("@")[2]
        mine = parts._replace(netloc=f"{name}:a%23b@{host}").geturl()
        monkeypatch.setenv("DATABASE_URL", mine)
        await command("backup", tmp_path)
        # on a server that has no such roles: of the policy nothing is left
        await connection.execute("drop policy its_own on outbox")
        await connection.execute(f"drop role {name}_other")
        assert "can be restored" in await command("restore", "--drill", tmp_path)
        made = await another(filled, monkeypatch)
        (dump,) = files.backups(tmp_path, files.PORTABLE)
        await command("restore", dump)
        copy = await connect(made)
        assert await copy.fetchval("select count(*) from outbox") == 1
        await copy.close()
        await drop(filled, made)
    finally:
        for role in (name, f"{name}_other"):
            await connection.execute(
                f"do $$ begin if to_regrole('{role}') is not null then drop owned by {role}; "
                f"drop role {role}; end if; end $$"
            )
        await connection.close()


async def test_metrics_tell_when_backups_and_drills_have_ended(filled: str, tmp_path: Path) -> None:
    registry = CollectorRegistry()

    def told(name: str, **labels: str) -> float:
        found = registry.get_sample_value(f"tradepulse_{name}", labels)
        assert found is not None
        return found

    async with opened_pool(filled) as pool:
        watch = BackupWatch(pool, registry)
        # never is at the time 0: old enough for an alert
        for kind in ("portable", "physical"):
            assert told("backup_time_seconds", kind=kind) == 0
            assert told("backup_bytes", kind=kind) == 0
        assert told("restore_drill_time_seconds") == 0
        begun = time.time()
        await command("backup", tmp_path)
        await watch.look()
        at = told("backup_time_seconds", kind="portable")
        assert begun - 1 < at <= time.time() + 1
        assert told("restore_drill_time_seconds") == 0
        assert told("backup_time_seconds", kind="physical") == 0
        (dump,) = files.backups(tmp_path, files.PORTABLE)
        assert told("backup_bytes", kind="portable") == files.size(dump)
        await command("restore", "--drill", tmp_path)
        await watch.look()
        assert told("restore_drill_time_seconds") >= at
        assert told("backup_time_seconds", kind="portable") == at


async def test_a_drill_brings_a_backup_of_an_older_version_up_to_date(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = migrations()
    monkeypatch.setattr("tradepulse.runtime.db.migrations", lambda: every[:-1])
    # an older version gave rights on what it had
    monkeypatch.setattr("tradepulse.runtime.db.grant_rights", AsyncMock())
    await migrate(database_url)
    monkeypatch.undo()
    monkeypatch.setenv("DATABASE_URL", database_url)
    # no place to note it yet
    await command("backup", tmp_path)
    said = await command("restore", "--drill", tmp_path)
    assert said.splitlines()[-1] == f"and brought up to date: {NEWEST}"
