"""Why candles of one venue are missing: the rule that tells an outage from a lack of trades.

The rule, for a hole of one series. A symbol is *silent* in a slot of the hole's grid where none of
its series, of this timeframe or of finer ones that divide it, has a candle with volume; the venue's
other symbols that are listed in the slot are asked. The `HABIT_SLOTS` on both sides of a silence
tell how usual it is: its *share* is the part of them that lies in other silences about as long (at
least the power of two below its length), and its *chance* is `(silent + 1) / (slots + 2)`, the rule
of succession (Laplace), so that a short history never makes a silence look impossible. In order:

1. `off_grid`: candles off the grid begin in at least half of its slots. Sure.
2. `missed`: a finer series of the same symbol traded in it, so the candle exists. Sure.
3. `outage`: in at least half of its slots the others are silent too (all of them, or nine in ten
   where there are ten or more); the chance of their silences (product, geometric mean over these
   slots) is below `UNUSUAL`, and times the chance of the hole itself it is below `COINCIDENCE`;
   and the hole is no longer than `LONGEST_OUTAGE_MS`. Sure with two other symbols or more, likely
   with one; a symbol alone never tells an outage. (If our own collector was down it looks the same:
   only asking the venue again tells, or another venue, see `gaps.scan`.)
4. `no_trade`: its share is at least `HABITUAL`, in at least `HABIT_HOLES` other holes: the series
   is thin. Sure if others traded in at least half of its slots, otherwise likely.
5. `unknown`: anything else. The others traded and this series is seldom silent (candles were lost,
   or the symbol alone was halted), or nobody traded for too long, or there is nobody to ask.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Cause = Literal["outage", "no_trade", "missed", "off_grid", "unknown"]

HABIT_SLOTS = 1000
"""How many slots before a silence, and as many after it, tell what is usual."""
HABITUAL = 0.0025
"""A series that lacks at least this part of its candles is thin."""
HABIT_HOLES = 3
"""Fewer other holes are no habit: one long outage must not make a series look thin."""
COINCIDENCE = 1e-3
"""Silences that fall together by habit less often than this have one common cause."""
UNUSUAL = 0.05
"""Others that are silent more often than this bear no witness, however rare the hole itself."""
LONGEST_OUTAGE_MS = 7 * 86_400_000
"""As long as the longest of a venue that came back (bitfinex, August 2016)."""
_QUORUM = 0.9

_Mask = NDArray[np.bool_]
_Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """What one series has in each slot of its grid, from its listing to its end.

    Attributes:
        symbol: its symbol.
        step: length of a slot in ms.
        first: open time of slot 0, epoch ms.
        present: bool `(n,)`, a candle on the grid is there.
        traded: bool `(n,)`, one with volume.
        off_grid: bool `(n,)`, a candle off the grid begins in it.
    """

    symbol: str
    step: int
    first: int
    present: _Mask
    traded: _Mask
    off_grid: _Mask

    @property
    def end(self) -> int:
        """Close time of the last slot, epoch ms."""
        return self.first + len(self.present) * self.step


@dataclass(frozen=True, slots=True)
class Hole:
    """A run of missing candles and its cause.

    Attributes:
        slot: index of the first missing candle in `Slots`.
        count: how many are missing.
        cause: see this module.
        sure: whether the evidence is enough; False for likely, and for `unknown`.
        why: the evidence in words.
    """

    slot: int
    count: int
    cause: Cause
    sure: bool
    why: str


def runs(mask: _Mask) -> tuple[_Ints, _Ints]:
    """Return the first index and the length of every run of True."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).astype(np.int64)
    return edges[::2], edges[1::2] - edges[::2]


