-- What the venues have answered, and when they may be asked again.

-- Ranges of open times for which a venue has answered, whether it had a candle there or not.
-- What is in here and not in market_data, the venue does not have: nobody asks for it again.
create table venue_answers (
    exchange  text           not null,
    symbol    text           not null,
    timeframe text           not null,
    asked     int8multirange not null,
    primary key (exchange, symbol, timeframe)
);

-- One row for each venue: the time of the next request of all processes together.
create table venue_pace (
    venue      text primary key,
    next_at    timestamptz not null,
    held_until timestamptz not null default 'epoch'
);
