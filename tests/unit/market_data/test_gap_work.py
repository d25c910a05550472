"""What a repair asks for, and what it says of it; and the ranges that a backfill asks for."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from market_ingest.history.meters import GapMeters
from tests.candle_series import random_walk
from tradepulse.candles.gaps.finding import DAY_MS, Finding
from tradepulse.candles.gaps.records import Gap
from tradepulse.market_data.backfill import bundled, without
from tradepulse.market_data.gaps.open_slots import (
    LONGEST_FROM_TRADES_MS,
    Work,
    came,
    good_for,
    has_trades,
    part_of,
    reach_of,
)
from tradepulse.market_data.gaps.store import EVERY_GAP, GapCount
from tradepulse.market_data.gaps.tries_store import Tried
from tradepulse.market_data.venues.rules import rules_of

HOUR = 3_600_000
HOLE = Finding(
    "test", "A/USD", "1h", "hole", 4 * HOUR, 9 * HOUR, 6,
    "test:A/USD 1h: 6 candles are missing from 1970-01-01T04:00Z: likely an outage: nobody traded",
    "outage",
)  # fmt: skip


def gap(finding: Finding = HOLE) -> Gap:
    return Gap(7, finding, "open", datetime(2026, 1, 1, tzinfo=UTC))


def test_what_is_wanted_is_asked_for_in_runs() -> None:
    assert Work(gap(), np.array([], np.int64)).runs() == []
    wanted = np.array([4, 5, 7, 9], np.int64) * HOUR
    work = Work(gap(), wanted)
    assert work.runs() == [(4 * HOUR, 6 * HOUR), (7 * HOUR, 8 * HOUR), (9 * HOUR, 10 * HOUR)]
    assert (work.where, work.step_ms) == (("test", "A/USD", "1h"), HOUR)
    assert came(work, 2) == "2 candles came, 4 are missing still"
    assert came(Work(gap(), wanted[:0]), 2) == "2 candles came"
    assert came(Work(gap(), wanted[:1]), 1) == "1 candle came, 1 is missing still"


def test_only_steps_that_gave_candles_are_named_each_once() -> None:
    work = Work(gap(), np.array([], np.int64))
    for step, candles in (("venue", 2), ("shorter", 0), ("venue", 1), ("trades", 3)):
        work.tried.append(Tried(7, step, "1h", candles, "mended", ""))  # type: ignore[arg-type]  # names
    assert work.by() == "venue,trades"


@pytest.mark.parametrize(
    ("count", "kind", "told"),
    [
        (2, "hole", "2 candles are still missing from 1970-01-01T05:00Z, the rest of gap 7"),
        (1, "hole", "1 candle is still missing from 1970-01-01T05:00Z, the rest of gap 7"),
        (1, "zero_volume", "1 candle is still zero volume from 1970-01-01T05:00Z"),
    ],
)
def test_the_rest_of_a_gap_is_told_as_such(count: int, kind: str, told: str) -> None:
    whole = gap(replace(HOLE, kind=kind))
    rest = part_of(whole, 5 * HOUR, (5 + count) * HOUR)
    assert (rest.first, rest.last, rest.count) == (5 * HOUR, (4 + count) * HOUR, count)
    assert rest.sentence == f"test:A/USD 1h: {told}: likely an outage: nobody traded"
    assert (rest.kind, rest.cause) == (kind, "outage")


def test_trades_are_asked_for_where_they_are_served_and_few_enough() -> None:
    all_, day = (replace(rules_of("kraken"), trades_reach=reach) for reach in ("all", "last_day"))
    now = 100 * DAY_MS
    long = replace(HOLE, first=0, last=LONGEST_FROM_TRADES_MS - HOUR)
    assert has_trades(all_, long, now)
    assert not has_trades(all_, replace(long, last=LONGEST_FROM_TRADES_MS), now)
    for late, served in ((60_000, True), (59_999, False)):
        young = replace(HOLE, first=now - DAY_MS + late, last=now - DAY_MS + late + HOUR)
        assert has_trades(day, young, now) is served
        assert has_trades(all_, young, now)


def test_how_far_back_a_venue_serves_its_candles() -> None:
    kraken = rules_of("kraken")
    assert reach_of(kraken, "1h", 1_000 * HOUR + 5) == (1_000 - kraken.candles_per_call) * HOUR
    assert reach_of(rules_of("binanceus"), "1h", HOUR) is None
    assert reach_of(None, "1h", HOUR) is None


def test_only_what_is_wanted_and_possible_is_taken() -> None:
    candles = random_walk("A/USD", 6, timeframe="1h")
    high = candles.high.copy()
    high[2] = candles.low[2] / 2
    spoilt = replace(candles, high=high)
    good = good_for(spoilt, candles.open_time[1:5])
    assert good.open_time.tolist() == candles.open_time[[1, 3, 4]].tolist()
    for name in ("open", "high", "low", "close", "volume"):
        assert getattr(good, name).tolist() == getattr(spoilt, name)[[1, 3, 4]].tolist()


SPANS = st.lists(st.integers(0, 60), min_size=0, max_size=12, unique=True).map(
    lambda cuts: list(zip(sorted(cuts)[::2], sorted(cuts)[1::2], strict=False))
)


@given(SPANS, SPANS)
def test_ranges_without_others_hold_what_only_they_hold(
    spans: list[tuple[int, int]], taken: list[tuple[int, int]]
) -> None:
    def held(ranges: list[tuple[int, int]]) -> list[int]:
        return [n for start, end in ranges for n in range(start, end)]

    left = without(spans, taken)
    assert all(start < end for start, end in left)
    assert held(left) == [n for n in held(spans) if n not in held(taken)]


def test_neighbouring_ranges_are_asked_for_at_once_as_long_as_one_answer_covers_them() -> None:
    spans = [(0, 10), (20, 30), (30, 41), (100, 150), (150, 151)]
    assert bundled(spans, 30) == [(0, 30), (30, 41), (100, 150), (150, 151)]
    assert bundled(spans, 29) == [(0, 10), (20, 41), (100, 150), (150, 151)]
    assert bundled(spans, 51) == [(0, 41), (100, 151)]
    assert bundled([], 30) == []


def test_what_is_gone_is_shown_no_more() -> None:
    registry = CollectorRegistry()
    meters = GapMeters(registry)
    one = GapCount("test", "USD", "hole", "outage", "open", 2, 30)
    meters.count([one, replace(one, status="gone"), replace(one, kind="impossible", cause=None)])
    sort = {"exchange": "test", "group": "USD", "kind": "hole", "cause": "outage", "status": "open"}

    def shown(**other: str) -> list[float | None]:
        names = ("tradepulse_gaps", "tradepulse_gap_candles")
        return [registry.get_sample_value(name, {**sort, **other}) for name in names]

    assert shown() == shown(kind="impossible", cause="") == [2, 30]
    assert shown(status="gone") == [None, None]
    meters.count([replace(one, gaps=1, candles=3)])
    assert shown() == [1, 3]
    assert shown(kind="impossible", cause="") == [None, None]


def test_where_nobody_says_otherwise_so_many_gaps_are_listed() -> None:
    assert EVERY_GAP.limit == 500
