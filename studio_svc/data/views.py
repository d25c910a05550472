"""What the API answers about market data: subscriptions, coverage, gaps. Times are epoch ms UTC."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

from studio_svc.web_app.types import Body, Name
from studio_svc.web_app.views import View
from tradepulse.candles.gaps.finding import Coverage, Kind
from tradepulse.candles.gaps.records import Gap, Status
from tradepulse.market_data.gaps.tries_store import Tried
from tradepulse.runtime.db import ms

State = Literal["followed", "waiting", "trouble"]


class SeriesName(Body):
    """The series to follow."""

    exchange: Name
    symbol: Name
    timeframe: Name


class TimeframeView(View):
    """A timeframe that can be followed; `is_native` says that the venue itself has it."""

    timeframe: str
    is_native: bool


class VenueView(View):
    """A venue whose live markets can be followed, and by which candles."""

    name: str
    timeframes: list[TimeframeView]


class SubscriptionView(View):
    """One series that market_ingest is asked to follow."""

    series: str
    exchange: str
    symbol: str
    timeframe: str
    state: State
    """`waiting` until its first candle, and while no live market_ingest runs."""
    trouble: str | None
    """Why it cannot be followed."""
    last_close: int | None
    """Close time of the last candle that was published."""
    behind_ms: int | None
    """How far that is behind the newest candle that could be there; null before the first."""


class SubscriptionsView(View):
    """All series to follow, and how many live market_ingest run; with 0 nothing is followed."""

    replicas: int
    series: list[SubscriptionView]


class MarketStateView(View):
    """What is stored, in short."""

    until: int | None
    """The midnight (UTC) that ends the last visible day; null before any candle."""
    open_gaps: int
    open_candles: int
    """Candles that these gaps concern."""
    version: str
    """Changes whenever stored candles or gaps do."""


class CoverageRowView(View):
    """One series; every list is as long as `days`."""

    series: str
    expected: list[int]
    present: list[int]
    """Candles there, synthetic ones not counted."""
    missing: list[int]
    zero_volume: list[int]
    synthetic: list[int]


class CoverageView(View):
    """How much of each series is there, by UTC day."""

    days: list[int]
    """Midnights, no day left out."""
    series: list[CoverageRowView]

    @classmethod
    def of(cls, coverage: Coverage) -> Self:
        """Return what was counted as lists."""
        parts = {
            name: getattr(coverage, name).tolist()
            for name in CoverageRowView.model_fields
            if name != "series"
        }
        rows = [
            CoverageRowView(series=series, **{name: part[i] for name, part in parts.items()})
            for i, series in enumerate(coverage.series)
        ]
        return cls(days=coverage.days.tolist(), series=rows)


class GapView(View):
    """One thing that a scan found wrong, and what became of it."""

    gap_id: int
    series: str
    kind: Kind
    first_open_time: int
    last_open_time: int
    candles: int
    cause: str | None
    sure: bool
    sentence: str
    status: Status
    detected_at: int
    settled_at: int | None
    repaired_by: str | None
    attempts: int
    """How often it was tried in vain."""

    @classmethod
    def of(cls, gap: Gap) -> Self:
        """Return a gap on record."""
        return cls(**_gap_fields(gap))


class GapsView(View):
    """Gaps, the latest of the market first; `is_cut` says that there are more."""

    gaps: list[GapView]
    is_cut: bool


class TriedView(View):
    """One thing that was tried for a gap."""

    at: int | None
    step: str
    timeframe: str
    candles: int
    outcome: str
    note: str

    @classmethod
    def of(cls, tried: Tried) -> Self:
        """Return an attempt on record."""
        fields = {name: getattr(tried, name) for name in cls.model_fields if name != "at"}
        return cls(at=_ms(tried.at), **fields)


class GapDetailView(GapView):
    """One gap with what was tried, oldest first."""

    tried: list[TriedView]

    @classmethod
    def with_tried(cls, gap: Gap, tried: list[Tried]) -> Self:
        """Return a gap on record with its attempts."""
        return cls(tried=[TriedView.of(one) for one in tried], **_gap_fields(gap))


class ScanView(View):
    """Whether somebody heard the wish for a scan."""

    heard: bool
    detail: str


def _gap_fields(gap: Gap) -> Mapping[str, Any]:
    found = gap.finding
    return {
        "gap_id": gap.gap_id,
        "series": found.series,
        "kind": found.kind,
        "first_open_time": found.first,
        "last_open_time": found.last,
        "candles": found.count,
        "cause": found.cause,
        "sure": found.sure,
        "sentence": found.sentence,
        "status": gap.status,
        "detected_at": ms(gap.detected_at),
        "settled_at": _ms(gap.settled_at),
        "repaired_by": gap.repaired_by,
        "attempts": gap.attempts,
    }


def _ms(time: datetime | None) -> int | None:
    return None if time is None else ms(time)
