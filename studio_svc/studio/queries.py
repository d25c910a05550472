"""The SQL of jobs; that of configurations is shared with the overview."""

JOBS = """
select job_id, kind, status, done, total, cancel_requested, spec, error, created_at, started_at,
       finished_at
from training_jobs where $2::uuid is null or job_id = $2
order by status in ('RUNNING', 'QUEUED') desc, status = 'RUNNING' desc, created_at desc, job_id
limit $1
"""
