"""Repairing a gap: ask the venue, resample, build from trades, and last of all make it up.

Each step is for what the steps before it left (`remedies.plan`). What comes from the venue or
from stored candles is stored as `repaired`, what is made up as `synthetic`, from the last candle
before the hole and never from a later one.
"""

import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

import asyncpg
import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.candles.gaps.causes import Cause
from tradepulse.candles.gaps.finding import Finding
from tradepulse.candles.gaps.records import NEVER, Gap, Tries, Verdict, judge
from tradepulse.candles.gaps.remedies import Repair, resample, synthetic
from tradepulse.candles.series import OnSeries
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.backfill import bundled, missing_ranges, remember_page
from tradepulse.market_data.corrections import store_corrections
from tradepulse.market_data.gaps.open_slots import (
    LONGEST_SLOTS,
    Work,
    came,
    good_for,
    part_of,
    rows_of,
    steps_for,
    without_synthetic,
    work_on,
)
from tradepulse.market_data.gaps.store import quiet_holes
from tradepulse.market_data.gaps.tries_store import Outcome, Tried, note_try, repairs_of, settle
from tradepulse.market_data.loader import VenueOpener
from tradepulse.market_data.store import load_candles, upsert_candles
from tradepulse.market_data.subscriptions import feed_of
from tradepulse.market_data.venues.answers import CandlePage
from tradepulse.market_data.venues.errors import OutOfReachError, VenueDownError, VenueRefusedError
from tradepulse.market_data.venues.history import Patience, pages
from tradepulse.market_data.venues.rules import VENUES
from tradepulse.runtime.db import Connection

log = logging.getLogger(__name__)

_PATIENCE = Patience(tries=3)
_PUBLISHED = "select published_until from feeds where feed = $1 and not finished"


@dataclass(frozen=True, slots=True)
class Repaired:
    """What trying to repair a gap came to.

    Attributes:
        verdict: on the gap, or on what is left of it; None where it was not yet time to try.
        tried: step by step.
        stored: real candles that are new.
    """

    verdict: Verdict | None
    tried: tuple[Tried, ...] = ()
    stored: int = 0


