"""Gaps in PostgreSQL: what was found wrong with stored candles, and what was tried against it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tradepulse.candles.gaps.causes import Cause
from tradepulse.candles.gaps.finding import Finding, Kind
from tradepulse.candles.gaps.records import STANDING, Gap, Status, reconcile
from tradepulse.candles.series import EVERY_SERIES, SeriesFilter
from tradepulse.runtime.db import Connection
from tradepulse.runtime.refusals import NotFoundError

SCAN_CHANNEL = "tradepulse_scan"
"""`notify` on it asks market_ingest to scan at once."""
SCANNER = "gap scanner"
"""Name of the advisory lock of the market_ingest that scans."""

COLUMNS = (
    "gap_id, exchange, symbol, timeframe, kind, first_open_time, last_open_time, candles, cause, "
    "sure, sentence, status, detected_at, settled_at, repaired_by, attempts, postponed, next_try_at"
)
_LIST = f"""
select {COLUMNS} from data_gaps
where ($1::text is null or exchange = $1) and ($2::text is null or symbol = $2)
    and ($3::text is null or timeframe = $3) and ($4::text[] is null or status = any($4))
    and ($5::text is null or kind = $5) and ($6::text is null or cause = $6)
    and ($7::bigint is null or last_open_time >= $7)
    and ($8::bigint is null or first_open_time < $8)
order by first_open_time desc, exchange, symbol, timeframe, gap_id limit $9
"""  # noqa: S608 - a constant
_COUNTS = """
select exchange, split_part(split_part(symbol, '/', 2), ':', 1) as quote, kind, cause, status,
       count(*) as gaps, sum(candles)::bigint as candles
from data_gaps group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5
"""
_STANDING = f"""
select {COLUMNS} from data_gaps
join unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
    as scanned(exchange, symbol, timeframe, start) using (exchange, symbol, timeframe)
where status = any($5) and last_open_time >= start
"""  # noqa: S608 - a constant
_QUIET = f"""
select {COLUMNS} from data_gaps
where exchange = $1 and symbol = $2 and timeframe = $3 and status = any($6)
    and kind = 'hole' and cause = 'no_trade' and last_open_time >= $4 and first_open_time < $5
order by first_open_time
"""  # noqa: S608 - a constant
# a scan and a repair at the same time may both enter what the repair has left
INSERT = """
insert into data_gaps (exchange, symbol, timeframe, kind, first_open_time, last_open_time, candles,
                       cause, sure, sentence, status, settled_at, attempts, next_try_at)
select e, s, t, k, f, l, n, c, u, w, st, case when st <> 'open' then now() end, a, x
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],
            $7::integer[], $8::text[], $9::boolean[], $10::text[], $11::text[], $12::integer[],
            $13::bigint[]) as given(e, s, t, k, f, l, n, c, u, w, st, a, x)
on conflict (exchange, symbol, timeframe, kind, first_open_time)
    where status in ('open', 'filled', 'unrepairable') do nothing
"""
_UPDATE = """
update data_gaps g set first_open_time = f, last_open_time = l, candles = n, cause = c, sure = u,
    sentence = w, status = case when again then 'open' else status end,
    settled_at = case when again then null else settled_at end,
    attempts = case when again then 0 else attempts end,
    postponed = case when again then 0 else postponed end,
    next_try_at = case when again then 0 else next_try_at end
from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[], $6::boolean[],
            $7::text[], $8::boolean[]) as given(id, f, l, n, c, u, w, again)
where g.gap_id = id
"""
# a repair that was cut off between its candles and its verdict
_GONE = """
update data_gaps g set settled_at = now(),
    status = case when exists (select from gap_repairs r where r.gap_id = g.gap_id
                               and r.candles > 0 and r.step <> 'synthetic')
             then 'repaired' else 'gone' end
where gap_id = any($1::bigint[])
"""
BEGINNING = -(2**63)
"""Before every candle."""
Scanned = tuple[str, str, str, int]
"""A series that was looked at: exchange, symbol, timeframe, and from which open time on."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What a scan changed: gaps found for the first time, grown, judged anew, and gone."""

    new: int = 0
    grown: int = 0
    judged: int = 0
    gone: int = 0


@dataclass(frozen=True, slots=True)
class GapCount:
    """How many gaps there are of one sort, and how many candles they concern together."""

    exchange: str
    quote: str
    kind: Kind
    cause: Cause | None
    status: Status
    gaps: int
    candles: int


