"""Reads the trainings of policies and their curves."""

import asyncio
from functools import partial
from uuid import UUID

import asyncpg

from studio_svc.rl import queries
from studio_svc.rl.curves import curves_of
from studio_svc.rl.views import CurvesView
from studio_svc.shared.jobs import JobView, shown_job, shown_jobs
from studio_svc.shared.rows import Record


class TrainingStore:
    """The trainings of policies."""

    def __init__(self, pool: "asyncpg.Pool[Record]") -> None:
        self.pool = pool

    async def jobs(self, limit: int) -> list[JobView]:
        """Return the trainings: what runs, what waits, what ended, the newest of each first."""
        return await shown_jobs(self.pool, limit, "policy")

    async def job(self, job_id: UUID) -> JobView:
        """Return one training.

        Raises:
            NotFoundError: there is none of this id.
        """
        return await shown_job(self.pool, job_id, "policy")

    async def curves(self, job_id: UUID, metric: str, points: int) -> CurvesView:
        """Return the curves of a metric by seed, and what the seeds have in common.

        Raises:
            NotFoundError: there is no training of this id.
        """
        await self.job(job_id)
        metrics = [row["name"] for row in await self.pool.fetch(queries.METRICS, job_id)]
        found: dict[int, list[tuple[int, float]]] = {}
        for row in await self.pool.fetch(queries.POINTS, job_id, metric):
            found.setdefault(row["seed"], []).append((row["step"], row["value"]))
        seeds = await self.pool.fetch(queries.SEEDS, job_id)
        drawn = partial(
            curves_of,
            found,
            points,
            metric=metric,
            metrics=metrics,
            best={row["seed"]: row["best"] for row in seeds if row["best"] is not None},
            ended={row["seed"]: row["ended"] for row in seeds if row["ended"] is not None},
        )
        return await asyncio.to_thread(drawn)
