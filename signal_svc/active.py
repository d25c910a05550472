"""The active configurations by series, as the compacted topic tells them."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from contracts.events import ConfigurationChanged
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.runtime.delivery import Delivery
from tradepulse.strategies.evaluate import Configuration, last_of, signals_of
from tradepulse.strategies.read_only import read_only

log = logging.getLogger(__name__)


class ActiveConfigurations:
    """Latest revision of every configuration; answers which are active on a series.

    Args:
        compile_: makes a configuration ready, which may take seconds; raises `ValueError` for one
            that cannot run.
    """

    def __init__(self, compile_: "Callable[[Configuration], None] | None" = None) -> None:
        self._compile = compile_ or _compile
        self._revisions: dict[object, int] = {}
        self._by_series: dict[str, dict[object, Configuration]] = {}
        self._in_order: dict[str, tuple[Configuration, ...]] = {}
        self._warm_up: dict[str, int] = {}
        self._near: dict[str, int] = {}
        self._higher: dict[str, frozenset[str]] = {}
        self._references: dict[str, tuple[str, ...]] = {}

    def __len__(self) -> int:
        on_all = (c for found in self._by_series.values() for c in found.values())
        return sum(not configuration.exits_only for configuration in on_all)

    async def on_configurations(self, batch: Sequence[Delivery]) -> None:
        """Take in changes as they are published."""
        await self.take_in(delivery.event for delivery in batch)

    async def take_in(self, events: Iterable[ConfigurationChanged]) -> None:
        """Take in what is news of these."""
        for event in events:
            if self._is_news(event):
                # a kernel's first call compiles it, for up to 20 s: candles go on meanwhile
                ready = await asyncio.to_thread(self._ready, event)
                self._take(event, ready)

    def on_configuration(self, event: ConfigurationChanged) -> None:
        """Take in a configuration; an older revision that comes again changes nothing."""
        if self._is_news(event):
            self._take(event, self._ready(event))

    def _is_news(self, event: ConfigurationChanged) -> bool:
        return event.revision > self._revisions.get(event.configuration_id, 0)

    def _take(self, event: ConfigurationChanged, configuration: Configuration | None) -> None:
        self._revisions[event.configuration_id] = event.revision
        on_series = self._by_series.setdefault(event.series, {})
        on_series.pop(event.configuration_id, None)
        if configuration is not None:
            on_series[event.configuration_id] = configuration
        # both are asked for at every candle
        in_order = sorted(on_series.values(), key=lambda c: str(c.configuration_id))
        self._in_order[event.series] = tuple(in_order)
        self._warm_up[event.series] = max((c.lookback for c in in_order), default=1) - 1
        self._near[event.series] = max((c.near for c in in_order), default=1) - 1
        self._higher[event.series] = frozenset().union(*(c.higher for c in in_order))
        looked_at = {instrument for one in in_order for instrument in one.references}
        self._references[event.series] = tuple(sorted(looked_at))

    def _ready(self, event: ConfigurationChanged) -> Configuration | None:
        """Return the configuration to evaluate from now on; None for none."""
        # an event from before the field has only its stage to tell
        has_traded = event.has_traded or event.stage in ("PAPER", "MATURE", "DECAY")
        if not event.is_active and not has_traded:
            # there is nothing to be left
            return None
        configuration = Configuration(
            event.configuration_id,
            event.strategy,
            event.exchange,
            event.symbol,
            event.timeframe,
            event.params,
            event.share,
            exits_only=not event.is_active,
        )
        try:
            self._compile(configuration)
        except ValueError as error:
            log.error("configuration ignored: %s", error, extra={"event_id": event.id})  # noqa: TRY400 - the line says all
            return None
        return configuration

    def on(self, series: str) -> tuple[Configuration, ...]:
        """Return the configurations to evaluate on a series, in a fixed order."""
        return self._in_order.get(series, ())

    def warm_up(self, series: str) -> int:
        """Return how many candles before a new one these need."""
        return self._warm_up.get(series, 0)

    def near(self, series: str) -> int:
        """Return how many of these they need where closed higher candles are kept."""
        return self._near.get(series, 0)

    def higher(self, series: str) -> frozenset[str]:
        """Return the timeframes whose closed candles they look at, made of the series itself."""
        return self._higher.get(series, frozenset())

    def references(self, series: str) -> tuple[str, ...]:
        """Return the instruments, `exchange:symbol`, that these look at beside the series' own."""
        return self._references.get(series, ())


def _compile(configuration: Configuration) -> None:
    """Run the strategy once on two flat candles, and on none: a first call compiles, or loads.

    Raises:
        ValueError: we have no such strategy, or it does not take these parameters.
    """
    flat = np.ones(2)
    candles = Candles(
        configuration.exchange,
        configuration.symbol,
        configuration.timeframe,
        np.arange(2) * timeframe_ms(configuration.timeframe),
        *(flat,) * 5,
    )
    for _ in signals_of(configuration, candles):
        raise ValueError(f"{configuration.strategy} acts without the candles it needs")
    if not configuration.has_sources:
        last_of(configuration, read_only(np.ones((5, 2))), read_only(candles.open_time), 0)
