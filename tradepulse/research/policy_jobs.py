"""Trainings of policies as jobs: queued, and taken up again. The trainer works them off."""

from uuid import UUID, uuid4

import asyncpg

from tradepulse.research.jobs import JobStatus, job_status, request_cancel
from tradepulse.research.plain_json import plain_json
from tradepulse.research.policy_checks import Stored, check_policy
from tradepulse.research.policy_spec import PolicySpec
from tradepulse.runtime.refusals import RefusedError


async def submit_policy_job(
    pool: "asyncpg.Pool[asyncpg.Record]",
    asked: PolicySpec,
    stored: Stored,
    *,
    job_id: UUID | None = None,
) -> UUID:
    """Queue a training; a repeat with the same id changes nothing.

    The configurations are those of now, whatever is activated or edited later, and so are the ends
    of the range.

    Args:
        pool: the database.
        asked: the training.
        stored: all series, see `Stored`.
        job_id: a new one by default.

    Raises:
        RefusedError: it cannot be, or the id belongs to a job with another spec.
    """
    job_id = job_id or uuid4()
    if await _is_queued(pool, job_id, asked):
        return job_id
    check = await check_policy(pool, asked, stored)
    for code, line in check.refusals:
        raise RefusedError(code, line)
    spec = check.spec
    async with pool.acquire() as connection, connection.transaction():
        queued = await connection.fetchval(
            "insert into training_jobs (job_id, kind, spec, total) values ($1, 'policy', $2, $3) "
            "on conflict do nothing returning job_id",
            job_id,
            spec.model_dump(mode="json"),
            spec.steps * spec.seeds,
        )
        if queued is not None:
            await connection.execute(
                "insert into rl_trainings (job_id, asked, configurations) values ($1, $2, $3)",
                job_id,
                asked.model_dump(mode="json"),
                plain_json([one.as_json() for one in check.sized]),
            )
            return job_id
    # somebody else with the same id was faster
    await _is_queued(pool, job_id, asked)
    return job_id


async def _is_queued(pool: "asyncpg.Pool[asyncpg.Record]", job_id: UUID, asked: PolicySpec) -> bool:
    row = await pool.fetchrow(
        "select t.asked from training_jobs j left join rl_trainings t using (job_id) "
        "where j.job_id = $1",
        job_id,
    )
    if row is None:
        return False
    if row["asked"] != asked.model_dump(mode="json"):
        raise RefusedError(
            "other_spec", f"job {job_id} exists with another spec; choose another id"
        )
    return True


async def resume_policy_job(pool: "asyncpg.Pool[asyncpg.Record]", job_id: UUID) -> JobStatus:
    """Queue a training again that was cancelled or failed; each seed goes on where it stood.

    Raises:
        NotFoundError: there is no such job.
        RefusedError: it is no training, or there is nothing to go on with.
    """
    resumed = await pool.fetchval(
        "update training_jobs set status = 'QUEUED', cancel_requested = false, attempts = 0, "
        "error = null, worker = null, heartbeat_at = null, finished_at = null "
        "where job_id = $1 and kind = 'policy' and status in ('CANCELLED', 'FAILED') "
        "returning job_id",
        job_id,
    )
    job = await job_status(pool, job_id)
    if resumed is not None:
        return job
    if job.kind != "policy":
        raise RefusedError(
            "no_training", f"job {job_id} is a {job.kind}: submit it again, it cannot be resumed"
        )
    if job.status == "SUCCEEDED":
        raise RefusedError("has_succeeded", f"training {job_id} has ended: there is no more to do")
    raise RefusedError(
        "not_ended", f"training {job_id} is {job.status.lower()}: it need not be resumed"
    )


async def cancel_policy_job(pool: "asyncpg.Pool[asyncpg.Record]", job_id: UUID) -> JobStatus:
    """Cancel a training; see `request_cancel`.

    Raises:
        NotFoundError: there is no such job.
        RefusedError: it is no training, or it has ended.
    """
    job = await job_status(pool, job_id)
    if job.kind != "policy":
        raise RefusedError("no_training", f"job {job_id} is a {job.kind}: cancel it among the jobs")
    if job.is_final:
        raise RefusedError("has_ended", f"training {job_id} is {job.status.lower()} already")
    return await request_cancel(pool, job_id)
