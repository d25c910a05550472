"""What was tried for gaps, and what became of them, in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from tradepulse.candles.gaps.causes import Cause
from tradepulse.candles.gaps.finding import Finding
from tradepulse.candles.gaps.records import NEVER, Gap, Verdict
from tradepulse.candles.gaps.remedies import Step
from tradepulse.market_data.gaps.store import COLUMNS, INSERT, columns_of, facts_of, gap_of_row
from tradepulse.runtime.db import Connection
from tradepulse.runtime.retention import Kept

Outcome = Literal["mended", "part", "nothing", "refused", "down"]

REPAIRS = Kept(
    "gap_repairs",
    """
delete from gap_repairs where repair_id in (
    select repair_id from gap_repairs join data_gaps using (gap_id)
    where at < now() - interval '400 days' and status in ('repaired', 'gone')
    order by repair_id limit $1)
""",
)
"""Of a gap that still stands all is kept: what mended a part of it says how it ended."""

_DUE = f"""
select {COLUMNS} from data_gaps
where status in ('open', 'filled') and next_try_at <= $1
    and kind in ('hole', 'off_grid', 'impossible', 'unfinished')
order by first_open_time desc, gap_id limit $2
"""  # noqa: S608 - a constant
_SETTLE = """
update data_gaps set status = $2, attempts = $3, postponed = $4, next_try_at = $5,
    repaired_by = coalesce(nullif($6, ''), repaired_by),
    settled_at = case when $2 = 'open' then null else now() end,
    cause = coalesce($7, cause), sure = sure or $7 is not null, sentence = sentence || $8
where gap_id = $1
"""
_TO_FILL = """
select exchange, symbol, timeframe,
       min(coalesce((metrics -> 'in_sample_range' ->> 0)::float8::bigint,
                    (extract(epoch from created_at) * 1000)::bigint)) as first
from trained_configurations where is_active and fill_gaps group by 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class Tried:
    """One thing that was tried for a gap.

    Attributes:
        gap_id: the gap.
        step: what was tried; `none` where there was nothing to try.
        timeframe: the one that was read.
        candles: stored by it.
        outcome: `mended` all, a `part` or `nothing`; `refused` for good, or nobody there (`down`).
        note: what came of it, in words.
        at: when.
    """

    gap_id: int
    step: Step | Literal["none"]
    timeframe: str
    candles: int
    outcome: Outcome
    note: str
    at: datetime | None = None


async def repairs_of(connection: Connection, gap_id: int) -> list[Tried]:
    """Return what was tried for a gap, oldest first."""
    rows = await connection.fetch(
        "select gap_id, step, timeframe, candles, outcome, note, at from gap_repairs "
        "where gap_id = $1 order by repair_id",
        gap_id,
    )
    return [Tried(**dict(row)) for row in rows]


async def due_gaps(connection: Connection, now: int, limit: int) -> list[Gap]:
    """Return the gaps that may be tried again at market time `now`, the latest first."""
    return [gap_of_row(row) for row in await connection.fetch(_DUE, now, limit)]


async def note_try(connection: Connection, tried: Tried) -> None:
    """Keep what came of one thing that was tried."""
    await connection.execute(
        "insert into gap_repairs (gap_id, step, timeframe, candles, outcome, note) "
        "values ($1, $2, $3, $4, $5, $6)",
        tried.gap_id,
        tried.step,
        tried.timeframe,
        tried.candles,
        tried.outcome,
        tried.note,
    )


async def settle(
    connection: Connection,
    gap: Gap,
    verdict: Verdict,
    *,
    repaired_by: str = "",
    rest: Sequence[Finding] = (),
    proven: Cause | None = None,
) -> None:
    """Enter what became of a gap after it was tried, in one transaction.

    Args:
        connection: asyncpg connection.
        gap: the gap.
        verdict: on it, or on its rest.
        repaired_by: the steps that gave candles.
        rest: what is left of it where a part was repaired: gaps of their own.
        proven: the cause that trying has shown.
    """
    why = "; the venue has no trade there" if proven and proven != gap.finding.cause else ""
    if not rest:
        async with connection.transaction():
            await connection.execute(
                _SETTLE, gap.gap_id, *_standing_of(verdict), repaired_by, proven, why
            )
        return
    rows = []
    for part in rest:
        told = replace(part, cause=proven or part.cause, sure=part.sure or proven is not None)
        facts = facts_of(replace(told, sentence=part.sentence + why))
        rows.append((*facts, verdict.status, verdict.attempts, verdict.next_try_at))
    async with connection.transaction():
        done = "repaired", gap.attempts, gap.postponed, NEVER
        await connection.execute(_SETTLE, gap.gap_id, *done, repaired_by, None, "")
        await connection.execute(INSERT, *columns_of(rows, 13))


def _standing_of(verdict: Verdict) -> tuple[str, int, int, int]:
    return verdict.status, verdict.attempts, verdict.postponed, verdict.next_try_at


async def series_to_fill(connection: Connection) -> dict[tuple[str, str, str], int]:
    """Return the series that active configurations ask to be filled, and from when on (epoch ms).

    That is the first candle that one of them was trained on, or when it was made where that is not
    known.
    """
    rows = await connection.fetch(_TO_FILL)
    return {(row["exchange"], row["symbol"], row["timeframe"]): row["first"] for row in rows}
