"""The SQL of jobs; that of configurations is shared with the overview."""

JOBS = """
select job_id, kind, status, done, total, cancel_requested,
       -- of a search asked for before there were bounds; it would go to every page, twice a second
       case when pg_column_size(spec) <= 65536 then spec
            else jsonb_build_object('too_large_to_show', pg_column_size(spec)) end as spec,
       left(error, 2000) as error, created_at, started_at, finished_at
from training_jobs where $2::uuid is null or job_id = $2
order by status in ('RUNNING', 'QUEUED') desc, status = 'RUNNING' desc, created_at desc, job_id
limit $1
"""
