"""A restore that is only tried: into a scratch database, which is dropped."""

from pathlib import Path
from urllib.parse import urlsplit

from tradepulse.cli.backup import files, portable
from tradepulse.cli.backup.database import note
from tradepulse.cli.backup.portable import Written
from tradepulse.runtime.db import connect, migrate

SCRATCH = "tradepulse_drill"


async def drill(url: str, folder: Path) -> Written:
    """Restore the newest portable backup of a folder beside the database, and bring it up to date.

    Raises:
        CliError: it cannot be restored, or what it holds is not right.
    """
    backup = files.newest(folder, files.PORTABLE)
    connection = await connect(url)
    try:
        # one at a time; of one that was killed, the database is left
        await connection.execute("select pg_advisory_lock(hashtextextended($1, 0))", SCRATCH)
        await connection.execute(f"drop database if exists {SCRATCH} with (force)")
        await connection.execute(f"create database {SCRATCH}")
        scratch = urlsplit(url)._replace(path=f"/{SCRATCH}").geturl()
        try:
            held = await portable.restore(scratch, backup)
            await migrate(scratch)
        finally:
            await connection.execute(f"drop database if exists {SCRATCH} with (force)")
    finally:
        await connection.close()
    size = files.size(backup)
    await note(url, "drill", backup, size)
    return Written(backup, size, held)
