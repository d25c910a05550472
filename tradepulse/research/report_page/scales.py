"""Where values lie on an axis, and which of them are labelled."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tradepulse.research.report_page.text import number

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WIDTH = 1_000.0
"""Units of a whole time axis; they are stretched to the width that there is."""
_STEPS_MS = (HOUR_MS, 3 * HOUR_MS, 6 * HOUR_MS, 12 * HOUR_MS, DAY_MS, 2 * DAY_MS, 7 * DAY_MS)
_MONTHS = (1, 3, 6, 12, 24, 60)
_MONTH_MS = 30 * DAY_MS
_MONDAY_MS = 4 * DAY_MS
"""1970-01-05, a Monday."""
_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
ROOM = 0.05
"""Free space above and below the values, as a fraction of their range."""


@dataclass(frozen=True, slots=True)
class TimeScale:
    """A time axis from `start` to `end`, epoch ms."""

    start: int
    end: int

    def x(self, ms: float) -> float:
        """Return the place of a time, in units of `WIDTH`."""
        return WIDTH * (ms - self.start) / max(self.end - self.start, 1)

    def ticks(self, most: int) -> list[tuple[int, str]]:
        """Return at most about `most` round times with their labels."""
        span = self.end - self.start
        step = next((step for step in _STEPS_MS if span / step <= most), None)
        if step is not None:
            origin = _MONDAY_MS if step == _STEPS_MS[-1] else 0
            first = math.ceil((self.start - origin) / step) * step + origin
            form = "%Y-%m-%d" if step >= DAY_MS else "%m-%d %H:%M"
            return [(ms, f"{_at(ms):{form}}") for ms in range(first, self.end + 1, step)]
        months = next((m for m in _MONTHS if span / _MONTH_MS / m <= most), _MONTHS[-1])
        return [(ms, f"{_at(ms):%Y-%m}") for ms in self._months(months)]

    def _months(self, step: int) -> Iterable[int]:
        first, last = _at(self.start), _at(self.end)
        for month in range(first.year * 12, (last.year + 1) * 12, step):
            ms = round(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp() * 1000)
            if self.start <= ms <= self.end:
                yield ms


@dataclass(frozen=True, slots=True)
class ValueScale:
    """A value axis `height` pixels high."""

    low: float
    high: float
    height: float

    @classmethod
    def around(
        cls, values: Iterable[float | None], height: float, *, zero: bool = False
    ) -> "ValueScale":
        """Return a scale that holds all values that are there, and 0 where `zero` is set."""
        found = [value for value in values if value is not None and math.isfinite(value)]
        found += [0.0] if zero or not found else []
        low, high = min(found), max(found)
        room = ROOM * (high - low) or ROOM * abs(high) or 1.0
        ends_at_zero = zero and low < high
        return cls(
            low if ends_at_zero and low == 0 else low - room,
            high if ends_at_zero and high == 0 else high + room,
            height,
        )

    def y(self, value: float) -> float:
        """Return the place of a value, pixels from the upper end."""
        return self.height * (self.high - value) / (self.high - self.low)

    def ticks(self, most: int = 4) -> list[tuple[float, str]]:
        """Return about `most` round values with their labels."""
        rough = (self.high - self.low) / most
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(nice * size for nice in _NICE if nice * size >= rough * (1 - 1e-9))
        digits = max(0, math.ceil(-math.log10(step) - 1e-9) + (step / size == _NICE[2]))
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [(n * step, number(n * step, digits)) for n in range(first, last + 1)]


def path(scale: ValueScale, xs: Sequence[float], values: Sequence[float | None]) -> str:
    """Return the path of a line; it is broken where a value is undefined."""
    parts, command = [], "M"
    for x, value in zip(xs, values, strict=True):
        if value is None or not math.isfinite(value):
            command = "M"
            continue
        parts.append(f"{command}{x:.2f} {scale.y(value):.1f}")
        command = "L"
    return "".join(parts)


def _at(ms: float) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=UTC)
