-- One role for whoever makes the tables, one for each service, and those of people and machines beside them. Run once, by a
-- superuser, in the database of TradePulse; again after a release that adds a role:
--
--     psql -d tradepulse -f deploy/postgres/roles.sql
--
-- Then `tradepulse migrate` as tradepulse_owner makes the tables and gives each role what it may do (which is in
-- tradepulse/migrations/grants.sql). No role has a password yet: `\password executor_svc` and so on.

do $$
declare
    name text;
    object record;
begin
    foreach name in array array[
        'tradepulse_owner',     -- migrations; owns every table
        'tradepulse_operator',  -- people: the commands of `tradepulse` beside `migrate`
        'tradepulse_backup',    -- pg_dump, pg_basebackup
        'tradepulse_monitor',   -- the exporter of metrics
        'market_ingest', 'signal_svc', 'rl_svc', 'executor_svc', 'optimizer_svc', 'studio_svc',
        'rl_trainer'            -- python -m rl_svc.trainer
    ] loop
        if to_regrole(name) is null then
            execute format('create role %I login', name);
        end if;
    end loop;
    -- what all of them may: read every table. It may log in itself, once it has a password: people and tools that only look
    if to_regrole('tradepulse_read') is null then
        create role tradepulse_read;
    end if;
    alter role tradepulse_read login;

    execute format('revoke all on database %I from public', current_database());
    execute format('grant connect on database %I to tradepulse_read, tradepulse_owner, tradepulse_backup, '
                   'tradepulse_monitor', current_database());
    execute format('grant create on database %I to tradepulse_owner', current_database());
    -- candles are copied into a temporary table first
    execute format('grant temporary on database %I to market_ingest, optimizer_svc, tradepulse_operator',
                   current_database());

    -- of a database that was made without roles
    for object in
        select c.oid::regclass::text as name, c.relkind from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
            and c.relowner <> 'tradepulse_owner'::regrole
    loop
        execute format('alter %s %s owner to tradepulse_owner',
                       case object.relkind when 'v' then 'view' else 'table' end, object.name);
    end loop;
    for object in
        select p.oid::regprocedure::text as name from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proowner <> 'tradepulse_owner'::regrole
    loop
        execute format('alter function %s owner to tradepulse_owner', object.name);
    end loop;
end $$;

revoke all on schema public from public;
alter schema public owner to tradepulse_owner;
grant usage on schema public to tradepulse_read, tradepulse_backup, tradepulse_monitor;

grant tradepulse_read to market_ingest, signal_svc, rl_svc, executor_svc, optimizer_svc, studio_svc, rl_trainer,
    tradepulse_operator;
-- what people do by command: import and backfill, searches, configurations, models
grant market_ingest, optimizer_svc, studio_svc, rl_trainer to tradepulse_operator;
-- a dump is of every row, and the drill makes a database of its own
alter role tradepulse_backup replication bypassrls createdb;
grant pg_read_all_data to tradepulse_backup;
grant pg_monitor to tradepulse_monitor;
-- which services are connected
grant pg_read_all_stats to tradepulse_operator;
