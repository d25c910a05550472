"""Jobs: the studio shows all of them, the page of the portfolio those that train policies."""

from typing import Any, Literal
from uuid import UUID

import asyncpg

from studio_svc.shared.rows import Record, fields_of
from studio_svc.web_app.views import View
from tradepulse.runtime.refusals import NotFoundError

JobKind = Literal["search", "validation", "policy"]

_JOBS = """
select job_id, kind, status, done, total, cancel_requested,
       -- of a search asked for before there were bounds; it would go to every page, twice a second
       case when pg_column_size(spec) <= 65536 then spec
            else jsonb_build_object('too_large_to_show', pg_column_size(spec)) end as spec,
       left(error, 2000) as error, created_at, started_at, finished_at, heartbeat_at
from training_jobs
where ($2::uuid is null or job_id = $2) and ($3::text is null or kind = $3)
order by status in ('RUNNING', 'QUEUED') desc, status = 'RUNNING' desc, created_at desc, job_id
limit $1
"""


class JobView(View):
    """One job: `done` of `total` are trials of a search, percent of a validation.

    Of the training of a policy they are steps of all its seeds.
    """

    job_id: UUID
    kind: JobKind
    status: str
    done: int
    total: int
    cancel_requested: bool
    spec: dict[str, Any]
    error: str | None
    created_at: int
    started_at: int | None
    finished_at: int | None
    heartbeat_at: int | None = None
    """When its worker was heard last."""


async def shown_jobs(
    pool: "asyncpg.Pool[Record]", limit: int, kind: JobKind | None = None
) -> list[JobView]:
    """Return the jobs: what runs, what waits, what ended, the newest of each first."""
    rows = await pool.fetch(_JOBS, limit, None, kind)
    return [JobView(**fields_of(row)) for row in rows]


async def shown_job(
    pool: "asyncpg.Pool[Record]", job_id: UUID, kind: JobKind | None = None
) -> JobView:
    """Return one job.

    Raises:
        NotFoundError: there is none of this id, or it is of another kind.
    """
    row = await pool.fetchrow(_JOBS, 1, job_id, kind)
    if row is None:
        raise NotFoundError(f"there is no {'job' if kind is None else f'{kind} job'} {job_id}")
    return JobView(**fields_of(row))
