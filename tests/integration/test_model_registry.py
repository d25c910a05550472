"""The registry of models on a real database: what comes in, what may go where, what is told."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import numpy as np
import pytest
import pytest_asyncio

from tests.made_models import made_model
from tradepulse.research.model_lifecycle import next_stage, promote, retire
from tradepulse.research.model_registry import (
    CHANNEL,
    NewModel,
    StoredModel,
    add_model,
    import_model,
    list_models,
    model_beginning,
    model_events,
    model_row,
    registered_policy,
    stored_model,
)
from tradepulse.research.training_points import add_points, training_points
from tradepulse.runtime.db import connect, connect_pool, migrate
from tradepulse.runtime.refusals import NotFoundError, RefusedError
from tradepulse.trading.policies.model_bytes import bytes_of

pytestmark = pytest.mark.integration
Pool = asyncpg.Pool
GATES = [
    {"name": "costs", "title": "Higher costs", "passed": False, "verdict": "-0.1 % a month"},
    {"name": "pbo", "title": "Not overfitted", "passed": True, "verdict": "0.1"},
]


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await migrate(database_url)
    pool = await connect_pool(database_url)
    yield pool
    await pool.close()


async def added(pool: Pool, seed: int, *, passed: bool | None = True, **told: Any) -> StoredModel:
    model = made_model(seed, **told.pop("manifest", {}))
    told = {"gates": GATES[1:]} | told
    new = NewModel(bytes_of(model), told.pop("portfolio", "main"), f"m{seed}", passed, **told)
    async with pool.acquire() as connection, connection.transaction():
        return await add_model(connection, new, "trained")


async def aged(pool: Pool, row: StoredModel, days: float) -> None:
    await pool.execute(
        "update rl_models set stage_since = now() - make_interval(secs => $2) where model_id = $1",
        row.model_id,
        days * 86_400,
    )


async def stages(pool: Pool) -> dict[str, str]:
    return {row.name: row.stage for row in await list_models(pool)}


def refusal(error: pytest.ExceptionInfo[RefusedError]) -> tuple[str, str]:
    return error.value.code, str(error.value)


async def test_what_passed_is_a_candidate_and_what_did_not_is_refused(pool: Pool) -> None:
    passed = await added(pool, 1)
    refused = await added(
        pool, 2, passed=False, gates=GATES, seeds=[3, 4], steps=7, metrics={"test": {"x": 1.5}}
    )
    assert (passed.stage, passed.verdict) == ("CANDIDATE", "passed all 1 gates")
    assert (refused.stage, refused.verdict) == ("REFUSED", "refused by 1 of 2 gates: Higher costs")
    assert (refused.seeds, refused.steps, refused.metrics) == ([3, 4], 7, {"test": {"x": 1.5}})
    assert (refused.timeframe, refused.mode, refused.gates) == ("30m", "signals", GATES)
    (event,) = await model_events(pool, refused.model_id)
    assert (event.from_stage, event.to_stage, event.by_person) == (None, "REFUSED", False)
    assert event.reason == "trained: refused by 1 of 2 gates: Higher costs"
    kept = await stored_model(pool, passed.model_id)
    assert kept.checksum == made_model(1).checksum
    assert await stages(pool) == {"m2": "REFUSED", "m1": "CANDIDATE"}
    results = await pool.fetch("select name, passed from pattern_training_results order by 1")
    assert [tuple(row) for row in results] == [("m1", True), ("m2", False)]


@pytest.mark.parametrize("gates", [[], GATES, [{"name": "costs"}]])
async def test_nothing_passes_that_a_gate_does_not_let_pass(pool: Pool, gates: Any) -> None:
    with pytest.raises(RefusedError) as error:
        await added(pool, 1, gates=gates)
    assert error.value.code == "wrong_verdict"
    assert await list_models(pool) == []


async def test_an_undefined_figure_costs_no_training(pool: Pool) -> None:
    row = await added(
        pool, 1, metrics={"test": {"sharpe": float("nan"), "growth": 0.5}},
        baselines={"equal": {"sharpe": float("-inf")}}, report={"looks": (1, float("inf"))},
        gates=[{"name": "sharpe", "passed": True, "figure": np.float64("nan")}],
    )  # fmt: skip
    assert row.metrics == {"test": {"sharpe": None, "growth": 0.5}}
    assert (row.baselines, row.report) == ({"equal": {"sharpe": None}}, {"looks": [1, None]})
    assert row.gates == [{"name": "sharpe", "passed": True, "figure": None}]


async def test_the_curves_of_a_training_are_kept_by_seed_and_step(pool: Pool) -> None:
    job = uuid4()
    async with pool.acquire() as connection:
        await connection.execute(
            "insert into training_jobs (job_id, spec, status) values ($1, '{}', 'RUNNING')", job
        )
        await add_points(connection, job, 2, [(10, {"reward": 1.5})])
        await add_points(connection, job, 1, [(20, {"reward": float("nan")}), (10, {"reward": 1})])
        # a resumed training measures this once more
        await add_points(connection, job, 2, [(10, {"reward": 2.5}), (20, {"reward": 3})])
    found = [
        (one.seed, one.step, one.metrics["reward"]) for one in await training_points(pool, job)
    ]
    assert found == [(1, 10, 1), (1, 20, None), (2, 10, 2.5), (2, 20, 3)]
    assert await training_points(pool, uuid4()) == []


async def test_the_same_is_kept_once(pool: Pool) -> None:
    first = await added(pool, 1, config={"steps": 5}, data={"sha256": "d"})
    with pytest.raises(RefusedError) as error:
        await added(pool, 1)
    assert refusal(error) == (
        "same_model",
        f"model {first.model_id} is in the registry already: nothing was stored",
    )
    with pytest.raises(RefusedError) as error:
        await added(pool, 2, config={"steps": 5}, data={"sha256": "d"})
    assert error.value.code == "same_training"
    await added(pool, 2, config={"steps": 6}, data={"sha256": "d"})
    await added(pool, 3, config={"steps": 5}, data={"sha256": "e"})
    # nothing is known of how these were trained
    await added(pool, 4)
    await added(pool, 5)
    assert len(await list_models(pool)) == 5
    assert await pool.fetchval("select count(*) from rl_model_events") == 5


async def test_an_import_is_refused_and_a_bad_file_is_not_stored(pool: Pool) -> None:
    row = await import_model(pool, bytes_of(made_model(1)), "main", "brought", "m.npz")
    assert (row.stage, row.passed, row.verdict) == (
        *("REFUSED", None),
        "not evaluated: no gate was asked",
    )
    (event,) = await model_events(pool, row.model_id)
    assert event.by_person
    assert event.reason == "imported from m.npz: not evaluated: no gate was asked"
    for data in (b"", b"PK\x03\x04", bytes_of(made_model(2))[:-100]):
        with pytest.raises(RefusedError) as error:
            await import_model(pool, data, "main", "bad", "m.npz")
        assert error.value.code == "unusable_model"
    assert len(await list_models(pool)) == 1


async def test_the_regular_way_needs_no_reason(pool: Pool) -> None:
    row = await added(pool, 1)
    assert next_stage(row) == "SHADOW"
    assert (await promote(pool, row.model_id, "SHADOW")).model.stage == "SHADOW"
    await aged(pool, row, 14.01)
    done = await promote(pool, row.model_id, "ACTIVE")
    assert (done.model.stage, done.replaced, done.model.overrides) == ("ACTIVE", None, [])
    told = [(e.from_stage, e.to_stage, e.reason) for e in await model_events(pool, row.model_id)]
    assert told[1:] == [
        ("CANDIDATE", "SHADOW", "passed all 1 gates"),
        ("SHADOW", "ACTIVE", "after 14 days in SHADOW"),
    ]


@pytest.mark.parametrize(
    ("passed", "to", "objection"),
    [
        (False, "SHADOW", "refused by 1 of 2 gates: Higher costs"),
        (None, "SHADOW", "not evaluated: no gate was asked"),
        (True, "ACTIVE", "it is not in SHADOW, where a model stays 14 days"),
    ],
)
async def test_a_rule_is_set_aside_only_with_a_reason_that_stays(
    pool: Pool, passed: bool | None, to: Any, objection: str
) -> None:
    row = await added(pool, 1, passed=passed, gates=GATES[1:] if passed else GATES)
    for nothing in ("", " \n"):
        with pytest.raises(RefusedError) as error:
            await promote(pool, row.model_id, to, nothing)
        assert error.value.code == "needs_reason"
        assert str(error.value) == (
            f"model {row.model_id} goes to {to} only with a reason, which stays with it: "
            f"{objection}"
        )
    assert await model_row(pool, row.model_id) == row
    changed = (await promote(pool, row.model_id, to, "for the test")).model
    assert (changed.stage, changed.overrides) == (to, [f"{objection}. Reason: for the test"])
    event = (await model_events(pool, row.model_id))[-1]
    assert event.reason == f"for the test (set aside: {objection})"
    assert (event.by_person, event.evidence) == (True, {"set_aside": [objection]})


async def test_a_short_shadow_and_refused_gates_are_asked_for_again(pool: Pool) -> None:
    row = await added(pool, 1, passed=False, gates=GATES)
    await promote(pool, row.model_id, "SHADOW", "first")
    await aged(pool, row, 13.99)
    gates = "refused by 1 of 2 gates: Higher costs"
    with pytest.raises(RefusedError, match=f"{gates}; in SHADOW for 13.9 days, not 14"):
        await promote(pool, row.model_id, "ACTIVE")
    await aged(pool, row, 15)
    with pytest.raises(RefusedError, match=f"stays with it: {gates}$"):
        await promote(pool, row.model_id, "ACTIVE")
    changed = (await promote(pool, row.model_id, "ACTIVE", "second")).model
    assert changed.overrides == [f"{gates}. Reason: {why}" for why in ("first", "second")]


async def test_what_comes_to_be_active_retires_the_other_and_can_be_rolled_back(
    pool: Pool,
) -> None:
    old, new = await added(pool, 1), await added(pool, 2)
    elsewhere = await added(pool, 3, portfolio="second")
    for row in (elsewhere, old):
        await promote(pool, row.model_id, "ACTIVE", "go")
    done = await promote(pool, new.model_id, "ACTIVE", "better")
    assert done.replaced is not None
    assert (done.replaced.model_id, done.replaced.stage) == (old.model_id, "RETIRED")
    assert await stages(pool) == {"m1": "RETIRED", "m2": "ACTIVE", "m3": "ACTIVE"}
    event = (await model_events(pool, old.model_id))[-1]
    assert event.reason == f"replaced by m2 ({new.model_id})"
    assert event.evidence == {"replaced_by": str(new.model_id)}
    assert (await model_events(pool, new.model_id))[-1].evidence["replaced"] == str(old.model_id)
    with pytest.raises(RefusedError, match="it was retired"):
        await promote(pool, old.model_id, "ACTIVE")
    back = await promote(pool, old.model_id, "ACTIVE", "roll back")
    assert back.replaced is not None
    assert back.replaced.model_id == new.model_id
    assert await stages(pool) == {"m1": "ACTIVE", "m2": "RETIRED", "m3": "ACTIVE"}


async def test_what_may_not_be(pool: Pool) -> None:
    row = await added(pool, 1)
    rebalance = await added(pool, 2, manifest={"mode": "rebalance"})
    with pytest.raises(RefusedError) as error:
        await promote(pool, rebalance.model_id, "SHADOW", "please")
    assert error.value.code == "rebalance_model"
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(
            "update rl_models set stage = 'ACTIVE' where model_id = $1", rebalance.model_id
        )
    # nor where somebody wrote another mode beside its file
    await pool.execute("update rl_models set mode = 'signals'")
    with pytest.raises(RefusedError) as error:
        await promote(pool, rebalance.model_id, "ACTIVE", "please")
    assert error.value.code == "rebalance_model"
    await promote(pool, row.model_id, "ACTIVE", "go")
    for to, code in (("ACTIVE", "same_stage"), ("SHADOW", "wrong_stage")):
        with pytest.raises(RefusedError) as error:
            await promote(pool, row.model_id, to, "again")  # type: ignore[arg-type]  # one of both
        assert error.value.code == code
    with pytest.raises(RefusedError) as error:
        await retire(pool, row.model_id, " ")
    assert error.value.code == "no_reason"
    retired = await retire(pool, row.model_id, "drift", evidence={"psi": 0.4}, by_person=False)
    assert retired.stage == "RETIRED"
    event = (await model_events(pool, row.model_id))[-1]
    assert (event.reason, event.by_person, event.evidence) == ("drift", False, {"psi": 0.4})
    with pytest.raises(RefusedError) as error:
        await retire(pool, row.model_id, "again")
    assert error.value.code == "same_stage"
    for unknown in (promote(pool, uuid4(), "SHADOW"), retire(pool, uuid4(), "x")):
        with pytest.raises(NotFoundError):
            await unknown


async def test_of_two_promotions_at_the_same_moment_one_model_is_active(pool: Pool) -> None:
    rows = [await added(pool, seed) for seed in range(6)]
    done = await asyncio.gather(*(promote(pool, r.model_id, "ACTIVE", "now") for r in rows))
    assert sorted((await stages(pool)).values()) == ["ACTIVE"] + ["RETIRED"] * 5
    # each but the first came in another's place, and said whose
    replaced = [one.replaced.model_id for one in done if one.replaced is not None]
    assert len(replaced) == len(set(replaced)) == 5
    first, second = rows[:2]
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(
            "update rl_models set stage = 'ACTIVE' where model_id = any($1)",
            [first.model_id, second.model_id],
        )


async def test_a_change_is_told_once_it_holds(pool: Pool, database_url: str) -> None:
    told: list[str] = []
    listener = await connect(database_url)
    await listener.add_listener(CHANNEL, lambda *said: told.append(said[-1]))
    row = await added(pool, 1, portfolio="second")
    await promote(pool, row.model_id, "ACTIVE", "go")
    with pytest.raises(RefusedError):
        await promote(pool, row.model_id, "ACTIVE", "go")
    await retire(pool, row.model_id, "stop")
    await listener.execute("select 1")
    assert told == ["second", "second"]
    await listener.close()


async def test_what_was_changed_in_the_database_is_not_used(pool: Pool) -> None:
    row, other = await added(pool, 1), await added(pool, 2)
    artifact = bytes_of(made_model(1))
    other_bytes = bytes_of(made_model(3))
    for changed, words in (
        (artifact[:-1], "its checksum is not the one"),
        (artifact.replace(b'"seeds"', b'"seedz"', 1), "its checksum is not the one"),
        (b"", "its checksum is not the one"),
    ):
        await _write(pool, row.model_id, changed)
        with pytest.raises(RefusedError, match=words) as error:
            await stored_model(pool, row.model_id)
        assert error.value.code == "damaged_model"
    # with its checksum beside it
    for changed, words in (
        (artifact[:-1], "cut short or damaged"),
        (other_bytes, f"its file is that of model {made_model(3).model_id}"),
    ):
        await _write(pool, row.model_id, changed)
        await pool.execute(
            "update rl_models set artifact_sha256 = encode(sha256(artifact), 'hex') "
            "where model_id = $1",
            row.model_id,
        )
        with pytest.raises(RefusedError, match=words):
            await registered_policy(pool, f"model:{row.model_id}")
    with pytest.raises(RefusedError, match="damaged"):
        await promote(pool, row.model_id, "ACTIVE", "whatever it is")
    assert (await registered_policy(pool, f"model:{other.model_id}", 2.0)).budget == 2.0


async def test_a_model_is_found_by_how_its_id_begins(pool: Pool) -> None:
    rows = [await added(pool, seed) for seed in (1, 2)]
    for row in rows:
        assert await model_beginning(pool, str(row.model_id)[:8].upper()) == row.model_id
    for start in ("", "zz", "%"):
        with pytest.raises(NotFoundError):
            await model_beginning(pool, start)
    await pool.execute("delete from rl_model_events")
    await pool.execute(
        "update rl_models set model_id = overlay(model_id::text placing 'aaaaaaaa' from 1)::uuid"
    )
    with pytest.raises(RefusedError) as error:
        await model_beginning(pool, "aaaaaaaa")
    assert error.value.code == "several_models"


async def _write(pool: Pool, model_id: UUID, artifact: bytes) -> None:
    await pool.execute("update rl_models set artifact = $2 where model_id = $1", model_id, artifact)
