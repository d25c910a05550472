"""The report's drawings as SVG: widths in percent, so that text is never stretched.

The lines of a panel lie in an inner `svg` that is stretched to the width; they keep their width
(`vector-effect`), and a dot is a line of no length with round ends, so it stays round. The page's
script fits a panel's values to what is in view by changing the `viewBox` of its inner `svg`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tradepulse.research.report_page.markup import Html, el, join
from tradepulse.research.report_page.scales import WIDTH, TimeScale, ValueScale, path
from tradepulse.research.report_page.text import NOTHING

BOTTOM, HEIGHT = 656, 680
"""Pixels: where the panels end, and the times below them."""
ZOOMS = (1, 4, 16)
TICKS = 8
"""Labelled times in view at any zoom; every second one where the screen is narrow."""
SCALE_WIDTH = 62
BARS_HEIGHT = 190
_WHOLE = {"width": "100%", "preserveAspectRatio": "none"}


@dataclass(frozen=True, slots=True)
class _Panel:
    """One of the stacked drawings; `top` in pixels."""

    name: str
    title: str
    top: int
    scale: ValueScale
    lines: Sequence[Html | None]
    unit: str = ""

    def drawn(self) -> Html:
        """Return its levels and lines."""
        height = self.scale.height
        inner = el("svg", *self.lines, class_=f"panel {self.name}", y=self.top, height=height,
                   viewBox=f"0 0 {WIDTH:g} {height:g}", **_WHOLE)  # fmt: skip
        return join(el("g", *_levels(self.scale, self.top), class_="levels"), inner)

    def labels(self) -> Html:
        """Return the labels of its levels."""
        return el("g", *_labels(self.scale, self.top, self.unit), class_="labels",
                  data_top=self.top, data_height=self.scale.height,
                  data_unit=self.unit)  # fmt: skip


def curves(report: Mapping[str, Any]) -> Html:
    """Draw equity, drawdown, and price with trades, one above the other on one time axis.

    Args:
        report: `ranges`, `equity`, `price` and `trades` of a validation's report. Without a split
            (None) none is marked; with `buy_and_hold` the equity has a second line; with the
            prices `open`, `high`, `low`, `close` candles are drawn, with `close` alone a line.
    """
    ranges = report["ranges"]
    times = TimeScale(ranges["start"], ranges["end"])
    panels = _panels(report, times)
    drawn = el(
        "svg",
        _outside(ranges, times),
        *(_time_ticks(times, zoom) for zoom in ZOOMS),
        *(panel.drawn() for panel in panels),
        _split(ranges, times),
        el("line", class_="cursor", x1=0, x2=0, y1=0, y2=BOTTOM, visibility="hidden"),
        class_="drawn", width="100%", height=HEIGHT, role="img",
        aria_label="Equity, drawdown and price with trades over time",
    )  # fmt: skip
    return el(
        "div",
        el("svg", *(panel.labels() for panel in panels), class_="scale", width=SCALE_WIDTH,
           height=HEIGHT, aria_hidden="true"),
        el("div", drawn, class_="view", tabindex=0, role="group",
           aria_label="Curves; scrolls where zoomed in"),
        el("svg", *(el("text", panel.title, x=6, y=panel.top - 6) for panel in panels),
           class_="titles", width="100%", height=HEIGHT, aria_hidden="true"),
        class_="plot",
    )  # fmt: skip


def _outside(ranges: Mapping[str, Any], times: TimeScale) -> Html | None:
    """Shade what is out of sample."""
    if ranges.get("split") is None:
        return None
    split = times.x(ranges["split"]) * 100 / WIDTH
    return el("rect", class_="outside", x=_percent(split), y=0, width=_percent(100 - split),
              height=BOTTOM)  # fmt: skip


def _split(ranges: Mapping[str, Any], times: TimeScale) -> Html | None:
    """Draw where one range ends and the other begins, and name them."""
    if ranges.get("split") is None:
        return None
    x = _percent(times.x(ranges["split"]) * 100 / WIDTH)
    return join(
        el("line", class_="split", x1=x, x2=x, y1=0, y2=BOTTOM),
        el("text", "in-sample", class_="split-name", x=6, y=12),
        el("text", "out-of-sample", class_="split-name", x="100%", dx=-4, y=12, text_anchor="end"),
    )


def _panels(report: Mapping[str, Any], times: TimeScale) -> tuple[_Panel, ...]:
    equity, prices, trades = report["equity"], report["price"], report["trades"]
    xs = [times.x(ms) for ms in equity["close_time"]]
    held = equity.get("buy_and_hold", ())
    worth = ValueScale.around([*equity["equity"], *held], 190)
    falls = [None if fall is None else -fall for fall in equity["drawdown_pct"]]
    depth = ValueScale.around(falls, 90, zero=True)
    traded = [trade[name] for trade in trades for name in ("entry_price", "exit_price")]
    level = ValueScale.around(
        [*prices["close"], *prices.get("high", ()), *prices.get("low", ()), *traded], 262
    )
    return (
        _Panel("equity", "Equity, quote currency", 38, worth,
               [el("path", class_="held", d=path(worth, xs, held)) if held else None,
                el("path", class_="worth", d=path(worth, xs, equity["equity"]))]),
        _Panel("drawdown", "Drawdown, % below the peak", 262, depth,
               [el("path", class_="fall-area", d=_area(depth, xs, falls)),
                el("path", class_="fall", d=path(depth, xs, falls))], " %"),
        _Panel("price", prices.get("title", "Close and trades, price"), 388, level,
               [*_market(times, level, prices), *_trades(times, level, trades)]),
    )  # fmt: skip


def _market(times: TimeScale, scale: ValueScale, prices: Mapping[str, Any]) -> list[Html]:
    """Draw candles, or a line where only closes are known."""
    xs = [times.x(ms) for ms in prices["close_time"]]
    if "open" not in prices:
        return [el("path", class_="close", d=path(scale, xs, prices["close"]))]
    parts: dict[str, list[str]] = {"wick": [], "rise": [], "sink": []}
    columns = (prices[name] for name in ("open", "high", "low", "close"))
    for x, begin, high, low, end in zip(xs, *columns, strict=True):
        parts["wick"].append(f"M{x:.2f} {scale.y(high):.1f}L{x:.2f} {scale.y(low):.1f}")
        body = f"M{x:.2f} {scale.y(begin):.1f}L{x:.2f} {scale.y(end):.1f}"
        parts["rise" if end >= begin else "sink"].append(body)
    return [el("path", class_=name, d="".join(drawn)) for name, drawn in parts.items()]


def bars(windows: Sequence[Mapping[str, Any]], figure: str) -> Html:
    """Draw one figure of each walk-forward window, in-sample beside out-of-sample."""
    sides = ("in_sample", "out_of_sample")
    values = [[window[side].get(figure) for side in sides] for window in windows]
    scale = ValueScale.around(
        [value for pair in values for value in pair], BARS_HEIGHT - 36, zero=True
    )
    top, slot, every = 10, 100 / len(windows), -(-len(windows) // 16)
    parts = [*_levels(scale, top)]
    for n, pair in enumerate(values):
        for k, value in enumerate(pair):
            left = slot * (n + 0.16 + 0.36 * k)
            parts.append(_bar(scale, top, left, slot * 0.32, value, sides[k]))
        if n % every == 0:
            parts.append(
                el("text", n + 1, class_="tick", x=_percent(slot * (n + 0.5)), y=BARS_HEIGHT - 6,
                   text_anchor="middle")
            )  # fmt: skip
    zero = f"{top + scale.y(0):.1f}"
    parts.append(el("line", class_="zero", x1=0, x2="100%", y1=zero, y2=zero))
    drawn = el("svg", *parts, class_="bars", width="100%", height=BARS_HEIGHT, role="img",
               aria_label="The figure of each window, in-sample beside out-of-sample")  # fmt: skip
    labels = el("svg", *_labels(scale, top, ""), width=SCALE_WIDTH, height=BARS_HEIGHT,
                aria_hidden="true")  # fmt: skip
    return el("div", labels, el("div", drawn, class_="view"), class_="plot")


def legend(*entries: tuple[str, str]) -> Html:
    """Return a legend: (class of the swatch, name) each."""
    named = (el("span", el("i", class_=kind), name) for kind, name in entries)
    return el("p", *named, class_="legend")


def curves_legend(report: Mapping[str, Any]) -> Html:
    """Return the legend of `curves`."""
    lines = [("equity", "equity"), ("held", "bought and held")]
    return legend(
        *(lines if "buy_and_hold" in report["equity"] else ()),
        ("won", "trade with a profit"), ("lost", "with a loss"),
        ("long", "entry, long"), ("short", "entry, short"),
    )  # fmt: skip


def _bar(
    scale: ValueScale, top: float, left: float, width: float, value: float | None, side: str
) -> Html:
    if value is None:
        return el("text", NOTHING, class_="tick", x=_percent(left + width / 2),
                  y=f"{top + scale.y(0) - 4:.1f}", text_anchor="middle")  # fmt: skip
    upper, lower = sorted((scale.y(value), scale.y(0)))
    return el("rect", class_=side.replace("_", "-"), x=_percent(left), y=f"{top + upper:.1f}",
              width=_percent(width), height=f"{max(lower - upper, 1):.1f}")  # fmt: skip


def _trades(times: TimeScale, scale: ValueScale, trades: Sequence[Mapping[str, Any]]) -> list[Html]:
    """Draw each trade as a line from entry to exit, and a dot at its entry."""
    lines: dict[str, list[str]] = {"won": [], "lost": []}
    dots: dict[str, list[str]] = {"long": [], "short": []}
    for trade in trades:
        entry = f"{times.x(trade['entry_time']):.2f} {scale.y(trade['entry_price']):.1f}"
        leave = f"{times.x(trade['exit_time']):.2f} {scale.y(trade['exit_price']):.1f}"
        lines["won" if trade["profit"] > 0 else "lost"].append(f"M{entry}L{leave}")
        dots["short" if trade["side"] == "short" else "long"].append(f"M{entry}h0")
    return [
        el("path", class_=f"{kind} {name}", d="".join(parts))
        for kind, group in (("trade", lines), ("entry", dots))
        for name, parts in group.items()
    ]


def _area(scale: ValueScale, xs: Sequence[float], values: Sequence[float | None]) -> str:
    if not xs:
        return ""
    filled = [0.0 if value is None else value for value in values]
    zero = f"{scale.y(0):.1f}"
    return f"{path(scale, xs, filled)}L{xs[-1]:.2f} {zero}L{xs[0]:.2f} {zero}Z"


def _time_ticks(times: TimeScale, zoom: int) -> Html:
    """Draw the labels of one zoom; the style shows the group of the zoom that is chosen."""
    parts = []
    for n, (ms, label) in enumerate(times.ticks(TICKS * zoom)):
        at, near = times.x(ms), WIDTH / 25 / zoom
        x = _percent(at * 100 / WIDTH)
        anchor = "start" if at < near else "end" if at > WIDTH - near else "middle"
        parts.append(
            el("g", el("line", class_="grid", x1=x, x2=x, y1=18, y2=BOTTOM),
               el("text", label, class_="tick", x=x, y=HEIGHT - 8, text_anchor=anchor),
               class_="odd" if n % 2 else None)
        )  # fmt: skip
    return el("g", *parts, class_=f"zoom-{zoom}")


def _levels(scale: ValueScale, top: float) -> list[Html]:
    ys = [f"{top + scale.y(value):.1f}" for value, _ in scale.ticks()]
    return [el("line", class_="grid", x1=0, x2="100%", y1=y, y2=y) for y in ys]


def _labels(scale: ValueScale, top: float, unit: str) -> list[Html]:
    return [
        el("text", label, unit, class_="tick", x=SCALE_WIDTH - 6,
           y=f"{top + scale.y(value) + 4:.1f}", text_anchor="end")
        for value, label in scale.ticks()
    ]  # fmt: skip


def _percent(share: float) -> str:
    return f"{share:.3f}%"