class Repairs:
    """Repairs gaps, one at a time.

    Args:
        pool: the database.
        venues: asked again; None where nobody shall be asked.
        clock: market time, epoch ms.
        patience: with a venue that does not answer.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        venues: VenueOpener | None,
        clock: Callable[[], int],
        *,
        patience: Patience = _PATIENCE,
    ) -> None:
        self._pool = pool
        self._venues = venues
        self._clock = clock
        self._patience = patience

    async def repair(self, gap: Gap, *, synthetic_from: int | None = None) -> Repaired:
        """Try what there is to try, store what comes of it, and enter it.

        Args:
            gap: one that stands.
            synthetic_from: a hole is filled from this open time on (epoch ms) where nothing else
                helps; None not at all.
        """
        now = self._clock()
        published = await self._published(gap.finding)
        # what the live feed has not passed yet it settles by itself
        if gap.finding.end > now or (published is not None and gap.finding.end > published):
            return Repaired(None)
        async with self._pool.acquire() as connection:
            work = await work_on(connection, gap)
            steps = await steps_for(
                connection, gap.finding, now, synthetic_from, ask=self._venues is not None
            )
            await self._look_up(connection, work)
        if len(work.wanted) > LONGEST_SLOTS:
            note = f"longer than {LONGEST_SLOTS} candles: `tradepulse backfill` asks for it"
            return await self._give_up(work, note)
        possible = gap.finding.exchange in VENUES
        for step in steps:
            if not len(work.wanted) or work.down:
                break
            if step.step in ("venue", "trades"):
                if work.answered and gap.finding.cause == "no_trade":
                    # the venue has said that there was none, so it has no trades either
                    continue
                await self._ask(work, step)
            elif step.step == "finer":
                possible = True
                await self._resample(work, step)
            elif synthetic_from is not None:
                await self._make_up(work, step, synthetic_from)
        if len(work.wanted) and not work.tried and not possible:
            return await self._give_up(work, self._nobody(gap.finding))
        # what the venue refuses it refuses for good
        asked = [one.outcome for one in work.tried if one.step in ("venue", "trades")]
        possible &= not asked or set(asked) != {"refused"} or gap.finding.exchange not in VENUES
        return await self._enter(work, now, possible=possible)

    async def _published(self, series: OnSeries) -> int | None:
        """Return until when a live feed has published a series, epoch ms; None without one."""
        feed = feed_of(series.exchange, series.symbol, series.timeframe)
        until: int | None = await self._pool.fetchval(_PUBLISHED, feed)
        return until

    async def _look_up(self, connection: Connection, work: Work) -> None:
        """Take what the venue has said of a hole for want of trades before, as by a backfill."""
        f = work.gap.finding
        if f.cause != "no_trade" or f.exchange not in VENUES or not len(work.wanted):
            return
        span = int(work.wanted[0]), int(work.wanted[-1]) + work.step_ms
        if await missing_ranges(connection, *work.where, *span):
            return
        work.answered = True
        note = f"{f.exchange} has said before that it has none"
        tried = Tried(work.gap.gap_id, "venue", f.timeframe, 0, "nothing", note)
        work.tried.append(tried)
        await note_try(connection, tried)

    def _nobody(self, finding: Finding) -> str:
        known = ", ".join(VENUES)
        return (
            f"nobody to ask: {finding.exchange} is none of {known}, and no shorter candles of "
            f"{finding.symbol} are stored"
        )

    async def _ask(self, work: Work, step: Repair) -> None:
        """Ask the venue for candles or trades of what is wanted, as far as the step reaches."""
        venues = self._venues
        if venues is None:
            return
        exchange, symbol, timeframe = work.where
        venue = venues.venue(exchange)
        from_trades = step.step == "trades"
        spans = [(max(a, step.first), min(b, step.end)) for a, b in work.runs()]
        spans = [(a, b) for a, b in spans if a < b]
        stored, outcome, note = 0, "nothing", ""
        whole = True
        for span in bundled(spans, venue.rules.page_ms(timeframe)):
            found = pages(
                venue, symbol, timeframe, *span, from_trades=from_trades, patience=self._patience
            )
            try:
                stored += await self._take_pages(work, found)
            except VenueDownError as error:
                work.down, outcome, note = True, "down", str(error)
            except OutOfReachError as error:
                whole, note = False, str(error)
            except VenueRefusedError as error:
                whole, outcome, note = False, "refused", str(error)
            if outcome != "nothing":
                break
        if outcome == "nothing":
            # of what was wanted, the venue has told about everything that is in the step's reach
            work.answered |= whole and step.first <= work.gap.finding.first
            work.no_trades |= whole and from_trades and work.gap.finding.cause == "unknown"
            if not whole and not stored:
                outcome = "refused"
        await self._note(work, step, stored, outcome, note or came(work, stored))

    async def _take_pages(self, work: Work, found: AsyncIterator[CandlePage]) -> int:
        stored = 0
        async for page in found:
            empty = replace(page, candles=page.candles.rows(0, 0))
            async with self._pool.acquire() as connection, connection.transaction():
                good = good_for(page.candles, work.wanted)
                await remember_page(connection, *work.where, empty)
                await store_corrections(connection, good)
            stored += _took(work, good)
        return stored

    async def _resample(self, work: Work, step: Repair) -> None:
        exchange, symbol, timeframe = work.where
        first, end = step.first, step.end
        async with self._pool.acquire() as connection, connection.transaction():
            finer = await load_candles(connection, exchange, symbol, step.timeframe, first, end)
            # a part that is made up makes no real candle
            finer = await without_synthetic(connection, finer, first, end)
            quiet = await quiet_holes(connection, exchange, symbol, step.timeframe, first, end)
            fine_step = timeframe_ms(step.timeframe)
            finer = rows_of(finer, finer.open_time % fine_step == 0)
            good = good_for(resample(finer, timeframe, quiet).candles, work.wanted)
            await store_corrections(connection, good)
        stored = _took(work, good)
        await self._note(work, step, stored, "nothing", came(work, stored))

    async def _make_up(self, work: Work, step: Repair, synthetic_from: int) -> None:
        begin = -(-synthetic_from // work.step_ms) * work.step_ms
        made, note = 0, ""
        async with self._pool.acquire() as connection, connection.transaction():
            for first, end in work.runs():
                run = max(first, begin), end
                if run[0] >= run[1]:
                    continue
                before = await load_candles(connection, *work.where, end=run[0], limit_last=1)
                if not len(before):
                    note = "no candle before the hole to fill it from"
                    continue
                hole = part_of(work.gap, *run)
                candles = synthetic(hole, before)
                await upsert_candles(connection, [candles], "synthetic")
                made += len(candles)
        fresh = made - work.made
        work.made = made
        if fresh or note:
            candles_made = "1 candle" if made == 1 else f"{made} candles"
            note = note or f"{candles_made} with the close before and volume 0"
            await self._note(work, step, max(fresh, 0), "nothing", note)

    async def _note(self, work: Work, step: Repair, stored: int, outcome: str, note: str) -> None:
        told: Outcome = outcome  # type: ignore[assignment]  # one of them, as the callers give
        if outcome == "nothing" and stored:
            told = "part" if len(work.wanted) and step.step != "synthetic" else "mended"
        tried = Tried(work.gap.gap_id, step.step, step.timeframe, stored, told, note)
        work.tried.append(tried)
        async with self._pool.acquire() as connection:
            await note_try(connection, tried)

    async def _give_up(self, work: Work, note: str) -> Repaired:
        gap = work.gap
        tried = Tried(gap.gap_id, "none", gap.finding.timeframe, 0, "nothing", note)
        verdict = Verdict("unrepairable", gap.attempts, gap.postponed, NEVER)
        async with self._pool.acquire() as connection, connection.transaction():
            await note_try(connection, tried)
            await settle(connection, gap, verdict)
        return Repaired(verdict, (tried,))

    async def _enter(self, work: Work, now: int, *, possible: bool) -> Repaired:
        gap = work.gap
        left = len(work.wanted)
        if self._venues is None and left and possible and not work.real and not work.made:
            # it can be asked, only not here: nothing was tried in vain
            return Repaired(Verdict(gap.status, gap.attempts, gap.postponed, gap.next_try_at))
        tries = Tries(
            work.real,
            work.made,
            left,
            answered=work.answered,
            no_trades=work.no_trades,
            down=work.down,
            possible=possible,
        )
        verdict = judge(gap, tries, now)
        rest = [part_of(gap, *run) for run in work.runs()] if work.real and left else []
        shown = work.no_trades and gap.finding.kind == "hole" and left
        proven: Cause | None = "no_trade" if shown else None
        async with self._pool.acquire() as connection:
            if not left and not work.real and not await _was_repaired(connection, gap):
                verdict = replace(verdict, status="gone")
            if not left and gap.finding.kind == "off_grid":
                # its slots have candles now, and its own rows stay beside them
                verdict = replace(verdict, status="unrepairable")
            await settle(connection, gap, verdict, repaired_by=work.by(), rest=rest, proven=proven)
        return Repaired(verdict, tuple(work.tried), work.real)


def _took(work: Work, good: Candles) -> int:
    """Cross off what was stored; return how many candles that is."""
    work.wanted = np.setdiff1d(work.wanted, good.open_time)
    work.real += len(good)
    return len(good)


async def _was_repaired(connection: Connection, gap: Gap) -> bool:
    """Tell whether a repair that was cut off has mended it."""
    tried = await repairs_of(connection, gap.gap_id)
    return any(one.candles for one in tried if one.step != "synthetic")
