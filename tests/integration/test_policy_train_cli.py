"""The command `policy train` on a real database."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from trainings import PPO, STEPS, filled, trainer_of

from tests.command import invoke
from tradepulse.research.trainers import NO_TRAINER
from tradepulse.runtime.db import connect_pool

pytestmark = pytest.mark.integration
TRAIN = ("policy", "train")
SMALL = ("--seeds", "1", "--steps", str(STEPS), "--ppo", str(PPO).replace("'", '"'))


@pytest.fixture
def database(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[Callable[[Any], Awaitable[Any]]], Any]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    invoke("migrate")

    def on(work: Callable[[Any], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            pool = await connect_pool(database_url)
            try:
                return await work(pool)
            finally:
                await pool.close()

        return asyncio.run(run())

    return on


def refused(*more: str) -> str:
    line = invoke(*TRAIN, *more, status=1)[1]
    assert line.count("\n") == 1
    return line.removeprefix("tradepulse policy: ").rstrip()


def test_a_training_from_the_queue_to_its_report(database: Any, tmp_path: Path) -> None:
    assert refused().startswith("no configuration is active, so there are no trades to size")
    ids = database(filled)
    assert refused("--configurations", "x").startswith("--configurations x: ")
    assert refused("--seeds", "0").startswith("seeds: Input should be greater than or equal to 1")
    assert "give a range of at least 562 days" in refused("--from", "2019-01-01")
    assert refused("--ppo", '{"layers": 3}').startswith("ppo.layers: Extra inputs are not")

    told, warned = invoke(*TRAIN, *SMALL, "--detach", "--configurations", ",".join(map(str, ids)))
    job_id = told.removeprefix("training ").strip()
    assert re.fullmatch(r"[0-9a-f-]{36}", job_id)
    assert f"{NO_TRAINER}; until then the training waits" in warned
    assert "1 seed is fewer than the 8 that the gates want" in warned
    elsewhere = invoke("optimize", "--follow", job_id, status=1)[1]
    assert f"`tradepulse policy train --follow {job_id}` follows it" in elsewhere
    assert invoke(*TRAIN, "--cancel", job_id)[0] == f"training {job_id} is cancelled\n"
    assert refused("--follow", job_id) == (
        f"training {job_id} was cancelled after 0 of {STEPS} steps; `tradepulse policy train "
        f"--resume {job_id}` goes on"
    )
    assert invoke(*TRAIN, "--resume", job_id, "--detach")[0] == f"training {job_id}\n"
    assert "it need not be resumed" in refused("--resume", job_id)

    async def train(pool: Any) -> bool:
        return await trainer_of(pool, tmp_path / "checkpoints").work_once()

    assert database(train)
    told, _ = invoke(*TRAIN, "--follow", job_id)
    assert told.startswith(f"training {job_id}\nppo:")
    for words in ("REFUSED  Seeds of the training", "passed   Faults of model", "equal weights"):
        assert words in told
    assert told.endswith(f"(training {job_id[:8]}) of portfolio main: REFUSED\n")
    shown, _ = invoke("policy", "list")
    assert f"training {job_id[:8]}" in shown
