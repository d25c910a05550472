"""Follows the subscriptions of this replica: takes symbols, gives them up, all at run time."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from market_ingest.live.followed import LiveOptions
from market_ingest.live.meters import LiveMeters
from market_ingest.live.shares import Shares
from market_ingest.live.store import LiveStore, Series
from market_ingest.live.symbol_feed import SymbolFeed
from market_ingest.publishing import Sender
from tradepulse.market_data.subscriptions import SubscriptionError, check_names
from tradepulse.market_data.venues.client import Venue
from tradepulse.market_data.venues.errors import VenueRefusedError
from tradepulse.market_data.venues.rules import rules_of

log = logging.getLogger(__name__)

Unit = tuple[str, str]
"""(exchange, symbol): what is followed by one replica as a whole."""


class LiveVenues(Protocol):
    """The venues; see `market_ingest.app`."""

    def venue(self, name: str) -> Venue:
        """Return a venue, the same each time."""

    def stream_client(self, name: str) -> Any:
        """Return a new ccxt.pro client of a venue whose markets are known."""


class LiveFeed:
    """Follows this replica's share of the subscriptions.

    Args:
        venues: the venues.
        store: keeps candles, positions and subscriptions.
        shares: the replica's locks.
        sender: publishes.
        meters: count.
        clock: market time, epoch ms.
        options: how each symbol is followed.
        poll_s: pause between two looks at the subscriptions, s.
    """

    def __init__(
        self,
        venues: LiveVenues,
        store: LiveStore,
        shares: Shares,
        sender: Sender,
        meters: LiveMeters,
        clock: Callable[[], int],
        options: LiveOptions,
        *,
        poll_s: float = 1.0,
    ) -> None:
        self.is_ready = False
        """Whether the subscriptions have been looked at."""
        self._venues = venues
        self._store = store
        self._shares = shares
        self._sender = sender
        self._meters = meters
        self._clock = clock
        self._options = options
        self._poll_s = poll_s
        self._units: dict[str, tuple[SymbolFeed, asyncio.Task[None]]] = {}
        self._refused: dict[Series, str] = {}

    @property
    def looks(self) -> dict[str, int]:
        """How many times each symbol that is followed here was looked after."""
        return {unit: feed.looks for unit, (feed, _) in self._units.items()}

    async def run(self) -> None:
        """Follow until cancelled; what is being published comes to its end first.

        Any failure of the database or the broker ends it: the next start recovers.
        """
        try:
            await self._shares.join()
            while True:
                await self._look()
                self.is_ready = True
                await self._wait()
        finally:
            await asyncio.gather(*(self._stop(unit) for unit in list(self._units)))

    async def _look(self) -> None:
        wanted, troubled = await self._wanted()
        ended = await self._store.open_feeds() - {s for group in wanted.values() for s in group}
        filled = await self._store.filled_series()
        units: dict[str, Unit] = {f"{e}:{s}": (e, s) for e, s in wanted}
        # a feed that nobody subscribes to any more is ended by whoever gets its symbol
        units |= {f"{e}:{s}": (e, s) for e, s, t in ended if _refusal(e, s, t) is None}
        for unit in await self._shares.look(units):
            await self._stop(unit)
            await self._shares.give(unit)
            log.info("symbol given up", extra={"unit": unit})
        for unit in await self._shares.take(units):
            self._start(unit, *units[unit])
            log.info("symbol taken", extra={"unit": unit, "replicas": self._shares.count})
        for unit, (feed, _) in self._units.items():
            series = wanted.get(units[unit], set())
            feed.want(
                {timeframe for _, _, timeframe in series},
                {t for e, s, t in ended if (e, s) == units[unit]},
                {t for e, s, t in filled if (e, s) == units[unit]},
            )
        self._show(troubled)

    async def _wanted(self) -> tuple[dict[Unit, set[Series]], int]:
        """Return the subscriptions that make sense, by symbol, and how many have trouble."""
        wanted: dict[Unit, set[Series]] = {}
        troubled = 0
        for one in await self._store.subscriptions():
            series = one.exchange, one.symbol, one.timeframe
            troubled += one.trouble is not None
            if (reason := _refusal(*series)) is not None:
                if self._refused.get(series) != reason:
                    self._refused[series] = reason
                    log.error(
                        "series cannot be followed", extra={"series": one.series, "reason": reason}
                    )
                await self._store.tell_trouble(series, reason)
                continue
            wanted.setdefault((one.exchange, one.symbol), set()).add(series)
        return wanted, troubled

    def _start(self, unit: str, exchange: str, symbol: str) -> None:
        feed = SymbolFeed(
            self._venues.venue(exchange),
            symbol,
            lambda: self._venues.stream_client(exchange),
            self._store,
            self._sender,
            self._meters,
            self._clock,
            self._options,
        )
        self._units[unit] = feed, asyncio.create_task(feed.run(), name=unit)

    async def _stop(self, unit: str) -> None:
        _, task = self._units.pop(unit)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            if not task.cancelled():
                raise

    def _show(self, troubled: int) -> None:
        held: dict[tuple[str, str], tuple[int, int, float]] = {}
        for feed, _ in self._units.values():
            before = held.get(feed.group, (0, 0, 0.0))
            series, connected, behind_s = feed.figures()
            held[feed.group] = (
                before[0] + series,
                before[1] + connected,
                max(before[2], behind_s),
            )
        self._meters.show(held)
        behind: dict[tuple[str, str, str], float] = {}
        for feed, _ in self._units.values():
            behind |= feed.behind()
        self._meters.show_behind(behind)
        self._meters.troubled.set(troubled)
        self._meters.replicas.set(self._shares.count)

    async def _wait(self) -> None:
        """Wait for the next look, or for a symbol that fails."""
        tasks = [task for _, task in self._units.values()]
        if not tasks:
            await asyncio.sleep(self._poll_s)
            return
        done, _ = await asyncio.wait(
            tasks, timeout=self._poll_s, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()
            raise RuntimeError(f"the feed of {task.get_name()} ended")


def _refusal(exchange: str, symbol: str, timeframe: str) -> str | None:
    """Return why a series cannot be followed, as far as its names say."""
    try:
        rules_of(exchange)
        check_names(symbol, timeframe)
    except (VenueRefusedError, SubscriptionError) as error:
        return str(error)
    return None


class RealMarket:
    """The venues through ccxt.

    Args:
        venues: opens each at first use.
        new_client: returns a fresh ccxt.pro client of a venue.
    """

    def __init__(self, venues: "VenueSource", new_client: Callable[[str], Any]) -> None:
        self._venues = venues
        self._new_client = new_client

    def venue(self, name: str) -> Venue:
        """Return a venue, the same each time."""
        return self._venues.venue(name)

    def stream_client(self, name: str) -> Any:
        """Return a new client that shares the markets of the venue's own."""
        client = self._new_client(name)
        client.set_markets_from_exchange(self._venues.venue(name).client)
        return client


class VenueSource(Protocol):
    """See `tradepulse.market_data.venues.client.Venues`."""

    def venue(self, name: str) -> Venue: ...  # noqa: D102 - see class
