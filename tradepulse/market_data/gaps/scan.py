"""Scanning what is stored: all of it in parts that fit into memory, or only what is new.

A scan of everything judges the cause of every hole on all evidence. Between two of these, only
the end of each series is read; where a hole shows up there, its timeframe is read once more around
it with its witnesses, which is what judging needs (`candles.gaps.causes`).
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.candles.gaps.causes import HABIT_SLOTS
from tradepulse.candles.gaps.finding import DAY_MS, Finding, scan
from tradepulse.candles.series import OnSeries
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.copy_rows import Decoder, wire
from tradepulse.market_data.gaps.store import BEGINNING, Saved, save_findings
from tradepulse.market_data.store import candle_counts, known_series
from tradepulse.runtime.db import Connection

SCAN_LOCK = "gap scan"
"""Advisory lock of who scans."""
ROWS_AT_ONCE = 6_000_000
"""Candles that are held in memory at once, about 300 MB."""
WITNESS_CANDLES = 50_000
"""Most candles of a finer series that are read on each side for what they say of a coarser one."""

_FIGURES = ("open_time", "open", "high", "low", "close", "volume")
_ROW = wire(**{name: ">i8" if name == "open_time" else ">f8" for name in _FIGURES})
_COPY = """
select open_time, open, high, low, close, volume from candles_of($1, $2, $3)
where source <> 'synthetic'
    and open_time >= coalesce((
        select max(open_time) from candles_of($1, $2, $3)
        where source <> 'synthetic' and open_time < $4), $4)
    and open_time <= coalesce((
        select min(open_time) from candles_of($1, $2, $3)
        where source <> 'synthetic' and open_time >= $5), $5)
order by open_time
"""
_LATEST = 2**62
EDGE_GRACE_MS = 120_000
"""How late a candle of a series that is followed live may be before it is missing."""

Lifetimes = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class StoredSeries(OnSeries):
    """One series in the database, what is made up in it included.

    Attributes:
        exchange: as in `Candles`; so are `symbol` and `timeframe`.
        first: open time of the first candle, epoch ms; `last` is the last.
        candles: how many there are.
    """

    exchange: str
    symbol: str
    timeframe: str
    first: int
    last: int
    candles: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan found, and what it changed on record.

    Attributes:
        series: how many were looked at.
        found: all that is wrong there.
        saved: what is new on record.
    """

    series: int
    found: list[Finding]
    saved: Saved


async def real_candles(
    connection: Connection, series: StoredSeries, start: int = BEGINNING, end: int = _LATEST
) -> Candles:
    """Return the candles that are not made up and open in `[start, end)`.

    With them come the last one before and the first one after, so that a hole which reaches beyond
    the range is seen whole.
    """
    decoder = Decoder(_ROW)
    names = series.exchange, series.symbol, series.timeframe
    await connection.copy_from_query(
        _COPY, *names, start, end, output=decoder.take, format="binary"
    )
    columns = decoder.columns()
    return Candles(*names, *(columns[name] for name in _FIGURES))


async def stored_series(connection: Connection) -> list[StoredSeries]:
    """Return every stored series with its ends and its number of candles."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        known, counts = await known_series(connection), await candle_counts(connection)
    return [
        StoredSeries(*names, one.first_open_time, one.last_open_time, counts[names])
        for one in known
        if (names := (one.exchange, one.symbol, one.timeframe)) in counts
    ]


async def scan_all(
    connection: Connection,
    *,
    now: int | None = None,
    followed: Collection[str] = (),
    rows_at_once: int = ROWS_AT_ONCE,
) -> Scan:
    """Scan every stored series and bring the records up to date.

    Args:
        connection: asyncpg connection.
        now: market time, epoch ms: what closes after it is unfinished; None trusts all.
        followed: series (`exchange:symbol:timeframe`) of which candles are expected until now.
        rows_at_once: candles that are held at once.
    """
    known = await stored_series(connection)
    lifetimes = lifetimes_of(known, followed, now)
    found: list[Finding] = []
    for lo, hi in _parts(known, rows_at_once):
        series = [
            await real_candles(connection, one, *_with_margin(one, known, lo, hi)) for one in known
        ]
        part = await asyncio.to_thread(scan_of, series, now, lifetimes)
        # each belongs to the part in which it begins
        found += [f for f in part if lo <= f.first < hi]
    scanned = [(one.exchange, one.symbol, one.timeframe, BEGINNING) for one in known]
    return Scan(len(known), found, await save_findings(connection, scanned, found))


def lifetimes_of(
    known: Iterable[StoredSeries], followed: Collection[str], now: int | None
) -> dict[str, tuple[int, int]]:
    """Return the lifetimes of series that are followed: until now, less the grace."""
    lives: dict[str, tuple[int, int]] = {}
    for one in known:
        if now is not None and one.series in followed:
            last = one.last + timeframe_ms(one.timeframe)
            lives[one.series] = one.first, max(last, now - EDGE_GRACE_MS)
    return lives


def scan_of(series: Sequence[Candles], now: int | None, lifetimes: Lifetimes) -> list[Finding]:
    """Scan series, for a thread of its own."""
    return scan(series, now=now, lifetimes=lifetimes)


def _parts(known: Sequence[StoredSeries], rows_at_once: int) -> list[tuple[int, int]]:
    """Return ranges of open times that hold about as many candles each, first to last."""
    total = sum(one.candles for one in known)
    count = -(-total // rows_at_once)
    if count <= 1:
        return [(BEGINNING, _LATEST)]
    first = np.array([one.first for one in known])
    after = np.array([one.last for one in known]) + 1
    edges = np.unique([first, after])
    rate = np.zeros(len(edges))
    for lo, hi, one in zip(*np.searchsorted(edges, [first, after]), known, strict=True):
        rate[lo:hi] += one.candles / (edges[hi] - edges[lo])
    rows = np.concatenate([[0.0], np.cumsum(rate[:-1] * np.diff(edges))])
    wanted = np.arange(1, count) * total / count
    cuts = np.unique(np.interp(wanted, rows, edges).astype(np.int64) // DAY_MS * DAY_MS).tolist()
    return list(zip([BEGINNING, *cuts], [*cuts, _LATEST], strict=True))


def _with_margin(
    one: StoredSeries, known: Sequence[StoredSeries], lo: int, hi: int
) -> tuple[int, int]:
    """Widen a range by what tells how usual a silence of the series, or of a coarser one, is."""
    step = timeframe_ms(one.timeframe)
    coarser = [
        timeframe_ms(other.timeframe)
        for other in known
        if other.exchange == one.exchange and timeframe_ms(other.timeframe) % step == 0
    ]
    margin = min(2 * HABIT_SLOTS * max(coarser), max(WITNESS_CANDLES, 2 * HABIT_SLOTS) * step)
    begin = lo if lo == BEGINNING else lo - margin
    return begin, hi if hi == _LATEST else hi + margin
