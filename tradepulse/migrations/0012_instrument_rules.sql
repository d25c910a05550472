-- What a venue accepts as an order, of each instrument, since when that is known. Rows are only
-- added: the newest that is not in the future binds.
create table instrument_rules (
    exchange      text        not null,
    symbol        text        not null,
    valid_from    timestamptz not null,
    source        text        not null check (source in ('ccxt', 'file', 'hand')),
    -- null where it is not known: prices keep their digits, quantities have 15
    price_tick    numeric     check (price_tick > 0),
    quantity_step numeric     check (quantity_step > 0),
    min_quantity  numeric     not null default 0 check (min_quantity >= 0),
    min_notional  numeric     not null default 0 check (min_notional >= 0),
    primary key (exchange, symbol, valid_from, source)
);
