"""The demo's models: kept from a real training, stored again without torch, and as they were."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from tests.made_models import made_model
from tradepulse.cli.up.choice import OptionError
from tradepulse.cli.up.demo_models import demo_models, keep_models, load_models
from tradepulse.library.demo import demo_candles
from tradepulse.research.looks import JudgedRange, add_look
from tradepulse.research.model_lifecycle import promote
from tradepulse.research.model_registry import (
    NewModel,
    add_model,
    list_models,
    model_events,
    registered_policy,
    stored_model,
)
from tradepulse.research.policies.report import PolicyReport
from tradepulse.research.training_points import add_points, training_points
from tradepulse.runtime.db import connect_pool, migrate
from tradepulse.trading.policies.model_bytes import bytes_of

pytestmark = pytest.mark.integration
Pool = asyncpg.Pool


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    yield pool
    await pool.close()


async def everything(pool: Pool) -> dict[str, Any]:
    models = await list_models(pool)
    return {
        "models": models,
        "events": [await model_events(pool, one.model_id) for one in models],
        "files": [(await stored_model(pool, one.model_id)).model_id for one in models],
        "points": [await training_points(pool, one.job_id) for one in models if one.job_id],
        "jobs": await pool.fetch("select * from training_jobs where kind = 'policy'"),
        "trainings": await pool.fetch("select * from rl_trainings"),
        "looks": await pool.fetch("select * from rl_looks"),
    }


async def stored(pool: Pool, seed: int) -> UUID:
    """Store what a training leaves, and return its model's id."""
    job_id, judged = uuid4(), JudgedRange("1h", ("kraken:BTC/USD",), 0, 86_400_000)
    gates = [{"name": "costs", "title": "Higher costs", "passed": False, "verdict": "-0.1 %"}]
    new = NewModel(bytes_of(made_model(seed)), "main", "m", False, gates, job_id)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "insert into training_jobs (job_id, kind, spec, status, result, finished_at) "
            "values ($1, 'policy', $2, 'SUCCEEDED', $3, now())",
            *(job_id, {"seeds": 1}, {"seeds": [{"seed": 1, "ended": "steps"}]}),
        )
        await connection.execute(
            "insert into rl_trainings (job_id, asked, configurations, spent_s) "
            "values ($1, '{}', '[]', 1.25)",
            job_id,
        )
        row = await add_model(connection, new)
        await add_look(connection, job_id, "main", judged)
        await add_points(connection, job_id, 1, [(10, {"kl": 0.25}), (20, {"kl": None})])
    return row.model_id


async def test_a_training_is_kept_and_stored_again(
    pool: Pool, database_url: str, tmp_path: Path
) -> None:
    candles, file = tmp_path / "candles", tmp_path / "kept" / "models.json.gz"
    candles.write_bytes(b"some")
    await promote(pool, await stored(pool, 1), "SHADOW", "to look at it")
    before = await everything(pool)
    assert before["points"][0]
    assert len(before["events"][0]) == 2

    counts = await keep_models(database_url, file, candles, "abc")
    assert counts["rl_models"] == counts["training_jobs"] == counts["rl_looks"] == 1
    assert not await load_models(pool, file, candles)  # there are some

    for table in ("rl_model_events", "rl_models", "rl_looks", "training_jobs"):
        await pool.execute(f"delete from {table}")
    assert await list_models(pool) == []
    assert await load_models(pool, file, candles)
    assert await everything(pool) == before
    assert not await load_models(pool, file, candles)

    candles.write_bytes(b"others")
    with pytest.raises(OptionError, match="make it anew by `make rl-demo`"):
        await load_models(pool, file, candles)


async def test_the_demo_s_own_models_are_real(pool: Pool) -> None:
    file = demo_models()
    assert file is not None
    told = json.loads(await asyncio.to_thread(lambda: gzip.decompress(file.read_bytes())))
    assert len(told["made_by"]["commit"]) == 40
    assert await load_models(pool, file, demo_candles())
    models = await list_models(pool)
    assert len(models) >= 2
    assert models[0].stage == "SHADOW"
    assert models[0].overrides
    for row in models:
        assert row.job_id is not None
        policy = await registered_policy(pool, f"model:{row.model_id}")
        assert policy.name.startswith("ppo:")
        assert len(row.seeds) == 8
        points = await training_points(pool, row.job_id)
        assert {point.seed for point in points} == set(row.seeds)
        report = PolicyReport.of_json(row.report)
        assert report.looks >= 1
        assert row.passed == all(gate.passed for gate in report.gates)
