"""Candles that were made up follow the real ones before them, whoever changes these."""

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.market_data.store import upsert_candles
from tradepulse.runtime.db import Connection

_STALE = """
with part as (
    select *, count(*) filter (where source <> 'synthetic') over (order by open_time) as block
    from candles_of($1, $2, $3)
    where open_time >= $4 and open_time < coalesce($5::bigint, 9223372036854775807)
), filled as (
    select *, first_value(close) over (partition by block order by open_time) as before from part
    where block > 0
)
select open_time, before from filled
where source = 'synthetic'
    and (open, high, low, close, volume) is distinct from (before, before, before, before, 0)
order by open_time
"""
_NEXT_REAL = """
select min(open_time) from candles_of($1, $2, $3) where open_time > $4 and source <> 'synthetic'
"""


async def renew_synthetic(connection: Connection, changed: Candles) -> int:
    """Give the synthetic candles that follow changed ones the close before them.

    Returns:
        How many were wrong.
    """
    if not len(changed):
        return 0
    names = changed.exchange, changed.symbol, changed.timeframe
    first, last = int(changed.open_time[0]), int(changed.open_time[-1])
    until = await connection.fetchval(_NEXT_REAL, *names, last)
    return await renew_synthetic_from(connection, *names, first, until)


async def renew_synthetic_from(
    connection: Connection,
    exchange: str,
    symbol: str,
    timeframe: str,
    first: int,
    until: int | None = None,
) -> int:
    """Give the synthetic candles after the first real one at or after `first` what they repeat.

    Returns:
        How many were wrong.
    """
    names = exchange, symbol, timeframe
    rows = await connection.fetch(_STALE, *names, first, until)
    if not rows:
        return 0
    times = np.array([row["open_time"] for row in rows], np.int64)
    price = np.array([row["before"] for row in rows])
    candles = Candles(*names, times, price, price, price, price, np.zeros(len(times)))
    return (await upsert_candles(connection, [candles], "synthetic")).written
