"""The page: what a report says, in the order in which a reader asks."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tradepulse.research.report_page.charts import ZOOMS, bars, curves, curves_legend, legend
from tradepulse.research.report_page.markup import Html, el, join
from tradepulse.research.report_page.styles import FILES, PAGE_STYLE
from tradepulse.research.report_page.tables import (
    configuration_list,
    figure_name,
    figures_table,
    gates_table,
    heat_maps,
    trades_table,
    windows_table,
)
from tradepulse.research.report_page.text import day, number, words

VERSION = 1
_SCRIPT = (FILES / "page.js").read_text(encoding="utf-8")


def _source(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


POLICY = (
    f"default-src 'none'; style-src {_source(PAGE_STYLE)}; script-src {_source(_SCRIPT)}; "
    "base-uri 'none'; form-action 'none'"
)
"""Content security policy of the page: nothing is loaded, and only its own script runs."""


def report_page(report: Mapping[str, Any]) -> str:
    """Return a report as one page of HTML that opens offline.

    Args:
        report: as `Report.as_json()` gives it and the database stores it.

    Raises:
        ValueError: the report is of another version.
    """
    if report.get("version") != VERSION:
        raise ValueError(
            f"the report is of version {report.get('version')}, this program reads {VERSION}; "
            "validate the configuration again"
        )
    parts = (
        _header(report), _gates(report), _figures(report), _curves(report), _heat_map(report),
        _walk_forward(report), _trades(report),
    )  # fmt: skip
    title = f"{_name(report)}: {'passed' if report['passed'] else 'refused'}"
    return page_of(title, "validation report", parts, report)


def page_of(title: str, kind: str, parts: Iterable[Html], report: Mapping[str, Any]) -> str:
    """Return a page of HTML that holds its data and opens offline.

    Args:
        title: of the window.
        kind: what it is, for the line at its end.
        parts: from top to bottom.
        report: what the page's script reads its curves from.
    """
    data = json.dumps(report, allow_nan=False, separators=(",", ":"), sort_keys=True).replace(
        "<", "\\u003c"
    )
    body = el(
        "body",
        el("main", *parts),
        el("footer", f"TradePulse {kind}. All times UTC; a candle's time is its close. "
           "This page holds its data: it loads nothing and opens offline."),
        el("script", Html(data), type="application/json", id="report"),
        el("script", Html(_SCRIPT)),
    )  # fmt: skip
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("style", Html(PAGE_STYLE)),
    )
    return "<!doctype html>\n" + el("html", head, body, lang="en")


def _name(report: Mapping[str, Any]) -> str:
    one = report["configuration"]
    return f"{words(one['strategy'])} on {one['symbol']} {one['timeframe']}"


def _header(report: Mapping[str, Any]) -> Html:
    ranges, search = report["ranges"], report["search"]
    passed = sum(gate["passed"] for gate in report["gates"])
    state = "passed" if report["passed"] else "refused"
    facts = (
        ("Exchange", report["configuration"]["exchange"]),
        ("In-sample", f"{day(ranges['start'])} to {day(ranges['split'])}"),
        ("Out-of-sample", f"{day(ranges['split'])} to {day(ranges['end'])}"),
        ("Parameter sets tried", number(search["trials"], 0)),
        ("Search", _search(search)),
        ("Searched for", figure_name(search["objective"])),
        ("Gates passed", f"{passed} of {len(report['gates'])}"),
    )  # fmt: skip
    return el(
        "header",
        el("p", "Validation report", class_="kicker"),
        el("h1", _name(report)),
        el(
            "p",
            el("strong", state, class_=f"badge {state}"),
            " ",
            el("span", report["verdict"], class_="verdict"),
            class_="outcome",
        ),
        el(
            "dl",
            *(el("div", el("dt", name), el("dd", value)) for name, value in facts),
            class_="facts",
        ),
        configuration_list(report["configuration"]),
    )


def _search(search: Mapping[str, Any]) -> str:
    if not search["method"]:
        return "none, made by hand"
    return f"{words(search['method'])}, seed {search['seed']}"


def section(title: str, note: str | None, *children: object) -> Html:
    """Return a part of a page."""
    return el("section", el("h2", title), note and el("p", note, class_="note"), *children)


def _gates(report: Mapping[str, Any]) -> Html:
    return section(
        "Gates",
        "Every gate must pass before a configuration may trade on paper.",
        gates_table(report["gates"]),
    )


def _figures(report: Mapping[str, Any]) -> Html:
    trials = number(report["search"]["trials"], 0)
    return section(
        "Figures",
        f"In-sample figures are those of the best of {trials} parameter sets tried: they were "
        "searched for. Out-of-sample figures are those to trust.",
        figures_table(report["figures"]),
    )


def _curves(report: Mapping[str, Any]) -> Html:
    return section(
        "Equity, drawdown and trades",
        "Each range is traded from flat; the out-of-sample curve goes on where the in-sample one "
        "ended. Equity marks open positions at each close.",
        zoomed(report),
    )


def zoomed(report: Mapping[str, Any]) -> Html:
    """Return the curves with what zooms and reads them."""
    zooms = (
        el("label", el("input", type="radio", name="zoom", value=zoom, checked=zoom == 1),
           el("span", f"{zoom}\N{MULTIPLICATION SIGN}"))
        for zoom in ZOOMS
    )  # fmt: skip
    return el(
        "figure",
        el("div", el("fieldset", el("legend", "Zoom"), *zooms), curves_legend(report),
           class_="bar"),
        el("p", class_="readout", hidden=True),
        curves(report),
        class_="curves",
    )  # fmt: skip


def _heat_map(report: Mapping[str, Any]) -> Html:
    found = report["heat_map"]
    if found is None:
        return section("Parameter map", "No map: fewer than two parameters were searched.")
    x, y = words(found["x"]["name"]), words(found["y"]["name"])
    return section(
        "Parameter map",
        f"{figure_name(found['figure'])} by {x} (across) and {y} (down), all else as chosen. "
        "A true edge is a plateau that stands in both maps; a lone peak is luck.",
        heat_maps(found, report["configuration"]["params"]),
    )


def _walk_forward(report: Mapping[str, Any]) -> Html:
    windows = report["walk_forward"]["windows"]
    if not windows:
        return section("Walk-forward", "No window fits into the range.")
    kinds = list(dict.fromkeys(window["kind"] for window in windows))
    figure = report["search"]["objective"]
    if figure not in windows[0]["in_sample"]:
        figure = "sharpe"
    parts = []
    for kind in kinds:
        own = [window for window in windows if window["kind"] == kind]
        title = f"{words(kind).capitalize()} windows: {figure_name(figure)} of each"
        parts += [
            el("h3", title),
            legend(("in-sample", "in-sample"), ("out-of-sample", "out-of-sample")),
            el("figure", bars(own, figure)),
            windows_table(own),
        ]
    return section(
        "Walk-forward",
        "In each window the parameters are searched in its training range and judged in the test "
        "range after it.",
        *parts,
    )


def _trades(report: Mapping[str, Any]) -> Html:
    trades = report["trades"]
    if not trades:
        return section("Trades", "It never traded.")
    return join(section("Trades", None, trades_table(trades, report["ranges"]["split"])))
