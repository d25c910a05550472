"""Plausible rows of models, trainings and weights over time, made without chance."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from contracts.events import NAMESPACE
from tests.component.studio_rows import EXCHANGE, HALF_HOUR, START, SYMBOLS, configuration_id
from tests.made_models import made_model
from tradepulse.research.model_lifecycle import promote
from tradepulse.research.model_registry import NewModel, StoredModel, add_model
from tradepulse.research.policies.baselines import HELD, TITLES
from tradepulse.research.policies.gates import GATES
from tradepulse.research.policies.report import (
    Compared,
    Figures,
    PolicyGate,
    PolicyReport,
    Row,
    Span,
)
from tradepulse.research.training_points import add_points
from tradepulse.runtime.db import at
from tradepulse.trading.policies.model_bytes import bytes_of

INSTRUMENTS = tuple(f"{EXCHANGE}:{symbol}" for symbol in SYMBOLS)
DAY = 86_400_000
TRAINED, RUNNING = uuid5(NAMESPACE, "trained policy"), uuid5(NAMESPACE, "policy in training")
SEEDS = 8
WARNING = "Only 92 of 142 days of the test range have candles of all instruments."
_FIGURES = {
    "test_days": (142.0, 90.0),
    "baselines": (-59.84, 0.0),
    "cost_stress": (-60.11, 0.0),
    "seeds": (8.0, 8.0),
    "seeds_agree": (0.75, 0.75),
    "seeds_mean": (1.2, 0.0),
    "overfitting": (0.44, 0.2),
    "deflated_sharpe": (0.31, 0.95),
    "drawdown": (9.1, 11.4),
    "exposure": (0.92, 0.5),
    "sanity": (0.0, 0.0),
}


def _passes(name: str, figure: float, threshold: float) -> bool:
    sign = GATES[name][2]  # type: ignore[index]  # the names are those of the table
    return {"<=": figure <= threshold, ">=": figure >= threshold, ">": figure > threshold}[sign]


def gate(name: str, figure: float, threshold: float) -> PolicyGate:
    title, unit, comparison = GATES[name]  # type: ignore[index]  # as above
    passed = _passes(name, figure, threshold)
    return PolicyGate(
        name=name, title=title, passed=passed, figure=figure, unit=unit, threshold=threshold,
        comparison=comparison,
        verdict="It is so on this range." if passed else "In 142 days chance alone gives as much.",
    )  # fmt: skip


def policy_report(name: str, *, passed: bool = False) -> PolicyReport:
    """What an evaluation tells: refused by four gates, or passed by all."""
    figures = _FIGURES | (
        {"baselines": (1.8, 0.0), "cost_stress": (0.9, 0.0), "overfitting": (0.1, 0.2),
         "deflated_sharpe": (0.97, 0.95)} if passed else {}
    )  # fmt: skip

    def row(n: int, key: str, title: str) -> Row:
        own = {
            part: Figures(
                growth_pct=round(14 - 3.7 * n - 9 * m, 2), sharpe=round(1.6 - 0.3 * n, 2),
                max_drawdown_pct=8.0 + n, exposure=0.31, costs_pct=2.4, trades=140 - 40 * m,
            )
            for m, part in enumerate(("train", "validation", "test"))
        }  # fmt: skip
        return Row(name=key, title=title, parts=own)

    compared = tuple(
        Compared(
            name=key, title=title, is_judged=key != HELD,
            excess_pct=round(5.5 + (0.4 if passed else -2.1) * n, 2),
            lower_pct=round((1.8 if passed else -9.0) - 1.1 * n * (not passed), 2),
            smallest_pct=11.27, chance=0.2 + 0.05 * n, joint_chance=0.9,
        )
        for n, (key, title) in enumerate(TITLES.items())
    )  # fmt: skip
    return PolicyReport(
        policy=name,
        label="sizing",
        parts={
            "train": Span(start=START - 640 * DAY, end=START - 214 * DAY, days=426),
            "validation": Span(start=START - 205 * DAY, end=START - 63 * DAY, days=142),
            "test": Span(start=START - 54 * DAY, end=START + 88 * DAY, days=142),
        },
        embargo_days=9, looks=2, seeds=SEEDS, budget=1.0, rival="equal",
        smallest_excess_pct=11.27, smallest_sharpe=2.64, scale=0.6,
        constant=dict.fromkeys(INSTRUMENTS, 0.3), held=INSTRUMENTS[:1],
        table=(row(0, name, name), *(row(n + 1, k, t) for n, (k, t) in enumerate(TITLES.items()))),
        compared=compared,
        gates=tuple(gate(key, *told) for key, told in figures.items()),
        warnings=() if passed else (WARNING,),
    )  # fmt: skip


async def model(
    pool: "asyncpg.Pool[Any]", number: int, name: str, *, passed: bool = False, job: UUID | None
) -> StoredModel:
    """Store a model that was evaluated."""
    report = policy_report(name, passed=passed).as_json()
    trained_on = [
        {"configuration_id": str(configuration_id(symbol, "sma_cross")), "revision": 1}
        for symbol in SYMBOLS
    ]
    new = NewModel(
        bytes_of(made_model(number, instruments=INSTRUMENTS)), "main", name, passed,
        report["gates"], job_id=job, config={"steps": 1_000_000, "number": number},
        configurations=trained_on, data={"sha256": f"{number:064x}"},
        seeds=list(range(1, SEEDS + 1)), steps=1_000_000, report=report,
    )  # fmt: skip
    async with pool.acquire() as connection, connection.transaction():
        return await add_model(connection, new, "trained")


async def jobs(pool: "asyncpg.Pool[Any]") -> None:
    """A training that ended and one that runs, with their points."""
    insert = (
        "insert into training_jobs (job_id, kind, spec, status, done, total, started_at, "
        "finished_at, heartbeat_at, created_at, result) values "
        "($1, 'policy', $2, $3, $4, 8000000, now() - interval '9 minutes', $5, now(), $6, $7)"
    )
    now = datetime.now(UTC)
    ended = [
        {"seed": seed, "ended": "no_gain" if seed % 3 else "steps"} for seed in range(1, SEEDS + 1)
    ]
    await pool.execute(
        insert,
        *(TRAINED, {"name": "first look"}, "SUCCEEDED", 8_000_000, now, now - timedelta(1)),
        {"seeds": ended},
    )
    await pool.execute(
        insert, RUNNING, {"name": "wider nets"}, "RUNNING", 3_100_000, None, now, None
    )
    async with pool.acquire() as connection:
        for job, updates in ((TRAINED, 61), (RUNNING, 24)):
            for seed in range(1, SEEDS + 1):
                last = updates - 6 * (seed % 3) if job == TRAINED else updates
                rows = [(n * 16_384, _point(seed, n)) for n in range(1, last + 1)]
                await add_points(connection, job, seed, rows)


def _point(seed: int, n: int) -> dict[str, Any]:
    risen = 1 - math.exp(-n / 14)
    wave = math.sin(n * 0.7 + seed * 2.1)
    return {
        "update": n,
        "reward": 4 * risen + 0.5 * wave + 0.1 * seed,
        "validation_excess": (
            0.05 * risen - 0.0006 * n + 0.008 * wave + 0.003 * (seed - 5) if n % 5 == 0 else None
        ),
        "entropy": 3.4 - 0.02 * n,
        "std": 1 - 0.006 * n,
        "kl": 0.02 + 0.01 * abs(wave),
        "clip_fraction": 0.12 + 0.03 * wave,
        "explained_variance": risen * 0.4,
        "steps_per_s": 61_000 + 900 * wave,
    }


async def weights(
    pool: "asyncpg.Pool[Any]", closes: int, active: UUID, shadow: UUID, *, first: int = 150
) -> None:
    """Vectors of every close: inverse volatility, then a model, with a fallback in between."""
    rows, beside = [], []
    for n in range(1, closes + 1):
        swing = 0.1 * math.sin(n / 23)
        vector = {
            INSTRUMENTS[0]: round(0.42 + swing, 6),
            INSTRUMENTS[1]: round(0.27 - swing / 2, 6),
            INSTRUMENTS[2]: round(0.2 + 0.05 * math.sin(n / 9), 6),
        }
        model_id = None if n <= first else active
        fallback = "not_finite" if 260 < n <= 290 else None
        by = "inverse_volatility" if model_id is None or fallback else f"ppo:{str(active)[:8]}"
        when = at(START + n * HALF_HOUR)
        rows.append(("main", when, by, vector, [], 1.0, model_id, fallback))
        beside.append(("main", when, shadow, f"ppo:{str(shadow)[:8]}", vector, [], 1.0, None))
    await pool.execute("delete from portfolio_weights")
    await pool.executemany(
        "insert into portfolio_weights (portfolio, close_time, policy, weights, missing, budget, "
        "model_id, fallback) values ($1, $2, $3, $4, $5, $6, $7, $8)",
        rows,
    )
    await pool.executemany(
        "insert into shadow_weights (portfolio, close_time, model_id, policy, weights, missing, "
        "budget, fallback) values ($1, $2, $3, $4, $5, $6, $7, $8)",
        beside,
    )


async def learned(pool: "asyncpg.Pool[Any]", closes: int = 400) -> dict[str, UUID]:
    """Everything that the page of learned weights shows; the models by their name."""
    await jobs(pool)
    found = {}
    for number, (name, passed, job) in enumerate(
        (
            ("narrow", True, None),
            ("older", False, None),
            ("first look", False, TRAINED),
            ("beside", True, None),
        ),
        start=1,
    ):
        row = await model(pool, number, name, passed=passed, job=job)
        found[name] = row.model_id
    await promote(pool, found["narrow"], "ACTIVE", "to see how it serves")
    await promote(pool, found["older"], "ACTIVE", "it looked better in the replay")
    await promote(pool, found["beside"], "SHADOW")
    await pool.execute(
        "update rl_models set stage_since = stage_since - interval '5 days' where model_id = $1",
        found["beside"],
    )
    await weights(pool, closes, found["older"], found["beside"])
    return found
