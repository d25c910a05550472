"""Looks on the server's side at what no topic tells; a database that is away is waited for."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from studio_svc.data.store import MarketDataStore
from studio_svc.orders.store import OrderStore
from studio_svc.overview.store import OverviewStore
from studio_svc.rl.store import WeightStore
from studio_svc.stream.hub import Hub
from studio_svc.stream.visible import Visible
from studio_svc.studio.store import StudioStore
from studio_svc.web_app.problems import AWAY

log = logging.getLogger(__name__)

LEDGER_INTERVAL_S = 0.5
POLL_INTERVAL_S = 2.0
SHOWN_JOBS = 10
RESTS = 9


class Refresher:
    """Reads something again after it was marked, at most once per interval.

    Args:
        read: reads and passes on.
        interval_s: the shortest time between two reads.
        every_s: read also unmarked at the start and after this time; None: only when marked.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[None]],
        interval_s: float,
        every_s: float | None = None,
    ) -> None:
        self.read = read
        self._interval_s = interval_s
        self._every_s = every_s
        self._marked = asyncio.Event()
        if every_s is not None:
            self._marked.set()

    def mark(self) -> None:
        """Ask for a read."""
        self._marked.set()

    async def run(self) -> None:
        """Read for ever."""
        away = False
        while True:
            try:
                async with asyncio.timeout(self._every_s):
                    await self._marked.wait()
            except TimeoutError:
                pass  # the interval is over: read, marked or not
            self._marked.clear()
            begun = time.monotonic()
            try:
                await self.read()
                away = False
            except AWAY as error:
                if not away:
                    log.warning("the database is away and waited for: %r", error)
                away = True
                self._marked.set()
                await asyncio.sleep(POLL_INTERVAL_S)
            await asyncio.sleep(pause_after(time.monotonic() - begun, self._interval_s))


def pause_after(took_s: float, interval_s: float) -> float:
    """Return how long to rest after a read, so that reads take at most a tenth of the time.

    What is counted grows for years: with 300,000 orders the overview's figures take 0.3 s.
    """
    return max(interval_s, RESTS * took_s)


def ledger_refresher(orders: OrderStore, account: OverviewStore, hub: Hub) -> Refresher:
    """Return the reader of open positions and the account's figures."""

    async def read() -> None:
        if hub.pages:
            hub.state("positions", await orders.positions())
            hub.state("overview", await account.overview(hub.event_time, hub.source))

    return Refresher(read, LEDGER_INTERVAL_S)


def registry_refresher(store: StudioStore, hub: Hub) -> Refresher:
    """Return the reader of training jobs and configurations."""

    async def read() -> None:
        if hub.pages:
            hub.state("jobs", await store.jobs(SHOWN_JOBS))
            hub.state("configurations", await store.configurations())

    return Refresher(read, LEDGER_INTERVAL_S, every_s=POLL_INTERVAL_S)


def models_refresher(store: WeightStore, hub: Hub) -> Refresher:
    """Return the reader of what changes with models and trainings."""

    async def read() -> None:
        if hub.pages:
            hub.state("models", await store.state())

    return Refresher(read, LEDGER_INTERVAL_S, every_s=POLL_INTERVAL_S)


def market_refresher(market: MarketDataStore, hub: Hub, visible: Visible) -> Refresher:
    """Return the reader of subscriptions and of what changed in the stored candles."""

    async def read() -> None:
        if hub.pages:
            hub.state("subscriptions", await market.subscriptions())
            hub.state("market_data", await market.state(await visible()))

    return Refresher(read, LEDGER_INTERVAL_S, every_s=POLL_INTERVAL_S)
