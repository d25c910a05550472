"""Rows of candles as they are, each judged: usable or not, and which slot of the grid it fills."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradepulse.candles.arrays import Candles
from tradepulse.candles.checks import Rule, rules
from tradepulse.candles.gaps.causes import Slots
from tradepulse.candles.timeframes import timeframe_ms

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of one series, judged, and its lifetime; every mask is bool `(rows,)`.

    Attributes:
        candles: the rows, their times in any order.
        step: length of a slot, ms.
        bad_time: the time is no epoch ms.
        impossible: a figure is impossible; `reasons` tell why, and of `bad_time`.
        off_grid: the time is not on the grid.
        unfinished: the candle closes after now.
        closed: in epoch ms, on the grid and finished.
        usable: closed, and real.
        first: open time of the first slot of the lifetime, epoch ms.
        end: close time of the last one.
    """

    candles: Candles
    step: int
    bad_time: Mask
    impossible: Mask
    reasons: list[Rule]
    off_grid: Mask
    unfinished: Mask
    closed: Mask
    usable: Mask
    first: int
    end: int

    @classmethod
    def of(
        cls,
        candles: Candles,
        now: int | None,
        lifetime: tuple[int, int] | None,
        real: Mask | None = None,
    ) -> "Rows":
        """Judge the rows; `real` are those that may count as usable, all by default."""
        step, times = timeframe_ms(candles.timeframe), candles.open_time
        broken = {about: np.zeros(len(times), np.bool_) for about in ("time", "grid", "figures")}
        judged = [rule for rule in rules(candles) if rule.about != "order" and rule.broken.any()]
        for rule in judged:
            broken[rule.about] |= rule.broken
        in_time = ~broken["time"]
        finished = np.ones(len(times), np.bool_) if now is None else times <= now - step
        closed = in_time & ~broken["grid"] & finished
        usable = closed if real is None else closed & real
        if lifetime is None:
            known = times[usable]
            first, end = (known.min(), known.max() + step) if len(known) else (0, 0)
        else:
            first, end = on_grid(lifetime[0], step), on_grid(lifetime[1], step)
        if now is not None:
            end = min(end, now // step * step)
        return cls(
            candles,
            step,
            broken["time"],
            broken["figures"] & in_time,
            [rule for rule in judged if rule.about != "grid"],
            broken["grid"] & in_time,
            in_time & ~finished,
            closed,
            usable,
            int(first),
            int(end),
        )

    def slots(self, lo: int, hi: int) -> Slots:
        """Return the grid with what is there, cut to the open times in `[lo, hi)`."""
        first = max(self.first, on_grid(lo, self.step))
        n = max(0, (min(self.end, on_grid(hi, self.step)) - first) // self.step)
        nothing = np.zeros(n, np.bool_)
        grid = Slots(self.candles.symbol, self.step, first, nothing, nothing, nothing)
        return Slots(
            grid.symbol,
            grid.step,
            first,
            self.on_slots(grid, self.usable),
            self.on_slots(grid, self.usable & (self.candles.volume > 0)),
            self.on_slots(grid, self.off_grid),
        )

    def on_slots(self, grid: Slots, mask: Mask) -> Mask:
        """Return bool `(slots,)`: one of the rows of the mask begins in the slot."""
        times = self.candles.open_time[mask]
        inside = times[(times >= grid.first) & (times < grid.end)]
        there = np.zeros(len(grid.present), np.bool_)
        there[(inside - grid.first) // grid.step] = True
        return there


def on_grid(time: int, step: int) -> int:
    """Return the first time of the grid at or after a time."""
    return -(-time // step) * step
