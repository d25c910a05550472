"""Migrations on a database at work: with rows of the release before, and with locks held."""

import asyncio
from unittest.mock import AsyncMock

import asyncpg
import pytest

from tradepulse.runtime import db, migrating
from tradepulse.runtime.db import DatabaseUnavailableError, connect, migrate, migrations
from tradepulse.runtime.migrating import OUTSIDE

pytestmark = pytest.mark.integration
RELEASED = "0016_model_days.sql"
"""The last migration of what the rows below were written by."""
ROWS = """
insert into feeds values ('f', '{"kind": "live"}', 1);
insert into candle_series (exchange, symbol, timeframe) values ('x', 'A/B', '1h');
insert into candles values (0, 1, 2, 0.5, 1.5, 3, 1, 'live');
insert into venue_answers values ('x', 'A/B', '1h', '{[0,1)}');
insert into venue_pace values ('x', now());
insert into subscriptions values ('x', 'A/B', '1h');
insert into data_gaps (exchange, symbol, timeframe, kind, first_open_time, last_open_time, candles,
    sure, sentence) values ('x', 'A/B', '1h', 'hole', 0, 0, 1, true, 's');
insert into gap_repairs (gap_id, step, timeframe, candles, outcome, note)
    select gap_id, 'venue', '1h', 0, 'nothing', 'n' from data_gaps;
insert into instrument_rules values ('x', 'A/B', now(), 'ccxt', 0.1, 0.1);
insert into training_jobs (job_id, spec, kind) values (gen_random_uuid(), '{}', 'search');
insert into training_searches (job_id, search, strategy, exchange, symbol, timeframe, params,
    figures) select job_id, 0, 's', 'x', 'A/B', '1h', '{}', '{}' from training_jobs;
insert into training_batches select job_id, 0, 0, '{1}', '{1}' from training_jobs;
insert into trained_configurations (configuration_id, job_id, strategy, exchange, symbol, timeframe,
    params, stage, is_active) select gen_random_uuid(), job_id, 's', 'x', 'A/B', '1h', '{}',
    'PAPER', true from training_jobs;
insert into configuration_events (configuration_id, to_stage, is_active, reason)
    select configuration_id, 'PAPER', true, 'r' from trained_configurations;
insert into validation_reports (configuration_id, job_id, passed, report)
    select configuration_id, job_id, true, '{"gates": []}' from trained_configurations;
insert into signals (signal_id, configuration_id, strategy, exchange, symbol, timeframe, action,
    reference_price, confidence, decided_at) select gen_random_uuid(), configuration_id, 's', 'x',
    'A/B', '1h', 'enter_long', 1, 1, now() from trained_configurations;
insert into rl_models (model_id, portfolio, name, stage, timeframe, instruments, mode, passed,
    artifact, artifact_sha256, manifest) values (gen_random_uuid(), 'main', 'm', 'ACTIVE', '1h',
    '{x:A/B}', 'signals', true, '\\x00', '', '{}');
insert into rl_model_events (model_id, to_stage, reason, by_person)
    select model_id, 'ACTIVE', 'r', true from rl_models;
insert into rl_model_days (model_id, day, begun, closes, evidence, bound)
    select model_id, now(), 1, 1, 1, 1 from rl_models;
insert into rl_trainings (job_id, asked, configurations)
    select job_id, '{}', '[]' from training_jobs;
insert into rl_training_points select job_id, 0, 0, '{}' from training_jobs;
insert into rl_looks (job_id, portfolio, timeframe, instruments, test_start, test_end)
    select job_id, 'main', '1h', '{x:A/B}', now(), now() + interval '1 day' from training_jobs;
insert into rl_trainers (worker, at_once, free_bytes) values ('w', 1, 1);
insert into portfolio_weights (portfolio, close_time, policy, weights, model_id)
    select 'main', now(), 'p', '{"x:A/B": 1}', model_id from rl_models;
insert into shadow_weights select 'main', now(), model_id, 'p', '{}', '[]', 1 from rl_models;
insert into event_time_positions (consumer, epoch, settled_time) values ('executor:main', 1, 1);
insert into leases values ('executor:main', 'h', now());
insert into accounts values ('main', 100, 98.9);
insert into orders (order_id, account, configuration_id, exchange, symbol, timeframe, side,
    order_type, quantity, reference_price, opens_position, status, decided_at)
    select gen_random_uuid(), 'main', configuration_id, 'x', 'A/B', '1h', 'buy', 'market', 1, 1,
    true, 'FILLED', now() from trained_configurations;
insert into fills select gen_random_uuid(), order_id, 1, 1, 0.1, now() from orders;
insert into positions (position_id, account, configuration_id, exchange, symbol, timeframe, side,
    quantity, entry_time, entry_price, fees) select gen_random_uuid(), 'main', configuration_id,
    'x', 'A/B', '1h', 'long', 1, now(), 1, 0.1 from trained_configurations;
insert into equity values ('main', now(), 98.9, 99.9, 1, 1);
insert into outbox (service, topic, key, value) values ('s', 't', 'k', 'v');
insert into outbox_refused values (1, 's', 't', 'k', 'v', 'r');
"""
TABLES = """
select tablename from pg_tables where schemaname = 'public' and tablename <> 'migrations' order by 1
"""


