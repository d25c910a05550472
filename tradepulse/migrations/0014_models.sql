-- The registry of trained policies: each with what it came of, what the gates said, and its file.

create table rl_models (
    -- derived from the checksum of the model: the same model has the same id everywhere
    model_id        uuid        primary key,
    portfolio       text        not null,
    job_id          uuid        references training_jobs,
    created_at      timestamptz not null default now(),
    name            text        not null check (name <> ''),
    stage           text        not null
        check (stage in ('CANDIDATE', 'REFUSED', 'SHADOW', 'ACTIVE', 'RETIRED')),
    stage_since     timestamptz not null default now(),
    -- what a person set aside to bring it where it is, each with the reason; shown with the model
    overrides       text[]      not null default '{}',
    timeframe       text        not null,
    instruments     text[]      not null,
    mode            text        not null check (mode in ('signals', 'rebalance')),
    config          jsonb       not null default '{}',
    config_sha256   text,
    -- id, revision and parameters of each configuration whose trades it was trained on
    configurations  jsonb       not null default '[]',
    -- series, first and last candle, rows, checksum of the closes, of each split; sha256 of all
    data            jsonb       not null default '{}',
    seeds           integer[]   not null default '{}',
    steps           bigint      not null default 0,
    metrics         jsonb       not null default '{}',
    baselines       jsonb       not null default '{}',
    gates           jsonb       not null default '[]',
    -- all that the evaluation found
    report          jsonb       not null default '{}',
    -- null: the gates were never asked
    passed          boolean,
    artifact        bytea       not null,
    artifact_sha256 text        not null,
    manifest        jsonb       not null,
    check (passed is true or stage <> 'CANDIDATE'),
    -- a model of an always invested portfolio sizes no signals
    check (mode = 'signals' or stage not in ('SHADOW', 'ACTIVE'))
);
create unique index rl_models_active on rl_models (portfolio) where stage = 'ACTIVE';
create unique index rl_models_once on rl_models (config_sha256, (data ->> 'sha256'));
create index rl_models_by_portfolio on rl_models (portfolio, created_at desc);

create table rl_model_events (
    id         bigint      generated always as identity primary key,
    model_id   uuid        not null references rl_models,
    at         timestamptz not null default now(),
    from_stage text,
    to_stage   text        not null,
    reason     text        not null check (reason <> ''),
    by_person  boolean     not null,
    evidence   jsonb       not null default '{}'
);
create index rl_model_events_by_model on rl_model_events (model_id, id);

-- What the models in SHADOW would have decided at the closes of the portfolio; never published.
create table shadow_weights (
    portfolio  text             not null,
    close_time timestamptz      not null,
    model_id   uuid             not null references rl_models,
    policy     text             not null,
    weights    jsonb            not null,
    missing    jsonb            not null,
    budget     double precision not null,
    fallback   text,
    primary key (portfolio, model_id, close_time)
);

-- The curves of a training, of each seed.
create table rl_training_points (
    job_id  uuid    not null references training_jobs on delete cascade,
    seed    integer not null,
    step    bigint  not null,
    metrics jsonb   not null,
    primary key (job_id, seed, step)
);

-- At how many closes a model was followed, and how many of them the fallback decided.
create index portfolio_weights_by_model on portfolio_weights (portfolio, model_id, fallback)
    where model_id is not null;

-- What a training led to, one row each, without the model itself.
create view pattern_training_results as
select model_id, portfolio, job_id, created_at, name, stage, timeframe, instruments, mode, seeds,
       steps, configurations, data, metrics, baselines, gates, passed
from rl_models;
