"""What the slots of a symbol ask of its venue, and what the answers bring."""

import asyncio
import logging
from collections.abc import Callable

from market_ingest.live.followed import Followed
from market_ingest.live.meters import VenueHealth
from market_ingest.live.rest_candles import ask_candles
from market_ingest.live.series_track import Ask
from tradepulse.candles.checks import time_text
from tradepulse.market_data.venues.client import Venue
from tradepulse.market_data.venues.errors import VenueDownError, VenueError

log = logging.getLogger(__name__)


class Questions:
    """Asks a venue, one question at a time for each series.

    Args:
        venue: asked for candles.
        health: is told whether the venue answers.
        clock: market time, epoch ms.
        wake: called when an answer has come.
    """

    def __init__(
        self,
        venue: Venue,
        health: VenueHealth,
        clock: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        self._venue = venue
        self._health = health
        self._clock = clock
        self._wake = wake

    def ask(self, one: Followed, now: int) -> None:
        """Ask what the series wants to know now, if it does, and if no question is under way."""
        if one.asking is not None:
            if not one.asking.done():
                return
            one.asking.result()
            one.asking = None
        ask = one.track.request(now)
        if ask is not None:
            one.asking = asyncio.create_task(self._question(one, ask))

    async def _question(self, one: Followed, ask: Ask) -> None:
        name, symbol, timeframe = one.series
        try:
            bars, covered = await ask_candles(self._venue, symbol, timeframe, ask.start, ask.end)
        except VenueError as error:
            await self._unanswered(one, ask, error)
            return
        one.backoff.reset()
        self._health.answered(name)
        self._health.requests.labels(name, ask.why, "answered").inc()
        one.corrections += one.track.answered(bars, covered, self._clock())
        if ask.why == "hole" and not self._venue.rules.honours_since and covered[0] > ask.start:
            self._give_up(one, ask.start, min(covered[0], ask.end))
        self._wake()

    async def _unanswered(self, one: Followed, ask: Ask, error: VenueError) -> None:
        name = self._venue.name
        if isinstance(error, VenueDownError):
            self._health.failed(name, error)
            self._health.requests.labels(name, ask.why, "failed").inc()
        else:
            self._health.requests.labels(name, ask.why, "refused").inc()
            log.error("question refused", extra={"series": one.name, "reason": str(error)})
        await asyncio.sleep(one.backoff.next_s())
        one.track.failed(self._clock())

    def _give_up(self, one: Followed, start: int, end: int) -> None:
        """Leave out what the venue does not serve any more; a backfill may build it of trades."""
        one.track.jump(end)
        told = {"series": one.name, "from": time_text(start), "to": time_text(end)}
        log.error(
            "hole not filled: %s serves its last %s candles only; build it from trades with "
            "`tradepulse backfill --from-trades`",
            self._venue.name,
            self._venue.rules.candles_per_call,
            extra=told,
        )
