-- Targets that fall with time: [[minutes since the entry, "price"], ...], null for none.

alter table orders add column targets jsonb;
alter table positions add column targets jsonb;
alter table signals
    add column targets jsonb,
    add column cooldown_ms bigint;

-- the last stop of each configuration, for its cool-down
create index positions_by_stop on positions (account, configuration_id, exit_time)
    where exit_reason = 'stop';
