-- What is wrong with stored candles, what was tried against it, and who asks for candles made up.

-- One row for each hole, or run of candles of another kind. A finding that grows is updated; what
-- shrinks is settled and its rest entered anew. Times of the market are epoch ms of candle opens.
create table data_gaps (
    gap_id          bigint generated always as identity primary key,
    exchange        text    not null,
    symbol          text    not null,
    timeframe       text    not null,
    kind            text    not null
        check (kind in ('hole', 'bad_time', 'off_grid', 'duplicate', 'unsorted', 'unfinished',
                        'zero_volume', 'impossible')),
    first_open_time bigint  not null,
    last_open_time  bigint  not null,
    candles         integer not null,
    cause           text
        check (cause in ('outage', 'no_trade', 'missed', 'off_grid', 'unknown')),
    sure            boolean not null,
    sentence        text    not null,
    -- filled: with synthetic candles. unrepairable: it stands, and is asked about no more.
    -- gone: mended by others than the repairs, as by a backfill.
    status          text    not null default 'open'
        check (status in ('open', 'repaired', 'filled', 'unrepairable', 'gone')),
    detected_at     timestamptz not null default now(),
    settled_at      timestamptz,
    repaired_by     text,
    -- times the venue answered and did not give it, and times nobody could be asked
    attempts        integer not null default 0,
    postponed       integer not null default 0,
    -- market time, epoch ms, before which it is not tried again
    next_try_at     bigint  not null default 0,
    check (first_open_time <= last_open_time)
);
create unique index data_gaps_standing
    on data_gaps (exchange, symbol, timeframe, kind, first_open_time)
    where status in ('open', 'filled', 'unrepairable');
create index data_gaps_to_try on data_gaps (next_try_at) where status in ('open', 'filled');
create index data_gaps_by_time on data_gaps (first_open_time desc);

-- What was tried for a gap, step by step, and what came of it.
create table gap_repairs (
    repair_id bigint generated always as identity primary key,
    gap_id    bigint not null references data_gaps on delete cascade,
    at        timestamptz not null default now(),
    step      text   not null
        check (step in ('venue', 'finer', 'trades', 'synthetic', 'none')),
    -- the one that was read
    timeframe text   not null,
    -- stored by it
    candles   integer not null,
    outcome   text   not null
        check (outcome in ('mended', 'part', 'nothing', 'refused', 'down')),
    note      text   not null
);
create index gap_repairs_by_gap on gap_repairs (gap_id, repair_id);

-- Where nothing else helps, its series is filled with the previous close and volume 0.
alter table trained_configurations add column fill_gaps boolean not null default false;
