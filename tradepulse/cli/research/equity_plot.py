"""The equity in a terminal: dots of braille, two across and four down in each letter."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.text import Text

from tradepulse.cli.options import time_text

FloatArray = NDArray[np.float64]
ROWS = 12
LABEL = 12
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Of a letter of braille, by row and column."""
_BLANK = 0x2800


def equity_plot(
    times: Sequence[int], lines: Sequence[tuple[str, str, FloatArray]], width: int
) -> Text:
    """Draw lines over the same times, the first above the others.

    Args:
        times: of each value, epoch ms.
        lines: name, style and values `(n,)` each.
        width: letters that there is room for.
    """
    columns = max(width - LABEL - 1, 10)
    values = np.concatenate([one for *_, one in lines])
    low, high = float(values.min()), float(values.max())
    room = high - low or 1.0
    drawn = np.zeros((len(lines), ROWS, columns), np.int64)
    for letters, (*_, one) in zip(drawn, lines, strict=True):
        _draw(letters, (high - one) / room)
    text = Text()
    for row in range(ROWS):
        label = {0: high, ROWS - 1: low}.get(row)
        text.append(f"{'' if label is None else f'{label:,.0f}':>{LABEL}} ", style="dim")
        for column in range(columns):
            dots = drawn[:, row, column]
            # of lines that share a letter the first gives it its colour
            first = next((n for n, one in enumerate(dots) if one), 0)
            text.append(chr(_BLANK + int(np.bitwise_or.reduce(dots))), style=lines[first][1])
        text.append("\n")
    begin, end = time_text(times[0]), time_text(times[-1])
    text.append(f"{'':{LABEL}} {begin}{end:>{max(columns - len(begin), 0)}}\n", style="dim")
    text.append(f"{'':{LABEL}} ")
    for name, style, _ in lines:
        text.append(f"\N{BLACK SQUARE} {name}  ", style=style)
    return text


def _draw(letters: NDArray[np.int64], depths: FloatArray) -> None:
    """Set the dots of a line; `depths` are 0 at the upper end, 1 at the lower."""
    rows, columns = letters.shape
    across, down = 2 * columns, 4 * rows
    at = np.linspace(0, len(depths) - 1, across)
    ys = np.rint(np.interp(at, np.arange(len(depths)), depths) * (down - 1)).astype(int)
    for x, y in enumerate(ys.tolist()):
        before = int(ys[max(x - 1, 0)])
        # a steep step is drawn as a line down or up to it
        for dot in range(min(y, before + 1 if before < y else y), max(y, before) + 1):
            letters[dot // 4, x // 2] |= _DOTS[dot % 4][x % 2]
