"""Kafka in, Kafka out: nothing is decided here."""

import asyncio
import logging
from collections.abc import Awaitable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge

from contracts.events import Signal
from contracts.topics import EVALUATIONS
from signal_svc.active import ActiveConfigurations
from signal_svc.evaluation import encode, evaluate
from signal_svc.windows import Windows, joined, segments, to_candles
from tradepulse.candles.arrays import Candles
from tradepulse.runtime.codec import WireCandle
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.publisher import Publisher
from tradepulse.strategies.evaluate import Configuration

log = logging.getLogger(__name__)

LONG = 50
"""Candles of a stretch that is evaluated beside the event loop."""


class Store(Protocol):
    """What the handler needs of the database."""

    async def candles_before(
        self, exchange: str, symbol: str, timeframe: str, open_time: int, count: int
    ) -> Candles:
        """Return the last `count` candles that open before `open_time`."""

    async def archive(self, signals: list[tuple[int, str, Signal]]) -> None:
        """Keep signals; repeats change nothing."""


class SignalMeters:
    """What /metrics tells of the evaluations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.evaluated = Counter(
            "tradepulse_candles_evaluated_total", "Candles evaluated", registry=registry
        )
        self.signals = Counter(
            "tradepulse_signals_total", "Signals", ["strategy"], registry=registry
        )
        self.failures = Counter(
            "tradepulse_strategy_failures_total",
            "Candles at which a strategy failed; they passed without its signal",
            ["configuration"],
            registry=registry,
        )
        self.refusals = Counter(
            "tradepulse_refused_levels_total",
            "Entries that were not made because a level is on the wrong side",
            ["configuration"],
            registry=registry,
        )
        self.event_time = Gauge(
            "tradepulse_event_time_seconds",
            "Close time of the last evaluated candle",
            registry=registry,
        )

    def failed(self, configuration: Configuration, candles: int) -> None:
        """See `evaluation.Failures`."""
        self.failures.labels(str(configuration.configuration_id)).inc(candles)

    def refused(self, configuration: Configuration, entries: int) -> None:
        """See `evaluation.Failures`."""
        self.refusals.labels(str(configuration.configuration_id)).inc(entries)


class CandleHandler:
    """Turns batches of candles into evaluations."""

    def __init__(
        self,
        active: ActiveConfigurations,
        windows: Windows,
        store: Store,
        publisher: Publisher,
        meters: SignalMeters,
    ) -> None:
        self._active = active
        self._windows = windows
        self._store = store
        self._publisher = publisher
        self._meters = meters

    async def on_candles(self, batch: list[Delivery]) -> None:
        """Evaluate candles, publish the evaluations and archive their signals.

        Both are done when it returns, and so before the offsets are committed: what a crash cuts
        off is done again. The archive is on no order's way.
        """
        by_series: dict[str, list[WireCandle]] = {}
        for delivery in batch:
            candle = delivery.event
            by_series.setdefault(candle.series, []).append(candle)
        messages: list[tuple[str, bytes]] = []
        said: list[tuple[int, str, Signal]] = []
        for series, candles in by_series.items():
            for run in self._new_ones(series, candles):
                for segment in segments(run):
                    messages += await self._evaluate(series, segment, said)
        telling: list[Awaitable[None]] = [self._publisher.send_many(EVALUATIONS, messages)]
        if said:
            telling.append(self._store.archive(said))
        # after a fault, too, both have ended before anything else is handled
        for error in await asyncio.gather(*telling, return_exceptions=True):
            if error is not None:
                raise error
        self._meters.evaluated.inc(len(messages))
        for close_time, _, signal in said:
            self._meters.signals.labels(signal.strategy).inc()
            log.debug("signal", extra={"event_id": str(signal.id), "close_time": close_time})

    def _new_ones(self, series: str, candles: list[WireCandle]) -> Iterator[list[WireCandle]]:
        """Leave out what was evaluated before; between two runs a repair renews the window."""
        last = self._windows.last_open_time(series)
        fresh: list[WireCandle] = []
        for candle in candles:
            if candle.open_time > last:
                last = candle.open_time
                fresh.append(candle)
            elif candle.source == "repaired":
                # first what came before: evaluated after it, the window would have the old candle
                yield fresh
                fresh = []
                self._windows.forget(series)
        yield fresh

    async def _evaluate(
        self, series: str, segment: list[WireCandle], said: list[tuple[int, str, Signal]]
    ) -> list[tuple[str, bytes]]:
        configurations = self._active.on(series)
        wanted = max((c.lookback for c in configurations), default=1) - 1
        new = to_candles(segment)
        open_time = int(new.open_time[0])
        before = self._windows.before(series, open_time, wanted)
        if before is None and wanted:
            before = await self._store.candles_before(
                new.exchange, new.symbol, new.timeframe, open_time, wanted
            )
        candles = new if before is None or not len(before) else joined(before, new)
        first = len(candles) - len(new)
        # a long stretch takes its time: the partitions must not be lost meanwhile
        signals = (
            await asyncio.to_thread(evaluate, configurations, candles, first, self._meters)
            if len(new) > LONG
            else evaluate(configurations, candles, first, self._meters)
        )
        for row in sorted(signals):
            close_time = int(candles.close_time[row])
            said += [(close_time, series, signal) for signal in signals[row]]
        self._windows.keep(series, candles, wanted)
        self._meters.event_time.set(int(new.close_time[-1]) / 1000)
        encoded = encode(candles, first, len(configurations), signals)
        return [(new.instrument, value) for value in encoded]
