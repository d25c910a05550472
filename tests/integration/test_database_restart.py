"""A database that ends every session, as in a restart: the page stays, the rest comes back."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from system import DEMO, START, System

from tradepulse.embedded.ports import free_ports
from tradepulse.runtime.db import connect

pytestmark = pytest.mark.integration
PATIENCE_S = 120
OTHERS = ("signal_svc", "rl_svc", "executor_svc", "optimizer_svc", "market_ingest")
NOTICE = ("rl_svc", "executor_svc", "optimizer_svc")
"""They ask often, or hold a lock; the others ask for nothing while there are no candles."""
DAY = 86_400_000
TOKEN = "a-token-of-this-test"
_END = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
    and application_name ~ $1
"""


def ended_with_one_line(log: Path, begin: int) -> None:
    with log.open() as file:
        file.seek(begin)
        lines = [json.loads(line) for line in file]
    assert [line for line in lines if "exception" in line] == []
    assert lines[-1]["level"] == "CRITICAL", lines
    assert "database" in lines[-1]["message"]


def _last_lines(log: Path) -> str:
    return "".join(log.read_text().splitlines(keepends=True)[-5:])


async def test_every_service_outlives_a_restart_of_the_database(
    kafka_bootstrap: str, database_url: str, no_topics: object, tmp_path: Path
) -> None:
    system = System(kafka_bootstrap, database_url, tmp_path)
    await system.prepare([])
    (tmp_path / "token").write_text(TOKEN)
    names = (*OTHERS, "studio_svc")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    own = {
        # so slow that it is still there
        "market_ingest": {"REPLAY_FILE": str(DEMO), "REPLAY_FROM": str(START),
                          "REPLAY_TO": str(START + DAY), "REPLAY_SPEED": "1"},
        "studio_svc": {"STUDIO_TOKEN_FILE": str(tmp_path / "token"), "STUDIO_SERVICES": "{}"},
    }  # fmt: skip
    connection = await connect(database_url)
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:

            async def ready(name: str) -> None:
                async with asyncio.timeout(PATIENCE_S):
                    while True:
                        try:
                            got = await client.get(f"http://127.0.0.1:{ports[name]}/readyz")
                        except httpx.TransportError:
                            got = None
                            if system.processes[name].poll() is not None:
                                system.start(name)
                        if got is not None and got.status_code == 200:
                            return
                        await asyncio.sleep(0.1)

            for name in names:
                system.start(name, HTTP_PORT=str(ports[name]), **own.get(name, {}))
            for name in names:
                await ready(name)
            studio = system.processes["studio_svc"]
            ended: set[str] = set()
            for _ in range(3):
                sizes = {name: (tmp_path / f"{name}.log").stat().st_size for name in OTHERS}
                await connection.execute(_END, ".")
                # whoever asks the database now and then notices
                async with asyncio.timeout(PATIENCE_S):
                    for name in NOTICE:
                        while system.processes[name].poll() is None:  # noqa: ASYNC110 - as above
                            await asyncio.sleep(0.1)
                for name in OTHERS:
                    if (status := system.processes[name].poll()) is None:
                        continue
                    ended.add(name)
                    assert status == 1, name
                    ended_with_one_line(tmp_path / f"{name}.log", sizes[name])
                    system.start(name)
                for name in names:
                    await ready(name)
                assert studio.poll() is None, _last_lines(tmp_path / "studio_svc.log")
            assert "studio_svc" not in ended
            page = f"http://127.0.0.1:{ports['studio_svc']}/api"
            headers = {"authorization": f"Bearer {TOKEN}"}
            for _ in range(20):
                await connection.execute(_END, "^studio_svc ")
                answer = await client.get(f"{page}/overview", headers=headers)
                assert answer.status_code in (200, 503), answer.text
                if answer.status_code == 503:
                    assert "the database does not answer" in answer.json()["detail"]
            assert studio.poll() is None, _last_lines(tmp_path / "studio_svc.log")
            async with asyncio.timeout(PATIENCE_S):
                while answer.status_code != 200:
                    await asyncio.sleep(0.1)
                    answer = await client.get(f"{page}/overview", headers=headers)
            system.none_has_ended()
            assert "Traceback" not in (tmp_path / "studio_svc.log").read_text()
    finally:
        system.stop()
        await connection.close()
