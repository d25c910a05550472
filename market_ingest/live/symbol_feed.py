"""One symbol of one venue, live: its streams, its slots, its questions, what it publishes.

`series_track` decides; this fetches, stores and publishes. Everything of a symbol happens in one
task, so that what is published of it is in order; a symbol that fails harms no other.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

from contracts.events import FeedAnnounced, FeedSeries
from contracts.topics import CANDLES, FEEDS
from market_ingest.live.followed import Followed, LiveOptions, cancelled
from market_ingest.live.meters import LiveMeters, group_of
from market_ingest.live.questions import Questions
from market_ingest.live.rest_candles import slots_per_question
from market_ingest.live.rows import TradeBars
from market_ingest.live.series_track import Deaf, Publish, SeriesTrack, Skipped, Step
from market_ingest.live.store import FeedPosition, LiveStore, Series, candle_event
from market_ingest.live.streams import StreamKey
from market_ingest.live.symbol_streams import SymbolStreams
from market_ingest.publishing import Sender, log_published, uninterrupted
from tradepulse.candles.checks import time_text
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.market_data.subscriptions import feed_of
from tradepulse.market_data.venues.client import Venue
from tradepulse.market_data.venues.errors import VenueError, VenueRefusedError

log = logging.getLogger(__name__)


class SymbolFeed:
    """Follows some timeframes of one symbol.

    Args:
        venue: asked for candles.
        symbol: as in `BTC/USD`.
        open_client: returns a new client for a stream; called once the venue's markets are known.
        store: keeps candles and positions.
        sender: publishes.
        meters: count.
        clock: market time, epoch ms.
        options: see `LiveOptions`.
    """

    def __init__(
        self,
        venue: Venue,
        symbol: str,
        open_client: Callable[[], Any],
        store: LiveStore,
        sender: Sender,
        meters: LiveMeters,
        clock: Callable[[], int],
        options: LiveOptions,
    ) -> None:
        self._venue = venue
        self._symbol = symbol
        self._store = store
        self._sender = sender
        self._meters = meters
        self._clock = clock
        self._options = options
        self._labels = venue.name, group_of(symbol)
        self._wake = asyncio.Event()
        self._wanted: set[str] = set()
        self._ended: set[str] = set()
        self._filled: set[str] = set()
        self._followed: dict[str, Followed] = {}
        self._questions = Questions(venue, meters.venues, clock, self._wake.set)
        self._streams = SymbolStreams(
            venue.name,
            self._labels,
            open_client,
            self._followed.values,
            meters.streams,
            clock,
            options,
        )
        self._listing: asyncio.Task[None] | None = None
        self._is_listed = False
        self._troubled: dict[str, str | None] = {}
        self.looks = 0
        """How many times it has done all that was to be done."""

    # --- what the coordinator says and sees ---

    def want(
        self, wanted: Collection[str], ended: Collection[str], filled: Collection[str]
    ) -> None:
        """Follow these timeframes from now on.

        Args:
            wanted: all timeframes to follow.
            ended: timeframes that some replica followed, and that nobody subscribes to any more.
            filled: those of which an active strategy wants its gaps filled.
        """
        if self._wanted != set(wanted) or self._ended != set(ended):
            self._wake.set()
        self._wanted, self._ended, self._filled = set(wanted), set(ended), set(filled)

    @property
    def group(self) -> tuple[str, str]:
        """Its line in /metrics."""
        return self._labels

    def behind(self) -> dict[tuple[str, str, str], float]:
        """Return how long each of its series waits for a candle that is due, seconds."""
        now = self._clock()
        venue, symbol = self._labels[0], self._symbol
        return {
            (venue, symbol, timeframe): max(0, now - one.track.position - one.length) / 1000
            for timeframe, one in self._followed.items()
        }

    def figures(self) -> tuple[int, int, float]:
        """Return how many series it follows, how many streams are connected, and s behind."""
        now = self._clock()
        behind = (now - one.track.position - one.length for one in self._followed.values())
        return len(self._followed), self._streams.connected, max(0, *behind, 0) / 1000

    # --- the one task ---

    async def run(self) -> None:
        """Follow the symbol until cancelled; what is being published comes to its end first."""
        try:
            while True:
                self._wake.clear()
                if self._listing is not None and self._listing.done():
                    self._listing.result()
                    self._listing = None
                await self._follow_what_is_wanted()
                for one in self._followed.values():
                    # one look at the clock for both: what is not over now is not asked for either
                    now = self._clock()
                    await self._step(one, now)
                    self._questions.ask(one, now)
                await self._streams.look_after()
                self.looks += 1
                await self._pause()
        finally:
            for task in (self._listing, *(one.asking for one in self._followed.values())):
                await cancelled(task)
            await self._streams.stop()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._options.tick_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _follow_what_is_wanted(self) -> None:
        for timeframe in sorted((self._followed.keys() | self._ended) - self._wanted):
            await self._end(timeframe)
        if self._wanted and not self._is_listed and self._listing is None:
            self._listing = asyncio.create_task(self._find_listing())
        if self._is_listed:
            for timeframe in sorted(self._wanted - self._followed.keys()):
                await self._begin(timeframe)
        for timeframe, one in self._followed.items():
            one.track.fills_gaps = timeframe in self._filled

    async def _find_listing(self) -> None:
        """Ask the venue whether it has the symbol, until it says so."""
        backoff = self._options.backoff()
        while not self._is_listed:
            try:
                await self._venue.check(self._symbol)
            except VenueRefusedError as error:
                await self._tell_trouble(str(error))
                await asyncio.sleep(self._options.refused_again_s)
            except VenueError as error:
                self._meters.venues.failed(self._venue.name, error)
                await self._tell_trouble(f"{error}; it is asked again")
                await asyncio.sleep(backoff.next_s())
            else:
                self._meters.venues.answered(self._venue.name)
                # before its feed is announced: whoever hears of it looks for its rules
                await self._store.keep_rules(self._venue.listed([self._symbol]))
                await self._tell_trouble(None)
                self._is_listed = True
                self._wake.set()

    async def _tell_trouble(self, trouble: str | None) -> None:
        for timeframe in sorted(self._wanted):
            if self._troubled.get(timeframe, "") != trouble:
                self._troubled[timeframe] = trouble
                series = self._venue.name, self._symbol, timeframe
                await self._store.tell_trouble(series, trouble)
                if trouble is not None:
                    log.error(
                        "series cannot be followed",
                        extra={"series": ":".join(series), "reason": trouble},
                    )

    async def _begin(self, timeframe: str) -> None:
        series = self._venue.name, self._symbol, timeframe
        length, rules = timeframe_ms(timeframe), self._venue.rules
        feed = await self._store.begin(series, self._clock() // length * length)
        position = feed.published_until
        has_stream = rules.watches_candles and timeframe in rules.timeframes
        one = Followed(
            series,
            length,
            SeriesTrack(
                length,
                position,
                self._options.timing,
                page=slots_per_question(rules, timeframe),
                unchecked=await self._store.unchecked(series, length, position),
                last_close=await self._store.last_close(series, position),
            ),
            StreamKey(self._symbol, timeframe if has_stream else None),
            None if has_stream else TradeBars(*series),
            self._options.backoff(),
        )
        await self._announce(series, feed, None)
        if feed.again_from is not None:
            await self._publish_again(series, length, feed.again_from, position)
        if timeframe not in self._troubled:
            # what an earlier life of this service may have said of it
            self._troubled[timeframe] = None
            await self._store.tell_trouble(series, None)
        self._followed[timeframe] = one
        self._streams.join(one)
        log.info(
            "series followed",
            extra={"series": ":".join(series), "from": time_text(position)},
        )

    async def _publish_again(self, series: Series, length: int, start: int, end: int) -> None:
        stored = await self._store.stored(series, length, start, end)
        await self._sender.send_many(
            CANDLES, [(c.instrument, c.model_dump_json().encode()) for c in stored]
        )
        await self._store.told_again(series)
        log.info(
            "candles published again", extra={"series": ":".join(series), "count": len(stored)}
        )

    async def _end(self, timeframe: str) -> None:
        series = self._venue.name, self._symbol, timeframe
        one = self._followed.pop(timeframe, None)
        self._troubled.pop(timeframe, None)
        if one is not None:
            await cancelled(one.asking)
            await self._streams.leave(one)
        length = timeframe_ms(timeframe)
        feed = await self._store.begin(series, self._clock() // length * length)
        # one ms after its last close: nobody waits for it any longer, and no candle is its last,
        # at which a position would be closed as at the end of a replay
        await self._announce(series, feed, feed.published_until + 1)
        await self._store.end(series)
        self._ended.discard(timeframe)
        log.info("series no longer followed", extra={"series": ":".join(series)})

    async def _announce(self, series: Series, feed: FeedPosition, end: int | None) -> None:
        exchange, symbol, timeframe = series
        event = FeedAnnounced(
            feed=feed_of(*series),
            series=(
                FeedSeries(
                    exchange=exchange,
                    symbol=symbol,
                    timeframe=timeframe,
                    first_open_time=feed.first_open_time,
                    last_close_time=end,
                ),
            ),
        )
        await self._sender.send(FEEDS, event.feed, event.model_dump_json().encode())

    # --- publishing ---

    async def _step(self, one: Followed, now: int) -> None:
        one.collect(now, self._options.timing.grace)
        corrections, one.corrections = one.corrections, []
        steps = one.track.advance(now)
        if corrections or steps:
            await uninterrupted(self._publish(one, corrections, steps, one.track.position))
        if one.track.unconfirmed > one.unconfirmed:
            self._meters.unconfirmed.labels(*self._labels).inc(
                one.track.unconfirmed - one.unconfirmed
            )
            one.unconfirmed = one.track.unconfirmed

    async def _publish(
        self, one: Followed, corrections: Sequence[Step], steps: Sequence[Step], position: int
    ) -> None:
        for step in corrections:
            if isinstance(step, Deaf):
                self._streams.renew_deaf(one)
        corrected = [step.bar for step in corrections if isinstance(step, Publish)]
        if corrected:
            await self._store.correct(one.series, corrected)
            self._meters.candles.labels(*self._labels, "repaired").inc(len(corrected))
        candles = [
            candle_event(one.series, step.bar, one.length, step.source)
            for step in steps
            if isinstance(step, Publish)
        ]
        if candles:
            stored = await self._store.save(candles)
            await self._sender.send_many(
                CANDLES, [(c.instrument, c.model_dump_json().encode()) for c in stored]
            )
            log_published(stored)
            now = self._clock()
            for candle in stored:
                self._meters.candles.labels(*self._labels, candle.source).inc()
                late_s = max(0, now - candle.close_time) / 1000
                self._meters.lag.labels(*self._labels).observe(late_s)
        skipped = [step.open_time for step in steps if isinstance(step, Skipped)]
        if skipped:
            await self._store.note_answers(one.series, skipped, one.length)
            self._meters.no_trade.labels(*self._labels).inc(len(skipped))
        if steps:
            await self._store.advance(one.series, position)
