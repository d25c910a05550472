"""The report's tables, the parameter maps among them."""

from collections.abc import Mapping, Sequence
from typing import Any

from tradepulse.research.counting import counted
from tradepulse.research.report_page.charts import legend
from tradepulse.research.report_page.markup import Html, el, join
from tradepulse.research.report_page.text import (
    NOTHING,
    day,
    measured,
    number,
    price,
    short,
    time,
    words,
)

SHOWN_TRADES = 300
WIDE_MAP = 8
"""Columns of a parameter map above which its cells get small."""
SHADES = 4
"""Colours on each side of 0."""

FIGURES: dict[str, tuple[str, str, float, int, str]] = {
    "net_profit_pct": ("Net profit", "%", 1, 2, "no candle"),
    "sharpe": ("Sharpe ratio", "a year", 1, 2, "fewer than two days, or no variance"),
    "sortino": ("Sortino ratio", "a year", 1, 2, "fewer than two days, or no day with a loss"),
    "calmar": ("Calmar ratio", "growth a year / drawdown", 1, 2, "fewer than 30 days, or no fall"),
    "volatility": ("Volatility", "% a year", 100, 1, "fewer than two days"),
    "max_drawdown_pct": ("Largest drawdown", "%", 1, 2, "no candle"),
    "profit_factor": ("Profit factor", "gains / losses", 1, 2, "no trade with a loss"),
    "expectancy": ("Mean profit of a trade", "quote currency", 1, 2, "no trade"),
    "gross_win_rate": ("Won before fees", "% of trades", 100, 1, "no trade"),
    "exposure": ("Mean exposure", "% of equity", 100, 1, "no candle, or equity fell to 0"),
    "trades": ("Trades", "closed", 1, 0, "not counted"),
}
"""Label, unit, factor, decimals, and why it may be undefined."""
_SIDES = ("in_sample", "out_of_sample")
_SIDE_NAMES = ("In-sample", "Out-of-sample")


def figure_name(name: str) -> str:
    """Return a figure's label."""
    return FIGURES[name][0] if name in FIGURES else words(name).capitalize()


def configuration_list(configuration: Mapping[str, Any]) -> Html:
    """Return the parameters as a list."""
    # the database keeps no order of names
    params = dict(sorted(configuration["params"].items()))
    shown = {**params, "share of the symbol's weight": configuration["share"]}
    return el(
        "ul",
        *(el("li", el("span", words(name)), " ", el("b", short(v))) for name, v in shown.items()),
        class_="params",
    )


def gates_table(gates: Sequence[Mapping[str, Any]]) -> Html:
    """Return the gates, one row each: figure, threshold, verdict in words."""
    rows = []
    for gate in gates:
        state = "passed" if gate["passed"] else "refused"
        bound = "at least" if gate["comparison"] == ">=" else "at most"
        rows.append(
            el(
                "tr",
                el("th", gate["title"], scope="row"),
                el("td", measured(gate["figure"], gate["unit"]), class_="number",
                   data_name="figure"),
                el("td", f"{bound} {measured(gate['threshold'], gate['unit'])}", class_="number",
                   data_name="threshold"),
                el("td", gate["verdict"], _details(gate["details"]), class_="verdict"),
                el("td", el("strong", state, class_=f"badge {state}")),
                class_=state,
            )
        )  # fmt: skip
    return table_of(("Gate", "Figure#", "Threshold#", "Verdict", ""), rows, "gates")


def _details(details: Mapping[str, Any]) -> Html | None:
    plain = {
        name: value
        for name, value in sorted(details.items())
        if value is None or isinstance(value, int | float | str)
    }
    if not plain:
        return None
    entries = (
        el("div", el("dt", words(name)), el("dd", _detail(value))) for name, value in plain.items()
    )
    return el("details", el("summary", "details"), el("dl", *entries))


