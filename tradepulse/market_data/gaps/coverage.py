"""How much of each stored series is there, counted by the database."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tradepulse.candles.checks import FIRST_TIME, LAST_TIME
from tradepulse.candles.gaps.finding import DAY_MS, Coverage
from tradepulse.candles.gaps.rows import on_grid
from tradepulse.candles.series import EVERY_SERIES, OnSeries, SeriesFilter
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.store import known_series
from tradepulse.runtime.db import Connection

# where a candle counts: in epoch ms, on the grid, closed; see `trading.gap_rows`
_LIFETIMES = """
select n.exchange, n.symbol, n.timeframe, a.open_time, z.open_time
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) as n(exchange, symbol, timeframe,
                                                                        step),
lateral (
    select open_time from candles_of(n.exchange, n.symbol, n.timeframe)
    where open_time between $5 and $6::bigint - n.step and open_time % n.step = 0
        and source <> 'synthetic'
    order by open_time limit 1
) a, lateral (
    select open_time from candles_of(n.exchange, n.symbol, n.timeframe)
    where open_time between $5 and $6::bigint - n.step and open_time % n.step = 0
        and source <> 'synthetic'
    order by open_time desc limit 1
) z
order by 1, 2, 3
"""
_DAYS = f"""
select d.* from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[],
                       $6::bigint[]) with ordinality as s(exchange, symbol, timeframe, step, lo, hi,
                                                          place),
lateral (
    select array_agg(day) as days, array_agg(present) as present, array_agg(zero) as zero,
           array_agg(made) as made
    from (
        -- all but the day is judged after the index: a condition that the planner cannot estimate
        -- makes it expect few rows, and sort them
        select day, count(*) filter (where is_real) as present,
            count(*) filter (where is_real and is_quiet) as zero,
            count(*) filter (where is_made) as made
        from (
            select open_time / {DAY_MS} as day,
                source <> 'synthetic' and open_time % s.step = 0 as is_real,
                source = 'synthetic' and open_time % s.step = 0 as is_made,
                not (volume > 0 and volume <> 'NaN') as is_quiet
            from candles_of(s.exchange, s.symbol, s.timeframe)
            where open_time >= s.lo and open_time < s.hi
            offset 0
        ) as rows
        group by 1
    ) as by_day
) d
order by s.place
"""  # noqa: S608 - made of constants only
_SOURCES = """
select s.exchange, s.symbol, s.timeframe, d.source, d.candles
from unnest($1::text[], $2::text[], $3::text[]) as s(exchange, symbol, timeframe),
lateral (
    select source, count(*) as candles from candles_of(s.exchange, s.symbol, s.timeframe)
    where ($4::bigint is null or open_time >= $4) and ($5::bigint is null or open_time < $5)
    group by 1
) d
order by 1, 2, 3, 4
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
    connection: Connection, series: SeriesFilter = EVERY_SERIES, *, now: int | None = None
) -> list[Lifetime]:
    """Return every stored series that has a real candle, sorted by name.

    Args:
        connection: asyncpg connection.
        series: only these.
        now: epoch ms; candles that close after it are not counted, None trusts all.
    """
    names = await _names(connection, series)
    rows = await connection.fetch(
        _LIFETIMES,
        *_columns(names),
        [timeframe_ms(name[2]) for name in names],
        FIRST_TIME,
        LAST_TIME if now is None else min(now, LAST_TIME),
    )
    return [Lifetime(*row.values()) for row in rows]


async def coverage_of(
    connection: Connection,
    series: SeriesFilter = EVERY_SERIES,
    start: int | None = None,
    end: int | None = None,
    *,
    now: int | None = None,
    lifetimes: Mapping[str, tuple[int, int]] | None = None,
) -> Coverage:
    """Count the candles of every stored series and UTC day, as `trading.gaps.coverage` does.

    Args:
        connection: asyncpg connection.
        series: only these.
        start: count from this open time on, epoch ms.
        end: and before this one.
        now: epoch ms; a candle that closes after it is not counted and not expected.
        lifetimes: by series, the `[from, to)` in which it is expected, instead of its first candle
            to its last: give `[first, now)` for one that is followed live.
    """
    known = await lifetimes_of(connection, series, now=now)
    steps = [timeframe_ms(one.timeframe) for one in known]
    ranges = []
    for one, step in zip(known, steps, strict=True):
        first, last = (lifetimes or {}).get(one.series, (one.first, one.end))
        first, last = on_grid(first, step), on_grid(last, step)
        if now is not None:
            last = min(last, now // step * step)
        lo = first if start is None else max(first, on_grid(start, step))
        hi = last if end is None else min(last, on_grid(end, step))
        ranges.append((lo, max(lo, hi)))
    spans = [(lo // DAY_MS, -(-hi // DAY_MS)) for lo, hi in ranges if lo < hi]
    day, after = (min(a for a, _ in spans), max(b for _, b in spans)) if spans else (0, 0)
    counts = np.zeros((4, len(known), after - day), np.int64)
    midnights = np.arange(day, after, dtype=np.int64) * DAY_MS
    for row, ((lo, hi), step) in enumerate(zip(ranges, steps, strict=True)):
        inside = np.minimum(midnights + DAY_MS, hi) - np.maximum(midnights, lo)
        counts[0, row] = np.maximum(inside, 0) // step
    found = await connection.fetch(
        _DAYS,
        [one.exchange for one in known],
        [one.symbol for one in known],
        [one.timeframe for one in known],
        steps,
        [lo for lo, _ in ranges],
        [hi for _, hi in ranges],
    )
    for row, (days, *columns) in enumerate(found):
        for kind, column in enumerate(columns, start=1):
            counts[kind, row, np.array(days or [], np.int64) - day] = column or []
    return Coverage(tuple(one.series for one in known), midnights, *counts)


async def sources_of(
    connection: Connection,
    series: SeriesFilter = EVERY_SERIES,
    start: int | None = None,
    end: int | None = None,
) -> dict[str, dict[str, int]]:
    """Count stored candles by series (`exchange:symbol:timeframe`) and source, as `coverage_of`."""
    counted: dict[str, dict[str, int]] = {}
    names = await _names(connection, series)
    rows = await connection.fetch(_SOURCES, *_columns(names), start, end)
    for where, what, every, source, candles in rows:
        counted.setdefault(f"{where}:{what}:{every}", {})[source] = candles
    return counted


async def _names(connection: Connection, series: SeriesFilter) -> list[tuple[str, str, str]]:
    return [
        (one.exchange, one.symbol, one.timeframe)
        for one in await known_series(connection)
        if series.takes(one)
    ]


def _columns(names: list[tuple[str, str, str]]) -> list[list[str]]:
    return [[name[i] for name in names] for i in range(3)]
