"""The process that ends the children of a parent that was killed.

It reads lines from its standard input, a pipe whose other end only the parent holds: `+ pid
signal` for a child that began, `- pid` for one that ended. The end of the pipe means
that the parent is gone: what is still listed is asked to end, newest first, and killed after a
while. Start it with `python -m tradepulse.embedded.reaper`.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from typing import NamedTuple

import psutil

GRACE_SECONDS = 3.0
"""Short: everything here survives a SIGKILL, and the next start waits for this."""
_POLL_SECONDS = 0.05


class Listed(NamedTuple):
    """One child: its pid (which is its group's id), the process, how to ask it to end."""

    pid: int
    process: psutil.Process | None
    """None for one that had ended before it was listed."""
    stop_signal: int


def members(child: Listed) -> list[psutil.Process]:
    """List the living processes of a child's group, the leader first.

    Another process may have taken the pid since; psutil tells, also where the clock was set.
    """
    with suppress(psutil.NoSuchProcess):
        if child.process is not None and psutil.Process(child.pid) != child.process:
            return []
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == child.pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return sorted(found, key=lambda process: process.pid != child.pid)


def reap(children: list[Listed], grace: float = GRACE_SECONDS) -> None:
    """End the children's groups: their signal newest first, SIGKILL after `grace` seconds."""
    groups = [(child, members(child)) for child in reversed(children)]
    for child, processes in groups:
        for process in processes:
            with suppress(psutil.Error):
                leads = process.pid == child.pid
                process.send_signal(child.stop_signal if leads else signal.SIGTERM)
    deadline = time.monotonic() + grace
    everyone = [process for _, processes in groups for process in processes]
    while time.monotonic() < deadline and any(_alive(process) for process in everyone):
        time.sleep(_POLL_SECONDS)
    for child, _ in groups:
        for process in members(child):
            with suppress(psutil.Error):
                process.kill()


def _alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def main() -> None:
    """Follow the parent until its pipe ends, then reap."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    listed: dict[int, Listed] = {}
    for line in sys.stdin:
        match line.split():
            case ["+", pid, ask]:
                process = None
                with suppress(psutil.NoSuchProcess):
                    process = psutil.Process(int(pid))
                listed[int(pid)] = Listed(int(pid), process, int(ask))
            case ["-", pid]:
                listed.pop(int(pid), None)
    reap(list(listed.values()))


if __name__ == "__main__":
    main()
