"""Scanning only what came since the last look: the ends of the series."""

import asyncio
from collections.abc import Collection, Iterable, Sequence

from tradepulse.candles.arrays import Candles
from tradepulse.candles.gaps.causes import HABIT_SLOTS
from tradepulse.candles.gaps.finding import Finding, scan
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.gaps.scan import (
    WITNESS_CANDLES,
    Lifetimes,
    Scan,
    StoredSeries,
    lifetimes_of,
    real_candles,
    scan_of,
    stored_series,
)
from tradepulse.market_data.gaps.store import Scanned, save_findings, standing_gaps
from tradepulse.runtime.db import Connection

_COUNT = """
select count(*) from candles_of($1, $2, $3) where open_time > $4 and open_time <= $5
"""


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
        self._seen = {one.series: one for one in await stored_series(connection)}
        self.changed = False

    async def scan(
        self, connection: Connection, *, now: int | None = None, followed: Collection[str] = ()
    ) -> Scan:
        """Scan the ends of all series, and bring the records of these up to date."""
        known = await stored_series(connection)
        lifetimes = lifetimes_of(known, followed, now)
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

    def _has_tail(self, one: StoredSeries, lifetimes: Lifetimes) -> bool:
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


def _each_alone(series: Iterable[Candles], now: int | None, lifetimes: Lifetimes) -> list[Finding]:
    return [
        f
        for candles in series
        for f in scan([candles], now=now, lifetimes=_from_first(candles, lifetimes))
    ]


def _from_first(candles: Candles, lifetimes: Lifetimes) -> Lifetimes:
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
    lifetimes: Lifetimes,
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
        found = await asyncio.to_thread(scan_of, series, now, ends)
        told |= {_key(f): f for f in found if f.kind == "hole"}
    return told


def _key(finding: Finding) -> tuple[str, str, int, int]:
    return finding.series, finding.kind, finding.first, finding.last
