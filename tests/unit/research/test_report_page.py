"""The report as one page: what it says, what it never does, and how it draws."""

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.report_example import DAY, example_report
from tradepulse.research.report_page import POLICY, report_page
from tradepulse.research.report_page.markup import Html, el
from tradepulse.research.report_page.scales import HOUR_MS, TimeScale, ValueScale
from tradepulse.research.report_page.tables import FIGURES
from tradepulse.research.report_page.text import measured, number, price, short
from tradepulse.trading.metrics import Metrics

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"' style='x'"
REPORT = example_report()


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.cells: list[str] = []
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag in self.raw:
            self.raw[tag].append("")

    def handle_data(self, data: str) -> None:
        if self._inside in self.raw:
            self.raw[self._inside][-1] += data
        else:
            self.cells.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.cells).split())

    def of(self, css_class: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.tags if css_class in (a.get("class") or "").split()]


def page(**changes: Any) -> Page:
    return Page(report_page(example_report(**changes)))


def spoiled(value: Any) -> Any:
    """The same with something hostile at the end of every text and every name of a parameter."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, dict):
        hostile = {"params", "details"} & set(value)
        return {
            k: {n + HOSTILE: spoiled(one) for n, one in v.items()} if k in hostile else spoiled(v)
            for k, v in value.items()
        }
    return [spoiled(one) for one in value] if isinstance(value, list) else value


class TestItStandsAlone:
    def test_nothing_is_loaded_from_anywhere(self) -> None:
        found = page()
        names = Counter(name for _, attributes in found.tags for name in attributes)
        loading = {"src", "href", "srcset", "action", "data", "poster", "background", "xlink:href"}
        assert not loading & set(names)
        assert not [name for name in names if name.startswith("on") or name == "style"]
        assert not {tag for tag, _ in found.tags} & {
            *("link", "img", "iframe", "object", "embed", "base", "form", "video", "audio", "use")
        }
        [style] = found.raw["style"]
        assert not re.search(r"@import|url\(|@font-face|expression|image-set", style)
        script = found.raw["script"][1]
        assert not re.search(
            r"fetch|XMLHttp|WebSocket|EventSource|import|eval|Function\(|innerHTML|http:(?!//www\.w3)",
            script,
        )

    def test_its_own_policy_forbids_what_it_does_not_have(self) -> None:
        found = page()
        [policy] = [
            attributes["content"]
            for tag, attributes in found.tags
            if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
        ]
        assert policy == POLICY
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        for source in (found.raw["style"][0], found.raw["script"][1]):
            digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy

    def test_what_comes_from_data_is_only_text(self) -> None:
        report = spoiled(REPORT)
        found, usual = Page(report_page(report)), page()
        assert Counter(tag for tag, _ in found.tags) == Counter(tag for tag, _ in usual.tags)
        names = Counter(name for _, attributes in found.tags for name in attributes)
        assert names == Counter(name for _, attributes in usual.tags for name in attributes)
        assert json.loads(found.raw["script"][0]) == report
        assert found.text.count("<img src=x onerror=alert(2)>") > 20

    def test_it_holds_the_whole_report(self) -> None:
        assert json.loads(page().raw["script"][0]) == REPORT

    def test_it_stays_small(self) -> None:
        assert len(report_page(REPORT)) < 500_000

    def test_another_version_is_refused(self) -> None:
        with pytest.raises(ValueError, match="version 2, this program reads 1; validate"):
            report_page(example_report(version=2))


class TestWords:
    def test_the_head_says_what_was_judged_and_how(self) -> None:
        text = page().text
        assert text.startswith("sma cross on BTC/USD 30m: refused Validation report")
        assert "refused refused: 2 of 4 gates did not pass" in text
        assert "In-sample 2020-09-13 to 2020-12-09" in text
        assert "Out-of-sample 2020-12-09 to 2021-01-16" in text
        assert "Parameter sets tried 4,812" in text
        assert "Search bayesian, seed 7 Searched for Sharpe ratio" in text
        assert "Gates passed 2 of 4" in text
        assert "slow 120 stop atr 2.5" in text

    def test_each_gate_says_figure_threshold_verdict(self) -> None:
        text = page().text
        assert (
            "Deflated Sharpe ratio 0.62 at least 0.95 The best of 4,812 random sets would look as "
            "good with probability 0.38. details expected maximum 1.9 skewness \u22120.3 trials "
            "4,812"
        ) in text
        assert "Probability of backtest overfitting 0.18 at most 0.2 Of 924 splits" in text
        assert "Net profit at double costs \u22123.42 % at least 0 % With fees" in text
        assert "Neighbours that stay profitable \u2013 at least 0.6 No parameter" in text
        states = [a["class"] for tag, a in page().tags if tag == "strong"]
        assert states == ["badge refused"] * 2 + ["badge passed", "badge refused", "badge passed"]

    def test_a_pass_is_said_as_one(self) -> None:
        found = page(passed=True, verdict="All gates passed.")
        assert "passed All gates passed." in found.text
        assert found.of("badge")[0]["class"] == "badge passed"

    def test_both_samples_stand_side_by_side_with_the_trials(self) -> None:
        figures = {
            "in_sample": {"sharpe": 2.345, "net_profit_pct": 1_234.5, "gross_win_rate": 0.5},
            "out_of_sample": {"sharpe": -0.1, "net_profit_pct": -4.0, "gross_win_rate": None},
        }
        text = page(figures=figures).text
        assert "the best of 4,812 parameter sets tried" in text
        assert "Net profit % 1,234.50 \u22124.00" in text
        assert "Sharpe ratio a year 2.35 \u22120.10" in text or "2.34 \u22120.10" in text
        assert "Won before fees % of trades 50.0 \u2013" in text

    def test_a_dash_has_its_reason(self) -> None:
        text = page().text
        assert "Calmar ratio growth a year / drawdown \u2013 \u2013" in text
        assert "\u2013 is undefined. Calmar ratio: fewer than 30 days, or no fall." in text
        defined = dict.fromkeys(REPORT["figures"]["in_sample"], 1.0)
        whole = page(figures={"in_sample": defined, "out_of_sample": defined})
        assert "is undefined" not in whole.text
        assert "Trades closed 1 1 Equity, drawdown" in whole.text

    def test_every_figure_has_its_row(self) -> None:
        assert set(FIGURES) == {field.name for field in fields(Metrics)}

    def test_one_made_by_hand_says_so(self) -> None:
        search = {"trials": 0, "method": "", "objective": "profit_drawdown", "seed": 0}
        text = page(search=search).text
        assert "Search none, made by hand Searched for Profit drawdown" in text
        assert "Rolling windows: Sharpe ratio of each" in text

    def test_a_window_without_a_choice(self) -> None:
        windows = REPORT["walk_forward"]["windows"]
        nothing = windows[0] | {"params": {}}
        assert "no set was allowed" in page(walk_forward={"windows": [nothing]}).text
        two = {"windows": [nothing, windows[1]]}
        assert "no set was allowed 5.9" in page(walk_forward=two).text
        same = {"windows": [windows[0], windows[0]]}
        assert "the same in every window" in page(walk_forward=same).text

    def test_windows_show_the_parameters_that_differ(self) -> None:
        text = page().text
        assert "Rolling windows: Sharpe ratio of each" in text
        assert "2020-09-13 to 2020-10-11 2020-10-12 to 2020-10-25 fast 30 5.9 1.70 32" in text
        assert "slow 120 5.9" not in text


class TestLittleData:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"heat_map": None}, "No map: fewer than two parameters were searched."),
            ({"walk_forward": {"windows": []}}, "No window fits into the range."),
            ({"trades": []}, "It never traded."),
            ({"gates": []}, "Gates passed 0 of 0"),
        ],
    )
    def test_what_is_not_there_is_said(self, changes: dict[str, Any], said: str) -> None:
        assert said in page(**changes).text

    @pytest.mark.parametrize(
        "equity",
        [
            {"close_time": [], "equity": [], "drawdown_pct": []},
            {"close_time": [1], "equity": [10_000.0], "drawdown_pct": [0.0]},
            {"close_time": [1, 2], "equity": [5.0, 5.0], "drawdown_pct": [0.0, 0.0]},
            {"close_time": [1, 2, 3], "equity": [5.0, None, 0.0], "drawdown_pct": [0, None, 100]},
        ],
    )
    def test_curves_of_hardly_anything(self, equity: dict[str, Any]) -> None:
        price = {"close_time": equity["close_time"], "close": [1e-7] * len(equity["close_time"])}
        ranges = {"start": 1, "split": 2, "end": 3}
        found = page(equity=equity, price=price, ranges=ranges, trades=[])
        assert not re.search(r"\bnan\b|\binf\b", " ".join(a.get("d") or "" for _, a in found.tags))

    def test_one_instant(self) -> None:
        ranges = {"start": 5, "split": 5, "end": 5}
        nothing = {"close_time": [], "equity": [], "drawdown_pct": [], "close": []}
        assert page(ranges=ranges, equity=nothing, price=nothing, trades=[]).of("drawn")


def paths(found: Page, css_class: str) -> list[list[tuple[float, float]]]:
    """The subpaths of a drawing, as points."""
    [one] = [a["d"] or "" for a in found.of(css_class) if "d" in a]
    return [
        [tuple(map(float, point.split())) for point in part.split("L")]  # type: ignore[misc]  # pairs
        for part in re.sub(r"h0|Z", "", one).split("M")[1:]
    ]


class TestDrawings:
    def test_the_split_lies_where_it_is(self) -> None:
        ranges = {"start": 0, "split": 75 * DAY, "end": 100 * DAY}
        [split] = page(ranges=ranges).of("split")
        assert split["x1"] == split["x2"] == "75.000%"
        [outside] = page(ranges=ranges).of("outside")
        assert (outside["x"], outside["width"]) == ("75.000%", "25.000%")

    def test_a_curve_goes_through_its_values_and_breaks_where_undefined(self) -> None:
        times = [0, 25, 50, 75, 100]
        equity = {
            "close_time": times,
            "equity": [100.0, 200.0, None, 100.0, 150.0],
            "drawdown_pct": [0.0, 0.0, None, 50.0, 25.0],
        }
        found = page(ranges={"start": 0, "split": 50, "end": 100}, equity=equity)
        first, second = paths(found, "worth")
        assert [x for x, _ in first + second] == [0, 250, 750, 1000]
        low, high = second[0][1], first[1][1]
        assert first[0][1] == low > high
        assert second[1][1] == pytest.approx((low + high) / 2, abs=0.1)
        assert high == pytest.approx(190 * 0.05 / 1.1, abs=0.1)

    def test_each_trade_is_a_line_from_entry_to_exit(self) -> None:
        entry, leave = REPORT["ranges"]["start"] + DAY, REPORT["ranges"]["start"] + 2 * DAY
        base = {"exit_reason": "signal", "entry_price": 100.0, "exit_price": 110.0}
        times = {"entry_time": entry, "exit_time": leave}
        trades = [
            base | times | {"side": "long", "profit": 5.0},
            base | times | {"side": "short", "profit": -5.0},
            base | times | {"side": "short", "profit": -1.0},
        ]
        found = page(trades=trades)
        [[start, end]] = paths(found, "won")
        assert start[0] < end[0]
        assert start[1] > end[1]
        assert paths(found, "lost") == [[start, end]] * 2
        assert paths(found, "long") == [[start]]
        assert paths(found, "short") == [[start]] * 2
        assert "3 trades" in found.text

    def test_only_the_last_trades_are_listed(self) -> None:
        found = page(trades=REPORT["trades"] * 5)
        assert f"{len(REPORT['trades']) * 5} trades, the last 300" in found.text

    def test_bars_stand_on_zero_and_gaps_are_dashes(self) -> None:
        def window(inside: float | None, outside: float | None) -> dict[str, Any]:
            one = REPORT["walk_forward"]["windows"][0]
            return one | {"in_sample": {"sharpe": inside}, "out_of_sample": {"sharpe": outside}}

        found = page(walk_forward={"windows": [window(2.0, -1.0), window(1.0, None)]})
        first, second = [a for a in found.of("in-sample") if "height" in a]
        [outside] = [a for a in found.of("out-of-sample") if "height" in a]
        assert float(first["height"] or 0) == pytest.approx(2 * float(second["height"] or 0), abs=1)
        zero = float(first["y"] or 0) + float(first["height"] or 0)
        assert float(outside["y"] or 0) == pytest.approx(zero, abs=0.2)
        assert float(outside["height"] or 0) == pytest.approx(float(second["height"] or 0), abs=0.2)
        assert float(first["x"][:-1]) < float(outside["x"][:-1]) < float(second["x"][:-1])  # type: ignore[index]  # there

    def test_the_map_marks_the_chosen_set_on_one_scale(self) -> None:
        found = page()
        chosen = [a["class"] for tag, a in found.tags if tag == "td" and "chosen" in str(a)]
        assert chosen == ["heat-4 chosen", "heat-0 chosen"]
        assert "\u22121.10 1.10" in found.text
        cells = [a["class"] for tag, a in found.tags if tag == "td" and "heat-" in str(a)]
        assert len(cells) == 2 * 5 * 6
        assert cells.count("heat-none") == 2

    def test_the_best_value_sets_the_scale(self) -> None:
        rows = {"in_sample": [[2.0, -9.0]], "out_of_sample": [[-2.0, 1.0]]}
        axes = {"x": {"name": "a", "values": [1, 2]}, "y": {"name": "b", "values": [3]}}
        found = page(heat_map=REPORT["heat_map"] | rows | axes)
        cells = [a["class"] for tag, a in found.tags if tag == "td" and "heat-" in str(a)]
        assert cells == ["heat-4", "heat--4", "heat--4", "heat-2"]
        assert "\u22122.00 or less 2.00" in found.text

    def test_a_map_without_any_difference(self) -> None:
        flat = REPORT["heat_map"] | {"in_sample": [[0.0]], "out_of_sample": [[None]]}
        flat |= {"x": {"name": "a", "values": [1]}, "y": {"name": "b", "values": [2]}}
        assert page(heat_map=flat).of("heat-0")


class TestScales:
    @given(
        st.lists(st.floats(-1e9, 1e9).map(lambda v: round(v, 4)), min_size=1, max_size=5),
        st.booleans(),
    )
    def test_levels_are_round_few_and_inside(self, values: list[float], zero: bool) -> None:
        scale = ValueScale.around(values, 100, zero=zero)
        assert all(-1e-9 <= scale.y(value) <= 100 + 1e-9 for value in values)
        ticks = scale.ticks()
        assert 1 <= len(ticks) <= 6
        assert all(-1e-6 <= scale.y(value) <= 100 + 1e-6 for value, _ in ticks)
        labels = [label for _, label in ticks]
        assert len(set(labels)) == len(labels)
        if max(values) - min(values) > 1e-3:
            for value, label in ticks:
                read = float(label.replace(",", "").replace("\u2212", "-"))
                assert read == pytest.approx(value, abs=1e-9 * max(1, abs(value)))

    @given(
        st.integers(1_300_000_000_000, 1_900_000_000_000),
        st.integers(12 * HOUR_MS, 4_000 * DAY),
        st.sampled_from([8, 32, 128]),
    )
    def test_times_are_round_few_and_inside(self, start: int, span: int, most: int) -> None:
        ticks = TimeScale(start, start + span).ticks(most)
        assert len(ticks) <= most * 1.3 + 1
        assert all(start <= ms <= start + span and ms % HOUR_MS == 0 for ms, _ in ticks)
        assert ticks == sorted(ticks)
        assert len({label for _, label in ticks}) == len(ticks)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda: number(-1_234.5), "\u22121,234.50"),
        (lambda: number(-0.001), "0.00"),
        (lambda: number(2, 0, sign=True), "+2"),
        (lambda: number(float("nan")), "\u2013"),
        (lambda: short(0.00012345678), "0.00012346"),
        (lambda: short(1200.0), "1,200"),
        (lambda: short(0), "0"),
        (lambda: price(12_345.678), "12,345.68"),
        (lambda: price(0.5), "0.5"),
        (lambda: measured(0.95, "probability"), "0.95"),
        (lambda: measured(30, "trades"), "30 trades"),
        (lambda: measured(None, "%"), "\u2013"),
        (lambda: measured(float("inf"), "%"), "\u2013"),
        (lambda: el("p", "<", None, Html("<b>"), a_b='"', id=True, x=None),
         '<p a-b="&quot;" id>&lt;<b></p>'),
    ],
)  # fmt: skip
def test_texts(made: Callable[[], str], expected: str) -> None:
    assert made() == expected