def holes(venue: Sequence[Slots]) -> list[list[Hole]]:
    """Return the holes of each series of one venue, in their order, each with its cause."""
    found: list[list[Hole]] = [[] for _ in venue]
    for step in {slots.step for slots in venue if not slots.present.all()}:
        wanted = [i for i, s in enumerate(venue) if s.step == step and not s.present.all()]
        chorus = _Chorus.of(venue, [venue[i] for i in wanted])
        for i in wanted:
            found[i] = list(_explained(venue[i], chorus))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Voice:
    """One symbol on a common grid: where it is listed, silent, and log chance of the silence."""

    listed: _Mask
    silent: _Mask
    log_chance: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class _Chorus:
    """The sum of all symbols' voices on one grid of `n` slots from `first` on."""

    series: dict[str, list[Slots]]
    step: int
    first: int
    n: int
    listed: _Ints
    silent: _Ints
    log_chance: NDArray[np.float64]

    @classmethod
    def of(cls, venue: Sequence[Slots], wanted: Sequence[Slots]) -> "_Chorus":
        step, first = wanted[0].step, min(s.first for s in wanted)
        n = (max(s.end for s in wanted) - first) // step
        series: dict[str, list[Slots]] = {}
        for slots in venue:
            if slots.step <= step and step % slots.step == 0:
                series.setdefault(slots.symbol, []).append(slots)
        chorus = cls(
            series, step, first, n, np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n)
        )
        for symbol in series:
            voice = chorus.voice(symbol)
            np.add(chorus.listed, voice.listed, out=chorus.listed)
            np.add(chorus.silent, voice.silent, out=chorus.silent)
            np.add(chorus.log_chance, voice.log_chance, out=chorus.log_chance)
        return chorus

    def voice(self, symbol: str) -> _Voice:
        listed, traded = np.zeros(self.n, np.bool_), np.zeros(self.n, np.bool_)
        for s in self.series[symbol]:
            # of a finer series, slots that it covers whole: a part says nothing of the rest
            lo, hi = -((self.first - s.first) // self.step), (s.end - self.first) // self.step
            listed[max(0, lo) : max(0, hi)] = True
            at = (s.first + np.flatnonzero(s.traded) * s.step - self.first) // self.step
            traded[at[(at >= 0) & (at < self.n)]] = True
        silent = listed & ~traded
        starts, lengths = runs(silent)
        chance = _habit(starts, lengths, listed).chance
        log_chance = np.zeros(self.n)
        log_chance[silent] = np.repeat(np.log(chance), lengths)
        return _Voice(listed, silent, log_chance)


@dataclass(frozen=True, slots=True, eq=False)
class _Habit:
    """How usual each silence of a list is, see this module; float64 and int64 `(silences,)`."""

    chance: NDArray[np.float64]
    share: NDArray[np.float64]
    holes: _Ints


def _habit(starts: _Ints, lengths: _Ints, listed: _Mask) -> _Habit:
    before = np.concatenate([[0], np.cumsum(listed)])
    lo = np.maximum(starts - HABIT_SLOTS, 0)
    hi = np.minimum(starts + lengths + HABIT_SLOTS, len(listed))
    around = before[hi] - before[lo] - lengths
    silent, holes = np.zeros(len(starts)), np.zeros(len(starts), np.int64)
    least = 1
    while (lengths >= least).any():
        long = np.flatnonzero(lengths >= least)
        total = np.concatenate([[0], np.cumsum(lengths[long])])
        ours = long[lengths[long] < 2 * least]
        a, b = (np.searchsorted(starts[long], edge[ours]) for edge in (lo, hi))
        silent[ours], holes[ours] = total[b] - total[a] - lengths[ours], b - a - 1
        least *= 2
    # a run that only ends or begins in the window counts whole, hence the bound
    silent = np.minimum(silent, around)
    return _Habit((silent + 1) / (around + 2), silent / np.maximum(around, 1), holes)


def _most(values: _Ints, starts: _Ints, counts: _Ints) -> _Ints:
    """Return the largest value of each run."""
    edges = np.column_stack([starts, starts + counts]).ravel()
    result: _Ints = np.maximum.reduceat(np.append(values, 0), edges)[::2]
    return result


def _explained(slots: Slots, chorus: _Chorus) -> Iterator[Hole]:
    starts, counts = runs(~slots.present)
    voice = chorus.voice(slots.symbol)
    at = (slots.first - chorus.first) // slots.step
    here = slice(at, at + len(slots.present))

    def sums(values: NDArray[np.generic]) -> NDArray[np.float64]:
        total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
        result: NDArray[np.float64] = total[starts + counts] - total[starts]
        return result

    others = (chorus.listed - voice.listed)[here]
    silent = (chorus.silent - voice.silent)[here]
    together = (others > 0) & (silent >= _QUORUM * others)
    alone = sums(together)
    # where all are silent, the sum of the others is the sum of all less our own
    chances = np.where(together, (chorus.log_chance - voice.log_chance)[here], 0.0)
    log_chance = np.divide(sums(chances), alone, out=np.zeros(len(starts)), where=alone > 0)
    off_grid, traded = sums(slots.off_grid), sums(voice.listed[here] & ~voice.silent[here])
    heard, asked = sums((others > 0) & ~together), _most(others, starts, counts)
    # where candles are off the grid the series did trade: that is no habit of its own
    absent = 2 * off_grid < counts
    chance, share = np.ones(len(starts)), np.zeros(len(starts))
    usual = np.zeros(len(starts), np.int64)
    habit = _habit(starts[absent], counts[absent], np.ones(len(slots.present), np.bool_))
    chance[absent], share[absent], usual[absent] = habit.chance, habit.share, habit.holes
    for i, (start, count) in enumerate(zip(starts.tolist(), counts.tolist(), strict=True)):
        evidence = _Evidence(
            count=count,
            length_ms=count * slots.step,
            off_grid=int(off_grid[i]),
            traded=int(traded[i]),
            together=int(alone[i]),
            heard=int(heard[i]),
            others=int(asked[i]),
            own=float(chance[i]),
            chance=float(np.exp(log_chance[i])),
            share=float(share[i]),
            thin=bool(share[i] >= HABITUAL and usual[i] >= HABIT_HOLES),
        )
        cause, sure, why = _judge(evidence)
        yield Hole(start, count, cause, sure, why)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What is known of one hole.

    Attributes:
        count: its slots; `length_ms` their length.
        off_grid: in how many of them a candle off the grid begins.
        traded: in how many a finer series of the symbol traded.
        together: in how many the others were silent, too.
        heard: in how many they were not.
        others: how many other symbols were asked.
        own: its chance.
        chance: that of the others' silences.
        share: of slots around it in such holes.
        thin: whether these are enough to be a habit.
    """

    count: int
    length_ms: int
    off_grid: int
    traded: int
    together: int
    heard: int
    others: int
    own: float
    chance: float
    share: float
    thin: bool


def _judge(e: _Evidence) -> tuple[Cause, bool, str]:
    """Apply the rule of this module; return the cause, whether it is sure, and why."""
    others = "1 other symbol" if e.others == 1 else f"{e.others} other symbols"
    silent = f"{others} of the venue had no trade either in {e.together} of them"
    traded = f"{others} of the venue traded in {e.heard} of them"
    thin = f"the series lacks {e.share:.1%} of the candles around them in such holes"
    mostly_heard, too_long = 2 * e.heard >= e.count, e.length_ms > LONGEST_OUTAGE_MS
    judged: tuple[Cause, bool, str]
    if 2 * e.off_grid >= e.count:
        judged = "off_grid", True, f"{e.off_grid} candles off the grid stand in their place"
    elif e.traded:
        judged = "missed", True, f"a finer series of the symbol traded in {e.traded} of them"
    elif 2 * e.together >= e.count and e.chance < UNUSUAL and e.own * e.chance < COINCIDENCE:
        judged = "outage", e.others > 1, silent
        if too_long:
            judged = "unknown", False, f"{silent}, but venues are not down for so long"
    elif e.thin:
        judged = "no_trade", mostly_heard, f"{thin}, and {traded}" if mostly_heard else thin
    elif not e.others:
        judged = "unknown", False, "no other symbol of the venue is known there"
    elif e.heard:
        judged = "unknown", False, f"{traded}, but this series is seldom silent"
    else:
        judged = "unknown", False, f"{silent}, which may be chance: too few candles are known"
    return judged
