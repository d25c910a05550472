"""The SQL of studio_svc, named. It only reads: what a person changes goes through `runtime`."""

# Everything closed at or before this has been published; what is stored beyond it (a replay's
# future) must not be shown. A feed begins with 0, before it has published anything.
PUBLISHED_UNTIL = "select nullif(max(published_until), 0) from feeds"

SERIES = """
select s.exchange, s.symbol, s.timeframe, t.length, c.*
from candle_series s
join unnest($2::text[], $3::bigint[]) as t(timeframe, length) using (timeframe)
cross join lateral (
    select open_time, open, high, low, close, volume, source from candles m
    where m.series = s.series and ($1::bigint is null or m.open_time + t.length <= $1)
    order by open_time desc limit 1
) c
order by 1, 2, 3
"""

CANDLES = """
select open_time, open, high, low, close, volume from candles_of($1, $2, $3)
where ($4::bigint is null or open_time < $4)
  and ($5::bigint is null or open_time + $6::bigint <= $5)
order by open_time desc limit $7
"""

ACCOUNT = "select initial_cash, cash from accounts where account = $1"

EQUITY_SINCE = """
select close_time, equity::float8, cash::float8, exposure::float8, open_positions
from equity
where account = $1 and ($2::timestamptz is null or close_time > $2)
order by close_time
"""

LAST_EQUITY = """
select close_time, cash, equity, exposure, open_positions from equity
where account = $1 order by close_time desc limit 1
"""

TRADE_STATS = """
select count(*) as trades, count(*) filter (where profit > 0) as wins,
       coalesce(sum(fees), 0) as fees
from positions where account = $1 and exit_time is not null
"""

REFUSED = "select count(*) from orders where account = $1 and status = 'REFUSED'"

POSITIONS = """
select p.*, k.strategy, c.close as last_price
from positions p
left join trained_configurations k using (configuration_id)
left join unnest($3::text[], $4::bigint[]) as t(timeframe, length)
    on t.timeframe = p.timeframe
left join lateral (
    select close from candles_of(p.exchange, p.symbol, p.timeframe) m
    where $2::bigint is null or m.open_time + t.length <= $2
    order by open_time desc limit 1
) c on true
where p.account = $1 and p.exit_time is null
order by p.entry_time desc, p.exchange, p.symbol, p.configuration_id
limit 500
"""

TRADES = """
select position_id, configuration_id, exchange, symbol, timeframe, side, quantity, entry_time,
       entry_price, exit_time, exit_price, exit_reason, fees, profit
from positions
where account = $1 and exit_time is not null
  and ($2::text is null or (exchange = $2 and symbol = $3 and timeframe = $4))
order by exit_time desc, entry_time desc, position_id
limit $5
"""

SIGNALS = """
select signal_id, configuration_id, strategy, exchange, symbol, timeframe, action,
       reference_price, stop_price, take_profit_price, confidence, decided_at
from signals order by decided_at desc, signal_id limit $1
"""

ORDERS = """
select o.order_id, o.configuration_id, o.exchange, o.symbol, o.timeframe, o.side, o.order_type,
       o.quantity, o.reference_price, o.status, o.reason, o.decided_at,
       f.price as fill_price, f.fee, f.filled_at
from (select * from orders where account = $1
      order by decided_at desc, order_id limit $2) o
left join lateral (
    select sum(price * quantity) / nullif(sum(quantity), 0) as price, sum(fee) as fee,
           max(filled_at) as filled_at
    from fills where fills.order_id = o.order_id
) f on true
order by o.decided_at desc, o.order_id
"""

WEIGHTS = """
select portfolio, close_time, policy, weights, missing from portfolio_weights
where portfolio = $1 order by close_time desc limit 1
"""

CONFIGURATIONS = """
select k.configuration_id, k.revision, k.strategy, k.exchange, k.symbol, k.timeframe, k.params,
       k.share, k.stage, k.is_active, k.retired, k.edited_from, k.metrics, j.done as trials,
       r.created_at as validated_at, r.passed, r.gates, r.gates_passed,
       coalesce(p.trades, 0) as paper_trades, coalesce(p.profit, 0) as paper_profit
from trained_configurations k
left join lateral (
    select created_at, passed, gates, gates_passed from validation_reports r
    where r.configuration_id = k.configuration_id order by report_id desc limit 1
) r on true
left join training_jobs j using (job_id)
left join (
    select configuration_id, count(*) as trades, sum(profit) as profit
    from positions where account = $1 and exit_time is not null group by configuration_id
) p using (configuration_id)
where $2::uuid is null or k.configuration_id = $2
order by k.is_active desc, k.retired, k.exchange, k.symbol, k.timeframe, k.strategy,
    k.created_at desc
limit 200
"""

JOBS = """
select job_id, kind, status, done, total, cancel_requested, spec, error, created_at, started_at,
       finished_at
from training_jobs where $2::uuid is null or job_id = $2
order by status in ('RUNNING', 'QUEUED') desc, status = 'RUNNING' desc, created_at desc, job_id
limit $1
"""
