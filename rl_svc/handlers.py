"""Kafka in, weights out: nothing is decided here."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from contracts.events import FeedAnnounced, PortfolioWeightsDecided
from rl_svc.meters import WeightMeters
from rl_svc.portfolio import Portfolio
from rl_svc.store import WeightStore
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.doubts import Doubts
from tradepulse.runtime.health import Pulse
from tradepulse.runtime.hold_back import hold_back
from tradepulse.runtime.outbox import Relay
from tradepulse.runtime.ownership import Ownership
from tradepulse.runtime.reading import AssignedReading
from tradepulse.runtime.rules_version import KEPT
from tradepulse.trading import RULES_VERSION
from tradepulse.trading.weights import WeightPolicy

CLOSES_PER_TRANSACTION = 250
LOOK_EVERY_S = 0.2


class WeightDecider:
    """Feeds the portfolio from Kafka and stores what it decides.

    Its two topics meet in the portfolio, under one lock.
    """

    _portfolio: Portfolio
    _owner: Ownership
    _lookback: int
    _feeds: AssignedReading
    _candles: AssignedReading
    _doubts: Doubts

    def __init__(
        self,
        store: WeightStore,
        relay: Relay,
        meters: WeightMeters,
        now: Callable[[], int],
        on_settled: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._on_settled = on_settled
        self._store = store
        self._relay = relay
        self._meters = meters
        self._now = now
        self.pulse = Pulse()
        """Beats while closes are decided, or looked for."""
        self._lock = asyncio.Lock()

    def take_over(self, owner: Ownership, portfolio: Portfolio, lookback: int) -> None:
        """Decide for a portfolio from here on."""
        self._owner, self._portfolio, self._lookback = owner, portfolio, lookback
        self._doubts = Doubts(portfolio.event_time, self._lock, self._feeds)

    async def follow(self, policy: WeightPolicy, shadows: Sequence[WeightPolicy]) -> None:
        """Decide by another policy from the next close on, and by some beside it."""
        async with self._lock:
            self._portfolio.follow(policy, shadows)

    def reads(self, feeds: AssignedReading, candles: AssignedReading) -> None:
        """Say what it reads."""
        self._feeds, self._candles = feeds, candles

    def offsets(self) -> Mapping[str, int]:
        """Return the offsets that were kept with the weights."""
        return self._owner.offsets

    async def on_feeds(self, batch: list[Delivery]) -> None:
        """Learn which series there are."""
        async with self._lock:
            for delivery in await self._doubts.believed(self._feeds, batch, self._now()):
                await self._on_feed(delivery.event)

    async def on_candles(self, batch: list[Delivery]) -> None:
        """Take in candles, and decide what is complete."""
        async with self._lock:
            take = self._portfolio.on_candle
            await self._doubts.take_in(self._candles, batch, self._now, take)
            await self._decide()

    async def keep_putting_aside(self) -> None:
        """Put aside for ever what no feed has announced."""
        await self._doubts.keep_putting_aside()

    async def keep_deciding(self) -> None:
        """Decide for ever what no candle decides: a close whose grace period is over."""
        while True:
            async with self._lock:
                # what is in hand waits for the lock, and may be what a close waits for
                if self._candles.is_idle:
                    await self._decide()
            self.pulse.beat()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _on_feed(self, event: FeedAnnounced) -> None:
        """Learn a feed's series, with the closes that lie behind them."""
        for series in event.series:
            until = self._portfolio.known_until(series)
            closes = None
            if until is not None:
                # one close more than returns
                closes = await self._store.closes_until(series, until, self._lookback + 1)
            self._portfolio.on_series(series, closes)

    async def _decide(self) -> None:
        # one time for all of it: nothing is taken in meanwhile, so no grace may run out
        now = self._now()
        if self._candles.is_behind:
            self._portfolio.event_time.still_reading(now)
        while True:
            decided: list[PortfolioWeightsDecided] = []
            while len(decided) < CLOSES_PER_TRANSACTION:
                begun = time.perf_counter()
                event = self._portfolio.decide_next(now)
                if event is None:
                    break
                self._meters.seconds.observe(time.perf_counter() - begun)
                decided.append(event)
            if not decided:
                self._hold_back()
                return
            event_time = self._portfolio.event_time
            await self._store.record(
                decided,
                self._portfolio.take_beside(),
                self._owner,
                event_time.settled,
                event_time.offsets(),
                {KEPT: RULES_VERSION, "frontiers": event_time.frontiers()},
            )
            self.pulse.beat()
            self._on_settled(event_time.settled)
            self._relay.wake()
            self._meters.on_decided(decided)
            self._meters.clipped.inc(self._portfolio.take_clipped())

    def _hold_back(self) -> None:
        """Bound memory: a candle takes 240 bytes, a replay waits for a silent series for ever."""
        hold_back(self._portfolio.event_time, self._candles)
