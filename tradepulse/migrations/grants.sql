-- What each role of deploy/postgres/roles.sql may write; run by every `tradepulse migrate` where those roles are. All of
-- them read everything: no table holds a secret.

revoke all on all tables in schema public from public, tradepulse_read, market_ingest, signal_svc, rl_svc, executor_svc,
    optimizer_svc, studio_svc, rl_trainer, tradepulse_backup;
grant select on all tables in schema public to tradepulse_read;

-- candles, and what is known of the venues
grant insert, update on candles, venue_answers, venue_pace to market_ingest, optimizer_svc;
grant insert on candle_series to market_ingest, optimizer_svc;
grant insert, update on feeds, data_gaps, instrument_rules to market_ingest;
grant insert on gap_repairs to market_ingest;
grant update on subscriptions to market_ingest;

grant insert on signals to signal_svc;

grant insert on portfolio_weights, shadow_weights, rl_model_days to rl_svc;

grant insert, update on accounts, orders, positions to executor_svc;
grant insert on fills, equity to executor_svc;

-- who decides alone, and where it stands
grant insert, update on event_time_positions, leases to rl_svc, executor_svc;

-- which Kafka a service works with, and how far the work of a group is
grant insert, update on kafka_clusters to market_ingest, signal_svc, rl_svc, executor_svc, optimizer_svc, studio_svc;
grant insert, update, delete on group_positions to signal_svc;

grant insert, update on backups to tradepulse_backup;

-- what is kept long enough, whoever has written it removes
grant delete on gap_repairs to market_ingest;
grant delete on signals to signal_svc;
grant delete on equity to executor_svc;
grant delete on training_batches to optimizer_svc;

-- searches, validations and what they found
grant insert, update on training_jobs to optimizer_svc, studio_svc;
grant insert, update on training_searches to optimizer_svc;
grant insert on training_batches, validation_reports to optimizer_svc;
grant insert, update on trained_configurations to optimizer_svc, studio_svc;
grant insert on configuration_events to optimizer_svc, studio_svc;

-- trainings of policies, and models
grant update on training_jobs, rl_trainings to rl_trainer;
grant insert, update on rl_training_points to rl_trainer;
grant insert on rl_looks, rl_models to rl_trainer;
grant insert, update, delete on rl_trainers to rl_trainer;
grant insert on rl_trainings to studio_svc;
grant update on rl_models to studio_svc, rl_svc;
grant insert on rl_model_events to studio_svc, rl_svc, rl_trainer;

-- what is followed live
grant insert, delete on subscriptions to studio_svc;

-- What is to be published. A service sees and touches its own rows only: nobody else signs with its name. The page changes
-- configurations, which optimizer_svc publishes.
grant insert, update, delete on outbox to market_ingest, rl_svc, executor_svc, optimizer_svc;
grant insert on outbox to studio_svc;
grant insert on outbox_refused to market_ingest, rl_svc, executor_svc, optimizer_svc;
alter table outbox enable row level security;
drop policy if exists every_row on outbox;
drop policy if exists of_market_ingest on outbox;
drop policy if exists of_rl_svc on outbox;
drop policy if exists of_executor_svc on outbox;
drop policy if exists of_optimizer_svc on outbox;
create policy every_row on outbox for select to tradepulse_read, tradepulse_monitor using (true);
create policy of_market_ingest on outbox to market_ingest using (service = 'market_ingest');
create policy of_rl_svc on outbox to rl_svc using (service = 'rl_svc');
create policy of_executor_svc on outbox to executor_svc using (service = 'executor_svc');
create policy of_optimizer_svc on outbox to optimizer_svc, studio_svc using (service = 'optimizer_svc');
