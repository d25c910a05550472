"""Scanning what is stored: all of it in parts that fit into memory, or only what is new.

A scan of everything judges the cause of every hole on all evidence. Between two of these, only
the end of each series is read; where a hole shows up there, its timeframe is read once more around
it with its witnesses, which is what judging needs (`trading.gap_causes`).
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tradepulse.runtime.candles_db import candle_counts, known_series
from tradepulse.runtime.copy_rows import Decoder, wire
from tradepulse.runtime.db import Connection
from tradepulse.runtime.gaps_db import BEGINNING, Saved, Scanned, save_findings, standing_gaps
from tradepulse.trading.candles import Candles
from tradepulse.trading.gap_causes import HABIT_SLOTS
from tradepulse.trading.gaps import DAY_MS, Finding, scan
from tradepulse.trading.series import OnSeries
from tradepulse.trading.timeframes import timeframe_ms

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
_COUNT = """
select count(*) from candles_of($1, $2, $3) where open_time > $4 and open_time <= $5
"""
EDGE_GRACE_MS = 120_000
"""How late a candle of a series that is followed live may be before it is missing."""

_Lifetimes = Mapping[str, tuple[int, int]]


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


async def _stored_series(connection: Connection) -> list[StoredSeries]:
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
    known = await _stored_series(connection)
    lifetimes = _lifetimes(known, followed, now)
    found: list[Finding] = []
    for lo, hi in _parts(known, rows_at_once):
        series = [
            await real_candles(connection, one, *_with_margin(one, known, lo, hi)) for one in known
        ]
        part = await asyncio.to_thread(_scan, series, now, lifetimes)
        # each belongs to the part in which it begins
        found += [f for f in part if lo <= f.first < hi]
    scanned = [(one.exchange, one.symbol, one.timeframe, BEGINNING) for one in known]
    return Scan(len(known), found, await save_findings(connection, scanned, found))


def _lifetimes(
    known: Iterable[StoredSeries], followed: Collection[str], now: int | None
) -> dict[str, tuple[int, int]]:
    lives: dict[str, tuple[int, int]] = {}
    for one in known:
        if now is not None and one.series in followed:
            last = one.last + timeframe_ms(one.timeframe)
            lives[one.series] = one.first, max(last, now - EDGE_GRACE_MS)
    return lives


def _scan(series: Sequence[Candles], now: int | None, lifetimes: _Lifetimes) -> list[Finding]:
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


class TailScanner:
    """Scans what came since it looked last.

    It knows the series as they were then. Candles that came before the end of a series, as by a
    backfill, are not looked at: `changed` tells, and a scan of everything is due.
    """

    def __init__(self) -> None:
        self._seen: dict[str, StoredSeries] = {}
        self.changed = True
        """Whether candles came elsewhere than at the end of a series since all was scanned."""

    async def note(self, connection: Connection) -> None:
        """Take what is stored as known; to be called before everything is scanned."""
        self._seen = {one.series: one for one in await _stored_series(connection)}
        self.changed = False

    async def scan(
        self, connection: Connection, *, now: int | None = None, followed: Collection[str] = ()
    ) -> Scan:
        """Scan the ends of all series, and bring the records of these up to date."""
        known = await _stored_series(connection)
        lifetimes = _lifetimes(known, followed, now)
        grown = [one for one in known if self._has_tail(one, lifetimes)]
        starts = await self._starts(connection, grown)
        series = [
            await real_candles(connection, one, start)
            for one, (*_, start) in zip(grown, starts, strict=True)
        ]
        await self._look_for_changes(connection, known)
        # one by one, without witnesses: nearly always there is nothing to judge
        found = await asyncio.to_thread(_each_alone, series, now, lifetimes)
        before = {_key(gap.finding) for gap in await standing_gaps(connection, starts)}
        fresh = [f for f in found if f.kind == "hole" and _key(f) not in before]
        if fresh:
            judged = await _judged(connection, known, fresh, now, lifetimes)
            found = [judged.get(_key(f), f) for f in found]
        saved = await save_findings(connection, starts, found, rejudge=False)
        self._seen = {one.series: one for one in known}
        return Scan(len(grown), found, saved)

    def _has_tail(self, one: StoredSeries, lifetimes: _Lifetimes) -> bool:
        seen = self._seen.get(one.series)
        return seen is not None and (one != seen or one.series in lifetimes)

    async def _look_for_changes(
        self, connection: Connection, known: Sequence[StoredSeries]
    ) -> None:
        for one in known:
            seen = self._seen.get(one.series)
            if seen is None or one.first != seen.first:
                self.changed = True
            elif one != seen:
                names = one.exchange, one.symbol, one.timeframe
                tail = seen.last, one.last
                came = await connection.fetchval(_COUNT, *names, *tail)
                self.changed |= one.candles != seen.candles + came

    async def _starts(self, connection: Connection, grown: Sequence[StoredSeries]) -> list[Scanned]:
        """Return from where on to look: where the last look ended, or what goes on there began."""
        starts = {
            (one.exchange, one.symbol, one.timeframe): self._seen[one.series].last for one in grown
        }
        while True:
            reaching = await standing_gaps(
                connection, [(*names, start) for names, start in starts.items()]
            )
            moved = False
            for gap in reaching:
                f = gap.finding
                names = f.exchange, f.symbol, f.timeframe
                before = f.first - timeframe_ms(f.timeframe)
                if before < starts[names]:
                    starts[names], moved = before, True
            if not moved:
                return [(*names, start) for names, start in starts.items()]


def _each_alone(series: Iterable[Candles], now: int | None, lifetimes: _Lifetimes) -> list[Finding]:
    return [
        f
        for candles in series
        for f in scan([candles], now=now, lifetimes=_from_first(candles, lifetimes))
    ]


def _from_first(candles: Candles, lifetimes: _Lifetimes) -> _Lifetimes:
    """Let a series begin with the first candle that was read, and end when it is known to."""
    life = lifetimes.get(candles.series)
    if life is None or not len(candles):
        return {}
    return {candles.series: (int(candles.open_time.min()), life[1])}


async def _judged(
    connection: Connection,
    known: Sequence[StoredSeries],
    holes: Sequence[Finding],
    now: int | None,
    lifetimes: _Lifetimes,
) -> dict[tuple[str, str, int, int], Finding]:
    """Judge new holes on what was stored around them, by timeframe."""
    told: dict[tuple[str, str, int, int], Finding] = {}
    for timeframe in dict.fromkeys(f.timeframe for f in holes):
        step = timeframe_ms(timeframe)
        wanted = [f for f in holes if f.timeframe == timeframe]
        lo, hi = min(f.first for f in wanted), max(f.end for f in wanted)
        venues = {f.exchange for f in wanted}
        series = []
        for one in known:
            own = timeframe_ms(one.timeframe)
            # series of other venues tell whether it was the collector that was down
            if step % own or (one.exchange not in venues and own != step):
                continue
            margin = min(2 * HABIT_SLOTS * step, max(WITNESS_CANDLES, 2 * HABIT_SLOTS) * own)
            series.append(await real_candles(connection, one, lo - margin, hi + margin))
        ends = {
            name: life
            for candles in series
            for name, life in _from_first(candles, lifetimes).items()
        }
        found = await asyncio.to_thread(_scan, series, now, ends)
        told |= {_key(f): f for f in found if f.kind == "hole"}
    return told


def _key(finding: Finding) -> tuple[str, str, int, int]:
    return finding.series, finding.kind, finding.first, finding.last
