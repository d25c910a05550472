"""A gap in repair: which of its slots still want a candle, and which candles are good for them."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.checks import rules, time_text
from tradepulse.candles.gaps.finding import DAY_MS, Finding
from tradepulse.candles.gaps.records import Gap
from tradepulse.candles.gaps.remedies import Repair, plan
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.gaps.tries_store import Tried
from tradepulse.market_data.store import known_series
from tradepulse.market_data.venues.rules import VENUES, VenueRules
from tradepulse.runtime.db import Connection

LONGEST_SLOTS = 50_000
"""A longer hole is a task for a backfill, which shows its progress and can be stopped."""
LONGEST_FROM_TRADES_MS = 2 * DAY_MS
_SETTLE_MS = 60_000
_Times = NDArray[np.int64]
_PRESENT = """
select array_agg(open_time) filter (where source <> 'synthetic') as there,
       count(*) filter (where source = 'synthetic') as made
from candles_of($1, $2, $3) where open_time >= $4 and open_time < $5
"""


@dataclass(slots=True)
class Work:
    """A gap in repair.

    Attributes:
        gap: the gap.
        wanted: open times of its slots without a good candle.
        made: how many of these have a synthetic one.
        real: candles that came.
        answered: whether the venue has said that it has none of what is wanted.
        no_trades: whether it has shown that there was no trade.
        down: whether it could not be asked.
        tried: step by step.
    """

    gap: Gap
    wanted: _Times
    made: int = 0
    real: int = 0
    answered: bool = False
    no_trades: bool = False
    down: bool = False
    tried: list[Tried] = field(default_factory=list)

    @property
    def where(self) -> tuple[str, str, str]:
        """Exchange, symbol and timeframe."""
        f = self.gap.finding
        return f.exchange, f.symbol, f.timeframe

    @property
    def step_ms(self) -> int:
        """Length of a slot, ms."""
        return timeframe_ms(self.gap.finding.timeframe)

    def runs(self) -> list[tuple[int, int]]:
        """Return what is wanted as ranges of open times."""
        if not len(self.wanted):
            return []
        cuts = np.flatnonzero(np.diff(self.wanted) > self.step_ms) + 1
        return [(int(r[0]), int(r[-1]) + self.step_ms) for r in np.split(self.wanted, cuts)]

    def by(self) -> str:
        """Return the steps that gave candles."""
        return ",".join(dict.fromkeys(one.step for one in self.tried if one.candles))


async def work_on(connection: Connection, gap: Gap) -> Work:
    """Look up what a gap still wants."""
    f = gap.finding
    step = timeframe_ms(f.timeframe)
    first, end = f.first // step * step, -(-f.end // step) * step
    if f.kind == "off_grid":
        # its candles begin in these slots, and close in the next
        end -= step
    slots = np.arange(first, end, step, dtype=np.int64)
    row = await connection.fetchrow(_PRESENT, f.exchange, f.symbol, f.timeframe, first, end)
    there = np.array((row and row["there"]) or [], np.int64)
    if f.kind in ("hole", "off_grid"):
        slots = np.setdiff1d(slots, there)
    else:
        # of a run that was mended in part, what is still there
        slots = np.intersect1d(slots, there)
    return Work(gap, slots, made=int(row["made"]) if row else 0)


def part_of(gap: Gap, first: int, end: int) -> Finding:
    """Return the part of a gap in a range, told as the rest that it is."""
    f = gap.finding
    step = timeframe_ms(f.timeframe)
    count = (end - first) // step
    counted = "1 candle is" if count == 1 else f"{count} candles are"
    told = f"{counted} still missing from {time_text(first)}, the rest of gap {gap.gap_id}"
    if f.kind != "hole":
        told = f"{counted} still {f.kind.replace('_', ' ')} from {time_text(first)}"
    reason = f.sentence.partition("Z: ")[2] or f.sentence
    sentence = f"{f.instrument} {f.timeframe}: {told}: {reason}"
    return replace(f, first=first, last=end - step, count=count, sentence=sentence)


def has_trades(rule: VenueRules, finding: Finding, now: int) -> bool:
    """Tell whether the venue still has the trades of a gap, and few enough."""
    if finding.end - finding.first > LONGEST_FROM_TRADES_MS:
        return False
    return rule.trades_reach == "all" or finding.first >= now - DAY_MS + _SETTLE_MS


def reach_of(rule: VenueRules | None, timeframe: str, now: int) -> int | None:
    """Return the open time of the oldest candle that a venue serves, None for all."""
    if rule is None or rule.honours_since:
        return None
    step = timeframe_ms(timeframe)
    return now // step * step - rule.candles_per_call * step


def came(work: Work, stored: int) -> str:
    """Say what came of a step."""
    left = len(work.wanted)
    told = "1 candle came" if stored == 1 else f"{stored} candles came"
    return f"{told}, {left} {'is' if left == 1 else 'are'} missing still" if left else told


def good_for(candles: Candles, wanted: _Times) -> Candles:
    """Return those candles that are wanted and possible."""
    keep = np.isin(candles.open_time, wanted)
    for rule in rules(candles):
        keep &= ~rule.broken
    return rows_of(candles, keep)


def rows_of(candles: Candles, keep: NDArray[np.bool_]) -> Candles:
    """Return those rows."""
    columns = (candles.open, candles.high, candles.low, candles.close, candles.volume)
    return Candles(
        candles.exchange,
        candles.symbol,
        candles.timeframe,
        candles.open_time[keep],
        *(column[keep] for column in columns),
    )


async def without_synthetic(
    connection: Connection, candles: Candles, first: int, end: int
) -> Candles:
    """Leave out candles that were made up."""
    names = candles.exchange, candles.symbol, candles.timeframe
    row = await connection.fetchrow(_PRESENT, *names, first, end)
    if row is None or not row["made"]:
        return candles
    return rows_of(candles, np.isin(candles.open_time, np.array(row["there"] or [], np.int64)))


async def steps_for(
    connection: Connection, finding: Finding, now: int, synthetic_from: int | None, *, ask: bool
) -> tuple[Repair, ...]:
    """Return what to try for a finding, in order; the venue only where it may be asked."""
    rule = VENUES.get(finding.exchange) if ask else None
    stored = [
        one.timeframe
        for one in await known_series(connection)
        if (one.exchange, one.symbol) == (finding.exchange, finding.symbol)
    ]
    steps = plan(
        finding,
        stored=stored,
        trades=rule is not None and has_trades(rule, finding, now),
        reach=reach_of(rule, finding.timeframe, now),
        synthetic=synthetic_from is not None and finding.end > synthetic_from,
    )
    asked = rule is not None and finding.timeframe in rule.timeframes
    return tuple(step for step in steps if step.step != "venue" or asked)
