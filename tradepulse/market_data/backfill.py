"""Historical candles from a venue into the database, each question asked once.

What a venue has answered is remembered, also where the answer was that it has no candle there. So
only what nobody has asked for yet is asked, and each page is stored with the range that it settles
in one transaction: whenever the process is killed, the next one goes on where it stood.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import numpy as np

from tradepulse.candles.checks import time_text
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.store import Stored, upsert_candles
from tradepulse.market_data.venues.answers import CandlePage, RefusedCandle, Span
from tradepulse.market_data.venues.client import Venue
from tradepulse.market_data.venues.history import PATIENCE, Patience, pages
from tradepulse.runtime.db import Connection

log = logging.getLogger(__name__)

_HOLES = """
select open_time, next from (
    select open_time, lead(open_time, 1, $5::bigint) over (order by open_time) as next
    from (
        select $4::bigint - $6::bigint as open_time
        union all
        select open_time from candles_of($1, $2, $3) where open_time >= $4 and open_time < $5
    ) as times
) as pairs
where next - open_time > $6
order by open_time
"""
_ASKED = """
select asked * int8multirange(int8range($4, $5)) from venue_answers
where exchange = $1 and symbol = $2 and timeframe = $3
"""
_REMEMBER = """
insert into venue_answers as known (exchange, symbol, timeframe, asked)
values ($1, $2, $3, int8multirange(int8range($4, $5)))
on conflict (exchange, symbol, timeframe) do update set asked = known.asked + excluded.asked
"""
_COUNT = "select count(*) from candles_of($1, $2, $3) where open_time >= $4 and open_time < $5"
_LOCK = "select pg_advisory_lock(hashtextextended($1, 0))"
_EXAMPLES = 3
_HOUR = 3_600_000


@dataclass(slots=True)
class Filled:
    """What filling a range did, also where it ended early.

    Attributes:
        slots: candles that the range has room for, up to now.
        present: of these, how many were stored already.
        settled: of the slots without a candle, those that need no question: asked before.
        stored: candles written, or changed.
        kept: candles that differ from stored ones of a better source, which were kept.
        without: slots of which the venue said now that it has no candle.
        open: slots that are still missing: not reached, or closed so lately that the venue may yet
            have a candle.
        refused: how many of the venue's candles were not taken; `examples` are the first.
        pages: answers that this took.
    """

    slots: int = 0
    present: int = 0
    settled: int = 0
    stored: int = 0
    kept: int = 0
    without: int = 0
    open: int = 0
    refused: int = 0
    pages: int = 0
    examples: list[RefusedCandle] = field(default_factory=list)


OnPage = Callable[[Filled, int], None]
"""Told after each page what was done so far, and how many of the slots are dealt with."""


@dataclass(frozen=True, slots=True)
class FillOptions:
    """How a range is filled.

    Attributes:
        backward: begin with the newest.
        from_trades: see `history.pages`.
        again: ask also for what the venue said before that it does not have.
        only: the parts of the range to look at, sorted; all of it by default.
        on_page: told of progress.
        patience: with a venue that does not answer.
    """

    backward: bool = False
    from_trades: bool = False
    again: bool = False
    only: Sequence[Span] | None = None
    on_page: OnPage | None = None
    patience: Patience = PATIENCE


_FORWARD = FillOptions()


async def missing_ranges(
    connection: Connection,
    exchange: str,
    symbol: str,
    timeframe: str,
    start: int,
    end: int,
    *,
    again: bool = False,
) -> list[Span]:
    """Return the ranges of a series whose candles are neither stored nor known not to exist.

    Args:
        connection: asyncpg connection.
        exchange: venue.
        symbol: as in `BTC/USD`.
        timeframe: as in `5m`.
        start: epoch ms; slots that open in `[start, end)` are looked at.
        end: epoch ms.
        again: whether slots of which the venue said that it has nothing are missing, too.
    """
    step = timeframe_ms(timeframe)
    first, stop = -(-start // step) * step, -(-end // step) * step
    if first >= stop:
        return []
    where = exchange, symbol, timeframe, first, stop
    rows = await connection.fetch(_HOLES, *where, step)
    holes = [(row["open_time"] + step, row["next"]) for row in rows]
    if not holes or again:
        return holes
    asked = await connection.fetchval(_ASKED, *where)
    known = [(part.lower, part.upper) for part in asked or ()]
    # an answer may end within a slot, of which it then says nothing
    known = [(-(-lower // step) * step, upper // step * step) for lower, upper in known]
    return list(without(holes, known))


def without(spans: Sequence[Span], taken: Sequence[Span]) -> list[Span]:
    """Return the parts of sorted ranges that lie in none of other sorted ranges."""
    left, at = [], 0
    for start, end in spans:
        begin = start
        while at < len(taken) and taken[at][1] <= begin:
            at += 1
        cursor = at
        while cursor < len(taken) and taken[cursor][0] < end:
            if taken[cursor][0] > begin:
                left.append((begin, taken[cursor][0]))
            begin = max(begin, taken[cursor][1])
            cursor += 1
        if begin < end:
            left.append((begin, end))
    return left


def bundled(spans: Sequence[Span], longest: int) -> list[Span]:
    """Join neighbouring ranges as long as one answer still covers them.

    Args:
        spans: sorted.
        longest: what an answer covers, ms.
    """
    joined: list[Span] = []
    for start, end in spans:
        if joined and end - joined[-1][0] <= longest:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


async def remember_page(
    connection: Connection, exchange: str, symbol: str, timeframe: str, page: CandlePage
) -> Stored:
    """Store a page's candles as `backfill`, and the range that it settles, inside a transaction."""
    stored = Stored(0, 0, "")
    if len(page.candles):
        stored = await upsert_candles(connection, [page.candles], "backfill")
    if page.asked[0] < page.asked[1]:
        await connection.execute(_REMEMBER, exchange, symbol, timeframe, *page.asked)
    return stored


