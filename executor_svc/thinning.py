"""How long the equity of every close is kept."""

from tradepulse.runtime.retention import Kept

# whole hours, so that an hour is thinned once, and all of it
EQUITY = Kept(
    "equity",
    """
with old as (
    select account, date_trunc('hour', max(close_time), 'UTC') - interval '90 days' as before
    from equity group by account
), crowded as (
    select account, date_trunc('hour', close_time, 'UTC') as hour
    from equity join old using (account)
    where close_time < before group by 1, 2 having count(*) > 3 order by 1, 2 limit $1
), placed as (
    select e.account, e.close_time,
        row_number() over (hourly order by e.close_time desc) as from_last,
        row_number() over (hourly order by e.equity, e.close_time) as from_lowest,
        row_number() over (hourly order by e.equity desc, e.close_time) as from_highest
    from crowded c join equity e on e.account = c.account and e.close_time >= c.hour
        and e.close_time < c.hour + interval '1 hour'
    window hourly as (partition by c.account, c.hour)
)
delete from equity using placed
where least(from_last, from_lowest, from_highest) > 1
    and equity.account = placed.account and equity.close_time = placed.close_time
""",
    batch=500,
)
"""After 90 days the last, the lowest and the highest of each hour: a curve keeps its drawdowns."""
