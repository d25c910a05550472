"""The SQL of the overview."""

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
