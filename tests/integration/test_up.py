"""`tradepulse up`, whole: killed without warning it leaves nothing, and goes on where it was.

What the pages let one type is typed into the second one.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from metrics_of_stack import faults_in, metrics_of, value
from typed_pages import type_pages
from typer.testing import CliRunner

import tradepulse as tp
from tests.command import invoke
from tradepulse.cli.asyncapi import SERVICES
from tradepulse.cli.main import app

pytestmark = pytest.mark.integration

PATIENCE = 180.0


@pytest.fixture
def state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tp-") as folder:
        yield Path(folder).resolve() / "state"


def start(state: Path) -> subprocess.Popen[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"}
    }
    # a company's proxy knows nothing of this machine
    environment |= {"HTTP_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"}
    arguments = ["--symbols", "BTC/USD,ETH/USD", "--speed", "100000", "--port", "0"]
    return subprocess.Popen(
        [sys.executable, "-m", "tradepulse.cli.main", "up", "--state", str(state), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    assert process.stdout is not None
    said = ""
    deadline = time.monotonic() + PATIENCE
    for line in process.stdout:
        said += line
        if re.search(pattern, line):
            return line
        assert time.monotonic() < deadline, said
    pytest.fail(f"ended without {pattern!r}:\n{said}")


def processes_of(state: Path) -> dict[int, str]:
    """Command lines by process id; any of them may end while they are read."""
    found = {}
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            belongs = str(state) in " ".join([command, *process.environ().values()])
        except psutil.Error:
            continue
        if belongs and process.pid != os.getpid():
            found[process.pid] = command
    return found


def wait_until_gone(state: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while left := processes_of(state):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def open_to_others(state: Path) -> list[Path]:
    """What another user could read of the logs and of the broker's files."""
    found = []
    for name in ("logs", "kafka"):
        for path in (state / name, *(state / name).rglob("*")):
            # some are gone again before they are looked at
            with suppress(FileNotFoundError):
                if path.lstat().st_mode & 0o077:
                    found.append(path)
    return found


def ports_of(state: Path) -> dict[str, int]:
    """By name of each service, the port at which it answers."""
    found = {}
    for pid, command in processes_of(state).items():
        with suppress(psutil.Error):
            port = psutil.Process(pid).environ().get("HTTP_PORT")
            if port is not None and (name := re.search(r"(\w+)\.app", command)):
                found[name[1]] = int(port)
    return found


def check_metrics(state: Path) -> None:
    """What the running services tell is well formed, described, bounded, and of one system."""
    told = {name: metrics_of(port) for name, port in ports_of(state).items()}
    assert sorted(told) == sorted(SERVICES)
    for name, families in told.items():
        assert faults_in(families) == [], name
        assert value(families, "tradepulse_ready", {"condition": "start-up"}) == 1
        assert value(families, "tradepulse_event_loop_lag_seconds_count") > 0
        assert value(families, "tradepulse_db_pool", {"state": "most"}) > 0
        print(f"{name}: {sum(len(family.samples) for family in families)} series")
    executor, main = told["executor_svc"], {"account": "main"}
    assert value(executor, "tradepulse_lock_held") == 1
    for step in ("candles", "evaluations", "decided", "published"):
        assert value(executor, "tradepulse_close_to_order_seconds_count", {"step": step}) > 0
    assert value(executor, "tradepulse_equity", main) > 0
    assert value(executor, "tradepulse_equity", main) <= value(
        executor, "tradepulse_equity_peak", main
    )
    assert value(executor, "tradepulse_ledger_imbalance", main) == 0
    for name in ("signal_svc", "rl_svc", "executor_svc", "studio_svc"):
        topic = {"topic": "tradepulse.candles"}
        assert value(told[name], "tradepulse_partitions_held", topic) == 6
        assert value(told[name], "tradepulse_message_age_seconds_count", topic) > 0
        assert value(told[name], "tradepulse_handle_seconds_count", topic) > 0
    for name in ("signal_svc", "rl_svc", "executor_svc", "market_ingest"):
        assert value(told[name], "tradepulse_published_total") > 0
    active = value(told["signal_svc"], "tradepulse_active_configurations")
    assert active > 0
    # they are counted now and then
    deadline = time.monotonic() + PATIENCE
    studio = ports_of(state)["studio_svc"]
    while value(metrics_of(studio), "tradepulse_configurations_active_stored") < active:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def standing(state: Path) -> dict[str, Any]:
    """What `status` writes once everything is ready."""
    deadline = time.monotonic() + PATIENCE
    while True:
        result = CliRunner().invoke(app, ["status", "--json", "--state", str(state)])
        if result.exit_code == 0:
            return dict(json.loads(result.stdout))
        assert result.exit_code == 3, result.output
        assert time.monotonic() < deadline, result.output
        time.sleep(0.2)


