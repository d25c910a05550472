"""What the tables mean is told by database, page and `tradepulse db`; who looks only looks."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from tests.command import invoke
from tradepulse.cli.schema import page, tables
from tradepulse.runtime.db import connect, migrate
from tradepulse.runtime.rights import READER, let_read

pytestmark = pytest.mark.integration
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def migrated(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with all tables, which commands take."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    asyncio.run(migrate(database_url))
    return database_url


async def test_every_table_and_column_says_what_it_means_and_the_page_says_the_same(
    database_url: str,
) -> None:
    await migrate(database_url)
    connection = await connect(database_url)
    found = await tables(connection)
    await connection.close()
    assert len(found) > 35
    lacking = [one.name for one in found if not one.meaning]
    lacking += [f"{one.name}.{c.name}" for one in found for c in one.columns if not c.meaning]
    assert not lacking, "say what it means by `comment on` in the migration that adds it"
    assert (DOCS / "reference" / "database.md").read_text() == page(found), (
        "renew it: python -m tradepulse.cli.schema docs/reference/database.md"
    )


async def test_what_the_guide_asks_is_answered_to_who_only_looks(database_url: str) -> None:
    await migrate(database_url)
    asked = re.findall(r"(?ms)^```sql\n(.*?)^```", (DOCS / "guides" / "database.md").read_text())
    assert len(asked) > 5
    connection = await connect(database_url)
    await connection.execute("insert into accounts values ('main', 100, 100)")
    await connection.execute(
        "insert into equity select 'main', '2024-01-01'::timestamptz + i * interval '12 h', 0, e, "
        "0, 0 from unnest(array[100, 110, 50, 99]) with ordinality as given (e, i)"
    )
    await connection.execute(f"set role {READER}")
    answers = [await connection.fetch(one) for one in asked]
    (fall,) = (rows for rows in answers if rows and "drawdown_pct" in rows[0])
    # the ends of the days are 100, 50 and 99
    assert [float(row["drawdown_pct"]) for row in fall] == [0, 50, 1]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("update accounts set cash = 0")
    await connection.close()


def test_the_shell_only_reads_and_a_table_is_shown_with_what_its_columns_mean(
    migrated: str,
) -> None:
    # it takes the place of the process that starts it
    told = subprocess.run(
        [sys.executable, "-m", "tradepulse.cli.main", "db", "psql", "-At"],
        input="select current_user, count(*) from accounts; delete from accounts;",
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout == f"{READER}|0\n", told.stderr
    assert "cannot execute DELETE in a read-only transaction" in told.stderr
    narrow = invoke("db", "schema", "positions", columns=80)[0]
    assert max(map(len, narrow.splitlines())) <= 80
    assert re.search(r"^profit +numeric, null +After fees, quote currency", narrow, re.MULTILINE)
    assert "fills " in invoke("db", "schema")[0]
    fills = json.loads(invoke("db", "schema", "fills", "--json", "-")[0])
    assert fills["columns"][1]["refers_to"] == "orders"
    said = invoke("db", "schema", "fils", status=1)[1]
    assert said == "tradepulse db: there is no table fils; did you mean fills?\n"


def test_an_address_is_told_without_its_password_unless_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = "db.example/tradepulse?sslmode=require"
    monkeypatch.setenv("DATABASE_URL", f"postgresql://me:a%23b@{host}")
    assert invoke("db", "url")[0] == f"postgresql://me@{host}\n"
    assert invoke("db", "url", "--password")[0] == f"postgresql://me@{host}&password=a%23b\n"


async def test_who_may_make_no_role_is_told_and_may_go_on(database_url: str) -> None:
    await migrate(database_url)
    connection = await connect(database_url)
    user, reader = (f"{name}_{uuid4().hex[:8]}" for name in ("limited", "reader"))
    told: list[str] = []
    await connection.execute(f"create role {user}")
    try:
        await connection.execute(f"set role {user}")
        await let_read(connection, reader, told.append)
        (line,) = told
        assert line == (
            "nobody can only read here, as `tradepulse db` does: permission denied to create role. "
            f"A superuser mends it: `create role {reader} login` if it is not there, and `grant "
            f"select on all tables in schema public to {reader}`"
        )
        await connection.execute("reset role")
        await connection.execute(f"create role {reader}")
        await let_read(connection, reader, told.append)
        assert len(told) == 1
        await connection.execute(f"set role {reader}")
        assert await connection.fetch("select * from pattern_training_results") == []
    finally:
        await connection.execute("reset role")
        for role in (reader, user):
            await connection.execute(
                f"do $$ begin if to_regrole('{role}') is not null then drop owned by {role}; "
                f"drop role {role}; end if; end $$"
            )
        await connection.close()
