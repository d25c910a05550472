-- What the drift watch found about each model in service, by UTC day of event time.
create table rl_model_days (
    model_id uuid             not null references rl_models,
    -- its midnight
    day      timestamptz      not null,
    -- the event by which the model came into service; its test for harm begins there
    begun    bigint           not null,
    closes   integer          not null check (closes > 0),
    -- null: nothing was seen
    clipped  double precision,
    -- of each figure, how many lay in each bin of its training
    counts   jsonb            not null default '[]',
    psi      jsonb            not null default '{}',
    -- log growth of the virtual accounts; null: nothing could be traded
    growth   double precision,
    equal    double precision,
    evidence double precision not null,
    bound    double precision not null,
    primary key (model_id, day)
);

-- Which closes a model decided, from a time on.
create index portfolio_weights_of_model on portfolio_weights (portfolio, model_id, close_time)
    where model_id is not null;
