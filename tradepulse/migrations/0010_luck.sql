-- What each search could have found without any edge: the largest t of its trials in every draw of
-- its days, and how many of its trials that covers. Searches of before cover none; theirs count by
-- their number. They are asked for by symbol, whatever venue and timeframe.

alter table training_searches
    add column luck real[] not null default '{}',
    add column luck_trials integer not null default 0;
drop index training_searches_by_series;
create index training_searches_by_symbol on training_searches (symbol);
