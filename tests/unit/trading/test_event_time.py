"""Event time: what is settled never depends on the order of arrival."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.events import FeedSeries
from tradepulse.trading.event_time import EventTime

M30 = 1_800_000


def series(name, first, last, timeframe="30m"):
    return FeedSeries(
        exchange="x", symbol=name, timeframe=timeframe, first_open_time=first, last_close_time=last
    )


def drain(gatherer, now=0):
    found = []
    while (gathered := gatherer.ready(now)) is not None:
        found.append((gathered.close_time, {k: dict(v) for k, v in gathered.items.items()}))
        gatherer.settle(gathered)
    return found


@given(
    st.lists(st.sets(st.integers(1, 30), min_size=1), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_any_interleaving_gives_the_same_closes(present, chance: random.Random):
    """Each series keeps its own order on each stream; everything else is shuffled."""
    announced = [
        series(f"S{i}", (min(closes) - 1) * M30, max(closes) * M30)
        for i, closes in enumerate(present)
    ]
    expected: dict[int, set[str]] = {}
    for i, closes in enumerate(present):
        for close in closes:
            expected.setdefault(close * M30, set()).add(f"x:S{i}:30m")
    queues = [
        (stream, f"x:S{i}:30m", sorted(closes))
        for i, closes in enumerate(present)
        for stream in ("candle", "evaluation")
    ]
    gatherer = EventTime(("candle", "evaluation"))
    gatherer.announce(announced)
    found = []
    while queues:
        stream, name, waiting = chance.choice(queues)
        close = waiting.pop(0)
        assert gatherer.add(stream, name, close * M30, close, 0)
        if chance.random() < 0.2:
            assert not gatherer.add(stream, name, close * M30, "a repeat", 0)
        if not waiting:
            queues.remove((stream, name, waiting))
        found += drain(gatherer)
    assert [time for time, _ in found] == sorted(expected)
    for time, items in found:
        assert set(items["candle"]) == set(items["evaluation"]) == expected[time]
        assert set(items["candle"].values()) == {time // M30}


@given(st.randoms(use_true_random=False))
def test_what_blocks_is_at_every_moment_what_a_fresh_look_finds(chance: random.Random):
    """It is kept from message to message, and series come, end and fall silent meanwhile."""
    streams = ("candle", "evaluation")
    gatherer = EventTime(streams, grace_ms=50)
    known: dict[str, tuple[int, int | None]] = {}
    waited: set[int] = set()
    for now in range(60):
        name = f"S{chance.randrange(5)}"
        length = M30 * (1 + int(name[1]) % 2)
        if name not in known or chance.random() < 0.1:
            last = None if chance.random() < 0.7 else length * chance.randint(1, 12)
            known[name] = length, last
            timeframe = "30m" if length == M30 else "1h"
            gatherer.announce([series(name, 0, last, timeframe)])
        stream, full = chance.choice(streams), f"x:{name}:{'30m' if length == M30 else '1h'}"
        close = gatherer.frontier(stream, full) + length * chance.choice((1, 1, 1, 2))
        if gatherer.add(stream, full, close, 1, now) and close > gatherer.settled:
            waited.add(close)
        if chance.random() < 0.3:
            while (gathered := gatherer.ready(now)) is not None:
                gatherer.settle(gathered)
                waited.discard(gathered.close_time)
        expected = [
            one.series
            for one in gatherer.series.values()
            for length, last in [known[one.symbol]]
            if waited
            and any(
                gatherer.frontier(stream, one.series) + length
                <= min(waited | ({last} if last else set()))
                for stream in streams
            )
        ]
        assert gatherer.blocking() == expected


def test_a_coarser_series_holds_up_only_its_own_closes():
    gatherer = EventTime(("candle",))
    gatherer.announce([series("A", 0, None), series("B", 0, None, "1h")])
    gatherer.add("candle", "x:A:30m", M30, 1, 0)
    assert [t for t, _ in drain(gatherer)] == [M30]
    gatherer.add("candle", "x:A:30m", 2 * M30, 2, 0)
    assert drain(gatherer) == []
    assert gatherer.blocking() == ["x:B:1h"]
    gatherer.add("candle", "x:B:1h", 2 * M30, 2, 0)
    assert [t for t, _ in drain(gatherer)] == [2 * M30]


def test_nothing_is_settled_before_the_feed_is_announced():
    gatherer = EventTime(("candle",))
    gatherer.add("candle", "x:A:30m", M30, 1, 0)
    assert drain(gatherer) == []
    gatherer.announce([series("A", 0, None), series("B", 0, None)])
    assert drain(gatherer) == []
    gatherer.add("candle", "x:B:30m", M30, 1, 0)
    assert [t for t, _ in drain(gatherer)] == [M30]


def test_live_the_grace_ends_and_what_comes_later_is_late():
    gatherer = EventTime(("candle",), grace_ms=2_000)
    gatherer.announce([series("A", 0, None), series("B", 0, None)])
    gatherer.add("candle", "x:A:30m", M30, "a", 10_000)
    assert gatherer.ready(11_999) is None
    gathered = gatherer.ready(12_000)
    assert gathered is not None
    assert gathered.missing == ("x:B:30m",)
    gatherer.settle(gathered)
    gatherer.add("candle", "x:B:30m", M30, "b", 13_000)
    late = gatherer.ready(13_000)
    assert late is not None
    assert (late.late, dict(late.items["candle"])) == (True, {"x:B:30m": "b"})
    gatherer.settle(late)
    assert not gatherer.add("candle", "x:B:30m", M30, "b again", 13_000)


def test_live_a_series_in_outage_is_no_longer_waited_for():
    gatherer = EventTime(("candle",), grace_ms=2_000, outage_closes=2)
    gatherer.announce([series("A", 0, None), series("B", 0, None)])
    for close in range(1, 6):
        gatherer.add("candle", "x:A:30m", close * M30, close, close)
        gathered = gatherer.ready(close if close > 2 else close + 2_000)
        assert gathered is not None, close
        gatherer.settle(gathered)


def test_positions_lead_back_to_the_first_unsettled_message():
    gatherer = EventTime(("candle",))
    gatherer.announce([series("A", 0, None), series("B", 0, None)])
    for offset, (name, close) in enumerate([("A", 1), ("A", 2), ("B", 1), ("A", 3)]):
        gatherer.add("candle", f"x:{name}:30m", close * M30, close, 0, ("c/0", offset))
    assert [t for t, _ in drain(gatherer)] == [M30]
    assert gatherer.offsets() == {"c/0": 1}
    again = EventTime(("candle",), settled=gatherer.settled, frontiers=gatherer.frontiers())
    again.announce(gatherer.series.values())
    assert again.add("candle", "x:A:30m", 2 * M30, 2, 0, ("c/0", 1))
    assert not again.add("candle", "x:B:30m", M30, 1, 0, ("c/0", 2))
    assert again.add("candle", "x:A:30m", 3 * M30, 3, 0, ("c/0", 3))
    assert again.add("candle", "x:B:30m", 3 * M30, 3, 0, ("c/0", 4))
    assert [t for t, _ in drain(again)] == [2 * M30, 3 * M30]
    assert again.offsets() == {"c/0": 5}


def test_a_live_series_that_was_removed_is_waited_for_no_longer():
    """Its end is announced 1 ms after its last close; added again, it is waited for again."""
    gatherer = EventTime(("candle",), grace_ms=2_000)
    gatherer.announce([series("A", 0, None), series("B", 0, None)])
    for name in ("A", "B"):
        gatherer.add("candle", f"x:{name}:30m", M30, name, 0)
    drain(gatherer)
    gatherer.add("candle", "x:A:30m", 2 * M30, "A", 10)
    assert gatherer.ready(10) is None, "B is waited for"
    gatherer.announce([series("B", 0, M30 + 1)])
    gathered = gatherer.ready(10)
    assert gathered is not None
    assert gathered.missing == ()
    gatherer.settle(gathered)
    # no candle of it is the last, at which a position would be closed
    assert gatherer.series["x:B:30m"].last_close_time not in {M30, 2 * M30}

    gatherer.announce([series("B", 4 * M30, None)])
    gatherer.add("candle", "x:A:30m", 3 * M30, "A", 20)
    gatherer.add("candle", "x:A:30m", 4 * M30, "A", 30)
    assert [time for time, _ in drain(gatherer, 30)] == [3 * M30, 4 * M30]
    gatherer.add("candle", "x:A:30m", 5 * M30, "A", 40)
    assert gatherer.ready(40) is None
    gatherer.add("candle", "x:B:30m", 5 * M30, "B", 41)
    assert drain(gatherer, 41) == [(5 * M30, {"candle": {"x:A:30m": "A", "x:B:30m": "B"}})]


def test_a_candle_after_the_end_of_its_series_blocks_nobody():
    gatherer = EventTime(("candle",), grace_ms=2_000)
    gatherer.announce([series("A", 0, None), series("B", 0, M30 + 1)])
    for close in (1, 2, 3):
        for name in ("A", "B"):
            gatherer.add("candle", f"x:{name}:30m", close * M30, name, 0)
    assert [time for time, _ in drain(gatherer)] == [M30, 2 * M30, 3 * M30]


@pytest.mark.parametrize("outage", [1, 2, 3])
def test_an_outage_begins_after_exactly_so_many_missed_closes(outage):
    gatherer = EventTime(("candle",), grace_ms=2_000, outage_closes=outage)
    gatherer.announce([series("A", 0, None), series("B", 0, None)])
    waited = []
    for close in range(1, 6):
        now = close * M30
        gatherer.add("candle", "x:A:30m", close * M30, close, now)
        waited.append(gatherer.ready(now) is None)
        gathered = gatherer.ready(now + 2_000)
        assert gathered is not None
        assert gathered.missing == ("x:B:30m",)
        gatherer.settle(gathered)
    assert waited == [True] * outage + [False] * (5 - outage)
    # it is back, and waited for again
    gatherer.add("candle", "x:B:30m", 6 * M30, 6, 6 * M30)
    assert gatherer.ready(6 * M30) is None


def test_the_grace_ends_on_its_last_millisecond():
    gatherer = EventTime(("candle",), grace_ms=2_000)
    gatherer.announce([series("A", 0, None), series("B", 0, None)])
    gatherer.add("candle", "x:A:30m", M30, "a", 10_000)
    gatherer.add("candle", "x:A:30m", 2 * M30, "a", 11_000)
    gathered = gatherer.ready(12_000)
    assert gathered is not None
    assert gatherer.waited_enough(gathered, 12_000)
    assert not gatherer.waited_enough(gathered, 11_999)
    gatherer.settle(gathered)
    assert gatherer.ready(12_999) is None
    assert gatherer.ready(13_000) is not None


def test_what_lay_there_at_the_start_is_read_before_any_grace():
    """However long that takes, and though B comes long after A."""
    names = [f"S{i}" for i in range(5)]
    closes = range(1, 41)
    gatherer = EventTime(("candle", "evaluation"), grace_ms=10)
    gatherer.announce([series(name, 0, None) for name in names])
    now, found = 1_000_000, []
    for stream in ("candle", "evaluation"):
        for name in names:
            for close in closes:
                now += 50
                gatherer.add(stream, f"x:{name}:30m", close * M30, close, now)
                gatherer.still_reading(now)
                found += drain(gatherer, now)
    assert [time for time, _ in found] == [close * M30 for close in closes]
    for _, items in found:
        assert len(items["candle"]) == len(items["evaluation"]) == len(names)


def test_what_others_make_of_a_backlog_is_waited_for_while_it_comes():
    """Another service catches up, too: its evaluations come after all candles were read."""
    gatherer = EventTime(("candle", "evaluation"), grace_ms=100)
    gatherer.announce([series("A", 0, None), series("B", 0, None)])
    for name in "AB":
        for close in range(1, 11):
            gatherer.add("candle", f"x:{name}:30m", close * M30, close, 1_000)
    gatherer.still_reading(1_000)
    now, found = 1_000, []
    for name in "AB":
        for close in range(1, 8):
            now += 99
            gatherer.add("evaluation", f"x:{name}:30m", close * M30, close, now)
            found += drain(gatherer, now)
    assert [time for time, _ in found] == [close * M30 for close in range(1, 8)]
    # it has died, say: what is silent for so long is silent
    assert gatherer.ready(now + 99) is None
    assert [time for time, _ in drain(gatherer, now + 100)] == [8 * M30, 9 * M30, 10 * M30]
    # from here on the grace is that of each close
    gatherer.add("candle", "x:A:30m", 11 * M30, 11, now + 200)
    gatherer.add("candle", "x:A:30m", 12 * M30, 12, now + 250)
    assert gatherer.ready(now + 299) is None
    assert gatherer.ready(now + 300) is not None


def test_a_series_that_ends_for_good_while_a_backlog_is_read_is_given_up_after_it():
    gatherer = EventTime(("candle",), grace_ms=100)
    gatherer.announce([series("A", 0, None), series("B", 0, None)])
    for close in range(1, 11):
        gatherer.add("candle", "x:A:30m", close * M30, close, 1_000)
        gatherer.still_reading(1_000)
    assert gatherer.ready(1_099) is None
    assert len(drain(gatherer, 1_100)) == 10


def test_a_late_item_of_an_unannounced_series_harms_nobody():
    gatherer = EventTime(("candle",))
    gatherer.announce([series("A", 0, None)])
    for close in range(1, 4):
        gatherer.add("candle", "x:A:30m", close * M30, close, 0, ("c/0", close))
    assert len(drain(gatherer)) == 3
    gatherer.add("candle", "x:Z:30m", 2 * M30, "late", 0, ("c/0", 4))
    gatherer.add("candle", "x:A:30m", 4 * M30, 4, 0, ("c/0", 5))
    assert drain(gatherer) == [], "its announcement may be on its way"
    assert gatherer.blocking() == ["x:Z:30m"]
    assert gatherer.offsets() == {"c/0": 4}
    assert gatherer.give_up(gatherer.announcements.waiting()) == {
        ("c/0", 4): "no feed has announced its series"
    }
    assert [time for time, _ in drain(gatherer)] == [4 * M30]
    assert gatherer.offsets() == {"c/0": 6}


def test_an_unannounced_series_holds_up_once_and_is_waited_for_once_announced():
    gatherer = EventTime(("candle",))
    gatherer.announce([series("A", 0, None)])
    gatherer.add("candle", "x:Z:30m", 9 * M30, "newer", 0, ("c/0", 0))
    gatherer.add("candle", "x:A:30m", M30, 1, 0, ("c/1", 0))
    assert drain(gatherer) == []
    assert len(gatherer.give_up(gatherer.announcements.waiting())) == 1
    assert len(drain(gatherer)) == 1
    # the next one of the same stranger
    gatherer.add("candle", "x:Z:30m", 10 * M30, "newer", 0, ("c/0", 1))
    gatherer.add("candle", "x:A:30m", 2 * M30, 2, 0, ("c/1", 1))
    assert len(drain(gatherer)) == 1
    assert gatherer.offsets() == {"c/0": 1, "c/1": 2}
    # it is announced after all: what waits is taken in, in its order
    waiting = gatherer.announcements.waiting()
    gatherer.add("candle", "x:Z:30m", 11 * M30, "newest", 0, ("c/0", 2))
    gatherer.announce([series("Z", 9 * M30, None)])
    assert gatherer.give_up(waiting) == {}
    for close in range(3, 12):
        gatherer.add("candle", "x:A:30m", close * M30, close, 0, ("c/1", close - 1))
    assert [items["candle"].get("x:Z:30m") for _, items in drain(gatherer)] == (
        [None] * 7 + ["newer", "newest"]
    )
    assert gatherer.offsets() == {"c/0": 3, "c/1": 11}


def test_what_was_put_by_holds_its_place_also_after_its_followers():
    gatherer = EventTime(("candle",))
    gatherer.announce([series("A", 0, None)])
    gatherer.add("candle", "x:B:30m", 5 * M30, "b", 0, ("c/0", 0))
    gatherer.add("candle", "x:A:30m", M30, "a", 0, ("c/0", 1))
    gatherer.announce([series("B", 4 * M30, None)])
    assert gatherer.offsets() == {"c/0": 0}
    assert [time for time, _ in drain(gatherer)] == [M30]
    assert gatherer.offsets() == {"c/0": 0}


def test_in_a_replay_nothing_closes_after_the_announced_end():
    gatherer = EventTime(("candle",))
    gatherer.announce([series("A", 0, 2 * M30), series("B", 0, 2 * M30)])
    gatherer.add("candle", "x:A:30m", 2_000_000 * M30, "2084", 0, ("c/0", 0))
    for close in (1, 2):
        for name in "AB":
            gatherer.add("candle", f"x:{name}:30m", close * M30, name, 0)
    assert drain(gatherer) == []
    assert gatherer.give_up(gatherer.announcements.waiting()) == {
        ("c/0", 0): "its close 2084-01-29T16:00Z is after the announced end, 1970-01-01T01:00Z"
    }
    assert [time for time, _ in drain(gatherer)] == [M30, 2 * M30]
    # the replay was made longer
    gatherer.add("candle", "x:A:30m", 3 * M30, "A", 0)
    gatherer.announce([series("A", 0, 3 * M30)])
    assert [time for time, _ in drain(gatherer)] == [3 * M30]


def test_live_the_clock_says_what_cannot_be():
    live = EventTime(("candle",), grace_ms=1, tolerance_ms=60_000)
    assert live.refusal(M30, M30 - 60_000) is None
    assert live.refusal(M30, M30 - 60_001) == (
        "its time 1970-01-01T00:30Z is ahead of the clock, 1970-01-01T00:28Z"
    )
    assert EventTime(("candle",)).refusal(M30, 0) is None


def test_what_was_given_up_is_not_read_again():
    gatherer = EventTime(("candle",))
    gatherer.add("candle", "x:Z:30m", M30, "nobody's", 0, ("c/9", 4))
    assert gatherer.offsets() == {"c/9": 4}
    gatherer.give_up(gatherer.announcements.waiting())
    assert gatherer.offsets() == {"c/9": 5}


def test_after_a_new_announcement_nobody_is_known_for_a_stranger():
    gatherer = EventTime(("candle",))
    gatherer.announce([series("A", 0, None)])
    gatherer.add("candle", "x:Z:30m", M30, "nobody's", 0)
    gatherer.give_up(gatherer.announcements.waiting())
    gatherer.announce([series("B", 0, None)])
    assert gatherer.announcements.awaited() == []
    gatherer.add("candle", "x:Z:30m", 2 * M30, "nobody's", 0)
    assert gatherer.announcements.awaited() == ["x:Z:30m"]


def test_where_one_end_is_unknown_weights_may_come_after_the_others():
    gatherer = EventTime(("candle",))
    assert gatherer.announcements.lack(9 * M30) == ""
    gatherer.announce([series("A", 0, 2 * M30), series("B", 0, 3 * M30)])
    assert gatherer.announcements.lack(3 * M30) == ""
    assert gatherer.announcements.lack(3 * M30 + 1) != ""
    gatherer.announce([series("C", 0, None)])
    assert gatherer.announcements.lack(9 * M30) == ""


def test_also_a_series_far_behind_is_read_before_any_grace():
    """It was silent before the restart, and is no outage: what came of it lies there."""
    gatherer = EventTime(
        ("candle",),
        settled=10 * M30,
        frontiers={"candle x:A:30m": 10 * M30, "candle x:B:30m": 2 * M30},
        grace_ms=10,
    )
    gatherer.announce([series("A", 0, None), series("B", 0, None)])
    now, found = 1_000_000, []
    for name in "AB":
        for close in range(11, 15):
            now += 9
            gatherer.add("candle", f"x:{name}:30m", close * M30, close, now)
            gatherer.still_reading(now)
            found += drain(gatherer, now)
    assert [(time, len(items["candle"])) for time, items in found] == [
        (close * M30, 2) for close in range(11, 15)
    ]


def test_once_the_backlog_is_settled_nothing_late_puts_off_a_grace():
    gatherer = EventTime(("candle", "evaluation"), grace_ms=100)
    gatherer.announce([series("A", 0, None), series("B", 0, None)])
    for close in (1, 2):
        gatherer.add("candle", "x:A:30m", close * M30, close, 1_000)
    gatherer.still_reading(1_000)
    assert len(drain(gatherer, 1_100)) == 2
    gatherer.add("candle", "x:A:30m", 3 * M30, 3, 2_000)
    gatherer.add("candle", "x:B:30m", M30, "late", 2_099)
    assert [time for time, _ in drain(gatherer, 2_099)] == [M30]
    assert [time for time, _ in drain(gatherer, 2_100)] == [3 * M30]
