"""The scanner, the causes of holes, coverage, repairs: hand-made cases and naive counterparts."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.candle_series import FIGURES, START, random_walk, same
from tradepulse.candles.arrays import Candles
from tradepulse.candles.gaps.causes import LONGEST_OUTAGE_MS
from tradepulse.candles.gaps.finding import DAY_MS, Finding, coverage, scan
from tradepulse.candles.gaps.remedies import Repair, plan, resample, synthetic
from tradepulse.candles.timeframes import timeframe_ms

STEP = timeframe_ms("30m")
N = 500


def rows(candles: Candles, order) -> Candles:
    """Return the rows of a series by index, in any order and number."""
    columns = (getattr(candles, name)[order] for name in FIGURES)
    return Candles(candles.exchange, candles.symbol, candles.timeframe, *columns)


def with_(candles: Candles, row: int, **figures: float) -> Candles:
    """Return a series with some figures of one row changed."""
    columns = {name: getattr(candles, name).copy() for name in figures}
    for name, value in figures.items():
        columns[name][row] = value
    return replace(candles, **columns)


def holes(series, **options) -> list[Finding]:
    return [f for f in scan(series, **options) if f.kind == "hole"]


def told(findings) -> list[tuple]:
    return [(f.kind, (f.first - START) / STEP, (f.last - START) / STEP, f.count) for f in findings]


# ---- rows


def test_a_whole_series_has_no_finding():
    assert scan([random_walk("BTC/USD", N)]) == []


def test_no_series_and_no_candles_have_no_finding():
    empty = random_walk("BTC/USD", 0)
    assert scan([]) == scan([empty]) == []
    assert coverage([]).days.shape == (0,)
    assert coverage([empty]).expected.shape == (1, 0)


def test_every_kind_of_row_is_found():
    c = random_walk("BTC/USD", 20)
    c = with_(c, 3, volume=0.0)
    c = with_(c, 4, volume=0.0)
    c = with_(c, 6, high=c.low[6])
    c = with_(c, 8, open_time=c.open_time[8] + 1000)
    c = rows(c, [*range(12), 11, 12, 13, 15, 14, *range(16, 20)])
    found = scan([c], now=int(START + 20 * STEP - 1))
    assert told(found) == [
        ("zero_volume", 3, 4, 2),
        ("impossible", 6, 6, 1),
        ("hole", 8, 8, 1),
        ("off_grid", 8 + 1000 / STEP, 8 + 1000 / STEP, 1),
        ("duplicate", 11, 11, 1),
        ("unsorted", 14, 14, 1),
        ("unfinished", 19, 19, 1),
    ]
    assert found[1].sentence.startswith("test:BTC/USD 30m: 1 candle is impossible from 2020-09-13T")
    assert "is below" in found[1].sentence
    assert found[2].cause == "off_grid"
    assert found[2].sure


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"open": np.nan}, "open is nan"),
        ({"volume": np.inf}, "volume is inf"),
        ({"low": -1.0}, "low -1.0 is not above zero"),
        ({"volume": -1.0}, "volume -1.0 is below zero"),
        ({"high": 1.0}, "high 1.0 is below"),
        ({"low": 1e9}, "low 1000000000.0"),
    ],
)
def test_impossible_figures_are_named(figures, reason):
    found = scan([with_(random_walk("BTC/USD", 9), 5, **figures)])
    assert told(found) == [("impossible", 5, 5, 1)]
    assert reason in found[0].sentence


def test_a_time_in_seconds_is_bad_and_spoils_no_other():
    c = random_walk("BTC/USD", 9)
    for bad in (int(c.open_time[5]) // 1000, int(c.open_time[5]) * 1000):
        found = scan([with_(c, 5, open_time=bad)])
        assert Counter(f.kind for f in found) == {"bad_time": 1, "hole": 1}
        assert plan(next(f for f in found if f.kind == "bad_time"), stored=("5m",)) == ()


def test_runs_of_bad_rows_are_parted_by_holes():
    c = random_walk("BTC/USD", 12, without=[5])
    c = replace(c, high=np.full(len(c), 1.0))
    assert [f[1:] for f in told(scan([c])) if f[0] == "impossible"] == [(0, 4, 5), (6, 11, 6)]


def test_only_the_range_is_told_and_its_holes_whole():
    c = with_(random_walk("BTC/USD", N, without=[10, 50, 51, 52, 90]), 70, volume=0.0)
    for lo, hi in ((20, 51), (52, 53), (11, 73)):
        found = scan([c], start=START + lo * STEP, end=START + hi * STEP)
        assert told(found) == [("hole", 50, 52, 3)]
    assert scan([c], start=START + 11 * STEP, end=START + 50 * STEP) == []
    assert told(scan([c], start=START + 74 * STEP, end=START + 75 * STEP)) == [
        ("zero_volume", 74, 74, 1)
    ]


def test_causes_do_not_depend_on_the_range():
    thin = np.flatnonzero(np.random.default_rng(1).random(N) < 0.3)[1:-1]
    series = venue(thin, {*range(200, 206)}, ())
    lo, hi = START + 190 * STEP, START + 210 * STEP
    every = [f for f in scan(series) if f.first < hi and f.end > lo]
    assert scan(series, start=lo, end=hi) == every
    assert len(every) > 2


def test_listing_and_end_are_no_holes_unless_known_otherwise():
    late, short = random_walk("A/USD", N, without=range(50)), random_walk("B/USD", N - 50)
    assert scan([late, short, random_walk("C/USD", N)]) == []
    lifetimes = {late.series: (START, START + N * STEP), short.series: (START, 1 << 50)}
    found = scan([late, short], lifetimes=lifetimes, now=START + N * STEP + 5)
    assert told(found) == [("hole", 0, 49, 50), ("hole", N - 50, N - 1, 50)]


def test_unfinished_candles_are_not_missed():
    c = random_walk("BTC/USD", 10)
    lifetimes = {c.series: (START, 1 << 50)}
    assert told(scan([c], now=START + 10 * STEP - 1, lifetimes=lifetimes)) == [
        ("unfinished", 9, 9, 1)
    ]
    assert scan([c], now=START + 10 * STEP, lifetimes=lifetimes) == []


def test_a_series_twice_is_refused():
    c = random_walk("BTC/USD", 5)
    for function in (scan, coverage):
        with pytest.raises(ValueError, match="test:BTC/USD:30m is given twice"):
            function([c, c])
    with pytest.raises(ValueError, match="unknown timeframe '7m'"):
        scan([replace(c, timeframe="7m")])


@given(st.lists(st.integers(0, 60), min_size=1, max_size=80), st.data())
@settings(max_examples=60, deadline=None)
def test_rows_agree_with_a_naive_scan(slots, data):
    candles = rows(random_walk("BTC/USD", 61), slots)
    lo, hi = sorted(data.draw(st.tuples(st.integers(0, 61), st.integers(0, 61))))
    found = scan([candles], start=START + lo * STEP, end=START + hi * STEP)

    missing = set(range(min(slots), max(slots))) - set(slots)
    gaps = [f for f in found if f.kind == "hole"]
    in_holes = [t for f in gaps for t in range(f.first, f.end, STEP)]
    assert [t for t in in_holes if START + lo * STEP <= t < START + hi * STEP] == [
        START + s * STEP for s in sorted(missing) if lo <= s < hi
    ]
    assert {(t - START) // STEP for t in in_holes} <= missing
    assert all(f.count == (f.end - f.first) // STEP for f in gaps)
    assert all(a.end < b.first for a, b in pairwise(gaps))

    count = Counter()
    for f in found:
        count[f.kind] += f.count
    repeats = [s for i, s in enumerate(slots) if s in slots[:i] and lo <= s < hi]
    late = [
        s
        for i, s in enumerate(slots)
        if s not in slots[:i] and any(s < other for other in slots[:i]) and lo <= s < hi
    ]
    assert count["duplicate"] == len(repeats)
    assert count["unsorted"] == len(late)


# ---- causes


def venue(*without, count=N, exchange="test") -> list[Candles]:
    return [
        random_walk(f"S{i}/USD", count, seed=i, exchange=exchange, without=gone)
        for i, gone in enumerate(without)
    ]


def causes(series, **options) -> list[tuple]:
    return [(f.symbol, f.cause, f.sure) for f in holes(series, **options)]


def test_all_symbols_silent_together_is_a_sure_outage():
    down = range(200, 206)
    found = holes(venue(down, down, down))
    assert [(f.cause, f.sure, f.count) for f in found] == [("outage", True, 6)] * 3
    assert found[0].sentence.endswith(
        "6 candles are missing from 2020-09-17T04:00Z: the venue was down: "
        "2 other symbols of the venue had no trade either in 6 of them"
    )


def test_one_other_symbol_makes_an_outage_likely():
    down = range(200, 206)
    assert [c[1:] for c in causes(venue(down, down))] == [("outage", False)] * 2


def test_a_symbol_alone_never_tells_an_outage():
    assert [c[1:] for c in causes(venue(range(200, 206)))] == [("unknown", False)]


def test_candles_without_volume_are_silence_too():
    a, b = venue(range(200, 206), ())
    b = replace(b, volume=np.where((np.arange(N) >= 199) & (np.arange(N) < 207), 0, b.volume))
    assert causes([a, b]) == [("S0/USD", "outage", False)]


def test_a_symbol_that_traded_speaks_against_an_outage():
    down = range(200, 206)
    assert [c[1:] for c in causes(venue(down, down, ()))] == [("unknown", False)] * 2


def test_one_of_ten_others_may_trade_in_an_outage():
    down = range(200, 206)
    assert {c[1] for c in causes(venue(*[down] * 10, ()))} == {"outage"}
    assert {c[1] for c in causes(venue(*[down] * 9, ()))} == {"unknown"}


def test_symbols_not_listed_then_are_not_asked():
    down = range(200, 206)
    late = venue((), (), range(400))[2]
    assert [c[1:] for c in causes([*venue(down, down), late])] == [("outage", False)] * 2


def test_a_thin_series_has_holes_without_trades():
    thin = np.flatnonzero(np.random.default_rng(1).random(N) < 0.3)[1:-1]
    found = causes(venue(thin, ()))
    assert set(found) == {("S0/USD", "no_trade", True)}
    alone = Counter(cause[1:] for cause in causes(venue(thin)))
    # longer ones than it ever had are not explained by habit
    assert alone[("no_trade", False)] > 0.9 * len(found)
    assert set(alone) <= {("no_trade", False), ("unknown", False)}


def test_thin_series_silent_together_are_no_outage():
    random = np.random.default_rng(2)
    found = Counter()
    for symbols in (2, 2, 2, 2, 3, 3, 3, 3):
        gone = (np.flatnonzero(random.random(N) < 0.3)[1:-1] for _ in range(symbols))
        found.update(cause for _, cause, _ in causes(venue(*gone)))
    assert found["no_trade"] > 1500
    assert found["outage"] < 0.01 * found.total()


def test_thin_series_still_show_a_long_outage():
    random = np.random.default_rng(3)
    gone = [set(np.flatnonzero(random.random(N) < 0.1)[1:-1]) | set(range(300, 324)) for _ in "abc"]
    found = holes(venue(*gone))
    assert [f.cause for f in found if f.count >= 24] == ["outage"] * 3


def test_one_long_hole_does_not_make_a_series_thin():
    down = range(100, 156)
    found = holes(venue({*down, 300}, down, down))
    assert [(f.count, f.cause) for f in found[:2]] == [(56, "outage"), (1, "unknown")]


def test_too_few_candles_tell_nothing():
    found = holes(venue([3], [3], count=6))
    assert {f.cause for f in found} == {"unknown"}
    assert "may be chance" in found[0].sentence


def test_a_silence_of_weeks_is_no_outage():
    down = range(100, 100 + LONGEST_OUTAGE_MS // STEP + 1)
    assert {c[1] for c in causes(venue(*[down[:-1]] * 3, count=2000))} == {"outage"}
    assert {c[1] for c in causes(venue(*[down] * 3, count=2000))} == {"unknown"}


def test_a_finer_series_of_the_symbol_shows_that_it_traded():
    hour = random_walk("S0/USD", N, timeframe="1h", without=[9, 10])
    half = random_walk("S0/USD", 2 * N)
    assert causes([hour, half]) == [("S0/USD", "missed", True)]
    # a coarser one says nothing of the half hour
    assert causes([random_walk("S0/USD", N, timeframe="1h"), venue([20])[0]]) == [
        ("S0/USD", "unknown", False)
    ]


def test_a_finer_series_of_another_symbol_is_a_witness():
    hour = random_walk("S0/USD", N, timeframe="1h", without=[9, 10])
    down = random_walk("S1/USD", 2 * N, without=range(18, 22))
    partly = random_walk("S1/USD", 2 * N, without=range(18, 20))
    traded = random_walk("S1/USD", 2 * N)
    assert causes([hour, down])[0] == ("S0/USD", "outage", False)
    # silent in half of it
    assert causes([hour, partly])[0] == ("S0/USD", "outage", False)
    assert causes([hour, traded]) == [("S0/USD", "unknown", False)]


@pytest.mark.parametrize(("begin", "cause"), [(19, "outage"), (20, "outage"), (21, "unknown")])
def test_a_finer_witness_is_asked_from_its_first_whole_slot(begin, cause):
    hour = random_walk("S0/USD", N, timeframe="1h", without=[9, 10])
    late = random_walk("S1/USD", 2 * N, without=range(begin))
    late = replace(late, volume=np.where(late.open_time < START + 22 * STEP, 0, late.volume))
    assert causes([hour, late]) == [("S0/USD", cause, False)]


def test_a_witness_that_is_often_silent_bears_no_witness():
    thin = set(range(5, N - 5, 4)) | set(range(6, N - 5, 4))
    hole = holes(venue(range(201, 203), thin))[0]
    assert (hole.count, hole.cause) == (2, "unknown")
    assert holes(venue(range(201, 203), {201, 202}))[0].cause == "outage"


def test_venues_are_judged_apart():
    down = range(200, 206)
    here, there = venue(down, down, down), venue((), (), (), exchange="other")
    assert {(c.exchange, c.cause) for c in holes([*here, *there])} == {("test", "outage")}


def test_the_same_hole_on_two_venues_was_the_collector():
    down = range(200, 206)
    found = holes([*venue(down, down), *venue(down, exchange="other")])
    assert [(f.cause, f.sure) for f in found] == [("missed", False)] * 3
    assert found[0].sentence.endswith(
        "likely they were not recorded: the very same are missing from other"
    )


@given(st.lists(st.sets(st.integers(1, 38), max_size=30), min_size=1, max_size=4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_causes_do_not_depend_on_the_order_of_the_series(gone, reverse):
    series = venue(*gone, count=40)
    found = scan(series)
    assert sorted(scan(series[::-1]), key=repr) == sorted(found, key=repr)
    if len(series) == 1:
        assert "outage" not in {f.cause for f in found}


# ---- coverage


def test_coverage_counts_by_day():
    a = random_walk("A/USD", 3 * 48, without=[0, 1, 5, 50, 51])
    a = with_(a, 10, volume=0.0)
    b = random_walk("B/USD", 10, start=START + DAY_MS)
    made = np.isin(a.open_time, START + STEP * np.array([60, 61]))
    c = coverage([a, b], synthetic={a.series: made})
    assert c.series == ("test:A/USD:30m", "test:B/USD:30m")
    assert c.days.tolist() == [START, START + DAY_MS, START + 2 * DAY_MS]
    assert c.expected.tolist() == [[46, 48, 48], [0, 10, 0]]
    assert c.present.tolist() == [[45, 44, 48], [0, 10, 0]]
    assert c.missing.tolist() == [[1, 2, 0], [0, 0, 0]]
    assert c.zero_volume.tolist() == [[1, 0, 0], [0, 0, 0]]
    assert c.synthetic.tolist() == [[0, 2, 0], [0, 0, 0]]


@given(
    st.lists(st.integers(0, 150), max_size=60),
    st.integers(0, 150),
    st.integers(0, 150),
    st.integers(0, 160),
)
@settings(max_examples=60, deadline=None)
def test_coverage_and_holes_agree(slots, lo, hi, now):
    candles = rows(random_walk("BTC/USD", 151), np.array(slots, dtype=np.int64))
    bounds = {"start": START + lo * STEP, "end": START + hi * STEP, "now": START + now * STEP}
    c = coverage([candles], **bounds)
    missing = [t for f in holes([candles], **bounds) for t in range(f.first, f.end, STEP)]
    assert c.missing.sum() == sum(bounds["start"] <= t < bounds["end"] for t in missing)
    there = {s for s in slots if lo <= s < hi and s < now}
    assert c.present.sum() == len(there)
    for day, present in zip(c.days.tolist(), c.present[0].tolist(), strict=True):
        assert present == sum(START + s * STEP - day in range(DAY_MS) for s in there)


# ---- repairs


def hole(cause="outage", timeframe="1h", first=START, count=3, kind="hole") -> Finding:
    last = first + (count - 1) * timeframe_ms(timeframe)
    return Finding("test", "BTC/USD", timeframe, kind, first, last, count, "", cause)


def test_a_plan_asks_first_and_makes_up_last():
    h = hole()
    got = plan(h, stored=("1m", "1d", "30m", "1h", "5m"), trades=True, synthetic=True)
    assert got == tuple(
        Repair(step, timeframe, h.first, h.end)
        for step, timeframe in (
            ("venue", "1h"),
            ("finer", "30m"),
            ("finer", "5m"),
            ("finer", "1m"),
            ("trades", "1h"),
            ("synthetic", "1h"),
        )
    )
    assert plan(h) == (Repair("venue", "1h", h.first, h.end),)


def test_a_plan_uses_only_what_divides_and_what_is_in_reach():
    h = hole(timeframe="5m")
    assert plan(h, stored=("3m",), reach=h.end) == ()
    assert plan(h, stored=("1m", "3m"), reach=h.last) == (
        Repair("venue", "5m", h.last, h.end),
        Repair("finer", "1m", h.first, h.end),
    )


def test_candles_that_exist_are_never_made_up():
    for cause in ("missed", "off_grid"):
        steps = {r.step for r in plan(hole(cause), trades=True, synthetic=True)}
        assert "synthetic" not in steps
        assert ("venue" in steps) == (cause == "missed")


def test_plans_of_other_findings():
    impossible = hole(None, kind="impossible")
    assert [r.step for r in plan(impossible, trades=True, synthetic=True)] == ["venue", "trades"]
    shifted = hole(None, kind="off_grid", first=START + 1_694_000)
    assert plan(shifted, trades=True) == (
        Repair("trades", "1h", START, START + 3 * timeframe_ms("1h")),
    )
    # once it has closed the venue knows better
    assert [r.step for r in plan(hole(None, kind="unfinished"), synthetic=True)] == ["venue"]
    for kind in ("duplicate", "unsorted", "zero_volume"):
        assert plan(hole(None, kind=kind), trades=True, synthetic=True) == ()


def test_resampled_candles_are_complete():
    c = random_walk("BTC/USD", 21, without=[5, 8, 9, 10, 11])
    got = resample(c, "2h")
    assert got.candles.series == "test:BTC/USD:2h"
    assert ((got.candles.open_time - START) // STEP).tolist() == [0, 12, 16]
    assert ((got.incomplete - START) // STEP).tolist() == [4, 20]
    assert got.lacking.tolist() == [1, 3]


def test_resampled_figures():
    c = random_walk("BTC/USD", 8)
    one = resample(c, "2h").candles.rows(1, 2)
    assert (one.open[0], one.close[0]) == (c.open[4], c.close[7])
    assert (one.high[0], one.low[0]) == (c.high[4:8].max(), c.low[4:8].min())
    assert one.volume[0] == pytest.approx(c.volume[4:8].sum())


def test_parts_known_to_have_no_trade_are_not_lacking():
    c = random_walk("BTC/USD", 16, without=[4, 5, 8, 9, 10, 11, 13])
    quiet = [hole("no_trade", "30m", START + 4 * STEP, 2), hole("outage", "30m", START + 13 * STEP)]
    quiet.append(hole("no_trade", "30m", START + 8 * STEP, 4))
    quiet.append(replace(quiet[0], symbol="ETH/USD", first=START + 13 * STEP))
    got = resample(c, "2h", quiet)
    # a coarse candle of no trade at all is none
    assert ((got.candles.open_time - START) // STEP).tolist() == [0, 4]
    assert got.candles.open[1] == c.open[4]
    assert ((got.incomplete - START) // STEP).tolist() == [12]


def test_a_stale_finding_hides_no_lack():
    c = random_walk("BTC/USD", 4, without=[2])
    got = resample(c, "2h", [hole("no_trade", "30m", START + STEP, 1)])
    assert len(got.candles) == 0
    assert got.lacking.tolist() == [1]


def test_what_cannot_be_resampled_is_refused():
    c = random_walk("BTC/USD", 4, timeframe="2h")
    with pytest.raises(ValueError, match="1h candles cannot be made of 2h ones"):
        resample(c, "1h")
    with pytest.raises(ValueError, match="off the grid or out of order"):
        resample(with_(c, 1, open_time=START + 1), "4h")
    with pytest.raises(ValueError, match="off the grid or out of order"):
        resample(rows(c, [0, 0, 1]), "4h")
    assert len(resample(c.rows(0, 0), "4h").candles) == 0


@given(st.sets(st.integers(0, 95), max_size=20))
@settings(max_examples=40, deadline=None)
def test_resampling_in_steps_is_resampling_at_once(gone):
    c = random_walk("BTC/USD", 96, timeframe="5m", without=gone)
    at_once = resample(c, "1h").candles
    in_steps = resample(resample(c, "15m").candles, "1h").candles
    assert at_once.open_time.tolist() == [
        START + h * 3_600_000 for h in range(8) if not gone & set(range(12 * h, 12 * h + 12))
    ]
    for name in ("open_time", "open", "high", "low", "close"):
        assert getattr(at_once, name).tolist() == getattr(in_steps, name).tolist()
    assert at_once.volume == pytest.approx(in_steps.volume)


def test_synthetic_candles_repeat_the_previous_close():
    c = random_walk("BTC/USD", 10, without=[4, 5, 6])
    (gap,) = holes([c])
    filled = synthetic(gap, c)
    assert filled.open_time.tolist() == [START + s * STEP for s in (4, 5, 6)]
    assert (filled.volume == 0).all()
    for name in ("open", "high", "low", "close"):
        assert (getattr(filled, name) == c.close[3]).all()
    # nothing later has a say
    assert same(filled, synthetic(gap, c.rows(0, 4)))
    assert same(filled, synthetic(gap, with_(c, 4, close=1.0)))


def test_what_cannot_be_filled_is_refused():
    c = random_walk("BTC/USD", 10)
    before = hole(timeframe="30m", first=START - STEP)
    with pytest.raises(ValueError, match="no candle before the hole"):
        synthetic(before, c)
    with pytest.raises(ValueError, match="only a hole is filled, not zero_volume"):
        synthetic(replace(before, kind="zero_volume"), c)
    with pytest.raises(ValueError, match="cannot be filled from test:BTC/USD:30m"):
        synthetic(hole(), c)
