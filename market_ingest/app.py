"""market_ingest: recorded candles in, `market_data` and the candle topic out."""

import asyncio

from market_ingest.handlers import FeedPublisher, Meters
from market_ingest.replay import ReplayFeed
from market_ingest.scanner import start_scanner
from market_ingest.settings import IngestSettings
from market_ingest.store import CandleStore
from tradepulse.runtime.candle_files import CandleFileError
from tradepulse.runtime.candles_db import CandleConflictError
from tradepulse.runtime.service import RefusedError, Service, run


async def compose(service: Service, settings: IngestSettings) -> None:
    """Build the service.

    Raises:
        RefusedError: the file is refused, or the feed's name belongs to another replay.
    """
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
    feed = ReplayFeed(name, candles, settings.replay_speed)
    publisher = FeedPublisher(feed, position, store, service.publisher, Meters(service.registry))
    service.readiness["the feed to be announced"] = lambda: publisher.is_announced
    service.background(_publish(publisher), "feed")
    # without a clock: a replay is what its file says, holes are found and not filled
    start_scanner(service, settings.scan_every_s)


async def _publish(publisher: FeedPublisher) -> None:
    try:
        await publisher.run()
    except CandleConflictError as error:
        # publishing what the database contradicts would part the services from their windows
        raise RefusedError(str(error)) from error


def main() -> None:
    """Run the service."""
    run("market_ingest", IngestSettings, compose)


if __name__ == "__main__":
    main()
