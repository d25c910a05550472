"""Child processes that never outlive their parent, whatever ends it.

Every child runs in a session of its own, so a Ctrl-C in the terminal reaches only the parent,
which then stops its children in order. Should the parent be killed without a chance to do so,
a small reaper process (`tradepulse.embedded.reaper`) sees the end of its pipe and stops them.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

_POLL_SECONDS = 0.02


class EmbeddedError(RuntimeError):
    """A part of the one-machine set could not be started; the message is one readable line."""


class Child:
    """One running (or ended) child process, leader of its own process group.

    Attributes:
        name: what to call it in messages and its log file.
        pid: process id, which is its process group's id too.
        stop_signal: the signal that asks it for a clean end.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes], stop_signal: int) -> None:
        self.name = name
        self.pid = process.pid
        self.stop_signal = stop_signal
        self._process = process

    @property
    def exit_code(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109 - polled, see below
        """Wait up to `timeout` seconds; say whether it has ended.

        Polled, because a child may be started in one event loop and awaited in another.
        """
        deadline = time.monotonic() + timeout
        while self.running:
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    async def stop(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - then it is killed
        """Ask it to end; after `timeout` seconds kill it, and what is left of its group."""
        if self.running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, self.stop_signal)
            await self.wait(timeout)
        await self.kill()

    async def kill(self) -> None:
        """End it, and all processes of its group, with SIGKILL."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self.running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            await self.wait(10.0)


def _private(path: str, flags: int) -> int:
    # a log tells what is traded
    return os.open(path, flags, 0o600)


class Children:
    """Starts children and tells the reaper of them.

    Args:
        hold: file descriptors that the reaper keeps open until all children have ended, such as
            the lock of the folder they work in.
    """

    def __init__(self, hold: Sequence[int] = ()) -> None:
        self._hold = tuple(hold)
        self._alive: dict[int, Child] = {}
        self._reaper = self._start_reaper()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def reaper_pid(self) -> int:
        """Process id of the reaper."""
        return self._reaper.pid

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop_signal: int = signal.SIGTERM,
        user: tuple[int, int] | None = None,
    ) -> Child:
        """Start a process whose output is appended to `log`.

        Args:
            name: what to call it.
            argv: program and arguments.
            log: the file its output goes to; its folder exists.
            env: its whole environment; None is this process's own.
            cwd: its working folder.
            stop_signal: the signal that asks it for a clean end.
            user: user and group id to run as, where this process may choose.

        Raises:
            OSError: the program or the log file cannot be opened.
        """
        with open(log, "ab", opener=_private) as out:
            process = subprocess.Popen(  # noqa: S603 - our own programs
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=None if env is None else dict(env),
                cwd=cwd,
                start_new_session=True,
                user=user[0] if user else None,
                group=user[1] if user else None,
                extra_groups=[] if user else None,
            )
        child = Child(name, process, stop_signal)
        self._alive[child.pid] = child
        self._tell(f"+ {child.pid} {int(stop_signal)}")
        return child

    def forget(self, child: Child) -> None:
        """Drop a child that has ended."""
        if self._alive.pop(child.pid, None) is not None:
            self._tell(f"- {child.pid}")

    async def close(self) -> None:
        """Stop what still runs, newest first, then the reaper."""
        for child in reversed(tuple(self._alive.values())):
            await child.stop()
            self.forget(child)
        stdin = self._reaper.stdin
        if stdin is not None:
            stdin.close()
        await asyncio.to_thread(self._reaper.wait)

    def _start_reaper(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tradepulse.embedded.reaper"],
            bufsize=0,  # nothing may linger here when this process is killed
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=self._hold,
        )

    def _tell(self, line: str) -> None:
        stdin = self._reaper.stdin
        assert stdin is not None  # noqa: S101 - opened as a pipe above
        try:
            stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            # Somebody killed the reaper: a new one learns of all that live.
            stdin.close()
            self._reaper.wait()
            self._reaper = self._start_reaper()
            for child in self._alive.values():
                self._tell(f"+ {child.pid} {int(child.stop_signal)}")


def last_line(log: Path) -> str:
    """Give the last line of a log that says anything, to be shown in an error."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4096))
        lines = stream.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no output")
