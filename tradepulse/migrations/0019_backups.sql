-- What a backup needs around it: how far work is that Kafka keeps the place of, and when the last one was.

-- Of a group whose offsets are Kafka's, how far its work is in here. Written before Kafka is told, so
-- it is behind Kafka's only in a database that was restored; then the group goes back to it.
create table group_positions (
    consumer_group text    not null,
    topic          text    not null,
    partition      integer not null,
    next_offset    bigint  not null,
    primary key (consumer_group, topic, partition)
);

-- The last backup of each kind, and the last drill that restored one; written by the commands.
create table backups (
    kind     text        primary key check (kind in ('portable', 'physical', 'drill')),
    ended_at timestamptz not null,
    -- of the backup; of a drill, of the one that was restored
    name     text        not null,
    bytes    bigint      not null
);
