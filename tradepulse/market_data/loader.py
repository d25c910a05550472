"""Candles of any range, the database first: the one loader of research, training and services.

What is stored is read. A timeframe that is not stored, or not whole, is made of stored shorter
ones where all their parts are there. Only what is missing then is asked of the venue, stored and
read back; the next time nothing is asked.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import asyncpg
import numpy as np

from tradepulse.candles.arrays import Candles
from tradepulse.candles.gaps.finding import Finding
from tradepulse.candles.gaps.remedies import resample
from tradepulse.candles.timeframes import TIMEFRAMES_MS, timeframe_ms
from tradepulse.market_data.backfill import FillOptions, fill, missing_ranges, without
from tradepulse.market_data.gaps.store import quiet_holes as recorded_quiet_holes
from tradepulse.market_data.store import load_candles, load_range
from tradepulse.market_data.venues.answers import Span, kept
from tradepulse.market_data.venues.client import Venue, load_ccxt
from tradepulse.market_data.venues.errors import VenueRefusedError
from tradepulse.market_data.venues.history import PATIENCE, Patience
from tradepulse.market_data.venues.rules import VENUES
from tradepulse.runtime.db import Connection

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger(__name__)

_STORED_TIMEFRAMES = """
select name as timeframe from unnest($5::text[]) as name
where exists (select from candles_of($1, $2, name) where open_time >= $3 and open_time < $4)
"""

QuietHoles = Callable[[Connection, str, str, str, int, int], Awaitable[Sequence[Finding]]]
"""Returns the holes of a series (exchange, symbol, timeframe) in `[start, end)` that are known to
have had no trade: a candle of a longer timeframe lacks nothing because of them."""


class VenueOpener(Protocol):
    """Has the venues."""

    def venue(self, name: str) -> Venue:
        """Return a venue; it is asked nothing yet."""
        ...


class MarketData:
    """Loads candles.

    Args:
        pool: the database; at least two connections where venues are given.
        venues: asked for what is missing; None to use only what is stored.
        quiet_holes: tells the holes without a trade, by default those on record; None for none.
        patience: with a venue that does not answer.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        venues: VenueOpener | None = None,
        quiet_holes: QuietHoles | None = recorded_quiet_holes,
        patience: Patience = PATIENCE,
    ) -> None:
        self._pool = pool
        self._venues = venues
        self._quiet_holes = quiet_holes
        self._patience = patience

    async def load_candles(
        self, exchange: str, symbol: str, timeframe: str, start: int, end: int
    ) -> "pl.DataFrame":
        """Return the candles that open in `[start, end)` as a frame.

        Columns: open_time (Int64, epoch ms), open, high, low, close, volume (Float64); sorted.

        Args:
            exchange: as in `kraken`; one that is not among `VENUES` is read from the database only.
            symbol: as in `BTC/USD`.
            timeframe: as in `5m`.
            start: epoch ms.
            end: epoch ms.

        Raises:
            ValueError: unknown timeframe.
            VenueRefusedError: something is missing that the venue does not serve.
            VenueDownError: something is missing and the venue does not answer.
        """
        import polars as pl  # noqa: PLC0415 - who works on arrays does not need it

        c = await self.load(exchange, symbol, timeframe, start, end)
        columns = ("open_time", "open", "high", "low", "close", "volume")
        return pl.DataFrame({name: np.ascontiguousarray(getattr(c, name)) for name in columns})

    async def load(
        self, exchange: str, symbol: str, timeframe: str, start: int, end: int
    ) -> Candles:
        """Return the candles that open in `[start, end)` as arrays; see `load_candles`."""
        timeframe_ms(timeframe)
        where = exchange, symbol, timeframe, start, end
        found = await load_range(self._pool, *where)
        if not _holes(found, start, end):
            # the usual case is read once
            return found
        await self.complete(*where)
        return await self.stored(*where)

    async def complete(
        self, exchange: str, symbol: str, timeframe: str, start: int, end: int
    ) -> None:
        """Ask the venue for what the database lacks of a range, and store it.

        Raises:
            ValueError: unknown timeframe.
            VenueRefusedError: something is missing that the venue does not serve; what it serves
                is stored.
            VenueDownError: something is missing and the venue does not answer.
        """
        step = timeframe_ms(timeframe)
        if self._venues is None or exchange not in VENUES:
            return
        where = exchange, symbol
        async with self._pool.acquire() as connection:
            missing = await missing_ranges(connection, *where, timeframe, start, end)
            if not missing:
                return
            for finer in await self._finer(connection, *where, timeframe, start, end):
                made = await self._made(connection, *where, finer, timeframe, missing)
                there = [(int(t), int(t) + step) for t in made.open_time]
                silent = await self._silent(connection, *where, finer, missing)
                slots = [
                    (-(-lower // step) * step, upper // step * step) for lower, upper in silent
                ]
                missing = without(without(missing, there), [s for s in slots if s[0] < s[1]])
                if not missing:
                    return
        await load_ccxt()
        venue = self._venues.venue(exchange)
        closed = venue.clock() // step * step
        missing = [(lower, min(upper, closed)) for lower, upper in missing if lower < closed]
        if missing:
            asked = _asked_timeframe(exchange, timeframe)
            whole = missing[0][0], missing[-1][1]
            options = FillOptions(only=missing, patience=self._patience)
            await fill(self._pool, venue, symbol, asked, *whole, options)

    async def stored(
        self, exchange: str, symbol: str, timeframe: str, start: int, end: int
    ) -> Candles:
        """Return what can be had of a range without asking anybody: stored, or made of stored."""
        timeframe_ms(timeframe)
        where = exchange, symbol
        found = await load_range(self._pool, *where, timeframe, start, end)
        if not _holes(found, start, end):
            return found
        async with self._pool.acquire() as connection:
            for finer in await self._finer(connection, *where, timeframe, start, end):
                if holes := _holes(found, start, end):
                    made = await self._made(connection, *where, finer, timeframe, holes)
                    found = _merged(found, made)
        return found

    async def _finer(
        self,
        connection: Connection,
        exchange: str,
        symbol: str,
        timeframe: str,
        start: int,
        end: int,
    ) -> list[str]:
        """Return the stored timeframes of which a longer one can be made, the longest first."""
        step = timeframe_ms(timeframe)
        fits = [name for name, ms in TIMEFRAMES_MS.items() if ms < step and step % ms == 0]
        rows = await connection.fetch(_STORED_TIMEFRAMES, exchange, symbol, start, end + step, fits)
        return sorted((row["timeframe"] for row in rows), key=timeframe_ms, reverse=True)

    async def _made(
        self,
        connection: Connection,
        exchange: str,
        symbol: str,
        finer: str,
        timeframe: str,
        spans: Sequence[Span],
    ) -> Candles:
        """Return the candles in some ranges that stored shorter ones make whole."""
        first, last = spans[0][0], spans[-1][1]
        parts = await load_candles(connection, exchange, symbol, finer, first, last)
        quiet: Sequence[Finding] = ()
        if self._quiet_holes is not None:
            quiet = await self._quiet_holes(connection, exchange, symbol, finer, first, last)
        made = resample(parts, timeframe, quiet).candles
        wanted = np.zeros(len(made), np.bool_)
        for lower, upper in spans:
            wanted |= (made.open_time >= lower) & (made.open_time < upper)
        return kept(made, wanted)

    async def _silent(
        self, connection: Connection, exchange: str, symbol: str, finer: str, spans: Sequence[Span]
    ) -> list[Span]:
        """Return the ranges in which the venue has no candle of a shorter timeframe at all."""
        first, last = spans[0][0], spans[-1][1]
        holes = await missing_ranges(connection, exchange, symbol, finer, first, last, again=True)
        unknown = await missing_ranges(connection, exchange, symbol, finer, first, last)
        return without(holes, unknown)


def _asked_timeframe(exchange: str, timeframe: str) -> str:
    """Return the timeframe to ask for: the one wanted, or the longest of which it can be made."""
    native, step = VENUES[exchange].timeframes, timeframe_ms(timeframe)
    fits = [name for name in native if step % timeframe_ms(name) == 0]
    if not fits:
        raise VenueRefusedError(
            f"{exchange} has no {timeframe} candles and none that they can be made of; it has "
            f"{', '.join(native)}"
        )
    return max(fits, key=timeframe_ms)


def _holes(candles: Candles, start: int, end: int) -> list[Span]:
    """Return the ranges of slots in `[start, end)` that have no candle."""
    step = timeframe_ms(candles.timeframe)
    first, stop = -(-start // step) * step, -(-end // step) * step
    if first >= stop:
        return []
    edges = np.concatenate([[first - step], candles.open_time, [stop]])
    at = np.flatnonzero(np.diff(edges) > step)
    return [(int(edges[i]) + step, int(edges[i + 1])) for i in at]


def _merged(candles: Candles, more: Candles) -> Candles:
    """Return two disjoint parts of a series as one."""
    if not len(more):
        return candles
    order = np.argsort(np.concatenate([candles.open_time, more.open_time]), kind="stable")
    names = ("open", "high", "low", "close", "volume")
    return Candles(
        candles.exchange,
        candles.symbol,
        candles.timeframe,
        np.concatenate([candles.open_time, more.open_time])[order],
        *(np.concatenate([getattr(candles, n), getattr(more, n)])[order] for n in names),
    )
