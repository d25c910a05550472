"""The portable backup: `pg_dump -Fc`, which any PostgreSQL of the same version or newer takes."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tradepulse.cli.backup import files
from tradepulse.cli.backup.database import (
    Holding,
    holding,
    is_empty,
    note,
    refuse_imbalance,
    refuse_newer,
)
from tradepulse.cli.backup.programs import as_client, program, run, server_major, tell_rows
from tradepulse.cli.errors import CliError
from tradepulse.library.progress import progress_bar
from tradepulse.runtime.db import Connection, connect

_DUMPED_FROM = re.compile(r"Dumped from database version: (\d+)")
_DUMPED_BY = re.compile(r"Dumped by pg_dump version: (\d+)")
_DATA = re.compile(r"^\d+; .* TABLE DATA ", re.MULTILINE)
_MIGRATION = re.compile(r"^(\d{4}_\w+\.sql)\t", re.MULTILINE)
_DUMPING = re.compile(r"dumping contents of table \"(?:public\.)?(.+)\"")
_RESTORING = re.compile(r"processing data for table \"(?:public\.)?(.+)\"")
_MAKING = re.compile(r"creating (?:INDEX|CONSTRAINT|FK CONSTRAINT) \"(?:public\.)?(.+)\"")


@dataclass(frozen=True, slots=True)
class Written:
    """A backup that was made.

    Attributes:
        path: of it.
        bytes: its size.
        held: what the database held a moment before.
    """

    path: Path
    bytes: int
    held: Holding


async def back_up(url: str, folder: Path) -> Written:
    """Write the database to a new file of a folder, and its checksum beside it.

    Raises:
        CliError: it is no database of ours, or pg_dump is missing, too old or fails.
    """
    connection = await connect(url)
    try:
        held = await holding(connection)
        pg_dump = program("pg_dump", await server_major(connection))
        address, environment = as_client(url)
        with files.new_backup(folder, files.PORTABLE) as (partial, name):
            partial.touch(mode=0o600)
            argv = [pg_dump, "--format=custom", "--no-owner", "--no-privileges", "--no-password"]
            # they name roles, which another server has not; `tradepulse migrate` makes them anew
            if "--no-policies" in await run([pg_dump, "--help"], environment):
                argv.append("--no-policies")
            argv += ["--verbose", f"--file={partial}", f"--dbname={address}"]
            async with _shown(connection, held.tables, [_DUMPING]) as on_line:
                await run(argv, environment, on_line)
            await asyncio.to_thread(files.keep, partial, name)
    finally:
        await connection.close()
    size = files.size(name)
    await note(url, "portable", name, size)
    return Written(name, size, held)


async def restore(url: str, backup: Path) -> Holding:
    """Bring a backup into an empty database, all of it or nothing; return what it holds then.

    Raises:
        CliError: the backup is damaged or of a newer version, the database is not empty or of an
            older PostgreSQL, or pg_restore fails.
    """
    await asyncio.to_thread(checked, backup)
    connection = await connect(url)
    try:
        if not await is_empty(connection):
            raise CliError(
                "the database is not empty, and nothing in it is overwritten: make an empty one "
                "(`createdb NAME`) and name it in DATABASE_URL, or move the state folder's "
                "`postgres` away"
            )
        major = await server_major(connection)
        pg_restore, listed = await _listed(backup, major)
        address, environment = as_client(url)
        argv = [pg_restore, "--single-transaction", "--exit-on-error", "--no-owner"]
        argv += [
            "--no-privileges",
            "--no-password",
            "--verbose",
            f"--dbname={address}",
            str(backup),
        ]
        async with _shown(connection, len(_DATA.findall(listed)), [_RESTORING, _MAKING]) as on_line:
            await run(argv, environment, on_line)
        # what the planner knows of the tables is not in the file
        await connection.execute("analyze")
        held = await holding(connection)
        await refuse_imbalance(connection)
        return held
    finally:
        await connection.close()


def checked(backup: Path) -> None:
    """Compare a backup with its checksums, and show how far it is read.

    Raises:
        CliError: it is damaged, or not whole.
    """
    with progress_bar() as bar:
        task = bar.add_task("checksum", total=files.size(backup) if backup.exists() else None)
        files.check(backup, lambda more: bar.advance(task, more))


async def _listed(backup: Path, server: int) -> tuple[str, str]:
    """Return pg_restore and the list of what is in a backup.

    Raises:
        CliError: the backup does not fit the server or this version.
    """
    _, environment = as_client("postgresql://")
    pg_restore = program("pg_restore", server)
    listed = await run([pg_restore, "--list", backup], environment)
    dumped_from, dumped_by = _DUMPED_FROM.search(listed), _DUMPED_BY.search(listed)
    if dumped_by is not None:
        pg_restore = program("pg_restore", max(server, int(dumped_by[1])))
    if dumped_from is not None and int(dumped_from[1]) > server:
        raise CliError(
            f"{backup} is of PostgreSQL {dumped_from[1]} and the server of {server}: restore it "
            f"into PostgreSQL {dumped_from[1]} or newer"
        )
    argv = [pg_restore, "--data-only", "--table=migrations", "--file=-", str(backup)]
    done = set(_MIGRATION.findall(await run(argv, environment)))
    if not done:
        raise CliError(f"{backup} has no table `migrations`: it is no backup of TradePulse")
    refuse_newer(done, str(backup))
    return pg_restore, listed


@asynccontextmanager
async def _shown(
    connection: Connection, tables: int, steps: Iterable[re.Pattern[str]]
) -> AsyncIterator[Callable[[str], None]]:
    """Show a bar of tables, and how many rows of the present one are copied."""
    with progress_bar() as bar:
        task = bar.add_task("", total=tables)

        def on_line(line: str) -> None:
            for number, step in enumerate(steps):
                if found := step.search(line):
                    bar.update(task, description=found[1], advance=0 if number else 1)

        def on_rows(name: str, rows: int) -> None:
            bar.update(task, description=f"{name}, {rows:,} rows")

        database = await connection.fetchval("select current_database()")
        looking = asyncio.create_task(tell_rows(connection, database, on_rows))
        try:
            yield on_line
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
