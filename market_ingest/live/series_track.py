"""One live series, slot after slot: what is published next, and what is asked of the venue.

Pure: no I/O, and time is passed in. A slot is the interval of one candle. It is taken from the
stream only where the stream was whole from the slot's open to its end; every other slot is taken
from the venue's HTTP answers. Slots are given out strictly in order: a later one waits for an
earlier one, however long the venue takes. What was given out is compared with the venue a little
later, and given out again as `repaired` where it differs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from contracts.events import Source
from market_ingest.live.bars import Bar, is_alike

MARGIN_MS = 1_000
"""The subscription must be this much older than a slot: two clocks never agree to the ms."""
RETRY_FIRST_MS, RETRY_LAST_MS = 1_000, 60_000
"""Pauses, in market time, before a venue is asked again for what it did not have yet."""
KEPT = 2_000
"""Most slots that are kept waiting or unchecked; what is dropped is asked of the venue."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Store this candle, then publish it."""

    bar: Bar
    source: Source


@dataclass(frozen=True, slots=True)
class Skipped:
    """The venue has no candle of this slot: nothing traded."""

    open_time: int


@dataclass(frozen=True, slots=True)
class Deaf:
    """The venue shows trades of a slot in which the stream, seemingly whole, said nothing."""

    open_time: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the venue for the candles with `start <= open_time < end`.

    Attributes:
        start: epoch ms; so is `end`.
        why: `hole` where they are wanted to go on, `check` to compare them.
        at: market time of the asking.
    """

    start: int
    end: int
    why: Literal["hole", "check"]
    at: int


Step = Publish | Skipped | Deaf


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in market time, ms.

    Attributes:
        grace: how long after its end a slot waits for stragglers of the stream.
        check_delay: how long after its end a candle is compared with the venue.
        no_trade_after: how long after its end a slot without a candle is one without a trade.
    """

    grace: int = 2_000
    check_delay: int = 8_000
    no_trade_after: int = 15_000


