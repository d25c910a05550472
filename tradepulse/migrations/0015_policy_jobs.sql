-- Trainings of policies: a third kind of job, worked off by the trainer alone.

alter table training_jobs
    drop constraint training_jobs_kind_check,
    add constraint training_jobs_kind_check check (kind in ('search', 'validation', 'policy'));

-- What a training began with, and what it needs to be taken up again.
create table rl_trainings (
    job_id         uuid  primary key references training_jobs on delete cascade,
    -- as it was asked for, before `active` and the ends of the range were resolved
    asked          jsonb not null,
    -- id, revision, strategy, series, params, share, and the days by which each was chosen
    configurations jsonb not null,
    -- rules of the venues, by instrument, since the first trainer began with it; null before
    markets        jsonb,
    -- SHA-256 of each seed's last checkpoint: reading one runs what it says, so no other is opened
    checkpoints    jsonb not null default '{}',
    -- of trainers at work, for the deadline
    spent_s        double precision not null default 0
);

-- Each policy that was ever judged, and on which closes: one look at a test range is one try.
create table rl_looks (
    job_id      uuid        primary key references training_jobs,
    at          timestamptz not null default now(),
    portfolio   text        not null,
    timeframe   text        not null,
    instruments text[]      not null,
    -- closes after the first, up to the second
    test_start  timestamptz not null,
    test_end    timestamptz not null,
    check (test_start < test_end)
);
create index rl_looks_by_range on rl_looks (timeframe, test_start);

-- Trainers that are there; one that was not seen for a while is not.
create table rl_trainers (
    worker     text        primary key,
    seen_at    timestamptz not null default now(),
    at_once    integer     not null,
    free_bytes bigint      not null
);
