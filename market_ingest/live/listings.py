"""Looks once a day whether the venues that are followed list other rules than before."""

import asyncio
import logging
from collections.abc import Callable

from market_ingest.live.feed import LiveVenues
from market_ingest.live.store import LiveStore
from tradepulse.market_data.venues.errors import VenueError

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


class Listings:
    """Keeps the rules of what is followed up to date; each symbol's feed has kept its first.

    Args:
        venues: the venues.
        store: keeps the rules.
        clock: market time, epoch ms.
        look_s: pause between two looks at the clock, s.
    """

    def __init__(
        self,
        venues: LiveVenues,
        store: LiveStore,
        clock: Callable[[], int],
        *,
        look_s: float = 60.0,
    ) -> None:
        self._venues = venues
        self._store = store
        self._clock = clock
        self._look_s = look_s
        self._due: dict[str, int] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._look_s)

    async def look(self) -> None:
        """Ask each venue whose day is over, and keep what is news."""
        symbols: dict[str, set[str]] = {}
        for one in await self._store.subscriptions():
            symbols.setdefault(one.exchange, set()).add(one.symbol)
        for exchange, followed in sorted(symbols.items()):
            now = self._clock()
            if now < self._due.setdefault(exchange, now + DAY_MS):
                continue
            try:
                venue = self._venues.venue(exchange)
                # what is not loaded is followed by another replica
                if venue.client.markets:
                    await venue.list_again()
                    await self._store.keep_rules(venue.listed(sorted(followed)))
            except VenueError as error:
                log.warning(
                    "the venue's list of markets was not read; it is asked again in an hour",
                    extra={"venue": exchange, "error": str(error)},
                )
                self._due[exchange] = now + HOUR_MS
            else:
                self._due[exchange] = now + DAY_MS
