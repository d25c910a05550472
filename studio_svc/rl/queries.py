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
