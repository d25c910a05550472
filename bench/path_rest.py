"""What the whole system takes of a core while nothing happens: its services, and who watches them.

Broker and database are told apart: what they take is not ours.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from path_run import console

STARTED_S = 45.0
NOT_OURS = ("java", "postgres")


def processor_times(root: psutil.Process) -> dict[psutil.Process, tuple[str, float]]:
    """Return name and processor seconds of a process and all that it has started."""
    found = {}
    for process in (root, *root.children(recursive=True)):
        try:
            used = process.cpu_times()
            found[process] = name_of(process), used.user + used.system
        except psutil.Error:
            continue  # it has ended
    return found


def name_of(process: psutil.Process) -> str:
    """Return a short name: the module that runs, or the program."""
    words = process.cmdline()
    return words[words.index("-m") + 1] if "-m" in words else Path(words[0].split(":")[0]).name


def rest(folder: Path, seconds: float = 60.0) -> None:
    """Print the share of a core that the idle system takes, by process.

    Args:
        folder: for its state.
        seconds: how long it is watched.
    """
    command = ("-m", "tradepulse.cli.main", "up", "--live", "", "--state", str(folder / "state"))
    folder.mkdir(parents=True)
    with (folder / "up.log").open("w") as log:
        up = subprocess.Popen([sys.executable, *command, "--port", "0"], stdout=log, stderr=log)
    time.sleep(STARTED_S)
    root = psutil.Process(up.pid)
    before, begun = processor_times(root), time.perf_counter()
    time.sleep(seconds)
    after, took = processor_times(root), time.perf_counter() - begun
    up.send_signal(signal.SIGINT)
    up.wait(60)
    shares: dict[str, float] = {}
    for process, (name, used) in after.items():
        _, used_before = before.get(process, (name, 0.0))
        shares[name] = shares.get(name, 0.0) + 100 * (used - used_before) / took
    ours = sum(share for name, share in shares.items() if name not in NOT_OURS)
    each = ", ".join(f"{name} {share:.2f}" for name, share in sorted(shares.items()))
    console.print(f"     at rest: {ours:.1f} % of a core without broker and database ({each})")
