"""What /metrics tells of gaps."""

from collections.abc import Iterable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tradepulse.candles.gaps.remedies import Step
from tradepulse.market_data.gaps.store import GapCount
from tradepulse.market_data.gaps.tries_store import Outcome
from tradepulse.runtime.metrics import touch

STEPS = (*get_args(Step), "none")
"""Things that are tried for gaps, and that there was none to try."""


class GapMeters:
    """Metrics of the scanner and of the repairs; only the replica that scans has values."""

    def __init__(self, registry: CollectorRegistry) -> None:
        sorts = ["exchange", "group", "kind", "cause", "status"]
        self._gaps = Gauge(
            "tradepulse_gaps", "Gaps on record, those that are gone apart", sorts, registry=registry
        )
        self._missing = Gauge(
            "tradepulse_gap_candles", "Candles that these gaps concern", sorts, registry=registry
        )
        self.scan_seconds = Histogram(
            "tradepulse_gap_scan_seconds",
            "How long a scan took",
            ["scope"],
            registry=registry,
            buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 120, 300),
        )
        touch(self.scan_seconds, ["all", "new"])
        self.scanned_at = Gauge(
            "tradepulse_gap_scan_time_seconds", "When the last scan ended", registry=registry
        )
        self.scan_failures = Counter(
            "tradepulse_gap_scan_failures_total", "Scans that failed", registry=registry
        )
        self.repairs = Counter(
            "tradepulse_gap_repairs_total",
            "Things tried for gaps",
            ["exchange", "step", "outcome"],
            registry=registry,
        )
        self.repaired = Counter(
            "tradepulse_repaired_candles_total",
            "Candles stored by repairs",
            ["exchange", "step"],
            registry=registry,
        )

    def count(self, counts: Iterable[GapCount]) -> None:
        """Show how many gaps there are now."""
        self._gaps.clear()
        self._missing.clear()
        for one in counts:
            if one.status == "gone":
                continue
            sort = one.exchange, one.quote, one.kind, one.cause or "", one.status
            self._gaps.labels(*sort).set(one.gaps)
            self._missing.labels(*sort).set(one.candles)
            # a venue is known by its first gap, before anything is tried for it
            touch(self.repairs, [one.exchange], STEPS, [*get_args(Outcome), "failed"])
            touch(self.repaired, [one.exchange], STEPS)