async def rows_of(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, str]:
    """Return the one row of each table as text, by table."""
    tables = [row[0] for row in await connection.fetch(TABLES)]
    found = {}
    for table in tables:
        rows = await connection.fetch(f"select to_jsonb(t)::text from {table} t")
        assert len(rows) == 1, f"{table} has {len(rows)} rows: add one to ROWS"
        found[table] = rows[0][0]
    return found


async def test_every_new_migration_keeps_what_the_release_before_has_written(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = migrations()
    base = [name for name, _ in every].index(RELEASED) + 1
    assert every[base:]
    monkeypatch.setattr(db, "migrations", lambda: every[:base])
    # each version gives rights on what it has
    monkeypatch.setattr(db, "grant_rights", AsyncMock())
    await migrate(database_url)
    connection = await asyncpg.connect(database_url)
    await connection.execute(ROWS)
    before = await rows_of(connection)
    for count in range(base + 1, len(every) + 1):
        monkeypatch.setattr(db, "migrations", lambda count=count: every[:count])
        assert await migrate(database_url) == [every[count - 1][0]]
        for table, row in before.items():
            # whatever was added to it
            kept = f"select count(*) from {table} t where to_jsonb(t) @> $1::jsonb"
            assert await connection.fetchval(kept, row) == 1, (every[count - 1][0], table)
    await connection.close()


async def test_who_holds_a_lock_is_told_and_the_migration_comes_through_later(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = migrations()
    await migrate(database_url)
    added = "alter table accounts add column note text;"
    monkeypatch.setattr(db, "migrations", lambda: [*every, ("9999_note.sql", added)])
    holder = await connect(database_url, application="executor_svc 12")
    told: list[str] = []
    reading = holder.transaction()
    await reading.start()
    await holder.fetch("select * from accounts")
    with monkeypatch.context() as once:
        once.setattr(migrating, "TRIES", 1)
        with pytest.raises(DatabaseUnavailableError, match="and migrate again") as refused:
            await migrate(database_url, told.append)
    pid = holder.get_server_pid()
    said = f"9999_note.sql waits for a lock of executor_svc 12 (pid {pid}, idle in transaction for "
    assert str(refused.value).startswith(said)
    assert told == []
    # nobody who only wants to read had to wait behind it for long, and it did not half happen
    other = await connect(database_url)
    assert await other.fetch("select * from accounts") == []
    again = asyncio.create_task(migrate(database_url, told.append))
    while not told:  # noqa: ASYNC110 - it tells a list
        await asyncio.sleep(0.05)
    await reading.rollback()
    assert await again == ["9999_note.sql"]
    assert all(line.startswith(said) and line.endswith("; it is tried again") for line in told)
    assert await other.fetch("select note from accounts") == []
    await other.close()
    await holder.close()


async def test_an_index_is_made_beside_the_work(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = migrations()
    await migrate(database_url)
    sql = (
        f"{OUTSIDE}\ndrop index concurrently if exists fills_by_time;\n"
        "create index concurrently fills_by_time on fills (filled_at);\n"
    )
    monkeypatch.setattr(db, "migrations", lambda: [*every, ("9999_index.sql", sql)])
    connection = await connect(database_url)
    # as one that was cut off leaves behind
    await connection.execute("create index fills_by_time on fills (price)")
    assert await migrate(database_url) == ["9999_index.sql"]
    assert await migrate(database_url) == []
    made = "select indexdef from pg_indexes where indexname = 'fills_by_time'"
    assert "(filled_at)" in await connection.fetchval(made)
    await connection.close()
