"""The SQL of the portfolio's weights; that of models is shared with the command line."""

WEIGHTS = """
select portfolio, close_time, policy, weights, missing, budget, model_id::text, fallback
from portfolio_weights
where portfolio = $1 order by close_time desc limit 1
"""
_OVER_TIME = """
with numbered as (
    select close_time, row_number() over (order by close_time desc) - 1 as n,
           count(*) over () as closes
    from {table}
    where portfolio = $1 and ($2::timestamptz is null or close_time >= $2)
        and ($3::timestamptz is null or close_time < $3) {of_model}
), chosen as (
    select close_time, closes, greatest(1, ceil(closes::numeric / $4))::bigint as every, n
    from numbered
)
select closes, every, portfolio, close_time, policy, weights, missing, budget, model_id::text,
       fallback
from chosen join {table} using (close_time)
where portfolio = $1 and n % every = 0 {of_model} order by close_time
"""
ALLOCATIONS = _OVER_TIME.format(table="portfolio_weights", of_model="")
IN_SHADOW = _OVER_TIME.format(table="shadow_weights", of_model="and model_id = $5")
FOLLOWED = """
select coalesce(fallback, '') as fallback, count(*) as closes
from portfolio_weights where portfolio = $1 and model_id = $2 group by 1 order by 1
"""
SHADOWED = "select count(*) from shadow_weights where portfolio = $1 and model_id = $2"
RECENT = """
with latest as (
    select max(close_time) as until from portfolio_weights where portfolio = $1
)
select coalesce(fallback, '') as fallback, count(*) as closes,
       until - $2::interval as since, until
from portfolio_weights, latest
where portfolio = $1 and close_time > until - $2::interval
group by fallback, until order by closes desc, fallback
"""
PROMOTED = """
select at, from_stage, to_stage, reason, by_person, evidence
from rl_model_events where model_id = $1 and to_stage = 'ACTIVE' order by id desc limit 1
"""
FORMER = """
select model_id from rl_model_events join rl_models using (model_id)
where portfolio = $1 and from_stage = 'ACTIVE' and stage <> 'ACTIVE'
order by id desc limit 1
"""
VERSION = """
select md5(concat(
    (select max(id) from rl_model_events), ' ', (select count(*) from rl_models), ' ',
    (select string_agg(concat(job_id, status, cancel_requested), ' ' order by created_at, job_id)
     from (select * from training_jobs where kind = 'policy' order by created_at desc limit 100)
         as newest)))
"""
METRICS = """
select distinct name from rl_training_points, jsonb_each(metrics) as told(name, value)
where job_id = $1 and jsonb_typeof(value) = 'number' order by name
"""
POINTS = """
select seed, step, (metrics ->> $2)::float8 as value from rl_training_points
where job_id = $1 and jsonb_typeof(metrics -> $2) = 'number' order by seed, step
"""
# why a seed ended is in the result of its job, once there is one
SEEDS = """
select p.seed,
       (array_agg(step order by (metrics ->> 'validation_excess')::float8 desc, step)
        filter (where jsonb_typeof(metrics -> 'validation_excess') = 'number'))[1] as best,
       max(told.ended) as ended
from rl_training_points p
left join (
    select (one ->> 'seed')::bigint as seed, one ->> 'ended' as ended
    from training_jobs, jsonb_array_elements(result -> 'seeds') as one
    where job_id = $1 and jsonb_typeof(result -> 'seeds') = 'array'
) told on told.seed = p.seed
where job_id = $1 group by p.seed
"""
