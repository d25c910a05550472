"""What /metrics tells of the live feed, and what the log says of a venue that is down."""

import heapq
import logging
from collections.abc import Mapping
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from contracts.events import Source
from tradepulse.runtime.metrics import touch

log = logging.getLogger(__name__)
OUTCOMES = ("answered", "failed", "refused")
_LABELS = ("exchange", "group")
MOST_BEHIND = 20
"""Series of which it is told how far they are behind: there may be thousands."""
_LAGS = (0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 900, 3600)


def group_of(symbol: str) -> str:
    """Return the group of symbols that share a line in /metrics: what they are quoted in."""
    return symbol.rpartition("/")[2]


class StreamMeters:
    """The metrics of streams."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.breaks = Counter(
            "tradepulse_live_breaks_total",
            "Connected streams that broke, and were connected again",
            _LABELS,
            registry=registry,
        )
        self.stalls = Counter(
            "tradepulse_live_stalls_total",
            "Streams that were renewed because they had fallen silent or deaf",
            _LABELS,
            registry=registry,
        )
        self.lost = Counter(
            "tradepulse_live_lost_messages_total",
            "Messages of a stream that could not be read or never came",
            _LABELS,
            registry=registry,
        )


class VenueHealth:
    """Whether each venue answers, told once when that changes, and what it was asked."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "tradepulse_live_requests_total",
            "Questions to the venue for candles, by reason and outcome",
            ["exchange", "why", "outcome"],
            registry=registry,
        )
        self._up = Gauge(
            "tradepulse_live_venue_up",
            "1 while the venue answers, 0 while it does not",
            ["exchange"],
            registry=registry,
        )
        self._down: set[str] = set()

    def answered(self, venue: str) -> None:
        """Note that it answers."""
        self._up.labels(venue).set(1)
        if venue in self._down:
            self._down.discard(venue)
            log.info("venue answers again", extra={"exchange": venue})

    def failed(self, venue: str, error: Exception) -> None:
        """Note that it does not."""
        self._up.labels(venue).set(0)
        if venue not in self._down:
            self._down.add(venue)
            log.warning("venue does not answer", extra={"exchange": venue, "reason": str(error)})


class LiveMeters:
    """The metrics, by exchange and by the currency that symbols are quoted in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.streams = StreamMeters(registry)
        self.venues = VenueHealth(registry)
        self.candles = Counter(
            "tradepulse_live_candles_total",
            "Candles published live, by where they come from",
            [*_LABELS, "source"],
            registry=registry,
        )
        self.lag = Histogram(
            "tradepulse_live_lag_seconds",
            "How long after its close a candle was acknowledged by Kafka",
            _LABELS,
            buckets=_LAGS,
            registry=registry,
        )
        self.behind = Gauge(
            "tradepulse_live_behind_seconds",
            "How long the oldest candle that is due has been waited for, of all series",
            _LABELS,
            registry=registry,
        )
        self.no_trade = Counter(
            "tradepulse_live_no_trade_total",
            "Intervals of which the venue has no candle",
            _LABELS,
            registry=registry,
        )
        self.unconfirmed = Counter(
            "tradepulse_live_unconfirmed_total",
            "Candles of the stream of which the venue knows nothing",
            _LABELS,
            registry=registry,
        )
        self.subscriptions = Gauge(
            "tradepulse_live_subscriptions",
            "Series that this replica follows",
            _LABELS,
            registry=registry,
        )
        self.connected = Gauge(
            "tradepulse_live_streams_connected",
            "Streams of this replica that are connected",
            _LABELS,
            registry=registry,
        )
        self.troubled = Gauge(
            "tradepulse_live_troubled",
            "Subscriptions that cannot be followed; `tradepulse subscriptions` says why",
            registry=registry,
        )
        self.replicas = Gauge("tradepulse_live_replicas", "Live replicas", registry=registry)
        self._series_behind = Gauge(
            "tradepulse_series_behind_seconds",
            "How long a series has waited for a candle that is due; the worst alone",
            ["exchange", "symbol", "timeframe"],
            registry=registry,
        )
        self._groups: set[tuple[str, str]] = set()

    def show_behind(self, behind: Mapping[tuple[str, str, str], float]) -> None:
        """Tell the worst of the series, by (exchange, symbol, timeframe) and seconds behind."""
        self._series_behind.clear()
        for series in heapq.nlargest(MOST_BEHIND, behind, key=lambda one: (behind[one], one)):
            self._series_behind.labels(*series).set(behind[series])

    def show(self, held: dict[tuple[str, str], tuple[int, int, float]]) -> None:
        """Set the gauges of each (exchange, group): series, connected streams, seconds behind."""
        for group in self._groups - held.keys():
            for gauge in (self.subscriptions, self.connected, self.behind):
                gauge.labels(*group).set(0)
        for begun in held.keys() - self._groups:
            self._begin(*begun)
        for group, (series, connected, behind_s) in held.items():
            self.subscriptions.labels(*group).set(series)
            self.connected.labels(*group).set(connected)
            self.behind.labels(*group).set(behind_s)
        self._groups |= held.keys()

    def _begin(self, exchange: str, group: str) -> None:
        """Let all that is counted of a group stand at 0 before it is first counted."""
        touch(self.candles, [exchange], [group], get_args(Source))
        streams = self.streams
        for counter in (streams.breaks, streams.stalls, streams.lost):
            touch(counter, [exchange], [group])
        for metric in (self.lag, self.no_trade, self.unconfirmed):
            touch(metric, [exchange], [group])
        touch(self.venues.requests, [exchange], ["hole", "check"], OUTCOMES)
