"""What the live feed keeps in PostgreSQL: candles, positions, and what is subscribed to."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import asyncpg

from contracts.events import CandleClosed, Source
from market_ingest.live.bars import Bar
from market_ingest.live.rest_candles import candles_of
from tradepulse.market_data.corrections import store_corrections
from tradepulse.market_data.instrument_rules import KeptRules, keep_rules
from tradepulse.market_data.store import upsert_candles
from tradepulse.market_data.subscriptions import Subscription, feed_of, list_subscriptions
from tradepulse.runtime.db import Connection

log = logging.getLogger(__name__)

Series = tuple[str, str, str]
"""(exchange, symbol, timeframe)"""
RECHECKED = 50
"""So many of the last candles of the stream are compared with the venue after a start."""

_OPEN_FEED = """
insert into feeds as f (feed, spec, published_until) values ($1, $2, $3)
on conflict (feed) do update set
    spec = case when f.finished then excluded.spec else f.spec end,
    published_until = case when f.finished then excluded.published_until
                           else f.published_until end,
    again_from = case when f.finished then null else f.again_from end,
    finished = false, updated_at = now()
returning spec, published_until, again_from
"""
# greatest: a predecessor that lost its lock may still write once
_ADVANCE = """
update feeds set published_until = greatest(published_until, $2), updated_at = now()
where feed = $1 and not finished
"""
_END = "update feeds set finished = true, updated_at = now() where feed = $1"
_TOLD_AGAIN = "update feeds set again_from = null, updated_at = now() where feed = $1"
_OPEN_FEEDS = """
select spec ->> 'exchange' as exchange, spec ->> 'symbol' as symbol,
       spec ->> 'timeframe' as timeframe
from feeds where spec ->> 'kind' = 'live' and not finished
"""
_LAST = """
select open_time, open, high, low, close, volume, source from candles_of($1, $2, $3)
where open_time >= $4 and open_time < $5
order by open_time
"""
_LAST_CLOSE = """
select close from candles_of($1, $2, $3)
where open_time < $4
order by open_time desc limit 1
"""
_STORED = """
select open_time, open, high, low, close, volume, source from candles_of($1, $2, $3)
where open_time = any($4::bigint[])
"""
_TROUBLE = """
update subscriptions set trouble = $4
where exchange = $1 and symbol = $2 and timeframe = $3 and trouble is distinct from $4
"""
_FILLED_SERIES = """
select distinct exchange, symbol, timeframe from trained_configurations
where is_active and fill_gaps
"""
_HAS_FILL_GAPS = """
select exists (select from information_schema.columns
               where table_schema = current_schema() and table_name = 'trained_configurations'
                   and column_name = 'fill_gaps')
