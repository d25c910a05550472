"""Kafka in, Kafka out: nothing is decided here."""

import asyncio
import collections
import logging
from collections.abc import Awaitable, Iterator, Mapping
from typing import Protocol, get_args

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge

from contracts.events import Action, Signal, trace_id
from contracts.topics import EVALUATIONS
from signal_svc import references
from signal_svc.active import ActiveConfigurations
from signal_svc.evaluation import encode, evaluate
from signal_svc.references import References
from signal_svc.windows import Window, Windows, segments
from tradepulse.candles.arrays import Candles
from tradepulse.runtime.codec import WireCandle
from tradepulse.runtime.delivery import Delivery
from tradepulse.runtime.metrics import touch
from tradepulse.runtime.publisher import Publisher
from tradepulse.strategies import strategy_names
from tradepulse.strategies.evaluate import Configuration

log = logging.getLogger(__name__)

LONG = 500
"""Candles of a stretch, times configurations, that are evaluated beside the event loop."""


class Store(references.Store, Protocol):
    """What the handler needs of the database."""

    async def archive(self, signals: list[tuple[int, str, Signal]]) -> None:
        """Keep signals; repeats change nothing."""


class SignalMeters:
    """What /metrics tells of the evaluations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.evaluated = Counter(
            "tradepulse_candles_evaluated_total", "Candles evaluated", registry=registry
        )
        self.signals = Counter(
            "tradepulse_signals_total", "Signals", ["strategy", "action"], registry=registry
        )
        touch(self.signals, strategy_names(), get_args(Action))
        self.failures = Counter(
            "tradepulse_strategy_failures_total",
            "Candles at which a strategy failed; they passed without its signal",
            ["strategy"],
            registry=registry,
        )
        self.refusals = Counter(
            "tradepulse_refused_levels_total",
            "Entries that were not made because a level is on the wrong side",
            ["strategy"],
            registry=registry,
        )
        for counter in (self.failures, self.refusals):
            touch(counter, strategy_names())
        self.event_time = Gauge(
            "tradepulse_event_time_seconds",
            "Close time of the last evaluated candle",
            registry=registry,
        )

    def failed(self, configuration: Configuration, candles: int) -> None:
        """See `evaluation.Failures`."""
        self.failures.labels(configuration.strategy).inc(candles)

    def refused(self, configuration: Configuration, entries: int) -> None:
        """See `evaluation.Failures`."""
        self.refusals.labels(configuration.strategy).inc(entries)


class CandleHandler:
    """Turns batches of candles into evaluations."""

    def __init__(
        self,
        active: ActiveConfigurations,
        windows: Windows,
        store: Store,
        publisher: Publisher,
        meters: SignalMeters,
        looked_at: References,
    ) -> None:
        self._active = active
        self._windows = windows
        self._store = store
        self._publisher = publisher
        self._meters = meters
        self._references = looked_at

    async def on_candles(self, batch: list[Delivery]) -> None:
        """Evaluate candles, publish the evaluations and archive their signals.

        Both are done when it returns, and so before the offsets are committed: what a crash cuts
        off is done again. The archive is on no order's way.
        """
        by_series: dict[str, list[WireCandle]] = {}
        for delivery in batch:
            candle = delivery.event
            by_series.setdefault(candle.series, []).append(candle)
        waiting = {series for series in by_series if self._active.references(series)}
        if waiting and len(waiting) < len(by_series):
            # nobody else is held up by what a few series wait for
            await self._on_series({s: c for s, c in by_series.items() if s not in waiting})
            by_series = {s: c for s, c in by_series.items() if s in waiting}
        await self._on_series(by_series)

    async def _on_series(self, by_series: Mapping[str, list[WireCandle]]) -> None:
        messages: list[tuple[str, bytes]] = []
        said: list[tuple[int, str, Signal]] = []
        last = 0
        for series, candles in by_series.items():
            for run in self._new_ones(series, candles):
                for segment in segments(run):
                    messages += await self._evaluate(series, segment, said)
                    last = segment[-1].close_time
        if last:
            self._meters.event_time.set(last / 1000)
        telling: list[Awaitable[None]] = [self._publisher.send_many(EVALUATIONS, messages)]
        # most strategies that move their stop say so at every candle
        if kept := [one for one in said if one[2].action != "move_stop"]:
            telling.append(self._store.archive(kept))
        # after a fault, too, both have ended before anything else is handled
        for error in await asyncio.gather(*telling, return_exceptions=True):
            if error is not None:
                raise error
        self._meters.evaluated.inc(len(messages))
        self._count(said)

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

    def _count(self, said: list[tuple[int, str, Signal]]) -> None:
        tally = collections.Counter((signal.strategy, signal.action) for _, _, signal in said)
        for (strategy, action), count in tally.items():
            self._meters.signals.labels(strategy, action).inc(count)
        if log.isEnabledFor(logging.DEBUG):
            for close_time, series, signal in said:
                log.debug(
                    "signal",
                    extra={
                        "event_id": str(signal.id),
                        "trace_id": trace_id(series, close_time),
                        "configuration_id": str(signal.configuration_id),
                        "action": signal.action,
                    },
                )

    async def _evaluate(
        self, series: str, segment: list[WireCandle], said: list[tuple[int, str, Signal]]
    ) -> list[tuple[str, bytes]]:
        configurations = self._active.on(series)
        wanted = self._active.warm_up(series)
        first, count = segment[0], len(segment)
        near, higher = self._active.near(series), self._active.higher(series)
        window = self._windows.before(series, first.open_time, wanted, near, higher)
        if window is None:
            window = Window(await self._before(first, wanted), wanted, near, higher)
        window.add(segment, near if window.higher else wanted)
        self._windows.keep(series, window, segment[-1].open_time)
        seen = await self._references.of(
            self._active.references(series), segment[-1], wanted + count
        )
        # a long stretch takes its time: the partitions must not be lost meanwhile
        signals = (
            await asyncio.to_thread(evaluate, configurations, window, count, self._meters, seen)
            if count * len(configurations) > LONG
            else evaluate(configurations, window, count, self._meters, seen)
        )
        for row in sorted(signals):
            said += [(segment[row].close_time, series, signal) for signal in signals[row]]
        key = first.instrument
        return [(key, value) for value in encode(segment, len(configurations), signals)]

    async def _before(self, first: WireCandle, wanted: int) -> Candles:
        """Return the stored candles before one; none where no strategy needs any."""
        names = first.exchange, first.symbol, first.timeframe
        if wanted:
            return await self._store.candles_before(*names, first.open_time, wanted)
        none = np.empty(0)
        return Candles(*names, np.empty(0, dtype=np.int64), none, none, none, none, none)
