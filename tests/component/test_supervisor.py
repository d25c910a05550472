"""The supervisor and the reaper, on trivial programs."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tradepulse.embedded.children import Children
from tradepulse.embedded.ports import free_ports
from tradepulse.embedded.supervisor import Backoff, Patience, Program, Supervisor, rotate

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('up', flush=True); time.sleep(600)"
)
PARENT = (
    "import subprocess, sys, time; "
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    "print(p.pid, flush=True); time.sleep(600)"
)
QUICK = Backoff(first=0.1, longest=0.4, healthy=60)


async def until(holds: Callable[[], object], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold"
        await asyncio.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def program(name: str, code: str, children: Children, folder: Path) -> Program:
    argv = [sys.executable, "-c", code]
    return Program(name, argv, os.environ, children, folder / f"{name}.log")


def test_pauses_double_up_to_a_limit_and_start_again_after_health() -> None:
    backoff = Backoff(first=1, longest=5, healthy=60)
    pauses = [0.0]
    for lived in (1, 1, 1, 1, 61, 1):
        pauses.append(backoff.after(pauses[-1], lived))
    assert pauses[1:] == [1, 2, 4, 5, 1, 2]


async def test_a_killed_program_is_started_again(tmp_path: Path) -> None:
    async with Children() as children:
        supervisor = Supervisor(tmp_path, QUICK)
        await supervisor.start(a=program("a", SLEEPER, children, tmp_path))
        (kept,) = supervisor.kept
        first = kept.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: kept.restarts == 1 and kept.state == "running")
        assert kept.pid not in {None, first}
        assert kept.reason == "killed by signal 9"
        second = kept.pid
        assert second is not None
        await supervisor.stop()
        assert kept.state == "stopped"
        assert gone(second)


async def test_a_program_that_keeps_failing_waits_longer_each_time(tmp_path: Path) -> None:
    async with Children() as children:
        supervisor = Supervisor(tmp_path, QUICK)
        failing = program("f", "import sys; print('no way'); sys.exit(3)", children, tmp_path)
        began = time.monotonic()
        await supervisor.start(f=failing)
        (kept,) = supervisor.kept
        await until(lambda: kept.restarts >= 4)
        assert time.monotonic() - began >= 0.1 + 0.2 + 0.4 + 0.4
        assert kept.reason == "ended with exit code 3"
        await supervisor.stop()
        assert "no way" in (tmp_path / "f.log").read_text()


async def test_layers_stop_in_reverse_order_and_the_stubborn_are_killed(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import signal, sys, time, pathlib
        def end(*_):
            pathlib.Path(sys.argv[1]).write_text(str(time.monotonic_ns()))
            sys.exit(0)
        signal.signal(signal.SIGTERM, end)
        print("up", flush=True)
        time.sleep(600)
    """)
    async with Children() as children:
        supervisor = Supervisor(tmp_path, QUICK)

        def named(name: str) -> Program:
            argv = [sys.executable, "-c", code, str(tmp_path / f"{name}.end")]
            return Program(name, argv, os.environ, children, tmp_path / f"{name}.log")

        await supervisor.start(low=named("low"))
        await supervisor.start(mid=named("mid"))
        stubborn = children.spawn(
            "stubborn", [sys.executable, "-c", STUBBORN], log=tmp_path / "stubborn.log"
        )
        names = ("low", "mid", "stubborn")
        await until(lambda: all((tmp_path / f"{n}.log").read_text() for n in names))
        await supervisor.stop()
        ends = {n: int((tmp_path / f"{n}.end").read_text()) for n in ("low", "mid")}
        assert ends["mid"] < ends["low"]
        await stubborn.stop(timeout=0.3)
        assert stubborn.exit_code == -signal.SIGKILL


async def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    async with Children() as children:
        child = children.spawn("p", [sys.executable, "-c", PARENT], log=tmp_path / "p.log")
        await until(lambda: (tmp_path / "p.log").read_text().endswith("\n"))
        grandchild = int((tmp_path / "p.log").read_text())
        await child.kill()
        await until(lambda: gone(grandchild))


