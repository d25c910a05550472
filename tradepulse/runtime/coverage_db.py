"""How much of each stored series is there, counted by the database."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tradepulse.runtime.db import Connection
from tradepulse.trading.candle_checks import FIRST_TIME, LAST_TIME
from tradepulse.trading.gap_rows import on_grid
from tradepulse.trading.gaps import DAY_MS, Coverage
from tradepulse.trading.series import OnSeries
from tradepulse.trading.timeframes import TIMEFRAMES_MS, timeframe_ms

# the names from the key alone, one probe of the index for each, where `distinct` reads it all
_NAMES = """
with recursive names as (
    (select exchange, symbol, timeframe from market_data order by 1, 2, 3 limit 1)
    union all
    select n.* from names, lateral (
        select m.exchange, m.symbol, m.timeframe from market_data m
        where (m.exchange, m.symbol, m.timeframe)
            > (names.exchange, names.symbol, names.timeframe)
        order by 1, 2, 3 limit 1
    ) n
)
"""
# where a candle counts: in epoch ms, on the grid, closed; see `trading.gap_rows`
_LIFETIMES = f"""
{_NAMES}
select n.exchange, n.symbol, n.timeframe, a.open_time as first, z.open_time as last
from names n join unnest($4::text[], $5::bigint[]) as t(timeframe, step) using (timeframe),
lateral (
    select m.open_time from market_data m
    where m.exchange = n.exchange and m.symbol = n.symbol and m.timeframe = n.timeframe
        and m.open_time between $7 and least($6 - t.step, $8) and m.open_time % t.step = 0
        and m.source <> 'synthetic'
    order by m.open_time limit 1
) a, lateral (
    select m.open_time from market_data m
    where m.exchange = n.exchange and m.symbol = n.symbol and m.timeframe = n.timeframe
        and m.open_time between $7 and least($6 - t.step, $8) and m.open_time % t.step = 0
        and m.source <> 'synthetic'
    order by m.open_time desc limit 1
) z
where ($1::text is null or n.exchange = $1) and ($2::text is null or n.symbol = $2)
    and ($3::text is null or n.timeframe = $3)
order by 1, 2, 3
"""  # noqa: S608 - made of the constants above only
_DAYS = f"""
select d.* from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[],
                       $6::bigint[]) with ordinality as s(exchange, symbol, timeframe, step, lo, hi,
                                                          place),
lateral (
    select array_agg(day) as days, array_agg(present) as present, array_agg(zero) as zero,
           array_agg(made) as made
    from (
        select m.open_time / {DAY_MS} as day,
            count(*) filter (where m.source <> 'synthetic') as present,
            count(*) filter (where m.source <> 'synthetic'
                and not (m.volume > 0 and m.volume <> 'NaN')) as zero,
            count(*) filter (where m.source = 'synthetic') as made
        from market_data m
        where m.exchange = s.exchange and m.symbol = s.symbol and m.timeframe = s.timeframe
            and m.open_time >= s.lo and m.open_time < s.hi and m.open_time % s.step = 0
        group by 1
    ) as by_day
) d
order by s.place
"""  # noqa: S608 - made of constants only
_SOURCES = """
select exchange, symbol, timeframe, source, count(*) as candles from market_data
where ($1::text is null or exchange = $1) and ($2::text is null or symbol = $2)
    and ($3::text is null or timeframe = $3) and ($4::bigint is null or open_time >= $4)
    and ($5::bigint is null or open_time < $5)
