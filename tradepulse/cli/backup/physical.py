"""The physical backup: a copy of the whole server, from which archived WAL leads to any time."""

import asyncio
import json
import os
import re
import shlex
import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tradepulse.cli.backup import files
from tradepulse.cli.backup.database import Holding, holding, note
from tradepulse.cli.backup.portable import Written, checked
from tradepulse.cli.backup.programs import as_client, program, run, server_major
from tradepulse.cli.errors import CliError
from tradepulse.library.progress import progress_bar
from tradepulse.runtime.db import connect

MANIFEST = "backup_manifest"
_PROGRESS = re.compile(r"(\d+)/(\d+) kB")
_SEGMENT_BYTES = 16 << 20
_SERVER = "System-Identifier"
_LSN = re.compile(r"([0-9A-F]+)/([0-9A-F]+)")


async def back_up(url: str, folder: Path) -> Written:
    """Write a copy of the whole server to a new folder, with checksums.

    Raises:
        CliError: it is no database of ours, its user may not, or pg_basebackup is missing or fails.
    """
    connection = await connect(url)
    try:
        held = await holding(connection)
        pg_basebackup = program("pg_basebackup", await server_major(connection))
    finally:
        await connection.close()
    address, environment = as_client(url)
    with files.new_backup(folder, files.PHYSICAL) as (partial, name), progress_bar() as bar:
        task = bar.add_task("kB", total=None)

        def on_line(line: str) -> None:
            if found := _PROGRESS.search(line):
                bar.update(task, completed=int(found[1]), total=int(found[2]))

        argv = [pg_basebackup, f"--pgdata={partial}", "--format=tar", "--gzip", "--progress"]
        argv += ["--checkpoint=fast", "--wal-method=stream", "--manifest-checksums=SHA256"]
        argv += ["--no-password", f"--dbname={address}"]
        await run(argv, environment, on_line)
        await asyncio.to_thread(files.keep, partial, name)
    size = files.size(name)
    await note(url, "physical", name, size)
    return Written(name, size, held)


def unpack(backup: Path, data: Path, archive: Path | None, until: int | None) -> None:
    """Make a server's data folder of a backup, which recovers when the server starts on it.

    It is made beside and renamed, so that what has the name is whole.

    Args:
        backup: of `back_up`.
        data: the folder; missing or empty.
        archive: folder of archived WAL, read on start; None for the backup alone.
        until: epoch ms to stop at; None for the end of the archive.

    Raises:
        CliError: the backup is damaged, the folder is not empty, or there is no archive.
    """
    if until is not None and archive is None:
        raise CliError("--until needs --archive: a backup alone leads to its own end only")
    if archive is not None and not archive.is_dir():
        raise CliError(f"--archive {archive}: there is no such folder")
    if data.exists() and any(data.iterdir()):
        raise CliError(f"{data} is not empty, and nothing is overwritten: move it away")
    checked(backup)
    partial = data.with_name(data.name + ".partial")
    files.remove(partial)
    partial.mkdir(mode=0o700, parents=True)
    _unpack(backup, partial)
    if archive is not None:
        with (partial / "postgresql.auto.conf").open("a") as settings:
            settings.writelines(_recovery(archive.resolve(), until))
        (partial / "recovery.signal").touch(mode=0o600)
    if os.geteuid() == 0 and (owner := data.parent.stat()).st_uid:
        # PostgreSQL does not run as root: the folder goes to whom it lies with
        for path in (partial, *partial.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    partial.rename(data)


def _unpack(backup: Path, folder: Path) -> None:
    for name, place in (("base.tar.gz", folder), ("pg_wal.tar.gz", folder / "pg_wal")):
        with tarfile.open(backup / name) as tar:
            tar.extractall(place, filter="data")
    shutil.copyfile(backup / MANIFEST, folder / MANIFEST)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)


def _recovery(archive: Path, until: int | None) -> list[str]:
    packed = shlex.quote(f"{archive}/%f.gz").replace("'", "''")
    lines = [
        # one that is not there must not leave an empty file
        f"restore_command = 'test -f {packed} && gzip -dc {packed} > \"%p\"'\n",
        "recovery_target_timeline = 'latest'\n",
        "recovery_target_action = 'promote'\n",
    ]
    if until is not None:
        time = datetime.fromtimestamp(until / 1000, tz=UTC)
        lines.append(f"recovery_target_time = '{time:%Y-%m-%d %H:%M:%S.%f+00}'\n")
    return lines


async def recovered(url: str) -> Holding:
    """Wait until a server has come to the end of its recovery; return what it holds then."""
    connection = await connect(url)
    try:
        while await connection.fetchval("select pg_is_in_recovery()"):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.2)
        return await holding(connection)
    finally:
        await connection.close()


def drop_wal(folder: Path, archive: Path) -> int:
    """Remove the archived WAL that is older than the oldest backup needs; return how many files.

    Raises:
        CliError: there is no backup.
    """
    kept = files.backups(folder, files.PHYSICAL)
    if not kept:
        raise CliError(f"{folder} has no backup tradepulse-*{files.PHYSICAL}: make one first")
    newest = _manifest(kept[-1])
    mine = [one for one in map(_manifest, kept) if one.get(_SERVER) == newest.get(_SERVER)]
    # those of a server that was there before have names, too, which mean nothing in this archive
    first = min(map(_first_segment, mine), key=lambda segment: segment[8:])
    # the names sort as the segments do, within a timeline and from one to the next; what a timeline
    # began with (.history) is small, and kept
    old = [path for path in archive.glob("*.gz") if _is_older(path.name, first)]
    for path in old:
        path.unlink()
    return len(old)


def _manifest(backup: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((backup / MANIFEST).read_text())
    return found


def _first_segment(manifest: dict[str, Any]) -> str:
    range_ = manifest["WAL-Ranges"][0]
    found = _LSN.fullmatch(range_["Start-LSN"])
    if found is None:
        raise CliError(f"{MANIFEST} names no place to begin: {range_}")
    high, low = int(found[1], 16), int(found[2], 16)
    return f"{range_['Timeline']:08X}{high:08X}{low // _SEGMENT_BYTES:08X}"


def _is_older(name: str, first: str) -> bool:
    segment = name.partition(".")[0]
    # by their place in the log alone: a backup may be of a later timeline than what it begins in
    return len(segment) == len(first) and ".history" not in name and segment[8:] < first[8:]