async def test_nothing_survives_a_killed_supervisor(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import asyncio, os, sys
        from pathlib import Path
        from tradepulse.embedded.children import Children
        from tradepulse.embedded.supervisor import Program, Supervisor

        async def main():
            logs = Path({str(tmp_path)!r})
            children = Children()
            supervisor = Supervisor(logs)
            def program(name, code):
                argv = [sys.executable, "-c", code]
                return Program(name, argv, os.environ, children, logs / f"{{name}}.log")
            await supervisor.start(sleeper=program("sleeper", {SLEEPER!r}))
            await supervisor.start(parent=program("parent", {PARENT!r}))
            while not (logs / "parent.log").read_text().endswith("\\n"):
                await asyncio.sleep(0.02)
            pids = [kept.pid for kept in supervisor.kept] + [children.reaper_pid]
            print(*pids, flush=True)
            await asyncio.sleep(600)

        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        pids.append(int((tmp_path / "parent.log").read_text()))
        assert len(pids) == 4
        assert not any(gone(pid) for pid in pids)
        supervisor.kill()
    await until(lambda: all(gone(pid) for pid in pids))


async def test_a_killed_reaper_is_replaced(tmp_path: Path) -> None:
    async with Children() as children:
        children.spawn("a", [sys.executable, "-c", SLEEPER], log=tmp_path / "a.log")
        former = children.reaper_pid
        os.kill(former, signal.SIGKILL)
        await until(lambda: gone(former))
        children.spawn("b", [sys.executable, "-c", SLEEPER], log=tmp_path / "b.log")
        assert children.reaper_pid != former


def test_a_long_log_is_rotated_under_its_writer(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        rotate(log, limit=200)
        assert not (tmp_path / "a.log.1").exists()
        rotate(log, limit=50)
        writer.write(b"new")
    assert (tmp_path / "a.log.1").stat().st_size == 100
    assert log.read_bytes() == b"new"


async def test_a_program_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    async with Children() as children:
        with pytest.raises(FileNotFoundError):
            children.spawn("x", ["/no/such/program"], log=tmp_path / "x.log")


ANSWERS = """
import http.server, pathlib, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        sick = pathlib.Path(sys.argv[2])
        self.send_response(503 if sick.exists() else 200 if self.path == "/livez" else 404)
        self.end_headers()

    def log_message(self, *_):
        pass

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
IMPATIENT = Patience(every=0.05, answer=0.3, failures=3, start=10)


def answering(children: Children, folder: Path) -> Program:
    (port,) = free_ports(1)
    argv = [sys.executable, "-c", ANSWERS, str(port), str(folder / "sick")]
    return Program("a", argv, os.environ, children, folder / "a.log", port)


async def test_a_program_that_hangs_is_replaced(tmp_path: Path) -> None:
    async with Children() as children:
        supervisor = Supervisor(tmp_path, QUICK, IMPATIENT)
        part = answering(children, tmp_path)
        await supervisor.start(a=part)
        (kept,) = supervisor.kept
        while not await part.answers():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.02)
        first = kept.pid
        assert first is not None
        # long enough to have been asked
        await asyncio.sleep(0.5)
        assert kept.pid == first
        os.kill(first, signal.SIGSTOP)
        await until(lambda: kept.restarts == 1 and kept.state == "running")
        assert kept.reason == "hung"
        assert gone(first)
        while not await part.answers():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.02)
        (tmp_path / "sick").touch()
        await until(lambda: kept.restarts == 2)
        assert kept.reason == "hung"
        (tmp_path / "sick").unlink()
        await until(lambda: kept.state == "running")
        await supervisor.stop()


async def test_a_program_may_take_its_time_to_answer_first(tmp_path: Path) -> None:
    async with Children() as children:
        patience = Patience(every=0.02, answer=0.1, failures=3, start=120)
        supervisor = Supervisor(tmp_path, QUICK, patience)
        (port,) = free_ports(1)
        argv = [sys.executable, "-c", SLEEPER]
        part = Program("a", argv, os.environ, children, tmp_path / "a.log", port)
        await supervisor.start(a=part)
        (kept,) = supervisor.kept
        await until((tmp_path / "a.log").read_text)
        await asyncio.sleep(1)
        assert kept.restarts == 0
        await supervisor.stop()
        # but not for ever
        supervisor = Supervisor(tmp_path, QUICK, replace(patience, start=0.2))
        await supervisor.start(a=part)
        (kept,) = supervisor.kept
        await until(lambda: kept.restarts >= 1)
        assert kept.reason == "hung"
        await supervisor.stop()
