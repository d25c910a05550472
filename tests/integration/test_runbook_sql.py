"""What the operator's pages let one ask the database is answered by it."""

import re
from pathlib import Path

import pytest

from tradepulse.runtime.db import connect, migrate

pytestmark = pytest.mark.integration
PAGES = Path(__file__).parents[2] / "docs" / "guides" / "operations"


def questions() -> list[str]:
    """Return the statements of the pages' SQL blocks, and those that they give to psql."""
    text = "\n".join(page.read_text() for page in sorted(PAGES.glob("*.md")))
    blocks = re.findall(r"(?ms)^```sql\n(.*?)^```", text)
    found = [one.strip() for block in blocks for one in block.split(";") if one.strip()]
    return [
        *found,
        *(
            said
            for _, said in re.findall(r"""^\$ psql .*?(['"])(select .*?)\1""", text, re.MULTILINE)
        ),
    ]


async def test_every_question_of_the_operators_pages_is_answered(database_url: str) -> None:
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
