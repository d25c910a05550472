"""The active configurations by series, as the compacted topic tells them."""

import logging

from contracts.events import ConfigurationChanged
from tradepulse.trading.evaluate import Configuration

log = logging.getLogger(__name__)


class ActiveConfigurations:
    """Latest revision of every configuration; answers which are active on a series."""

    def __init__(self) -> None:
        self._revisions: dict[object, int] = {}
        self._by_series: dict[str, dict[object, Configuration]] = {}

    def __len__(self) -> int:
        return sum(len(found) for found in self._by_series.values())

    def on_configuration(self, event: ConfigurationChanged) -> None:
        """Take in a configuration; an older revision that comes again changes nothing."""
        if event.revision <= self._revisions.get(event.configuration_id, 0):
            return
        self._revisions[event.configuration_id] = event.revision
        on_series = self._by_series.setdefault(event.series, {})
        on_series.pop(event.configuration_id, None)
        if not event.is_active:
            return
        configuration = Configuration(
            event.configuration_id,
            event.strategy,
            event.exchange,
            event.symbol,
            event.timeframe,
            event.params,
            event.share,
        )
        try:
            configuration.lookback  # noqa: B018 - raises for a strategy or parameters we lack
        except ValueError as error:
            log.error("configuration ignored: %s", error, extra={"event_id": event.id})  # noqa: TRY400 - the line says all
            return
        on_series[event.configuration_id] = configuration

    def on(self, series: str) -> list[Configuration]:
        """Return the active configurations of a series, in a fixed order."""
        found = self._by_series.get(series, {})
        return sorted(found.values(), key=lambda c: str(c.configuration_id))
