"""A map of what is there: a row for each series, a column for each day or month."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tradepulse.candles.gaps.finding import Coverage

LEGEND = "█ all  ▓ 99 %  ▒ 90 %  ░ some  x none  ◇ made up  · not listed"
_LEAST_COLUMNS = 10
_COLORS = {"█": "green", "▓": "yellow", "▒": "dark_orange", "░": "red", "x": "bright_red"}
_COLORS |= {"◇": "magenta", "·": "bright_black"}


def show_heat(coverage: "Coverage", *, by_month: bool) -> None:
    """Draw the map, in several parts where it is wider than the terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    starts, labels = columns_of(coverage.days, by_month=by_month)
    marks = marks_of(coverage, starts)
    width = max(len(series) for series in coverage.series) + 1
    room = max(_LEAST_COLUMNS, console.width - width)
    console.print(f"by {'month' if by_month else 'day'}: {LEGEND}", highlight=False)
    for lo in range(0, len(starts), room):
        hi = min(lo + room, len(starts))
        title = f"{labels[lo]} to {labels[hi - 1]}"
        console.print(" " * width + title, highlight=False, overflow="crop", no_wrap=True)
        for series, line in zip(coverage.series, marks, strict=True):
            text = Text(series.ljust(width))
            for mark in line[lo:hi]:
                text.append(mark, style=_COLORS[mark])
            console.print(text, overflow="crop", no_wrap=True)


def columns_of(days: NDArray[np.int64], *, by_month: bool) -> tuple[NDArray[np.int64], list[str]]:
    """Return where each column begins in `days`, and what it is called."""
    form = "%Y-%m" if by_month else "%Y-%m-%d"
    names = [datetime.fromtimestamp(d / 1000, tz=UTC).strftime(form) for d in days.tolist()]
    starts = [i for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    return np.array(starts, np.int64), [names[i] for i in starts]


def marks_of(coverage: "Coverage", starts: NDArray[np.int64]) -> list[str]:
    """Return a mark for each series and column."""
    if not len(starts):
        return ["" for _ in coverage.series]
    expected, present, made = (
        np.add.reduceat(counts, starts, axis=1)
        for counts in (coverage.expected, coverage.present, coverage.synthetic)
    )
    return [
        "".join(
            mark_of(*figures) for figures in zip(e.tolist(), p.tolist(), m.tolist(), strict=True)
        )
        for e, p, m in zip(expected, present, made, strict=True)
    ]


def mark_of(expected: int, present: int, made: int) -> str:
    """Return the mark of so many candles expected, there, and made up."""
    if not expected:
        return "·"
    if present == expected:
        return "█"
    if present + made == expected:
        return "◇"
    if not present:
        return "x"
    share = present / expected
    return "▓" if share >= 0.99 else "▒" if share >= 0.9 else "░"  # noqa: PLR2004 - as in the legend
