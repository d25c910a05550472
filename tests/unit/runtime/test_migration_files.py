"""Migrations expand first and contract a release later: the release before runs on them."""

import re
from collections.abc import Iterator

import pytest

from tradepulse.runtime.db import migrations
from tradepulse.runtime.migrating import OUTSIDE

BEFORE = "0016"
"""What came up to here was made when all services had to be of one version."""
UNUSED = re.compile(r"-- unused since \d+\.\d+\.\d+\b")
"""Above a statement: what it takes away was used by no release from this one on."""
CONTRACTING = (
    (r"\bdrop\s+(?!index\b|not\s+null\b|default\b)\w+", "takes away"),
    (r"\brename\b", "renames"),
    (r"\balter\s+(column\s+)?\w+\s+(set\s+data\s+)?type\b", "changes a type"),
    (r"\bset\s+not\s+null\b", "refuses nulls that the release before writes"),
    (r"\badd\s+(column\s+)?\w+[^,;]*\bnot\s+null\b(?![^,;]*\b(default|generated)\b)",
     "refuses rows of the release before, which do not name it"),
    (r"\badd\s+(constraint|check|foreign|unique|primary)\b",
     "may refuse rows of the release before"),
    (r"\b(truncate|delete\s+from)\b", "removes rows"),
)  # fmt: skip


def faults(sql: str) -> Iterator[str]:
    """Say what the release before could not bear."""
    for statement in re.split(r"(?<=;)\n", sql):
        said = " ".join(re.findall(r"--.*", statement))
        code = re.sub(r"--.*", "", statement)
        if not UNUSED.search(said):
            for pattern, fault in CONTRACTING:
                if found := re.search(pattern, code, re.IGNORECASE):
                    yield f"{found[0].strip()}: {fault}"
    if re.search(r"\bconcurrently\b", sql, re.IGNORECASE) and not sql.startswith(OUTSIDE):
        yield f"concurrently: needs the first line {OUTSIDE!r}"


def test_new_migrations_only_add() -> None:
    new = [(name, sql) for name, sql in migrations() if name > BEFORE + "_z"]
    assert new
    found = [f"{name}: {fault}" for name, sql in new for fault in faults(sql)]
    assert not found, (
        "the release before must run on the new schema: add only, and take away in the release "
        "after, with a line `-- unused since X.Y.Z` above the statement\n" + "\n".join(found)
    )


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("create table a (b int not null);\n-- more\nalter table a add c int;", 0),
        ("alter table a add column c int not null default 1;", 0),
        ("alter table a alter c drop not null;\ndrop index a_by_b;", 0),
        ("-- unused since 0.1.0: nobody reads it\nalter table a drop column b;", 0),
        (f"{OUTSIDE}\ndrop index concurrently i;\ncreate index concurrently i on a (b);", 0),
        ("alter table a drop column b;", 1),
        ("-- unused since some day\ndrop table a;", 1),
        ("-- unused since 0.1.0\ndrop table a;\ndrop table b;", 1),
        ("alter table a rename b to c;", 1),
        ("alter table a alter column b type bigint;", 1),
        ("alter table a alter b set data type bigint;", 1),
        ("alter table a alter b set not null;", 1),
        ("alter table a add c int not null;", 1),
        ("alter table a add check (b > 0);", 1),
        ("create index concurrently i on a (b);", 1),
        ("DELETE FROM a;", 1),
    ],
)  # fmt: skip
def test_what_the_release_before_cannot_bear_is_named(sql: str, count: int) -> None:
    assert len(list(faults(sql))) == count, list(faults(sql))