"""
# what the venue has said once need not be asked again by a backfill
_ANSWERED = """
insert into venue_answers as v (exchange, symbol, timeframe, asked)
values ($1, $2, $3, int8multirange(int8range($4, $5)))
on conflict (exchange, symbol, timeframe) do update set asked = v.asked + excluded.asked
"""


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """Where a live feed stands.

    Attributes:
        first_open_time: of the first candle it ever published, epoch ms.
        published_until: close time up to which all is in Kafka, epoch ms.
        again_from: where stored candles up to then are to be published again, the open time of the
            first, epoch ms; None where all of them are there.
    """

    first_open_time: int
    published_until: int
    again_from: int | None = None


class LiveStore:
    """The tables `market_data`, `feeds`, `subscriptions`, `venue_answers`, `instrument_rules`."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._knows_fill_gaps = False

    async def subscriptions(self) -> list[Subscription]:
        """Return what is to be followed."""
        async with self._pool.acquire() as connection:
            return await list_subscriptions(connection)

    async def open_feeds(self) -> set[Series]:
        """Return the series whose feeds have begun and not ended."""
        rows = await self._pool.fetch(_OPEN_FEEDS)
        return {(row["exchange"], row["symbol"], row["timeframe"]) for row in rows}

    async def filled_series(self) -> set[Series]:
        """Return the series of which an active strategy wants its gaps filled."""
        if not self._knows_fill_gaps:
            self._knows_fill_gaps = await self._pool.fetchval(_HAS_FILL_GAPS)
            if not self._knows_fill_gaps:
                return set()
        return {tuple(row.values()) for row in await self._pool.fetch(_FILLED_SERIES)}

    async def begin(self, series: Series, position: int) -> FeedPosition:
        """Begin a feed at a position, or return where it stands."""
        exchange, symbol, timeframe = series
        spec = {
            "kind": "live",
            "exchange": exchange,
            "symbol": symbol,
            "timeframe": timeframe,
            "first_open_time": position,
        }
        row = await self._pool.fetchrow(_OPEN_FEED, feed_of(*series), spec, position)
        if row is None:
            raise RuntimeError(f"feed {feed_of(*series)} was neither entered nor found")
        first = row["spec"]["first_open_time"]
        return FeedPosition(first, row["published_until"], row["again_from"])

    async def stored(self, series: Series, length: int, start: int, end: int) -> list[CandleClosed]:
        """Return the stored candles that open from `start` to before `end`."""
        rows = await self._pool.fetch(_LAST, *series, start, end)
        return [candle_event(series, _bar(row), length, row["source"]) for row in rows]

    async def told_again(self, series: Series) -> None:
        """Note that what was to be published again is acknowledged by Kafka."""
        await self._pool.execute(_TOLD_AGAIN, feed_of(*series))

    async def advance(self, series: Series, published_until: int) -> None:
        """Note that everything up to this close time is acknowledged by Kafka."""
        await self._pool.execute(_ADVANCE, feed_of(*series), published_until)

    async def end(self, series: Series) -> None:
        """Note that a feed has ended."""
        await self._pool.execute(_END, feed_of(*series))

    async def tell_trouble(self, series: Series, trouble: str | None) -> None:
        """Say why a series is not followed, or that all is well."""
        await self._pool.execute(_TROUBLE, *series, trouble)

    async def keep_rules(self, found: Sequence[KeptRules]) -> None:
        """Keep what a venue lists of symbols, where that is news."""
        async with self._pool.acquire() as connection, connection.transaction():
            new = await keep_rules(connection, found)
        for one in new:
            log.info(
                "the venue lists new rules; an account takes them up when it starts",
                extra={"instrument": one.instrument, "rules": one.as_json()},
            )

    async def unchecked(self, series: Series, length: int, position: int) -> list[Bar]:
        """Return the last candles that came from a stream: a crash may have left out their check.

        Args:
            series: whose.
            length: of a candle, ms.
            position: open time of the next candle, epoch ms.
        """
        rows = await self._pool.fetch(_LAST, *series, position - RECHECKED * length, position)
        return [_bar(row) for row in rows if row["source"] == "live"]

    async def last_close(self, series: Series, before: int) -> float | None:
        """Return the close of the last candle that opens before a time."""
        close: float | None = await self._pool.fetchval(_LAST_CLOSE, *series, before)
        return close

    async def save(self, candles: Sequence[CandleClosed]) -> list[CandleClosed]:
        """Store candles of one series that are published next; return them as they are stored now.

        Where a better source said otherwise before, its candle stays, and it is what is returned:
        what is published is what whoever looks into the database finds.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            kept = 0
            for source in dict.fromkeys(candle.source for candle in candles):
                part = [candle for candle in candles if candle.source == source]
                kept += (await upsert_candles(connection, part, source)).kept
            return list(candles) if not kept else await _as_stored(connection, candles)

    async def correct(self, series: Series, bars: Iterable[Bar]) -> None:
        """Store other figures of candles that are published, which the outbox then tells."""
        async with self._pool.acquire() as connection, connection.transaction():
            await store_corrections(connection, candles_of(series, bars))

    async def note_answers(self, series: Series, slots: Iterable[int], length: int) -> None:
        """Remember slots of which the venue has said that it has no candle."""
        for slot in slots:
            await self._pool.execute(_ANSWERED, *series, slot, slot + length)


async def _as_stored(connection: Connection, candles: Sequence[CandleClosed]) -> list[CandleClosed]:
    first = candles[0]
    rows = await connection.fetch(
        _STORED,
        first.exchange,
        first.symbol,
        first.timeframe,
        [candle.open_time for candle in candles],
    )
    found = {row["open_time"]: row for row in rows}
    return [
        candle_event(
            (candle.exchange, candle.symbol, candle.timeframe),
            _bar(found[candle.open_time]),
            candle.close_time - candle.open_time,
            found[candle.open_time]["source"],
        )
        for candle in candles
    ]


def _bar(row: asyncpg.Record) -> Bar:
    return Bar(*(row[name] for name in ("open_time", "open", "high", "low", "close", "volume")))


def candle_event(series: Series, bar: Bar, length: int, source: Source) -> CandleClosed:
    """Return the event of a candle."""
    exchange, symbol, timeframe = series
    return CandleClosed(
        exchange=exchange,
        symbol=symbol,
        timeframe=timeframe,
        open_time=bar.open_time,
        close_time=bar.open_time + length,
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume,
        source=source,
    )