def _detail(value: float | str | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else short(value)


def figures_table(
    figures: Mapping[str, Mapping[str, float | None]],
    sides: Mapping[str, str] = dict(zip(_SIDES, _SIDE_NAMES, strict=True)),
) -> Html:
    """Return the figures, one side beside the other, with a reason for each dash.

    Args:
        figures: by side.
        sides: their names for people.
    """
    rows, reasons = [], []
    for name, (label, unit, factor, digits, reason) in FIGURES.items():
        beside = [figures[side].get(name) for side in sides]
        if None in beside:
            reasons.append(f"{label}: {reason}")
        cells = (
            el("td", number(None if value is None else value * factor, digits), class_="number")
            for value in beside
        )
        rows.append(el("tr", el("th", label, " ", el("small", unit), scope="row"), *cells))
    table = table_of(("", *(f"{side}#" for side in sides.values())), rows, "figures")
    return join(table, _why(reasons) if reasons else None)


def _why(reasons: Sequence[str]) -> Html:
    return el("p", f"{NOTHING} is undefined. {'; '.join(reasons)}.", class_="note")


def heat_maps(found: Mapping[str, Any], params: Mapping[str, float]) -> Html:
    """Return both maps on one colour scale, the chosen set marked.

    The best value sets the scale: of losses it matters less how large they are.
    """
    values = [v for side in _SIDES for row in found[side] for v in row if v is not None]
    most = max((v for v in values if v > 0), default=max(map(abs, values), default=0.0))
    maps = (
        el("div", el("h3", name), _heat_map(found, side, most, params))
        for side, name in zip(_SIDES, _SIDE_NAMES, strict=True)
    )
    steps = [f"heat-{n}" for n in range(-SHADES, SHADES + 1)]
    lowest = f"{number(-most, 2)}{' or less' if min(values, default=0) < -most else ''}"
    scale = el("p", lowest, " ", *(el("i", class_=step) for step in steps), " ",
               number(most, 2), class_="legend heat")  # fmt: skip
    entries = (("heat-none", "undefined or not allowed"), ("chosen", "the chosen set"))
    return join(el("div", *maps, class_="maps"), scale, legend(*entries))


def _heat_map(
    found: Mapping[str, Any], side: str, most: float, params: Mapping[str, float]
) -> Html:
    x, y = found["x"], found["y"]
    is_dense = len(x["values"]) > WIDE_MAP
    digits = 0 if most >= 10 else 1 if is_dense else 2  # noqa: PLR2004 - what fits into a cell
    head = el("tr", el("td"), *(el("th", short(v), scope="col") for v in x["values"]))
    rows = []
    for slow, row in zip(y["values"], found[side], strict=True):
        cells = []
        for fast, value in zip(x["values"], row, strict=True):
            is_chosen = params.get(x["name"]) == fast and params.get(y["name"]) == slow
            shade = "heat-none" if value is None else f"heat-{_shade(value, most)}"
            cells.append(
                el("td", number(value, digits), class_=f"{shade} chosen" if is_chosen else shade)
            )
        rows.append(el("tr", el("th", short(slow), scope="row"), *cells))
    style = "heat dense" if is_dense else "heat"
    return _scrolling(el("table", el("thead", head), el("tbody", *rows), class_=style))


def _shade(value: float, most: float) -> int:
    return 0 if most == 0 else round(SHADES * max(min(value / most, 1.0), -1.0))


def windows_table(windows: Sequence[Mapping[str, Any]]) -> Html:
    """Return the windows; of their parameters only those that differ between windows."""
    names = sorted({name for window in windows for name in window["params"]})
    varied = [name for name in names if len({window["params"].get(name) for window in windows}) > 1]
    shown = (("net_profit_pct", "Net %", 1), ("sharpe", "Sharpe", 2), ("trades", "Trades", 0))
    rows = []
    for n, window in enumerate(windows, 1):
        params = window["params"]
        chosen = ", ".join(f"{words(k)} {short(params[k])}" for k in varied if k in params)
        if not chosen:
            chosen = "the same in every window" if params else "no set was allowed"
        rows.append(
            el(
                "tr",
                el("th", n, scope="row"),
                *(el("td", f"{day(window[part][0])} to {day(window[part][1])}")
                  for part in ("train", "test")),
                el("td", chosen, class_="muted"),
                *(el("td", number(window[side].get(name), digits), class_=_edged(name))
                  for side in _SIDES for name, _, digits in shown),
            )
        )  # fmt: skip
    groups = el(
        "tr",
        el("td", colspan=4),
        *(el("th", side, scope="colgroup", colspan=len(shown), class_="group edge")
          for side in _SIDE_NAMES),
    )  # fmt: skip
    columns = el(
        "tr",
        *(el("th", name, scope="col") for name in ("", "Trained", "Tested", "Chosen")),
        *(el("th", label, scope="col", class_=_edged(name))
          for _ in _SIDES for name, label, _ in shown),
    )  # fmt: skip
    return _scrolling(
        el("table", el("thead", groups, columns), el("tbody", *rows), class_="windows")
    )


def _edged(name: str) -> str:
    return "number edge" if name == "net_profit_pct" else "number"


def trades_table(trades: Sequence[Mapping[str, Any]], split: int | None) -> Html:
    """Return the last trades; folded, since the chart shows them all.

    Args:
        trades: in time order. Without a split each says whose it is: `symbol` and `strategy`.
        split: close time at which the in-sample range ends, epoch ms.
    """
    shown = trades[-SHOWN_TRADES:]
    rows = [
        el(
            "tr",
            el("td", time(trade["entry_time"])),
            el("td", time(trade["exit_time"])),
            el("td", trade["side"]),
            el("td", price(trade["entry_price"]), class_="number"),
            el("td", price(trade["exit_price"]), class_="number"),
            el("td", number(trade["profit"], 2, sign=True),
               class_=f"number {'up' if trade['profit'] > 0 else 'down'}"),
            el("td", words(trade["exit_reason"])),
            *(el("td", one, class_="muted") for one in _of_trade(trade, split)),
        )
        for trade in shown
    ]  # fmt: skip
    said = counted(len(trades), "trade")
    if len(shown) < len(trades):
        said += f", the last {len(shown)}"
    last = ("Symbol", "Strategy") if split is None else ("Range",)
    columns = ("Entry, UTC", "Exit, UTC", "Side", "Entry price#", "Exit price#", "Profit#",
               "Exit by", *last)  # fmt: skip
    return el("details", el("summary", said), table_of(columns, rows, "trades"))


def _of_trade(trade: Mapping[str, Any], split: int | None) -> tuple[str, ...]:
    if split is None:
        return trade["symbol"], words(trade["strategy"])
    return ("in-sample" if trade["exit_time"] <= split else "out-of-sample",)


def table_of(columns: Sequence[str], rows: Sequence[Html], name: str) -> Html:
    """Return a table that scrolls by itself; a column whose name ends in # holds numbers."""
    head = (
        el("th", column.rstrip("#"), scope="col", class_="number" if column[-1:] == "#" else None)
        for column in columns
    )
    table = el("table", el("thead", el("tr", *head)), el("tbody", *rows), class_=name)
    return _scrolling(table)


def _scrolling(table: Html) -> Html:
    return el("div", table, class_="scroll", tabindex=0)
