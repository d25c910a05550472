"""The state folder: everything that one run keeps on this machine, locked while it is in use."""

import fcntl
import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tradepulse.embedded.addresses import TOKEN_FILE
from tradepulse.embedded.children import EmbeddedError

_LOCK = "tradepulse.lock"
_PATIENCE_SECONDS = 20.0


class StateFolder:
    """A locked state folder; `close` unlocks it.

    Attributes:
        path: the folder, absolute.
        logs: the folder of the logs in it.
        lock: file descriptor that holds the lock, to be handed to the reaper: the folder stays
            locked until the last process in it has ended.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.logs = path / "logs"
        self.lock = lock

    @classmethod
    def open(cls, path: Path, *, fresh: bool = False) -> "StateFolder":
        """Make the folder where it is missing, and lock it.

        A folder whose last run was killed is waited for while that run's processes end.

        Args:
            path: the folder.
            fresh: remove what is in it first.

        Raises:
            EmbeddedError: it is in use, or holds something else; one readable line.
            OSError: it cannot be written.
        """
        path = path.resolve()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(path.iterdir()) and not (path / _LOCK).exists():
            raise EmbeddedError(
                f"{path} holds other files: choose an empty or a new folder with --state DIR"
            )
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(path, lock)
            if fresh:
                _empty(path)
            os.truncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            (path / "logs").mkdir(exist_ok=True)
            _close(path)
        except BaseException:
            os.close(lock)
            raise
        return cls(path, lock)

    def token(self) -> str:
        """Give the page's token, made at the first call and kept in `token_file`."""
        if not self.token_file.exists():
            partial = self.path / f"{TOKEN_FILE}.partial"
            partial.unlink(missing_ok=True)
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(24))
            partial.rename(self.token_file)
        return self.token_file.read_text().strip()

    @property
    def token_file(self) -> Path:
        """The file of the page's token, readable by its owner only."""
        return self.path / TOKEN_FILE

    def close(self) -> None:
        """Unlock the folder, unless a process that was handed the lock still runs."""
        os.close(self.lock)


def _close(path: Path) -> None:
    """Let nobody else look into the folder, nor into one that an older version left open.

    The folder itself is opened for passing through where PostgreSQL runs as another user.
    """
    for folder in (path, path / "logs", path / "kafka"):
        with suppress(FileNotFoundError):
            folder.chmod(0o700)


def _take(path: Path, lock: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode()
            # nobody yet is one who only looks, or who has just taken it
            ending = not holder or (holder.isdigit() and not psutil.pid_exists(int(holder)))
            if not ending or time.monotonic() > deadline:
                raise EmbeddedError(
                    f"{path} is in use by another `tradepulse up` (process {holder or 'unknown'}):"
                    " stop it first, or choose another folder with --state DIR"
                ) from None
            time.sleep(0.1)
        else:
            return


def _empty(path: Path) -> None:
    for entry in path.iterdir():
        if entry.name == _LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def lock_holder(path: Path) -> str | None:
    """Give the process id of the run that holds the folder, or None where nobody does."""
    try:
        lock = os.open(path / _LOCK, os.O_RDWR)
    except OSError:
        return None
    try:
        # shared: two who look do not take each other for a run
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(lock, 32, 0).decode() or "unknown"
    finally:
        os.close(lock)
    return None
