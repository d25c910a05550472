"""The curves of a training in PostgreSQL: figures of each seed after some steps."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tradepulse.research.model_registry import At
from tradepulse.research.plain_json import plain_json
from tradepulse.runtime.db import Connection


@dataclass(frozen=True, slots=True)
class TrainingPoint:
    """Figures of one seed after some steps; None where one is undefined."""

    seed: int
    step: int
    metrics: dict[str, Any]


async def add_points(
    connection: Connection,
    job_id: UUID,
    seed: int,
    points: Iterable[tuple[int, Mapping[str, Any]]],
) -> None:
    """Keep (step, figures) of a seed; what a resumed training measures again is written over."""
    await connection.executemany(
        "insert into rl_training_points (job_id, seed, step, metrics) values ($1, $2, $3, $4) "
        "on conflict (job_id, seed, step) do update set metrics = excluded.metrics",
        [(job_id, seed, step, plain_json(metrics)) for step, metrics in points],
    )


async def training_points(at: At, job_id: UUID) -> list[TrainingPoint]:
    """Return the points of a training, by seed, then by step."""
    rows = await at.fetch(
        "select seed, step, metrics from rl_training_points where job_id = $1 order by seed, step",
        job_id,
    )
    return [TrainingPoint(**dict(row)) for row in rows]
