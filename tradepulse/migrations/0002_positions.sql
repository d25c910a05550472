-- Limit entries, trailing stops and time exits: what the executor must know after a restart.

alter table orders
    drop constraint orders_order_type_check,
    drop constraint orders_status_check,
    add check (order_type in ('market', 'stop', 'take_profit', 'limit')),
    add check (status in ('OPEN', 'FILLED', 'REFUSED', 'EXPIRED')),
    add column limit_price numeric,
    add column trail double precision,
    add column max_holding_ms bigint;

alter table positions
    add column trail double precision,
    add column exit_at timestamptz;

alter table signals
    add column limit_price double precision,
    add column trail double precision,
    add column max_holding_ms bigint;
