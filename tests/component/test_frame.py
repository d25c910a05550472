"""The frame of the services: a wrong setting or a missing part is one readable line."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tradepulse.embedded.ports import free_ports
from tradepulse.runtime.db import migrate
from tradepulse.runtime.topics import create_topics

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120
NOWHERE = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "DATABASE_URL": "postgresql://user:topsecret@127.0.0.1:1/none",
}


def run(module: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in NOWHERE}
    return subprocess.run(
        [sys.executable, "-m", module],
        env={**kept, **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


SERVICES = ("market_ingest", "signal_svc", "optimizer_svc", "rl_svc", "executor_svc", "studio_svc")


@pytest.mark.parametrize("service", SERVICES)
def test_a_missing_setting_is_one_line(service):
    done = run(f"{service}.app")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "DATABASE_URL: Field required" in done.stderr


@pytest.mark.parametrize(
    ("service", "setting", "value"),
    [
        ("executor_svc", "INITIAL_CASH", "-5"),
        ("executor_svc", "CLOCK", "sundial"),
        ("executor_svc", "MAX_TOTAL_NOTIONAL", "3"),
        ("executor_svc", "MARKETS", '{"x:A/B": {"tick": 1}}'),
        ("rl_svc", "POLICY", "gut feeling"),
        ("signal_svc", "LOG_LEVEL", "LOUD"),
        ("signal_svc", "HTTP_PORT", "99999"),
        ("signal_svc", "KAFKA_BOOTSTRAP_SERVERS", "nonsense"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(service, setting, value):
    done = run(f"{service}.app", **{**NOWHERE, setting: value})
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert setting in done.stderr
    assert "topsecret" not in done.stderr


def test_an_unreachable_database_is_one_line_without_the_password():
    done = run("signal_svc.app", **NOWHERE)
    assert done.returncode == 1
    settings, said = map(json.loads, done.stderr.splitlines())
    assert (settings["message"], settings["CLOCK_TOLERANCE_S"]) == ("settings", 60)
    assert said["level"] == "CRITICAL"
    assert "DATABASE_URL" in said["message"]
    assert "topsecret" not in done.stderr


@pytest.mark.integration
async def test_health_tells_what_is_waited_for(
    kafka_bootstrap: str, database_url: str, no_topics: object
) -> None:

    (port,) = free_ports(1)
    env = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "DATABASE_URL": database_url,
        "HTTP_PORT": str(port),
    }
    bare = run("executor_svc.app", **env)
    assert bare.returncode == 1
    assert "run `tradepulse migrate`" in bare.stderr

    await migrate(database_url)
    await create_topics(kafka_bootstrap)

    async def answer(client: httpx.AsyncClient, at: int, path: str) -> tuple[int, str]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    got = await client.get(f"http://127.0.0.1:{at}{path}")
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
                    continue
                if path != "/readyz" or got.status_code == 200 or "another" in got.text:
                    return got.status_code, got.text
                await asyncio.sleep(0.1)

    command = [sys.executable, "-m", "executor_svc.app"]
    first = subprocess.Popen(command, env=env, cwd=ROOT, stderr=subprocess.DEVNULL)
    second = None
    try:
        async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
            assert await answer(client, port, "/livez") == (200, "live\n")
            assert await answer(client, port, "/readyz") == (200, "ready\n")
            status, metrics = await answer(client, port, "/metrics")
            assert status == 200
            assert "tradepulse_closes_settled_total" in metrics
            assert (await client.get(f"http://127.0.0.1:{port}/other")).status_code == 404

            (second_port,) = free_ports(1)
            second = subprocess.Popen(
                command,
                env={**env, "HTTP_PORT": str(second_port)},
                cwd=ROOT,
                stderr=subprocess.DEVNULL,
            )
            status, text = await answer(client, second_port, "/readyz")
            assert status == 503
            assert text.endswith("the account (another executor holds it)\n")
            first.kill()
            first.wait()
            # the standby takes over
            async with asyncio.timeout(PATIENCE_S):
                while (await answer(client, second_port, "/readyz"))[0] != 200:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.1)
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.wait()