@dataclass(frozen=True, slots=True)
class GapFilter:
    """Which gaps are asked for; None filters nothing.

    Attributes:
        series: of which series.
        status: any of these.
        kind: of the finding.
        cause: of the hole.
        start: gaps that reach beyond this open time, epoch ms.
        end: gaps that begin before this open time, epoch ms.
        limit: at most so many.
    """

    series: SeriesFilter = EVERY_SERIES
    status: Sequence[Status] | None = None
    kind: Kind | None = None
    cause: Cause | None = None
    start: int | None = None
    end: int | None = None
    limit: int = 500


EVERY_GAP = GapFilter()


async def list_gaps(connection: Connection, wanted: GapFilter = EVERY_GAP) -> list[Gap]:
    """Return gaps, the latest of the market first."""
    names = wanted.series.exchange, wanted.series.symbol, wanted.series.timeframe
    status = None if wanted.status is None else list(wanted.status)
    what = status, wanted.kind, wanted.cause
    rows = await connection.fetch(_LIST, *names, *what, wanted.start, wanted.end, wanted.limit)
    return [gap_of_row(row) for row in rows]


async def gap_of(connection: Connection, gap_id: int) -> Gap:
    """Return one gap.

    Raises:
        NotFoundError: there is none of this number.
    """
    row = await connection.fetchrow(
        f"select {COLUMNS} from data_gaps where gap_id = $1",  # noqa: S608 - a constant
        gap_id,
    )
    if row is None:
        raise NotFoundError(f"there is no gap {gap_id}")
    return gap_of_row(row)


async def gap_counts(connection: Connection) -> list[GapCount]:
    """Count all gaps by exchange, quote currency, kind, cause and status."""
    return [GapCount(**dict(row)) for row in await connection.fetch(_COUNTS)]


async def standing_gaps(connection: Connection, scanned: Sequence[Scanned]) -> list[Gap]:
    """Return the gaps that a scan of these series would still find."""
    rows = await connection.fetch(_STANDING, *columns_of(scanned, 4), list(STANDING))
    return [gap_of_row(row) for row in rows]


async def quiet_holes(
    connection: Connection, exchange: str, symbol: str, timeframe: str, start: int, end: int
) -> list[Finding]:
    """Return the holes of a series that reach into `[start, end)` and are for want of trades."""
    where = exchange, symbol, timeframe, start, end
    rows = await connection.fetch(_QUIET, *where, list(STANDING))
    return [gap_of_row(row).finding for row in rows]


async def save_findings(
    connection: Connection,
    scanned: Sequence[Scanned],
    found: Sequence[Finding],
    *,
    rejudge: bool = True,
) -> Saved:
    """Bring the records of some series up to date with a scan of them, in one transaction.

    Args:
        connection: asyncpg connection.
        scanned: what was looked at.
        found: what was found in it, and nothing else.
        rejudge: see `reconcile`.
    """
    async with connection.transaction():
        standing = await standing_gaps(connection, scanned)
        # a thin market has many
        changes = await asyncio.to_thread(reconcile, standing, found, rejudge=rejudge)
        # first, so that a rest may begin where its whole began
        if changes.gone:
            await connection.execute(_GONE, list(changes.gone))
        updates = [(i, f, False) for i, f in changes.judged]
        updates += [(i, f, True) for i, f in changes.grown]
        if updates:
            rows = [
                (i, f.first, f.last, f.count, f.cause, f.sure, f.sentence, again)
                for i, f, again in updates
            ]
            await connection.execute(_UPDATE, *columns_of(rows, 8))
        if changes.new:
            entered = [
                (*facts_of(new.finding), new.status, new.attempts, new.next_try_at)
                for new in changes.new
            ]
            await connection.execute(INSERT, *columns_of(entered, 13))
    return Saved(len(changes.new), len(changes.grown), len(changes.judged), len(changes.gone))


def facts_of(f: Finding) -> tuple[Any, ...]:
    """Return a finding as the first ten columns of `INSERT`."""
    names = f.exchange, f.symbol, f.timeframe, f.kind
    return (*names, f.first, f.last, f.count, f.cause, f.sure, f.sentence)


def columns_of(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Turn rows into columns for `unnest`."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def gap_of_row(row: Any) -> Gap:
    """Read a row of `COLUMNS`."""
    finding = Finding(
        row["exchange"],
        row["symbol"],
        row["timeframe"],
        row["kind"],
        row["first_open_time"],
        row["last_open_time"],
        row["candles"],
        row["sentence"],
        row["cause"],
        row["sure"],
    )
    names = ("settled_at", "repaired_by", "attempts", "postponed", "next_try_at")
    return Gap(
        row["gap_id"],
        finding,
        row["status"],
        row["detected_at"],
        **{name: row[name] for name in names},
    )
