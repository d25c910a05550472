-- Which Kafka each service works with. In another one its offsets mean nothing, and what it published
-- is not there: it says again what the others lack.
create table kafka_clusters (
    service text primary key,
    cluster text not null
);

-- Of a live feed: the stored candles from this close time up to `published_until` are to be published
-- again; null for none.
alter table feeds add column again_from bigint;