class SeriesTrack:
    """Where one series stands.

    Args:
        length: of a slot, ms.
        position: open time of the next slot to give out.
        timing: see `Timing`.
        page: most candles of one question.
        unchecked: candles given out before that nobody compared yet.
        last_close: of the last candle before `position`, None where there is none.
    """

    def __init__(
        self,
        length: int,
        position: int,
        timing: Timing,
        *,
        page: int = 300,
        unchecked: Iterable[Bar] = (),
        last_close: float | None = None,
    ) -> None:
        self.position = position
        self.fills_gaps = False
        """Whether a slot without a trade is given out as a flat candle of volume 0."""
        self.unconfirmed = 0
        """Candles of the stream of which the venue knows nothing."""
        self._length = length
        self._timing = timing
        self._page = page
        self._last_close = last_close
        self._whole_since: int | None = None
        self._newest = -1
        self._forming: dict[int, Bar] = {}
        self._final: dict[int, Bar] = {}
        self._answers: dict[int, tuple[Bar | None, int]] = {}
        self._unchecked = {bar.open_time: bar for bar in unchecked}
        self._asked: Ask | None = None
        self._ask_at = self._check_at = 0
        self._pause = self._check_pause = RETRY_FIRST_MS

    # --- the stream ---

    def connected(self, now: int) -> None:
        """Note that the stream tells everything from now on."""
        if self._whole_since is None:
            self._whole_since = now

    def broken(self, now: int) -> None:
        """Note that the stream may miss anything until it is connected again."""
        self._finish_forming(now)
        self._forming.clear()
        self._whole_since, self._newest = None, -1

    def missed(self, now: int) -> None:
        """Note that something of the stream was lost, which goes on all the same."""
        if self._whole_since is not None:
            self.broken(now)
            self._whole_since = now

    def on_bar(self, bar: Bar) -> None:
        """Take in a candle of the stream, forming or finished; the last word counts."""
        slot = bar.open_time
        if slot < self.position or slot % self._length:
            return
        if not self._is_whole(slot):
            return
        if slot in self._final:
            self._final[slot] = bar
            return
        self._forming[slot] = bar
        self._newest = max(self._newest, slot)

    # --- what to do ---

    def advance(self, now: int) -> list[Step]:
        """Return what can be given out now, oldest first."""
        self._finish_forming(now)
        steps: list[Step] = []
        while now >= self.position + self._length:
            slot = self.position
            if slot in self._final:
                bar = self._final.pop(slot)
                self._unchecked[slot] = bar
                steps.append(Publish(bar, "live"))
            elif slot in self._answers:
                steps.append(self._answered(slot))
            else:
                break
            step = steps[-1]
            if isinstance(step, Publish):
                self._last_close = step.bar.close
            self.position += self._length
        while len(self._unchecked) > KEPT:
            self._unchecked.pop(min(self._unchecked))
        return steps

    def request(self, now: int) -> Ask | None:
        """Return what to ask of the venue now; then call `answered` or `failed`."""
        if self._asked is None:
            self._asked = self._hole(now) or self._check(now)
            return self._asked
        return None

    def answered(self, bars: Iterable[Bar], settled: tuple[int, int], now: int) -> list[Step]:
        """Take in the venue's answer to the last question.

        Args:
            bars: closed candles of the range that was asked for.
            settled: the part [start, end) of the range that the answer covers.
            now: market time.

        Returns:
            Corrections, and whether the stream turns out to be deaf.
        """
        ask = self._asked
        if ask is None:
            raise RuntimeError("an answer to no question")
        self._asked = None
        found = {bar.open_time: bar for bar in bars if ask.start <= bar.open_time < ask.end}
        covered = range(max(ask.start, settled[0]), min(ask.end, settled[1]), self._length)
        steps = self._compared(ask, found, covered, now)
        if ask.why == "hole":
            steps += self._filled(ask, found, covered, now)
        return steps

    def failed(self, now: int) -> None:
        """Note that the last question got no answer; it is asked again after a pause."""
        ask, self._asked = self._asked, None
        if ask is not None and ask.why == "check":
            self._later_check(now)
        else:
            self._later_ask(now)

    def jump(self, position: int) -> None:
        """Give up the slots before `position`: no answer of the venue reaches back to them."""
        self.position = max(self.position, position)
        self._forget_past()

    @property
    def is_waiting_for_venue(self) -> bool:
        """Whether the next slot needs an answer that has not come."""
        return self._pause > RETRY_FIRST_MS

    # --- inside ---

    def _is_whole(self, slot: int) -> bool:
        return self._whole_since is not None and self._whole_since + MARGIN_MS <= slot

    def _is_over(self, slot: int, now: int) -> bool:
        return now >= slot + self._length + self._timing.grace

    def _finish_forming(self, now: int) -> None:
        for slot in sorted(self._forming):
            ended = self._newest > slot or self._is_over(slot, now)
            if ended and self._is_whole(slot):
                self._final[slot] = self._forming.pop(slot)
        while len(self._final) > KEPT:
            self._final.pop(min(self._final))

    def _answered(self, slot: int) -> Publish | Skipped:
        bar, asked_at = self._answers.pop(slot)
        if bar is not None:
            if asked_at < slot + self._length + self._timing.check_delay:
                # so fresh, the venue's own answer may change once more
                self._unchecked[slot] = bar
            return Publish(bar, "backfill")
        if self.fills_gaps and self._last_close is not None:
            last = self._last_close
            return Publish(Bar(slot, last, last, last, last, 0.0), "synthetic")
        return Skipped(slot)

    def _hole(self, now: int) -> Ask | None:
        start = end = self.position
        last = start + self._page * self._length
        while end < last and self._is_over(end, now) and not self._has(end):
            end += self._length
        if end == start or now < self._ask_at:
            return None
        return Ask(start, end, "hole", now)

    def _has(self, slot: int) -> bool:
        return slot in self._final or slot in self._answers or slot in self._forming

    def _check(self, now: int) -> Ask | None:
        age = self._length + self._timing.check_delay
        due = [slot for slot in self._unchecked if slot + age <= now]
        if not due or now < self._check_at:
            return None
        start = min(due)
        end = min(max(due) + self._length, start + self._page * self._length)
        return Ask(start, end, "check", now)

    def _filled(self, ask: Ask, found: dict[int, Bar], covered: range, now: int) -> list[Step]:
        steps: list[Step] = []
        newest = max(found, default=-1)
        for slot in covered:
            if slot < self.position or slot in self._final:
                continue
            bar = found.get(slot)
            settled_at = slot + self._length + self._timing.no_trade_after
            if bar is None and newest < slot and ask.at < settled_at:
                # perhaps the venue has not got round to it yet
                break
            self._answers[slot] = bar, ask.at
            silent = self._is_whole(slot) and slot not in self._forming
            if silent and bar is not None and bar.volume > 0:
                steps.append(Deaf(slot))
        if self.position in self._answers:
            self._ask_at, self._pause = 0, RETRY_FIRST_MS
        else:
            self._later_ask(now)
        return steps[-1:]

    def _compared(self, ask: Ask, found: dict[int, Bar], covered: range, now: int) -> list[Step]:
        steps: list[Step] = []
        waiting = False
        for slot in covered:
            told = self._unchecked.get(slot)
            if told is None or ask.at < slot + self._length + self._timing.check_delay:
                continue
            bar = found.get(slot)
            if bar is None and ask.at < slot + self._length + 2 * self._timing.no_trade_after:
                waiting = True
                continue
            del self._unchecked[slot]
            if bar is None:
                self.unconfirmed += 1
            elif not is_alike(told, bar):
                steps.append(Publish(bar, "repaired"))
                if slot + self._length == self.position:
                    self._last_close = bar.close
        if ask.why == "check":
            if waiting or not len(covered):
                self._later_check(now)
            else:
                self._check_at, self._check_pause = 0, RETRY_FIRST_MS
        return steps

    def _later_ask(self, now: int) -> None:
        self._ask_at = now + self._pause
        self._pause = min(2 * self._pause, RETRY_LAST_MS)

    def _later_check(self, now: int) -> None:
        self._check_at = now + self._check_pause
        self._check_pause = min(2 * self._check_pause, RETRY_LAST_MS)

    def _forget_past(self) -> None:
        for kept in (self._forming, self._final, self._answers):
            for slot in [slot for slot in kept if slot < self.position]:
                del kept[slot]
