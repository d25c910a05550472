"""Slot after slot of a live series: in order, none missing, none twice, equal to the truth."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market_ingest.live.bars import Bar, is_alike
from market_ingest.live.series_track import (
    Ask,
    Deaf,
    Publish,
    SeriesTrack,
    Skipped,
    Step,
    Timing,
)

MINUTE = 60_000
START = 1_700_006_400_000
TIMING = Timing()


def bar(slot: int, volume: float = 1.0, price: float = 100.0) -> Bar:
    return Bar(START + slot * MINUTE, price, price + 1, price - 1, price, volume)


def at(slot: float) -> int:
    return START + int(slot * MINUTE)


def track(**options: object) -> SeriesTrack:
    made = SeriesTrack(MINUTE, START, TIMING, **options)  # type: ignore[arg-type]  # of several types
    made.connected(START - 5_000)
    return made


def ask_and_answer(one: SeriesTrack, now: int, *bars: Bar) -> list[Step]:
    ask = one.request(now)
    assert ask is not None
    return one.answered(bars, (ask.start, ask.end), now)


class TestFromTheStream:
    def test_the_next_candle_ends_a_slot(self) -> None:
        one = track()
        one.on_bar(bar(0, 1))
        one.on_bar(bar(0, 2))
        assert one.advance(at(1) + 100) == []
        one.on_bar(bar(1))
        assert one.advance(at(1) + 100) == [Publish(bar(0, 2), "live")]
        assert one.position == at(1)

    def test_the_clock_ends_a_slot(self) -> None:
        one = track()
        one.on_bar(bar(0))
        assert one.advance(at(1) + TIMING.grace - 1) == []
        assert one.advance(at(1) + TIMING.grace) == [Publish(bar(0), "live")]
        assert one.advance(at(1) + TIMING.grace) == []

    def test_a_subscription_inside_a_slot_does_not_give_it(self) -> None:
        one = SeriesTrack(MINUTE, START, TIMING)
        one.connected(START + 1)
        one.on_bar(bar(0))
        now = at(1) + TIMING.grace
        assert one.advance(now) == []
        assert one.request(now) == Ask(START, at(1), "hole", now)

    @pytest.mark.parametrize("what", ["broken", "missed"])
    def test_what_was_touched_by_a_break_comes_from_the_venue(self, what: str) -> None:
        one = track()
        one.on_bar(bar(0, 1))
        getattr(one, what)(at(0.5))
        one.connected(at(0.6))
        one.on_bar(bar(0, 2))
        one.on_bar(bar(1))
        now = at(2) + TIMING.grace
        assert one.advance(now) == []
        # the next slot is whole again, and waits for the earlier one
        assert one.request(now) == Ask(START, at(1), "hole", now)
        assert one.answered([bar(0, 3)], (START, at(1)), now) == []
        assert one.advance(now) == [Publish(bar(0, 3), "backfill"), Publish(bar(1), "live")]

    def test_a_break_after_the_end_of_a_slot_takes_nothing_away(self) -> None:
        one = track()
        one.on_bar(bar(0))
        one.broken(at(1) + TIMING.grace)
        assert one.advance(at(1.5)) == [Publish(bar(0), "live")]

    def test_off_the_grid_and_the_past_are_not_taken(self) -> None:
        one = track()
        one.on_bar(replace(bar(0), open_time=START + 1))
        one.on_bar(bar(-1))
        assert one.advance(at(1.5)) == []


class TestFromTheVenue:
    def test_what_it_does_not_have_yet_is_asked_again_after_a_pause(self) -> None:
        one = track()
        now = at(1) + TIMING.grace
        assert ask_and_answer(one, now) == []
        assert one.advance(now) == []
        assert one.request(now + 999) is None
        ask_and_answer(one, now + 1_000, bar(0))
        assert one.advance(now + 1_000) == [Publish(bar(0), "backfill")]

    def test_a_failure_is_a_pause_that_grows(self) -> None:
        one = track()
        now, pauses = at(1) + TIMING.grace, []
        for _ in range(8):
            assert one.request(now) is not None
            one.failed(now)
            pause = next(ms for ms in range(0, 100_000, 500) if one.request(now + ms))
            one.failed(now)
            pauses.append(pause)
            now += 200_000
        assert pauses[0] == 1_000
        assert max(pauses) == 60_000

    def test_no_trade_is_believed_once_a_later_candle_is_there(self) -> None:
        one = track()
        now = at(3) + TIMING.grace
        ask_and_answer(one, now, bar(1), bar(2))
        steps = one.advance(now)
        assert steps[0] == Skipped(START)
        assert [s.source for s in steps[1:] if isinstance(s, Publish)] == ["backfill"] * 2

    def test_no_trade_is_believed_after_a_while(self) -> None:
        one = track()
        now = at(1) + TIMING.no_trade_after
        ask_and_answer(one, now)
        assert one.advance(now) == [Skipped(START)]

    def test_where_asked_for_it_is_filled_with_the_last_close(self) -> None:
        one = track(last_close=42.0)
        one.fills_gaps = True
        now = at(1) + TIMING.no_trade_after
        ask_and_answer(one, now)
        flat = Bar(START, 42.0, 42.0, 42.0, 42.0, 0.0)
        assert one.advance(now) == [Publish(flat, "synthetic")]

    def test_nothing_is_filled_without_a_close_before(self) -> None:
        one = track()
        one.fills_gaps = True
        now = at(1) + TIMING.no_trade_after
        ask_and_answer(one, now)
        assert one.advance(now) == [Skipped(START)]

    def test_a_long_hole_is_asked_page_by_page(self) -> None:
        one = track(page=10)
        now = at(25)
        first = one.request(now)
        assert first == Ask(START, at(10), "hole", now)
        one.answered([bar(n) for n in range(10)], (START, at(10)), now)
        assert len(one.advance(now)) == 10
        second = one.request(now)
        assert second is not None
        assert (second.start, second.end) == (at(10), at(20))

    def test_an_answer_to_a_part_leaves_the_rest_open(self) -> None:
        one = track(page=10)
        now = at(25)
        assert one.request(now) is not None
        one.answered([bar(n) for n in range(4)], (START, at(4)), now)
        assert len(one.advance(now)) == 4
        ask = one.request(now)
        assert ask is not None
        assert ask.start == at(4)

    def test_a_deaf_stream_is_found_out(self) -> None:
        one = track()
        now = at(1) + TIMING.grace
        assert ask_and_answer(one, now, bar(0)) == [Deaf(START)]
        assert one.advance(now) == [Publish(bar(0), "backfill")]

    def test_a_quiet_slot_is_no_sign_of_deafness(self) -> None:
        one = track()
        assert ask_and_answer(one, at(1) + TIMING.grace, bar(0, 0)) == []

    def test_what_no_answer_reaches_is_given_up(self) -> None:
        one = track()
        one.jump(at(5))
        one.on_bar(bar(4))
        one.on_bar(bar(5))
        assert one.advance(at(6) + TIMING.grace) == [Publish(bar(5), "live")]


class TestTheCheck:
    def given_out(self, **options: object) -> SeriesTrack:
        one = track(**options)
        one.on_bar(bar(0))
        assert one.advance(at(1) + TIMING.grace) == [Publish(bar(0), "live")]
        return one

    def test_one_question_checks_what_is_due(self) -> None:
        one = self.given_out()
        assert one.request(at(1) + TIMING.check_delay - 1) is None
        now = at(1) + TIMING.check_delay
        assert one.request(now) == Ask(START, at(1), "check", now)
        assert one.answered([bar(0)], (START, at(1)), now) == []
        assert one.request(now) is None

    def test_what_differs_is_repaired(self) -> None:
        one = self.given_out()
        now = at(1) + TIMING.check_delay
        assert ask_and_answer(one, now, bar(0, 5)) == [Publish(bar(0, 5), "repaired")]
        assert one.request(now) is None

    def test_the_last_digits_of_a_sum_are_no_difference(self) -> None:
        assert is_alike(bar(0, 0.1 + 0.2), bar(0, 0.3))
        assert not is_alike(bar(0, 0.3), bar(0, 0.300001))
        assert not is_alike(bar(0), replace(bar(0), close=100.01))

    def test_a_candle_that_the_venue_never_has_is_counted(self) -> None:
        one = self.given_out()
        now = at(1) + TIMING.check_delay
        assert ask_and_answer(one, now) == []
        assert one.request(now) is None, "a pause"
        now = at(1) + 2 * TIMING.no_trade_after
        assert ask_and_answer(one, now) == []
        assert one.unconfirmed == 1

    def test_a_fresh_answer_of_the_venue_is_checked_too(self) -> None:
        one = track()
        now = at(1) + TIMING.grace
        ask_and_answer(one, now, bar(0, 1))
        one.advance(now)
        now = at(1) + TIMING.check_delay
        assert ask_and_answer(one, now, bar(0, 2)) == [Publish(bar(0, 2), "repaired")]

    def test_what_was_given_out_before_a_restart_is_checked(self) -> None:
        one = track(unchecked=[bar(-2)])
        assert ask_and_answer(one, START, bar(-2, 9)) == [Publish(bar(-2, 9), "repaired")]


def test_a_question_is_not_doubled() -> None:
    one = track()
    now = at(1) + TIMING.grace
    assert one.request(now) is not None
    assert one.request(now + 60_000) is None
    with pytest.raises(RuntimeError, match="no question"):
        track().answered([], (0, 0), now)


class World:
    """A market, its stream with every kind of trouble, and its HTTP answers."""

    def __init__(self, seed: int, slots: int, trouble: float, *, flat: bool) -> None:
        self.random = random.Random(seed)
        self.slots, self.trouble, self.flat = slots, trouble, flat
        self.truth: dict[int, Bar] = {}
        self.messages: list[tuple[int, Bar]] = []
        price = 100.0
        for slot in range(slots):
            if self.random.random() < 0.2:
                if flat:
                    self.truth[at(slot)] = Bar(at(slot), price, price, price, price, 0.0)
                continue
            times = sorted(self.random.randrange(MINUTE) for _ in range(self.random.randint(1, 4)))
            for number, time in enumerate(times, start=1):
                price = 100.0 + slot % 7 + number
                final = Bar(at(slot), 100.0 + slot % 7, price, 99.0, price, float(number))
                self.messages.append((at(slot) + time, final))
            self.truth[at(slot)] = final
        self.track = SeriesTrack(MINUTE, START, TIMING, page=self.random.choice((3, 50)))
        self.given: list[tuple[Bar, str]] = []
        self.skipped: list[int] = []
        self.up = False
        self.pending: tuple[int, Ask] | None = None

    def run(self) -> None:
        queue = sorted(self.messages, key=lambda message: message[0])
        late: list[tuple[int, Bar]] = []
        calm = at(self.slots)
        for now in range(START - 20_000, calm + 40 * MINUTE, 1_000):
            troubled = now < calm - 3 * MINUTE
            self.stream_weather(now, troubled=troubled)
            while queue and queue[0][0] <= now:
                self.deliver(queue.pop(0), late, troubled=troubled)
            for due, told in [entry for entry in late if entry[0] <= now]:
                late.remove((due, told))
                if self.up:
                    self.track.on_bar(told)
            self.take(self.track.advance(now))
            self.ask(now, troubled=troubled)

    def chance(self, share: float, *, troubled: bool) -> bool:
        return troubled and self.random.random() < share * self.trouble

    def stream_weather(self, now: int, *, troubled: bool) -> None:
        if self.up and self.chance(0.01, troubled=troubled):
            self.track.broken(now)
            self.up = False
        elif not self.up and not self.chance(0.9, troubled=troubled):
            self.track.connected(now)
            self.up = True

    def deliver(
        self, message: tuple[int, Bar], late: list[tuple[int, Bar]], *, troubled: bool
    ) -> None:
        if not self.up or self.chance(0.05, troubled=troubled):
            return  # lost without a word
        if self.chance(0.05, troubled=troubled):
            self.track.missed(message[0])
            return
        if self.chance(0.1, troubled=troubled):
            late.append((message[0] + self.random.randrange(6_000), message[1]))
            return
        for _ in range(2 if self.chance(0.1, troubled=troubled) else 1):
            self.track.on_bar(message[1])

    def ask(self, now: int, *, troubled: bool) -> None:
        if self.pending is None:
            ask = self.track.request(now)
            if ask is not None:
                delay = self.random.randrange(1, 8_000) if troubled else 1
                self.pending = now + delay, ask
            return
        due, ask = self.pending
        if now < due:
            return
        self.pending = None
        if self.chance(0.5, troubled=troubled):
            self.track.failed(now)
            return
        lag = self.random.randrange(4_000) if troubled else 0
        bars = [
            known
            for slot, known in self.truth.items()
            if ask.start <= slot < ask.end and slot + MINUTE + lag <= ask.at
        ]
        end = ask.end
        if self.chance(0.2, troubled=troubled):
            end = ask.start + self.random.randint(0, (ask.end - ask.start) // MINUTE) * MINUTE
        self.take(self.track.answered(bars, (ask.start, end), now))

    def take(self, steps: list[Step]) -> None:
        for step in steps:
            if isinstance(step, Publish):
                self.given.append((step.bar, step.source))
            elif isinstance(step, Skipped):
                self.skipped.append(step.open_time)


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    trouble=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    flat=st.booleans(),
)
def test_whatever_happens_each_slot_comes_once_in_order_and_true(
    seed: int, trouble: float, flat: bool
) -> None:
    world = World(seed, 25, trouble, flat=flat)
    world.run()
    first = [told.open_time for told, source in world.given if source != "repaired"]
    traded = sorted(world.truth)
    assert [slot for slot in first if slot < at(25)] == traded
    assert not set(world.skipped) & set(traded)
    last = {told.open_time: told for told, _ in world.given}
    assert all(is_alike(last[slot], world.truth[slot]) for slot in traded)
    if trouble == 0:
        sources = {source for told, source in world.given if told.volume > 0}
        assert sources == {"live"}
