"""Time cut into what a policy learns from, what it is chosen by, and what it is judged by.

Parts begin and end at midnight UTC. Between two of them lies the embargo: what a policy looks back
at, and how long 95 % of the trades are held, so that no day of one part is seen in another.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.virtual.market import VirtualMarket
from tradepulse.research.virtual.trades import LAPSES
from tradepulse.trading.metrics import DAY_MS

PartName = Literal["train", "validation", "test"]
PARTS: tuple[PartName, ...] = get_args(PartName)
SHARES = (0.6, 0.2, 0.2)
LEAST_TEST_DAYS = 90
HELD = 0.95
"""Quantile of the holding times."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of time: closes after `start`, up to `end`, midnights in epoch ms."""

    start: int
    end: int

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end - self.start) // DAY_MS

    def __str__(self) -> str:
        """Write its first and its last day."""
        return f"{day(self.start)} to {day(self.end - 1)}"


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """The three parts in their order, and what lies between two of them, in days."""

    train: Part
    validation: Part
    test: Part
    embargo_days: int

    def parts(self) -> Mapping[PartName, Part]:
        """Return the parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def split_time(
    start: int,
    end: int,
    embargo_ms: int,
    *,
    shares: tuple[float, float, float] = SHARES,
    least_test_days: int = LEAST_TEST_DAYS,
) -> TimeSplit:
    """Cut a range.

    Args:
        start: of the range, epoch ms.
        end: of the range, epoch ms.
        embargo_ms: between two parts, at least; see `embargo_of`.
        shares: of train, validation and test in what the embargoes leave; they sum to 1.
        least_test_days: a shorter test shows nothing.

    Raises:
        ValueError: the range is too short, or the shares are none.
    """
    if min(shares) <= 0 or not math.isclose(sum(shares), 1.0):
        raise ValueError(f"shares of {shares} do not sum to 1; give three above 0, as 0.6 0.2 0.2")
    first, last = -(-start // DAY_MS), end // DAY_MS
    gap = -(-embargo_ms // DAY_MS)
    days = last - first
    usable = max(days - 2 * gap, 0)
    _, validated, tested = (math.floor(round(usable * share, 6)) for share in shares)
    if tested < least_test_days:
        needed = math.ceil(round(least_test_days / shares[2], 6)) + 2 * gap
        raise ValueError(
            f"{day(start)} to {day(end - 1)} has {max(days, 0)} whole days; after two embargoes of "
            f"{gap} days {shares[2]:.0%} of it are {tested} days to test on, and fewer than "
            f"{least_test_days} show nothing: give a range of at least {needed} days"
        )
    trained = usable - validated - tested
    bounds = [first, first + trained]
    bounds += [bounds[1] + gap, bounds[1] + gap + validated]
    bounds += [bounds[3] + gap, bounds[3] + gap + tested]
    train, validation, test = (
        Part(lo * DAY_MS, hi * DAY_MS) for lo, hi in zip(bounds[::2], bounds[1::2], strict=True)
    )
    return TimeSplit(train, validation, test, gap)


def embargo_of(market: VirtualMarket, lookback_ms: int) -> int:
    """Return what must lie between two parts, ms: look-back and 95 % of the holding times."""
    arrays = market.arrays
    trades = arrays.trades[arrays.trades["entry"] != LAPSES]
    if len(trades) == 0:
        return lookback_ms
    held = arrays.close_time[trades["leaves"]] - arrays.close_time[trades["enters"]]
    # from the open of the candle of its entry
    held = held + arrays.candle_ms[trades["configuration"]]
    return lookback_ms + int(np.quantile(held, HELD, method="higher"))


def rows_of(part: Part, close_time: NDArray[np.int64]) -> tuple[int, int]:
    """Return the first close of a part and the one that follows its last.

    Raises:
        ValueError: there are none.
    """
    begin, end = (
        int(np.searchsorted(close_time, at, side="right")) for at in (part.start, part.end)
    )
    if begin == end:
        raise ValueError(f"no candle closes from {part}; import more, or give another range")
    return begin, end


@dataclass(frozen=True, slots=True)
class Searched:
    """What the search of a configuration has seen, `start <= t < end`, epoch ms."""

    configuration: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """Days of a part that the search of a configuration has seen."""

    configuration: str
    part: PartName
    days: float
    until: int


def overlaps_of(split: TimeSplit, searched: Sequence[Searched]) -> tuple[Overlap, ...]:
    """Return where configurations were searched on the candles of a part.

    Their trades are too good there: they were chosen by them.
    """
    found = []
    for one in searched:
        for name, part in split.parts().items():
            shared = min(one.end, part.end) - max(one.start, part.start)
            if shared > 0:
                found.append(Overlap(one.configuration, name, shared / DAY_MS, one.end))
    return tuple(found)


def check_overlaps(overlaps: Sequence[Overlap], reason: str | None) -> tuple[str, ...]:
    """Return what must be told of overlaps, each a line.

    Args:
        overlaps: of all configurations.
        reason: why those with validation and test are allowed; None or blank where they are not.

    Raises:
        ValueError: one is not allowed.
    """
    grave = [one for one in overlaps if one.part != "train"]
    trained = {one.configuration for one in overlaps if one.part == "train"}
    lines = []
    if grave:
        names = sorted({one.configuration for one in grave})
        parts = " and ".join(part for part in PARTS if part in {one.part for one in grave})
        until = max(one.until for one in grave)
        what = (
            f"{len(names)} configuration{'s' * (len(names) > 1)} (first {names[0]}) had been "
            f"searched on days of {parts}, up to {day(until - 1)}, so its trades there are too good"
        )
        allowed = (reason or "").strip()
        if not allowed:
            raise ValueError(
                f"{what}: give a range whose validation begins after that day, other "
                "configurations, or a reason to allow it"
            )
        lines.append(
            f"{what}: the figures prove nothing. Allowed because: {(reason or '').strip()}"
        )
    if trained:
        lines.append(
            f"{len(trained)} configuration{'s' * (len(trained) > 1)} had been searched on days "
            "that the policy learns from: it learns to trust them too much."
        )
    return tuple(lines)


def day(ms: int) -> str:
    """Write the UTC day of a time."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d")
