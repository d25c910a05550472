"""Backups on a disk: their names, their checksums, which is whole, and which are kept.

A backup is written under a name that ends in `.partial` and renamed at its end, checksums first:
what has the name of a backup is whole, whoever was killed.
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tradepulse.cli.errors import CliError

PORTABLE, PHYSICAL = ".dump", ".base"
SUMS = "SHA256SUMS"
"""In the folder of a physical backup; of a portable one it is `NAME.dump.sha256`."""
_PARTIAL = ".partial"
_NAME = re.compile(r"tradepulse-\d{8}T\d{6}Z\.(dump|base)")
_BLOCK = 1 << 20


@contextmanager
def new_backup(folder: Path, suffix: str) -> Iterator[tuple[Path, Path]]:
    """Lend the path to write a backup to, and its name at the end; only one at a time in a folder.

    Raises:
        CliError: another one is being written there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CliError(f"another backup is being written to {folder}: wait for it") from None
        # of those that were killed
        for left in folder.glob(f"*{_PARTIAL}"):
            remove(left)
        name = folder / f"tradepulse-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{suffix}"
        partial = name.with_name(name.name + _PARTIAL)
        try:
            yield partial, name
        finally:
            remove(partial)


def keep(partial: Path, name: Path) -> None:
    """Give a backup that is whole its name, and write its checksums before."""
    parts = sorted(partial.iterdir()) if partial.is_dir() else [partial]
    for part in parts:
        part.chmod(0o600)
        _sync(part)
    beside = partial / SUMS if partial.is_dir() else _sums_of(name)
    names = {part: name.name if part is partial else part.name for part in parts}
    lines = [f"{sha256(part)}  {names[part]}\n" for part in parts]
    temporary = beside.with_name(beside.name + _PARTIAL)
    temporary.write_text("".join(lines))
    _sync(temporary)
    temporary.rename(beside)
    partial.rename(name)
    _sync(name.parent)


def check(backup: Path, told: Callable[[int], None] = lambda _: None) -> None:
    """Compare a backup with its checksums.

    Args:
        backup: file or folder.
        told: how many bytes more have been read.

    Raises:
        CliError: it is not what was written, or has no checksums.
    """
    sums = _sums_of(backup)
    if not sums.exists() or not (lines := sums.read_text().splitlines()):
        raise CliError(f"{backup} has no checksums ({sums}): it is not whole, or not a backup")
    folder = sums.parent
    for line in lines:
        digest, _, name = line.partition("  ")
        part = folder / name
        if not part.exists():
            raise CliError(f"{backup} is damaged: {name} is missing; take another backup")
        if sha256(part, told) != digest:
            raise CliError(f"{backup} is damaged: {name} has another checksum; take another backup")


def newest(folder: Path, suffix: str) -> Path:
    """Return the newest backup of a kind.

    Raises:
        CliError: there is none.
    """
    found = backups(folder, suffix) if folder.is_dir() else []
    if not found:
        raise CliError(f"{folder} has no backup tradepulse-*{suffix}: make one first")
    return found[-1]


def backups(folder: Path, suffix: str) -> list[Path]:
    """Return the whole backups of a kind, oldest first."""
    named = (path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    return sorted(path for path in named if path.suffix == suffix)


def drop_old(folder: Path, suffix: str, count: int) -> list[Path]:
    """Remove all but the newest backups of a kind; return those that were removed."""
    old = backups(folder, suffix)[:-count]
    for path in old:
        # half of it must not look like a backup
        remove(path.rename(path.with_name(path.name + _PARTIAL)))
        if suffix == PORTABLE:
            remove(_sums_of(path))
    return old


def size(backup: Path) -> int:
    """Return the bytes of a file, or of a folder's files."""
    parts = backup.iterdir() if backup.is_dir() else [backup]
    return sum(part.stat().st_size for part in parts)


def sha256(path: Path, told: Callable[[int], None] = lambda _: None) -> str:
    """Return a file's checksum."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            told(len(block))
    return digest.hexdigest()


def remove(path: Path) -> None:
    """Remove a file or a folder, where it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sums_of(backup: Path) -> Path:
    return backup / SUMS if backup.suffix == PHYSICAL else backup.with_name(backup.name + ".sha256")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
