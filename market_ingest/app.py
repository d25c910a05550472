"""market_ingest: recorded candles in, or live ones; `market_data` and the candle topic out."""

import asyncio
from collections.abc import Callable
from functools import partial

from contracts.topics import CANDLES, FEEDS
from market_ingest.history.scanner import start_scanner
from market_ingest.live.feed import LiveFeed, RealMarket
from market_ingest.live.followed import LiveOptions
from market_ingest.live.listings import Listings
from market_ingest.live.meters import LiveMeters
from market_ingest.live.series_track import Timing
from market_ingest.live.shares import Shares
from market_ingest.live.store import LiveStore
from market_ingest.publishing import FeedPublisher, Meters, tell_feed
from market_ingest.replay import ReplayFeed
from market_ingest.restoring import publish_again
from market_ingest.settings import IngestSettings, LiveSettings, ModeSettings
from market_ingest.store import CandleStore
from tradepulse.market_data.gaps.tries_store import REPAIRS
from tradepulse.market_data.store import CandleConflictError
from tradepulse.market_data.venues.client import Venues, load_ccxt, open_client
from tradepulse.market_data.venues.options import read_venues_file
from tradepulse.market_data.venues.pace import SharedPace, counted_waits
from tradepulse.runtime.clock import wall_clock
from tradepulse.runtime.db import connect
from tradepulse.runtime.service import Application, Service, run
from tradepulse.runtime.settings import RefusedError, load_settings


def declare(service: Service, settings: IngestSettings) -> None:
    """Declare the service for a replay."""
    service.publishes(CANDLES, FEEDS)
    service.retains(REPAIRS)
    service.on_new_kafka(publish_again)
    service.on_startup(partial(begin_replay, service, settings))
    # without a clock: a replay is what its file says, holes are found and not filled
    start_scanner(service, settings.scan_every_s)


async def begin_replay(service: Service, settings: IngestSettings) -> None:
    """Read the file and go on where its replay stands.

    Raises:
        RefusedError: the file is refused, or the feed's name belongs to another replay.
    """
    from tradepulse.market_data.files import CandleFileError  # noqa: PLC0415 - live, no polars

    try:
        candles = await asyncio.to_thread(settings.candles)
        derived = await asyncio.to_thread(settings.derived_name)
    except (CandleFileError, OSError) as error:
        raise RefusedError(f"REPLAY_FILE: {error}") from error
    name = settings.feed or derived
    store = CandleStore(service.pool, "replay")
    spec = {
        "content": derived,
        "file": settings.replay_file.name,
        "symbols": settings.replay_symbols,
        "from": settings.replay_from,
        "to": settings.replay_to,
    }
    position = await store.begin(name, spec)
    if position.spec.get("content") != derived:
        raise RefusedError(
            f"feed {name} was begun with other candles ({position.spec.get('file')}, "
            f"{position.published_until} published): give this replay another FEED name"
        )
    tell_feed(service.registry, "replay", name)
    feed = ReplayFeed(name, candles, settings.replay_speed)
    publisher = FeedPublisher(feed, position, store, service.publisher, Meters(service.registry))
    service.readiness["the feed to be announced"] = lambda: publisher.is_announced
    service.background(partial(_publish, publisher), "feed")


async def _publish(publisher: FeedPublisher) -> None:
    try:
        await publisher.run()
    except CandleConflictError as error:
        # publishing what the database contradicts would part the services from their windows
        raise RefusedError(str(error)) from error


def declare_live(
    service: Service,
    settings: LiveSettings,
    *,
    clock: Callable[[], int] = wall_clock,
    options: LiveOptions | None = None,
    poll_s: float = 1.0,
) -> None:
    """Declare the service for the market as it is.

    Args:
        service: the frame.
        settings: the environment.
        clock: market time, epoch ms.
        options: instead of those that follow from the settings.
        poll_s: pause between two looks at the subscriptions, s.
    """
    service.publishes(CANDLES, FEEDS)
    service.retains(REPAIRS)
    service.relay_outbox()
    tell_feed(service.registry, "live", "live")

    async def begin() -> None:
        try:
            reached = await asyncio.to_thread(read_venues_file, settings.venues_file)
        except ValueError as error:
            raise RefusedError(str(error)) from error
        # some hundred modules: they take seconds, in which nothing else would go on
        await load_ccxt()
        pace = SharedPace(service.pool, counted_waits(service.registry))
        venues = Venues(reached, pace, clock)
        lock = await connect(settings.database_url)
        market = RealMarket(venues, lambda name: open_client(name, reached))
        store = LiveStore(service.pool)
        feed = LiveFeed(
            market,
            store,
            Shares(lock),
            service.publisher,
            LiveMeters(service.registry),
            clock,
            options or live_options(settings),
            poll_s=poll_s,
        )

        async def follow() -> None:
            try:
                async with venues:
                    await feed.run()
            finally:
                # last: whoever takes over must find what was in hand published
                await lock.close()

        service.readiness["the subscriptions to be read"] = lambda: feed.is_ready
        service.background(follow, "live feed")
        service.background(Listings(market, store, clock).run, "rules of the venues")
        start_scanner(service, settings.scan_every_s, clock=clock, venues=venues)

    service.on_new_kafka(publish_again)
    service.on_startup(begin)


def live_options(settings: LiveSettings) -> LiveOptions:
    """Return how the market is followed."""
    timing = Timing(
        grace=settings.candle_grace_ms, check_delay=round(settings.check_delay_s * 1000)
    )
    return LiveOptions(timing, stall_after_ms=round(settings.stall_after_s * 1000))


APPLICATION = Application("market_ingest", IngestSettings, declare)
LIVE = Application("market_ingest", LiveSettings, declare_live)


def main() -> None:
    """Run the service."""
    if load_settings(ModeSettings).feed_mode == "live":
        run(LIVE)
    else:
        run(APPLICATION)


if __name__ == "__main__":
    main()
