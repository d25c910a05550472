-- How long what is to be published has waited. What waits now counts from here on.

alter table outbox add column created_at timestamptz not null default now();
