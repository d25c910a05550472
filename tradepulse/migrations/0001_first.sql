-- Market data: epoch milliseconds and double precision. Everything else: timestamptz and numeric.

create table market_data (
    exchange   text             not null,
    symbol     text             not null,
    timeframe  text             not null,
    open_time  bigint           not null,
    open       double precision not null,
    high       double precision not null,
    low        double precision not null,
    close      double precision not null,
    volume     double precision not null,
    source     text             not null
        check (source in ('live', 'backfill', 'replay', 'import', 'repaired', 'synthetic')),
    primary key (exchange, symbol, timeframe, open_time)
);

-- Where each feed stands: everything closed at or before published_until is in Kafka.
create table feeds (
    feed            text primary key,
    spec            jsonb       not null,
    published_until bigint      not null,
    finished        boolean     not null default false,
    updated_at      timestamptz not null default now()
);

create table training_jobs (
    job_id           uuid primary key,
    spec             jsonb       not null,
    status           text        not null default 'QUEUED'
        check (status in ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
    done             integer     not null default 0,
    total            integer     not null default 0,
    cancel_requested boolean     not null default false,
    worker           text,
    heartbeat_at     timestamptz,
    error            text,
    result           jsonb,
    created_at       timestamptz not null default now(),
    started_at       timestamptz,
    finished_at      timestamptz
);
create index training_jobs_waiting on training_jobs (created_at)
    where status in ('QUEUED', 'RUNNING');

create table training_trials (
    job_id  uuid    not null references training_jobs on delete cascade,
    trial   integer not null,
    params  jsonb   not null,
    metrics jsonb   not null,
    primary key (job_id, trial)
);

create table trained_configurations (
    configuration_id uuid primary key,
    revision         integer     not null default 1,
    job_id           uuid        references training_jobs,
    strategy         text        not null,
    exchange         text        not null,
    symbol           text        not null,
    timeframe        text        not null,
    params           jsonb       not null,
    share            double precision not null default 1 check (share > 0 and share <= 1),
    stage            text        not null default 'DISCOVERY'
        check (stage in ('DISCOVERY', 'VALIDATION', 'PAPER', 'MATURE', 'DECAY')),
    is_active        boolean     not null default false,
    metrics          jsonb       not null default '{}',
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    check (not is_active or stage in ('PAPER', 'MATURE'))
);

create table configuration_events (
    id               bigint generated always as identity primary key,
    configuration_id uuid        not null references trained_configurations on delete cascade,
    at               timestamptz not null default now(),
    from_stage       text,
    to_stage         text        not null,
    is_active        boolean     not null,
    reason           text        not null
);

create table signals (
    signal_id         uuid primary key,
    configuration_id  uuid        not null,
    strategy          text        not null,
    exchange          text        not null,
    symbol            text        not null,
    timeframe         text        not null,
    action            text        not null,
    reference_price   double precision not null,
    stop_price        double precision,
    take_profit_price double precision,
    confidence        double precision not null,
    decided_at        timestamptz not null
);
create index signals_by_time on signals (decided_at desc);

create table portfolio_weights (
    portfolio  text        not null,
    close_time timestamptz not null,
    policy     text        not null,
    weights    jsonb       not null,
    missing    jsonb       not null default '[]',
    primary key (portfolio, close_time)
);

-- Where an event-time consumer stands. Written in the transaction of what it decided, so a
-- restart continues exactly there; the epoch fences a former owner that is still alive.
create table event_time_positions (
    consumer     text primary key,
    epoch        bigint not null default 0,
    settled_time bigint not null default 0,
    offsets      jsonb  not null default '{}',
    state        jsonb  not null default '{}'
);

create table accounts (
    account      text primary key,
    initial_cash numeric not null,
    cash         numeric not null,
    created_at   timestamptz not null default now()
);

create table orders (
    order_id         uuid primary key,
    account          text        not null references accounts,
    signal_id        uuid,
    configuration_id uuid        not null,
    exchange         text        not null,
    symbol           text        not null,
    timeframe        text        not null,
    side             text        not null check (side in ('buy', 'sell')),
    order_type       text        not null check (order_type in ('market', 'stop', 'take_profit')),
    quantity         numeric     not null,
    reference_price  double precision not null,
    stop_price       numeric,
    take_profit_price numeric,
    opens_position   boolean     not null,
    exit_reason      text,
    status           text        not null check (status in ('OPEN', 'FILLED', 'REFUSED')),
    reason           text        not null default '',
    decided_at       timestamptz not null
);
create index orders_open on orders (account) where status = 'OPEN';
create index orders_by_time on orders (decided_at desc);

create table fills (
    fill_id   uuid primary key,
    order_id  uuid        not null references orders,
    quantity  numeric     not null,
    price     numeric     not null,
    fee       numeric     not null,
    filled_at timestamptz not null
);

create table positions (
    position_id       uuid primary key,
    account           text        not null references accounts,
    configuration_id  uuid        not null,
    exchange          text        not null,
    symbol            text        not null,
    timeframe         text        not null,
    side              text        not null check (side in ('long', 'short')),
    quantity          numeric     not null,
    entry_time        timestamptz not null,
    entry_price       numeric     not null,
    stop_price        numeric,
    take_profit_price numeric,
    exit_time         timestamptz,
    exit_price        numeric,
    exit_reason       text,
    fees              numeric     not null,
    profit            numeric
);
create unique index positions_open on positions (account, configuration_id)
    where exit_time is null;
create index positions_by_exit on positions (exit_time desc);

create table equity (
    account        text        not null references accounts,
    close_time     timestamptz not null,
    cash           numeric     not null,
    equity         numeric     not null,
    exposure       numeric     not null,
    open_positions integer     not null,
    primary key (account, close_time)
);

-- Events to publish, written with the rows they tell of; relayed in order, then deleted.
create table outbox (
    id      bigint generated always as identity primary key,
    service text  not null,
    topic   text  not null,
    key     text  not null,
    value   bytea not null
);
create index outbox_by_service on outbox (service, id);
