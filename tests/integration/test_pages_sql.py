"""What the pages let one ask the database is answered by it."""

import re

import pytest

from tests.pages import PAGES, blocks
from tradepulse.runtime.db import connect, migrate

pytestmark = pytest.mark.integration


def questions() -> list[str]:
    """Return the statements of the pages' SQL blocks, and those that they give to psql."""
    found = [block for page in PAGES for block in blocks(page)]
    asked = ";".join(block.text for block in found if block.language == "sql").split(";")
    given = "\n".join(block.text for block in found if block.language == "console")
    return [
        *(one.strip() for one in asked if one.strip()),
        *(said for _, said in re.findall(r"""(?m)^\$ psql .*?(['"])(select .*?)\1""", given)),
    ]


async def test_every_question_of_the_pages_is_answered(database_url: str) -> None:
    await migrate(database_url)
    asked = questions()
    assert len(asked) > 6
    connection = await connect(database_url)
    # what some of them look for
    await connection.execute("select pg_advisory_lock(1)")
    await connection.execute("insert into leases values ('executor:main', 'test', now())")
    for question in asked:
        await connection.execute(question)
    locks = await connection.fetch(next(one for one in asked if "pg_locks" in one))
    assert await connection.fetchval("select pg_backend_pid()") in {row["pid"] for row in locks}
    (lease,) = await connection.fetch(next(one for one in asked if "from leases" in one))
    assert (lease["consumer"], lease["lasts"]) == ("executor:main", False)
    await connection.close()