async def fill(
    pool: "asyncpg.Pool[asyncpg.Record]",
    venue: Venue,
    symbol: str,
    timeframe: str,
    start: int,
    end: int,
    options: FillOptions = _FORWARD,
    filled: Filled | None = None,
) -> Filled:
    """Ask a venue for what is missing of a series and store it, page by page.

    One process at a time fills a series; another waits, and then finds nothing missing any more.
    The venue is asked nothing where nothing is missing.

    Args:
        pool: the database; at least two connections, of which this holds one.
        venue: whom to ask.
        symbol: as in `BTC/USD`.
        timeframe: as in `5m`.
        start: epoch ms; candles that open in `[start, end)`.
        end: epoch ms.
        options: see `FillOptions`.
        filled: filled in instead of a new one, to be looked at where an error ends this.

    Raises:
        OutOfReachError: the venue does not serve the older part; what it serves was stored.
        VenueRefusedError: it never will.
        VenueDownError: it does not answer; what came before is stored.
    """
    done = Filled() if filled is None else filled
    where = venue.name, symbol, timeframe
    step = timeframe_ms(timeframe)
    first = -(-start // step) * step
    stop = min(-(-end // step) * step, venue.clock() // step * step)
    if first >= stop:
        return done
    async with _alone(pool, f"fill:{':'.join(where)}") as connection:
        holes = await missing_ranges(connection, *where, first, stop, again=options.again)
        if options.only is not None:
            holes = without(holes, without([(first, stop)], options.only))
        done.slots = (stop - first) // step
        done.present = await connection.fetchval(_COUNT, *where, first, stop)
        done.open = _slots(holes, step)
        done.settled = done.slots - done.present - done.open
        dealt = done.slots - done.open
        async with aclosing(_pages_of(holes, venue, symbol, timeframe, options)) as found:
            async for page in found:
                async with connection.transaction():
                    stored = await remember_page(connection, *where, page)
                touched = _within(holes, page.covered)
                _add(done, page, stored, touched, step)
                dealt += _slots(touched, step)
                if options.on_page is not None:
                    options.on_page(done, dealt)
    _warn_of_refused(done, ":".join(where))
    return done


async def _pages_of(
    holes: Sequence[Span], venue: Venue, symbol: str, timeframe: str, options: FillOptions
) -> AsyncGenerator[CandlePage, None]:
    """Yield the venue's answers about some ranges, which may cover what lies between them."""
    step = timeframe_ms(timeframe)
    # between two holes, candles cost a part of a request, trades many requests
    longest = max(step, _HOUR) if options.from_trades else venue.rules.page_ms(timeframe)
    spans = bundled(holes, longest)
    for span in reversed(spans) if options.backward else spans:
        found = pages(
            venue,
            symbol,
            timeframe,
            *span,
            backward=options.backward,
            from_trades=options.from_trades,
            patience=options.patience,
        )
        async with aclosing(found):
            async for answer in found:
                yield answer


def _warn_of_refused(done: Filled, series: str) -> None:
    if done.refused:
        told = "; ".join(f"{time_text(one.open_time)}: {one.reason}" for one in done.examples)
        log.warning("%s: %d candles were refused: %s", series, done.refused, told)


def _add(done: Filled, page: CandlePage, stored: Stored, holes: list[Span], step: int) -> None:
    done.pages += 1
    done.stored += stored.written
    done.kept += stored.kept
    done.refused += len(page.refused)
    done.examples += page.refused[: _EXAMPLES - len(done.examples)]
    gained = _opening_in(page, holes)
    answered = _within(holes, page.asked)
    nothing = _slots(answered, step) - _opening_in(page, answered)
    done.without += nothing
    done.open -= gained + nothing


def _opening_in(page: CandlePage, spans: list[Span]) -> int:
    times = page.candles.open_time
    return sum(int(np.diff(np.searchsorted(times, span))[0]) for span in spans)


def _within(spans: Sequence[Span], part: Span) -> list[Span]:
    cut = [(max(lower, part[0]), min(upper, part[1])) for lower, upper in spans]
    return [(lower, upper) for lower, upper in cut if lower < upper]


def _slots(spans: Sequence[Span], step: int) -> int:
    return sum((upper - lower) // step for lower, upper in spans)


_filling: "dict[asyncpg.Pool[asyncpg.Record], asyncio.Semaphore]" = {}


@asynccontextmanager
async def _alone(pool: "asyncpg.Pool[asyncpg.Record]", name: str) -> AsyncIterator[Connection]:
    """Hold the named lock on a connection of the pool; it goes with the connection."""
    if pool.get_max_size() < 2:  # noqa: PLR2004 - one is held, one spaces the requests
        raise ValueError("filling needs a pool of at least two connections")
    for other in [one for one in _filling if one.is_closing()]:
        del _filling[other]
    # all connections held by fillings would leave none for the pace of their requests
    at_once = _filling.setdefault(pool, asyncio.Semaphore(pool.get_max_size() - 1))
    async with at_once, pool.acquire() as connection:
        await connection.execute(_LOCK, name)
        # the pool takes the lock back with the connection
        yield connection
