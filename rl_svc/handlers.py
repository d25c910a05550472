"""Kafka in, weights out: nothing is decided here."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from contracts.events import FeedAnnounced, PortfolioWeightsDecided
from contracts.topics import CANDLES
from rl_svc.portfolio import Portfolio
from rl_svc.store import WeightStore
from tradepulse.runtime.bus import Reader
from tradepulse.runtime.outbox import Relay
from tradepulse.runtime.ownership import Ownership

CLOSES_PER_TRANSACTION = 250


class WeightDecider:
    """Feeds the portfolio from Kafka and stores what it decides."""

    def __init__(
        self,
        reader: Reader,
        portfolio: Portfolio,
        store: WeightStore,
        owner: Ownership,
        relay: Relay,
        registry: CollectorRegistry,
        *,
        lookback: int,
        now: Callable[[], int],
    ) -> None:
        self._reader = reader
        self._portfolio = portfolio
        self._store = store
        self._owner = owner
        self._relay = relay
        self._lookback = lookback
        self._now = now
        self._decided = Counter(
            "tradepulse_weights_decided_total", "Weight vectors", registry=registry
        )
        self._missing = Counter(
            "tradepulse_missing_total", "Instruments without a candle at a close", registry=registry
        )
        self._event_time = Gauge(
            "tradepulse_event_time_seconds", "Last decided close", registry=registry
        )

    async def on_feed(self, event: FeedAnnounced) -> None:
        """Learn a feed's series, with the closes that lie behind them."""
        settled = self._portfolio.event_time.settled
        for series in event.series:
            closes: list[float] = []
            if not self._portfolio.knows(series):
                # one close more than returns
                closes = await self._store.closes_until(series, settled, self._lookback + 1)
            self._portfolio.on_series(series, closes)

    async def run(self) -> None:
        """Work for ever. Any failure ends the process: what was stored last is the truth."""
        async for batch in self._reader:
            for delivery in batch:
                if delivery.record.topic == CANDLES.name:
                    self._portfolio.on_candle(delivery.event, delivery.position, self._now())
                else:
                    await self.on_feed(delivery.event)
            await self._decide()

    async def _decide(self) -> None:
        while True:
            decided: list[PortfolioWeightsDecided] = []
            while len(decided) < CLOSES_PER_TRANSACTION:
                event = self._portfolio.decide_next(self._now())
                if event is None:
                    break
                decided.append(event)
            if not decided:
                return
            event_time = self._portfolio.event_time
            await self._store.record(
                decided,
                self._owner,
                event_time.settled,
                event_time.offsets(),
                {"frontiers": event_time.frontiers()},
            )
            self._relay.wake()
            self._decided.inc(len(decided))
            self._missing.inc(sum(len(event.missing) for event in decided))
            self._event_time.set(decided[-1].close_time / 1000)
