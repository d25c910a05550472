"""The SQL of candles."""

CANDLES = """
select open_time, open, high, low, close, volume from candles_of($1, $2, $3)
where ($4::bigint is null or open_time < $4)
  and ($5::bigint is null or open_time + $6::bigint <= $5)
order by open_time desc limit $7
"""
