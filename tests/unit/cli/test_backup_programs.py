"""Which of PostgreSQL's programs a backup is made by."""

from pathlib import Path

import pytest

from tradepulse.cli.backup.programs import as_client, program, run
from tradepulse.cli.errors import CliError
from tradepulse.embedded.postgres import program_folder

OURS = str(program_folder() / "pg_dump")
"""Of PostgreSQL 18."""


@pytest.fixture
def on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the path; a program that tells its version is put there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def put(folder: Path, version: str) -> str:
    made = folder / "pg_dump"
    made.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
    made.chmod(0o755)
    return str(made)


@pytest.mark.parametrize("version", ["15.3", "17.0", "18.4"])
def test_the_one_on_the_path_does_where_it_is_not_older_than_the_server(
    on_the_path: Path, version: str
) -> None:
    made = put(on_the_path, version)
    assert program("pg_dump", 15) == made


def test_ours_does_where_the_one_on_the_path_is_older_or_further_ahead(on_the_path: Path) -> None:
    assert program("pg_dump", 15) == OURS
    put(on_the_path, "15.3")
    assert program("pg_dump", 16) == OURS
    put(on_the_path, "19.1")
    assert program("pg_dump", 16) == OURS


def test_none_that_is_new_enough_is_said_in_one_line(on_the_path: Path) -> None:
    put(on_the_path, "15.3")
    with pytest.raises(CliError, match="pg_dump is of PostgreSQL 18 and the other side of 90"):
        program("pg_dump", 90)
    with pytest.raises(CliError, match="there is no pg_of_nobody here"):
        program("pg_of_nobody", 15)


async def test_that_ours_speaks_no_tls_is_said_with_what_to_do() -> None:
    address, environment = as_client("postgresql://u@127.0.0.1:1/d?sslmode=verify-full")
    with pytest.raises(CliError, match=r"speaks no TLS.*client programs.*on the path"):
        await run([OURS, f"--dbname={address}"], environment)


def test_an_address_is_told_as_postgresql_s_programs_read_it() -> None:
    address, environment = as_client("postgresql://u:a%23@/d?host=/tmp/a%20folder&port=5432")
    # they take a plus for a plus
    assert address == "postgresql://u@/d?host=/tmp/a%20folder&port=5432"
    assert environment["PGPASSWORD"] == "a#"  # pragma: allowlist secret