def executor_of(state: Path) -> int | None:
    found = processes_of(state).items()
    return next((pid for pid, command in found if "executor_svc.app" in command), None)


async def ledger(state: Path) -> tuple[int, list[tuple[object, ...]]]:
    """How many jobs there are, and the closed trades in their order."""
    url = f"postgresql://postgres@/tradepulse?host={state / 'postgres'}&port=5432"
    connection = await asyncpg.connect(url)
    try:
        jobs = await connection.fetchval("select count(*) from training_jobs where kind = 'search'")
        trades = await connection.fetch(
            "select position_id, entry_time, exit_time, profit from positions "
            "where exit_time is not null order by exit_time, position_id"
        )
    finally:
        await connection.close()
    return jobs, [tuple(trade) for trade in trades]


def test_a_killed_run_leaves_nothing_and_goes_on(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start(state) as first:
        page = read_until(first, "^page: ")
        assert "?token=" in page
        read_until(first, r" [1-9]\d* trades")
        names = " ".join(processes_of(state).values())
        for expected in ("kafka.Kafka", "postgres", "executor_svc.app", "market_ingest.app"):
            assert expected in names
        with start(state) as second:
            assert second.wait(PATIENCE) == 1
            assert second.stdout is not None
            assert "is in use by another" in second.stdout.read()
        check_metrics(state)
        told = standing(state)
        assert (told["mode"], told["source"], told["ready"]) == ("PAPER", "replay", True)
        assert {one["service"] for one in told["services"]} >= set(SERVICES)
        assert told["active_configurations"] > 0
        with tp.connect(state) as live:
            seen = live.trades()
        jobs, before = asyncio.run(ledger(state))
        assert jobs == 1
        assert open_to_others(state) == []
        assert len(seen) > 0
        assert seen["position_id"].to_list() == [str(one[0]) for one in before[: len(seen)]]
        first.kill()
        wait_until_gone(state)

    with start(state) as again:
        assert read_until(again, "^page: ") == page
        read_until(again, "Replaying .* trades")
        jobs, after = asyncio.run(ledger(state))
        assert jobs == 1
        assert after[: len(before)] == before
        assert type_pages(state, state.parent / "typed", ports_of(state)["studio_svc"]) > 30
        # one that hangs is replaced like one that ended
        hanging = executor_of(state)
        assert hanging is not None
        os.kill(hanging, signal.SIGSTOP)
        deadline = time.monotonic() + PATIENCE
        while executor_of(state) in {None, hanging}:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert "executor_svc does not answer" in (state / "logs" / "up.log").read_text()
        again.send_signal(signal.SIGINT)
        read_until(again, "^Stopping")
        assert again.wait(PATIENCE) == 0
    wait_until_gone(state)
    # what is stopped can be read, too
    assert invoke("status", "--state", state, status=4)[0].startswith(f"nothing runs: {state}")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    every = json.loads(invoke("trades", "--state", state, "--json", "-")[0])
    assert [one["position_id"] for one in every][: len(after)] == [str(one[0]) for one in after]
    wait_until_gone(state)
