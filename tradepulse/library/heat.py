"""A heat map of what a search found, drawn as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradepulse.research.report_page.markup import Html, el
from tradepulse.research.report_page.text import number, short, words
from tradepulse.strategies import Param

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST = 12
"""Cells of an axis; of more values neighbours share one."""
WIDTH, HEIGHT = 52, 26
"""Pixels of a cell."""
LEFT, BELOW, ABOVE = 84, 44, 10
UP, DOWN = "#0f7f56", "#c22f47"
DENSEST = 0.75
"""Opacity of the best cell; the ground shows through, so that it can be light or dark."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A drawing; a notebook shows it.

    Attributes:
        svg: all of it, for a page or a file.
    """

    svg: str

    def __repr__(self) -> str:
        return f"<HeatMap, {len(self.svg):,} characters of SVG>"

    def _repr_html_(self) -> str:
        return self.svg


@dataclass(frozen=True, slots=True, eq=False)
class _Axis:
    """Cells along a parameter, from the least: their labels, and the cell of each set."""

    name: str
    labels: Sequence[str]
    cells: IntArray


def heat_map(
    params: tuple[Param, Param], sets: FloatArray, figure: str, values: FloatArray
) -> HeatMap:
    """Draw the median of a figure over two parameters.

    Args:
        params: the one from left to right, and the one from the bottom up.
        sets: float64 `(t, 2)`, their values.
        figure: its name.
        values: float64 `(t,)`, NaN where undefined.
    """
    across, up = (_axis(param, column) for param, column in zip(params, sets.T, strict=True))
    columns, rows = len(across.labels), len(up.labels)
    place = up.cells * columns + across.cells
    groups = [values[place == n] for n in range(rows * columns)]
    known = [group[np.isfinite(group)] for group in groups]
    medians = [float(np.median(group)) if len(group) else None for group in known]
    defined = [value for value in medians if value is not None]
    # as in a report: the best sets the scale, of losses it matters less how large they are
    most = max((v for v in defined if v > 0), default=max(map(abs, defined), default=0.0))
    cells = [
        _cell(
            (n % columns, rows - 1 - n // columns), value, most, f"{len(group):,} sets, {_told(k)}"
        )
        for n, (value, group, k) in enumerate(zip(medians, groups, known, strict=True))
        if len(group)
    ]
    width, height = LEFT + columns * WIDTH + 10, ABOVE + rows * HEIGHT + BELOW
    drawn = el(
        "svg",
        *cells,
        *_names(across, up, rows),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        style=f"width:100%;max-width:{width}px;font:12px system-ui,sans-serif;fill:currentColor",
        role="img",
        aria_label=f"Median {words(figure)} over {words(across.name)} and {words(up.name)}",
    )
    return HeatMap(str(drawn))


def _axis(param: Param, values: FloatArray) -> _Axis:
    distinct = np.unique(values)
    if len(distinct) <= MOST:
        return _Axis(param.name, [short(v) for v in distinct], np.searchsorted(distinct, values))
    # equal stretches of what a search draws evenly from
    low, high = distinct[0], distinct[-1]
    is_log = param.log and low > 0
    edges = np.geomspace(low, high, MOST + 1) if is_log else np.linspace(low, high, MOST + 1)
    cells = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, MOST - 1)
    if param.integer:
        edges = np.ceil(edges)
    labels = [f"{short(edge)}\N{EN DASH}" for edge in edges[:-1]]
    return _Axis(param.name, labels, cells)


def _cell(at: tuple[int, int], value: float | None, most: float, told: str) -> Html:
    x, y = LEFT + at[0] * WIDTH, ABOVE + at[1] * HEIGHT
    share = 0.0 if value is None or most == 0 else min(abs(value) / most, 1.0)
    return el(
        "g",
        el("title", told),
        el(
            "rect",
            x=x,
            y=y,
            width=WIDTH - 1,
            height=HEIGHT - 1,
            fill=UP if (value or 0) >= 0 else DOWN,
            fill_opacity=f"{DENSEST * share:.2f}",
            stroke="currentColor",
            stroke_opacity="0.15",
        ),
        el(
            "text",
            number(value, 0 if most >= 10 else 2),  # noqa: PLR2004 - what fits into a cell
            x=x + WIDTH / 2,
            y=y + HEIGHT / 2 + 4,
            text_anchor="middle",
        ),
    )


def _told(known: FloatArray) -> str:
    if not len(known):
        return "undefined in all"
    return f"median {short(float(np.median(known)))}, best {short(float(known.max()))}"


def _names(across: _Axis, up: _Axis, rows: int) -> list[Html]:
    below = ABOVE + rows * HEIGHT
    drawn = [
        el("text", label, x=LEFT + (n + 0.5) * WIDTH, y=below + 16, text_anchor="middle")
        for n, label in enumerate(across.labels)
    ]
    drawn += [
        el("text", label, x=LEFT - 6, y=below - (n + 0.5) * HEIGHT + 4, text_anchor="end")
        for n, label in enumerate(up.labels)
    ]
    middle = LEFT + len(across.labels) * WIDTH / 2, ABOVE + rows * HEIGHT / 2
    drawn.append(
        el("text", words(across.name), x=middle[0], y=below + 36, text_anchor="middle",
           font_weight=600)
    )  # fmt: skip
    drawn.append(
        el("text", words(up.name), x=12, y=middle[1], text_anchor="middle", font_weight=600,
           transform=f"rotate(-90 12 {middle[1]:g})")
    )  # fmt: skip
    return drawn
