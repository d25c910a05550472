-- What is followed live. The page and the command line write it, market_ingest follows it.

create table subscriptions (
    exchange   text        not null,
    symbol     text        not null,
    timeframe  text        not null,
    -- why it is not followed, written by market_ingest; null where all is well
    trouble    text,
    created_at timestamptz not null default now(),
    primary key (exchange, symbol, timeframe)
);
