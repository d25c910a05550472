"""Records of gaps follow what scans find, what is tried in vain is given up; a map of it all."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradepulse.candles.gaps.causes import runs
from tradepulse.candles.gaps.finding import DAY_MS, Coverage, Finding
from tradepulse.candles.gaps.records import (
    NEVER,
    PAUSES_MS,
    STANDING,
    Changes,
    Gap,
    NewGap,
    Status,
    Tries,
    judge,
    reconcile,
)
from tradepulse.cli.data.heat import columns_of, mark_of, marks_of
from tradepulse.market_data.gaps.scan import EDGE_GRACE_MS, StoredSeries, _parts, lifetimes_of

STEP = 1_800_000
AT = datetime(2026, 1, 1, tzinfo=UTC)


def hole(first: int, last: int, cause="outage", symbol="BTC/USD", kind="hole") -> Finding:
    return Finding(
        "test", symbol, "30m", kind, first * STEP, last * STEP, last - first + 1, "", cause
    )


def gap(finding: Finding, status: Status = "open", gap_id: int = 1, **more) -> Gap:
    return Gap(gap_id, finding, status, AT, **more)


def test_the_same_finding_is_the_same_record():
    old = hole(5, 9)
    for status in STANDING:
        assert reconcile([gap(old, status)], [old]) == Changes((), (), (), ())
    other = hole(5, 9, "unknown")
    assert reconcile([gap(old)], [other]).judged == ((1, other),)
    # without witnesses it keeps the cause it has, and so does what is settled
    assert reconcile([gap(old)], [other], rejudge=False) == Changes((), (), (), ())
    assert reconcile([gap(old, "unrepairable")], [other]) == Changes((), (), (), ())


def test_what_grew_is_updated_and_open_again():
    for status in STANDING:
        grown = hole(5, 12)
        found = reconcile([gap(hole(5, 9), status)], [grown])
        assert found == Changes((), (), ((1, grown),), ())
    # two that have become one
    found = reconcile([gap(hole(5, 6)), gap(hole(8, 9), gap_id=2)], [hole(5, 9)])
    assert (found.new, found.grown, found.gone) == ((), ((1, hole(5, 9)),), (2,))


def test_of_what_shrank_the_rest_goes_on_where_the_whole_stood():
    whole = gap(hole(5, 9), attempts=3, next_try_at=77)
    found = reconcile([whole], [hole(5, 6), hole(9, 9)])
    assert found.gone == (1,)
    assert found.new == (NewGap(hole(5, 6), "open", 3, 77), NewGap(hole(9, 9), "open", 3, 77))
    given_up = replace(whole, status="unrepairable")
    assert {n.status for n in reconcile([given_up], [hole(5, 6)]).new} == {"unrepairable"}
    # what was filled may have another close before it now
    filled = replace(whole, status="filled")
    assert {n.status for n in reconcile([filled], [hole(7, 9)]).new} == {"open"}


def test_what_is_found_no_more_is_gone_but_for_the_unfinished():
    assert reconcile([gap(hole(5, 9))], []).gone == (1,)
    assert reconcile([gap(hole(5, 5, None, kind="unfinished"))], []).gone == ()


def test_what_is_known_to_exist_is_tried_again():
    old = gap(hole(5, 9), "unrepairable", attempts=6)
    assert reconcile([old], [hole(5, 9, "missed")]).grown == ((1, hole(5, 9, "missed")),)
    again = gap(hole(5, 9, "missed"), "unrepairable")
    assert reconcile([again], [hole(5, 9, "missed")]) == Changes((), (), (), ())
    part = reconcile([old], [hole(5, 7, "missed")])
    assert part.new[0].status == "open"


def test_a_lack_of_volume_is_told_and_not_repaired():
    (new,) = reconcile([], [hole(5, 9, None, kind="zero_volume")]).new
    assert new.status == "unrepairable"


def test_series_and_kinds_are_apart():
    known = [gap(hole(5, 9)), gap(hole(5, 9, symbol="ETH/USD"), gap_id=2)]
    found = reconcile(known, [hole(5, 9, None, kind="impossible"), hole(5, 9, symbol="ETH/USD")])
    assert [n.finding.kind for n in found.new] == ["impossible"]
    assert found.gone == (1,)


masks = st.lists(st.booleans(), min_size=1, max_size=40)


@given(st.lists(masks, min_size=1, max_size=6), st.data())
@settings(deadline=None)
def test_whatever_scans_find_the_records_say_it(scans, data):
    ids = count(1)
    standing: dict[int, Gap] = {}
    for mask in scans:
        starts, lengths = runs(np.array(mask))
        found = [(lo, lo + n - 1) for lo, n in zip(starts.tolist(), lengths.tolist(), strict=True)]
        findings = [hole(lo, hi) for lo, hi in found]
        before = {(g.finding.first, g.finding.last): g.gap_id for g in standing.values()}
        changes = reconcile(standing.values(), findings)
        for gap_id in changes.gone:
            del standing[gap_id]
        for gap_id, finding in (*changes.judged, *changes.grown):
            standing[gap_id] = replace(standing[gap_id], finding=finding)
        for new in changes.new:
            gap_id = next(ids)
            standing[gap_id] = gap(new.finding, new.status, gap_id, attempts=new.attempts)
        told = sorted((g.finding.first, g.finding.last) for g in standing.values())
        assert told == [(lo * STEP, hi * STEP) for lo, hi in found]
        assert all(a[1] < b[0] for a, b in pairwise(told))
        # what was there is what it was
        for one in standing.values():
            span = one.finding.first, one.finding.last
            assert before.get(span, one.gap_id) == one.gap_id
        assert reconcile(standing.values(), findings) == Changes((), (), (), ())
        for gap_id, one in list(standing.items()):
            status = data.draw(st.sampled_from(STANDING))
            standing[gap_id] = replace(one, status=status, attempts=one.attempts + 1)


# ---- what becomes of a gap that was tried


def tries(**more) -> Tries:
    nothing = {"real": 0, "made": 0, "left": 5, "answered": True, "no_trades": False}
    return Tries(**(nothing | {"down": False, "possible": True} | more))


def test_a_gap_without_a_lack_is_repaired():
    assert judge(gap(hole(1, 5)), tries(left=0, real=5), 0).status == "repaired"


def test_an_outage_is_tried_again_at_growing_pauses():
    one, now, pauses = gap(hole(1, 5)), 0, []
    while True:
        verdict = judge(one, tries(), now)
        if verdict.status == "unrepairable":
            break
        pauses.append(verdict.next_try_at - now)
        one, now = replace(one, attempts=verdict.attempts), verdict.next_try_at
    assert tuple(pauses) == PAUSES_MS
    assert verdict.next_try_at == NEVER


@pytest.mark.parametrize(
    ("cause", "more", "status"),
    [
        ("no_trade", {}, "unrepairable"),
        ("no_trade", {"answered": False}, "open"),
        ("unknown", {}, "open"),
        ("unknown", {"no_trades": True}, "unrepairable"),
        ("outage", {"possible": False}, "unrepairable"),
        ("outage", {"made": 5}, "filled"),
        ("no_trade", {"made": 5}, "filled"),
        ("no_trade", {"down": True}, "open"),
        ("no_trade", {"down": True, "made": 5}, "filled"),
    ],
)
def test_what_nobody_gives(cause, more, status):
    assert judge(gap(hole(1, 5, cause)), tries(**more), 0).status == status


def test_nobody_there_uses_up_no_try():
    one, pauses = gap(hole(1, 5), attempts=2), []
    for _ in range(9):
        verdict = judge(one, tries(down=True), 0)
        assert verdict.attempts == 2
        pauses.append(verdict.next_try_at // 60_000)
        one = replace(one, postponed=verdict.postponed)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


# ---- parts of a scan, and the map


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(1, 9)), max_size=8),
    st.integers(1, 400),
)
@settings(deadline=None)
def test_the_parts_of_a_scan_are_all_time_once(series, at_once):
    known = [
        StoredSeries("test", f"S{i}", "1d", lo * DAY_MS, (lo + length) * DAY_MS, n * length + 1)
        for i, (lo, length, n) in enumerate(series)
    ]
    parts = _parts(known, at_once)
    assert parts[0][0] < 0
    assert parts[-1][1] > 501 * DAY_MS
    assert all(a[1] == b[0] for a, b in pairwise(parts))
    assert all(lo < hi for lo, hi in parts)


def test_what_is_followed_is_expected_until_now_but_for_a_grace():
    known = [StoredSeries("test", name, "30m", 4 * STEP, 9 * STEP, 6) for name in "AB"]
    now = 20 * STEP
    assert lifetimes_of(known, {"test:A:30m"}, now) == {
        "test:A:30m": (4 * STEP, now - EDGE_GRACE_MS)
    }
    # what is there was expected
    for now in (10 * STEP, 10 * STEP + EDGE_GRACE_MS):
        assert lifetimes_of(known, {"test:A:30m"}, now) == {"test:A:30m": (4 * STEP, 10 * STEP)}
    assert lifetimes_of(known, {"test:A:30m"}, None) == lifetimes_of(known, set(), now) == {}


def test_the_map_of_coverage():
    none, full = (0, 0, 0), (100, 100, 0)
    parts = [(100, 99, 0), (100, 90, 0), (100, 1, 0), (100, 0, 0), (100, 90, 10), (100, 0, 1)]
    marks = [mark_of(*figures) for figures in (none, full, *parts)]
    assert "".join(marks) == "·█▓▒░x◇x"
    days = np.arange(40, dtype=np.int64) * DAY_MS
    starts, labels = columns_of(days, by_month=True)
    assert (starts.tolist(), labels) == ([0, 31], ["1970-01", "1970-02"])
    expected = np.full((1, 40), 24)
    present = np.where(np.arange(40) < 31, 24, 0)[None]
    nothing = np.zeros((1, 40), np.int64)
    c = Coverage(("test:A/USD:1h",), days, expected, present, nothing, nothing)
    assert marks_of(c, starts) == ["█x"]
    assert marks_of(c, columns_of(days, by_month=False)[0]) == ["█" * 31 + "x" * 9]