group by 1, 2, 3, 4 order by 1, 2, 3, 4
"""


@dataclass(frozen=True, slots=True)
class Lifetime(OnSeries):
    """A stored series and how far its real, closed candles reach.

    Attributes:
        exchange: as in `Candles`; so are `symbol` and `timeframe`.
        first: open time of the first of them, epoch ms.
        last: open time of the last one.
    """

    exchange: str
    symbol: str
    timeframe: str
    first: int
    last: int

    @property
    def end(self) -> int:
        """Close time of the last candle, epoch ms."""
        return self.last + timeframe_ms(self.timeframe)


async def lifetimes_of(
    connection: Connection,
    exchange: str | None = None,
    symbol: str | None = None,
    timeframe: str | None = None,
    *,
    now: int | None = None,
) -> list[Lifetime]:
    """Return every stored series that has a real candle, sorted by name; None filters nothing.

    Args:
        connection: asyncpg connection.
        exchange: venue.
        symbol: as in `BTC/USD`.
        timeframe: as in `30m`.
        now: epoch ms; candles that close after it are not counted, None trusts all.
    """
    rows = await connection.fetch(
        _LIFETIMES,
        exchange,
        symbol,
        timeframe,
        list(TIMEFRAMES_MS),
        list(TIMEFRAMES_MS.values()),
        LAST_TIME if now is None else min(now, LAST_TIME),
        FIRST_TIME,
        LAST_TIME - 1,
    )
    return [Lifetime(*row.values()) for row in rows]


async def coverage_of(
    connection: Connection,
    exchange: str | None = None,
    symbol: str | None = None,
    timeframe: str | None = None,
    start: int | None = None,
    end: int | None = None,
    *,
    now: int | None = None,
    lifetimes: Mapping[str, tuple[int, int]] | None = None,
) -> Coverage:
    """Count the candles of every stored series and UTC day, as `trading.gaps.coverage` does.

    Args:
        connection: asyncpg connection.
        exchange: only this venue's.
        symbol: only this one, as in `BTC/USD`.
        timeframe: only this one, as in `30m`.
        start: count from this open time on, epoch ms.
        end: and before this one.
        now: epoch ms; a candle that closes after it is not counted and not expected.
        lifetimes: by series, the `[from, to)` in which it is expected, instead of its first candle
            to its last: give `[first, now)` for one that is followed live.
    """
    series = await lifetimes_of(connection, exchange, symbol, timeframe, now=now)
    steps = [timeframe_ms(one.timeframe) for one in series]
    ranges = []
    for one, step in zip(series, steps, strict=True):
        first, last = (lifetimes or {}).get(one.series, (one.first, one.end))
        first, last = on_grid(first, step), on_grid(last, step)
        if now is not None:
            last = min(last, now // step * step)
        lo = first if start is None else max(first, on_grid(start, step))
        hi = last if end is None else min(last, on_grid(end, step))
        ranges.append((lo, max(lo, hi)))
    spans = [(lo // DAY_MS, -(-hi // DAY_MS)) for lo, hi in ranges if lo < hi]
    day, after = (min(a for a, _ in spans), max(b for _, b in spans)) if spans else (0, 0)
    counts = np.zeros((4, len(series), after - day), np.int64)
    midnights = np.arange(day, after, dtype=np.int64) * DAY_MS
    for row, ((lo, hi), step) in enumerate(zip(ranges, steps, strict=True)):
        inside = np.minimum(midnights + DAY_MS, hi) - np.maximum(midnights, lo)
        counts[0, row] = np.maximum(inside, 0) // step
    found = await connection.fetch(
        _DAYS,
        [one.exchange for one in series],
        [one.symbol for one in series],
        [one.timeframe for one in series],
        steps,
        [lo for lo, _ in ranges],
        [hi for _, hi in ranges],
    )
    for row, (days, *columns) in enumerate(found):
        for kind, column in enumerate(columns, start=1):
            counts[kind, row, np.array(days or [], np.int64) - day] = column or []
    return Coverage(tuple(one.series for one in series), midnights, *counts)


async def sources_of(
    connection: Connection,
    exchange: str | None = None,
    symbol: str | None = None,
    timeframe: str | None = None,
    start: int | None = None,
    end: int | None = None,
) -> dict[str, dict[str, int]]:
    """Count stored candles by series (`exchange:symbol:timeframe`) and source, as `coverage_of`."""
    counted: dict[str, dict[str, int]] = {}
    rows = await connection.fetch(_SOURCES, exchange, symbol, timeframe, start, end)
    for where, what, every, source, candles in rows:
        counted.setdefault(f"{where}:{what}:{every}", {})[source] = candles
    return counted
