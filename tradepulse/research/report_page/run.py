"""The page of a backtest, and its parts for a notebook.

The report is a mapping (times are epoch ms, undefined figures are null):

    {"title", "facts": [[name, value]], "notes": [sentence],
     "configurations": [{"series", "strategy", "params", "trades", "profit"}],
     "ranges": {"start", "end", "split": null},
     "figures": {"strategy": {figure: value}, "buy_and_hold": {..}, "cash": {..}},
     "equity": {"close_time": [..], "equity": [..], "drawdown_pct": [..], "buy_and_hold": [..]},
     "price": {"title", "close_time", "open", "high", "low", "close"},
     "trades": of the series whose prices they are, as of a validation's report,
     "all_trades": of the account, each with "symbol" and "strategy"}
"""

from collections.abc import Mapping
from typing import Any

from tradepulse.research.report_page.charts import curves, curves_legend
from tradepulse.research.report_page.markup import Html, el, join
from tradepulse.research.report_page.page import page_of, section, zoomed
from tradepulse.research.report_page.styles import DRAWING_STYLE, INSIDE
from tradepulse.research.report_page.tables import figures_table, table_of, trades_table
from tradepulse.research.report_page.text import number, words

SIDES = {"strategy": "Strategy", "buy_and_hold": "Bought and held", "cash": "Cash"}
"""What stands beside each other, by its name in `figures`."""


def run_page(report: Mapping[str, Any]) -> str:
    """Return a backtest as one page of HTML that opens offline; see the module."""
    trades = report["all_trades"]
    parts = (
        _header(report),
        section(
            "Figures",
            "Beside it: all the cash in equal parts in what was traded, bought at its first close "
            "and held; and the cash kept.",
            figures_table(report["figures"], SIDES),
        ),
        section("Equity, drawdown and trades", "Equity marks open positions at each close.",
                zoomed(report)),
        section("Configurations", None, _configurations(report)),
        section("Trades", None, trades_table(trades, None))
        if trades else section("Trades", "It never traded."),
    )  # fmt: skip
    return page_of(f"{report['title']}: backtest", "backtest", parts, report)


def run_drawing(report: Mapping[str, Any]) -> Html:
    """Return the curves as they stand in somebody else's page, with their own style."""
    return el(
        "div",
        el("style", Html(DRAWING_STYLE)),
        el("figure", curves_legend(report), curves(report), class_="curves", style="margin: 0"),
        class_=INSIDE,
    )


def run_figures(report: Mapping[str, Any]) -> Html:
    """Return title and figures as they stand in somebody else's page."""
    return join(el("p", el("b", report["title"])), figures_table(report["figures"], SIDES))


def _header(report: Mapping[str, Any]) -> Html:
    return el(
        "header",
        el("p", "Backtest", class_="kicker"),
        el("h1", report["title"]),
        el("dl", *(el("div", el("dt", name), el("dd", value)) for name, value in report["facts"]),
           class_="facts"),
        *(el("p", line, class_="note") for line in report["notes"]),
    )  # fmt: skip


def _configurations(report: Mapping[str, Any]) -> Html:
    rows = [
        el("tr", el("th", one["series"], scope="row"), el("td", words(one["strategy"])),
           el("td", one["params"]), el("td", number(one["trades"], 0), class_="number"),
           el("td", number(one["profit"], 2, sign=True), class_="number"))
        for one in report["configurations"]
    ]  # fmt: skip
    return table_of(("Series", "Strategy", "Parameters", "Trades#", "Profit#"), rows, "used")
