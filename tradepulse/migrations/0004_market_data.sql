-- Candles by the number of their series, all of a candle in the index; see
-- docs/development/adr/0013-market-data-layout.md.

create table candle_series (
    series    integer generated always as identity primary key,
    exchange  text not null,
    symbol    text not null,
    timeframe text not null,
    unique (exchange, symbol, timeframe)
);

-- The columns are in an order that wastes no byte on alignment. There is no foreign key to
-- candle_series: its check would cost each row more than the row's own insertion. Nobody but
-- runtime/candles_db.py writes here.
create table candles (
    open_time bigint           not null,
    open      double precision not null,
    high      double precision not null,
    low       double precision not null,
    close     double precision not null,
    volume    double precision not null,
    series    integer          not null,
    source    text             not null
        check (source in ('live', 'backfill', 'replay', 'import', 'repaired', 'synthetic'))
);

insert into candle_series (exchange, symbol, timeframe)
select exchange, symbol, timeframe from market_data group by 1, 2, 3 order by 1, 2, 3;

insert into candles
select m.open_time, m.open, m.high, m.low, m.close, m.volume, s.series, m.source
from market_data m join candle_series s using (exchange, symbol, timeframe)
order by s.series, m.open_time;

-- Live candles scatter a series over as many pages as it has rows; a range is read from the index
-- alone.
alter table candles
    add primary key (series, open_time) include (open, high, low, close, volume, source);

-- An index alone suffices for pages that vacuum has seen. It looks after every so many rows, not
-- after a fifth of the table; where nothing was changed it reads only the new pages.
alter table candles set (
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 5000,
    autovacuum_vacuum_scale_factor = 0.01
);
analyze candles;

drop table market_data;

create view market_data as
select s.exchange, s.symbol, s.timeframe, c.open_time, c.open, c.high, c.low, c.close, c.volume,
       c.source
from candle_series s join candles c using (series);

-- One series of market_data, for queries that order by time and want few rows: the view is a join,
-- which the planner sorts as a whole. Written so that it is inlined.
create function candles_of(exchange text, symbol text, timeframe text)
returns table (open_time bigint, open double precision, high double precision,
               low double precision, close double precision, volume double precision, source text)
language sql stable
begin atomic
    select c.open_time, c.open, c.high, c.low, c.close, c.volume, c.source
    from candles c
    where c.series = (
        select s.series from candle_series s
        where s.exchange = candles_of.exchange and s.symbol = candles_of.symbol
            and s.timeframe = candles_of.timeframe
    );
end;
