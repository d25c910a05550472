"""What a training leaves in PostgreSQL. Every write names the trainer that holds the job."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from tradepulse.market_data.rules_now import Markets
from tradepulse.research.claims import Claims
from tradepulse.research.looks import JudgedRange, add_look, counting_alone, looks_at
from tradepulse.research.model_registry import NewModel, StoredModel, add_model, config_sha256
from tradepulse.research.plain_json import plain_json
from tradepulse.research.sized import Sized
from tradepulse.research.training_points import add_points

if TYPE_CHECKING:
    # it needs torch, and a trainer without work does without
    from rl_svc.training.told import Point


@dataclass(frozen=True, slots=True)
class Begun:
    """What a training begins with, or goes on with.

    Attributes:
        sized: the configurations whose trades are sized.
        markets: rules of the venues since the first trainer began; None before.
        checksums: by seed, of its last checkpoint.
        steps: by seed, that were told of.
        spent_s: of earlier trainers at work.
    """

    sized: Sequence[Sized]
    markets: Markets | None
    checksums: Mapping[int, str]
    steps: Mapping[int, int]
    spent_s: float


class TrainingStore(Claims):
    """The database as one trainer sees it.

    Args:
        pool: the database.
        worker: a name that no other worker has.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", worker: str) -> None:
        super().__init__(pool, worker, ("policy",))

    async def begun(self, job_id: UUID) -> Begun:
        """Return what a training begins with.

        Raises:
            ValueError: nobody has queued it as a training.
        """
        row = await self.pool.fetchrow(
            "select configurations, markets, checkpoints, spent_s from rl_trainings "
            "where job_id = $1",
            job_id,
        )
        if row is None:
            raise ValueError(
                "nothing is kept of what it is to train on: queue it with `tradepulse policy train`"
            )
        steps = await self.pool.fetch(
            "select seed, max(step) as step from rl_training_points where job_id = $1 group by 1",
            job_id,
        )
        return Begun(
            [Sized.of_json(one) for one in row["configurations"]],
            row["markets"],
            {int(seed): checksum for seed, checksum in row["checkpoints"].items()},
            {one["seed"]: one["step"] for one in steps},
            row["spent_s"],
        )

    async def keep_markets(self, job_id: UUID, markets: Markets) -> None:
        """Keep the rules of the venues, so that who goes on has the same."""
        await self.pool.execute(
            "update rl_trainings set markets = $2 where job_id = $1", job_id, markets
        )

    async def tell(
        self, job_id: UUID, points: "Sequence[Point]", done: int, total: int, spent_s: float
    ) -> None:
        """Store points with the training's progress.

        Raises:
            LostJobError: another trainer holds the job.
        """
        ordered = sorted(points, key=lambda one: one.seed)
        async with self.pool.acquire() as connection, connection.transaction():
            await self.held(
                connection,
                job_id,
                "done = $3, total = $4, attempts = 0, heartbeat_at = now()",
                done,
                total,
            )
            await connection.execute(
                "update rl_trainings set spent_s = $2 where job_id = $1", job_id, spent_s
            )
            for seed, of_seed in groupby(ordered, key=lambda one: one.seed):
                await add_points(connection, job_id, seed, [_metrics(one) for one in of_seed])

    async def tell_end(self, job_id: UUID, seed: int, steps: int, ended: str) -> None:
        """Keep with a seed's last point why there are no more.

        Raises:
            LostJobError: another trainer holds the job.
        """
        async with self.pool.acquire() as connection, connection.transaction():
            await self.held(connection, job_id, "heartbeat_at = now()")
            await connection.execute(
                "update rl_training_points set metrics = metrics || $4 "
                "where job_id = $1 and seed = $2 and step = $3",
                job_id,
                seed,
                steps,
                {"ended": ended},
            )

    async def keep_checkpoint(self, job_id: UUID, seed: int, checksum: str) -> None:
        """Record a seed's checkpoint.

        Raises:
            LostJobError: another trainer holds the job.
        """
        async with self.pool.acquire() as connection, connection.transaction():
            await self.held(connection, job_id, "attempts = 0, heartbeat_at = now()")
            await connection.execute(
                "update rl_trainings set checkpoints = checkpoints || $2 where job_id = $1",
                job_id,
                {str(seed): checksum},
            )

    async def same_training(self, config: Mapping[str, Any], data: Mapping[str, Any]) -> str:
        """Return the id of the model that was trained so on these candles; empty where none was."""
        found = await self.pool.fetchval(
            "select model_id from rl_models where config_sha256 = $1 and data ->> 'sha256' = $2",
            config_sha256(config),
            data["sha256"],
        )
        return "" if found is None else str(found)

    async def looks(self, judged: JudgedRange) -> int:
        """Return how many policies were judged on this test range before."""
        return await looks_at(self.pool, judged)

    async def finish(
        self,
        job_id: UUID,
        new: NewModel,
        judged: JudgedRange,
        looks: int,
        result: Mapping[str, Any],
    ) -> StoredModel | None:
        """Store model, verdict and look, and end the job, all or nothing.

        Returns None, and stores nothing, where another policy was judged on the range since
        `looks` were counted, this one among them.

        Raises:
            LostJobError: another trainer holds the job.
            RefusedError: the model is in the registry already.
        """
        async with self.pool.acquire() as connection, connection.transaction():
            await counting_alone(connection)
            if await looks_at(connection, judged) + 1 != looks:
                return None
            row = await add_model(connection, new, f"training {job_id}")
            await add_look(connection, job_id, new.portfolio, judged)
            told = {
                "model_id": str(row.model_id),
                "stage": row.stage,
                "verdict": row.verdict,
                **result,
            }
            await self.end(connection, job_id, "SUCCEEDED", result=plain_json(told))
            # seeds that ended early took fewer steps than they might have
            await connection.execute(
                "update training_jobs set total = done where job_id = $1", job_id
            )
            return row

    async def ended(self, job_ids: Sequence[UUID]) -> list[UUID]:
        """Return those of some trainings that need no checkpoints any more."""
        rows = await self.pool.fetch(
            "select one as job_id from unnest($1::uuid[]) as one where not exists "
            "(select from training_jobs j where j.job_id = one and j.status <> 'SUCCEEDED')",
            list(job_ids),
        )
        return [row["job_id"] for row in rows]


async def forget_ended(store: TrainingStore, folder: Path) -> None:
    """Remove the checkpoints of trainings that have succeeded, or are not known any more.

    Args:
        store: knows them.
        folder: in which each training has a folder of its own.
    """
    folders = await asyncio.to_thread(_folders, folder)
    for job_id in await store.ended(list(folders)):
        await asyncio.to_thread(shutil.rmtree, folders[job_id], ignore_errors=True)


def _folders(folder: Path) -> dict[UUID, Path]:
    found = {}
    for path in folder.glob("*-*-*-*-*"):
        with suppress(ValueError):
            found[UUID(path.name)] = path
    return found


def _metrics(point: "Point") -> tuple[int, dict[str, Any]]:
    told = asdict(point)
    del told["seed"]
    return told.pop("step"), told
