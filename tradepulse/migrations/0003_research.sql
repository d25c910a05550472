-- Searches and validations share one queue; trials are stored by the batch.

alter table training_jobs
    add column kind text not null default 'search' check (kind in ('search', 'validation')),
    -- claims since the last sign of progress: a job that kills its workers must end some time
    add column attempts integer not null default 0;
drop index training_jobs_waiting;
create index training_jobs_waiting on training_jobs (kind, created_at)
    where status in ('QUEUED', 'RUNNING');

-- One strategy on one series within a job. `done` counts its stored trials.
create table training_searches (
    job_id    uuid    not null references training_jobs on delete cascade,
    search    integer not null,
    strategy  text    not null,
    exchange  text    not null,
    symbol    text    not null,
    timeframe text    not null,
    params    text[]  not null,
    figures   text[]  not null,
    done      integer not null default 0,
    primary key (job_id, search)
);
create index training_searches_by_series on training_searches (exchange, symbol, timeframe);

-- Row i of both arrays is trial i of the batch; the columns are named by the search. NaN: undefined.
create table training_batches (
    job_id  uuid    not null,
    search  integer not null,
    batch   integer not null,
    params  double precision[] not null,
    figures double precision[] not null,
    primary key (job_id, search, batch),
    foreign key (job_id, search) references training_searches on delete cascade
);

-- What was tried before stays counted; its single rows had another form and are not kept.
insert into training_searches (job_id, search, strategy, exchange, symbol, timeframe, params,
                               figures, done)
select job_id, row_number() over (partition by job_id order by s.n, y.n) - 1, s.name,
       spec ->> 'exchange', y.name, spec ->> 'timeframe', '{}', '{}',
       ceil(done::float8 / jsonb_array_length(spec -> 'strategies')
            / jsonb_array_length(spec -> 'symbols'))
from training_jobs
cross join lateral jsonb_array_elements_text(spec -> 'strategies') with ordinality as s(name, n)
cross join lateral jsonb_array_elements_text(spec -> 'symbols') with ordinality as y(name, n)
where status in ('SUCCEEDED', 'FAILED', 'CANCELLED') and done > 0
    and jsonb_typeof(spec -> 'strategies') = 'array' and jsonb_typeof(spec -> 'symbols') = 'array';
update training_jobs set done = 0, result = null where status in ('QUEUED', 'RUNNING');
drop table training_trials;

alter table trained_configurations
    -- out of service for good; its stage is DECAY
    add column retired boolean not null default false,
    -- a decayed one is validated again once, by itself
    add column revalidated boolean not null default false,
    -- was active at some time, so it may hold a position whatever its stage is now
    add column has_traded boolean not null default false,
    add column edited_from uuid references trained_configurations,
    -- returns of the backtest's trades, which live trades are compared with
    add column reference_returns double precision[] not null default '{}',
    add column reference_source text not null default '',
    -- event time: trades that left by then are not its live results; null for all are
    add column judged_after timestamptz,
    add check (not retired or (stage = 'DECAY' and not is_active));

update trained_configurations set has_traded = stage in ('PAPER', 'MATURE', 'DECAY');

alter table configuration_events
    add column evidence jsonb not null default '{}',
    add column by_person boolean not null default false;

create table validation_reports (
    report_id        bigint generated always as identity primary key,
    configuration_id uuid        not null references trained_configurations on delete cascade,
    job_id           uuid        not null unique references training_jobs,
    created_at       timestamptz not null default now(),
    passed           boolean     not null,
    report           jsonb       not null,
    -- counted once, since lists of configurations show it and reports are large
    gates            integer generated always as (jsonb_array_length(report -> 'gates')) stored,
    gates_passed     integer generated always as (jsonb_array_length(
        jsonb_path_query_array(report, '$.gates[*] ? (@.passed == true)'))) stored
);
create index validation_reports_by_configuration
    on validation_reports (configuration_id, report_id desc);
create index positions_by_configuration on positions (configuration_id, exit_time);
