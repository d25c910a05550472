"""The SQL of what is decided, ordered, held and closed."""

SIGNALS = """
select signal_id, configuration_id, strategy, exchange, symbol, timeframe, action,
       reference_price, stop_price, take_profit_price, confidence, decided_at
from signals where $2::uuid is null or configuration_id = $2
order by decided_at desc, signal_id limit $1
"""

ORDERS = """
select o.order_id, o.configuration_id, k.strategy, o.exchange, o.symbol, o.timeframe, o.side,
       o.order_type, nullif(o.quantity, 0) as quantity, o.notional, o.reference_price, o.status,
       o.reason, o.decided_at,
       f.price as fill_price, f.fee, f.filled_at
from (select * from orders
      where account = $1 and ($3::uuid is null or configuration_id = $3)
      order by decided_at desc, order_id limit $2) o
left join trained_configurations k using (configuration_id)
left join lateral (
    select sum(price * quantity) / nullif(sum(quantity), 0) as price, sum(fee) as fee,
           max(filled_at) as filled_at
    from fills where fills.order_id = o.order_id
) f on true
order by o.decided_at desc, o.order_id
"""

SETTLED_TIME = """
select close_time from equity where account = $1 order by close_time desc limit 1
"""

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
select p.position_id, p.configuration_id, k.strategy, p.exchange, p.symbol, p.timeframe, p.side,
       p.quantity, p.entry_time, p.entry_price, p.exit_time, p.exit_price, p.exit_reason, p.fees,
       p.profit
from positions p
left join trained_configurations k using (configuration_id)
where p.account = $1 and p.exit_time is not null
  and ($2::text is null or (p.exchange = $2 and p.symbol = $3 and p.timeframe = $4))
  and ($6::uuid is null or p.configuration_id = $6)
order by p.exit_time desc, p.entry_time desc, p.position_id
limit $5
"""
