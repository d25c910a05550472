"""The report's page in a real browser, from a file, without any network."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

import tradepulse as tp
from tests.candle_series import random_walk
from tests.report_example import example_report
from tradepulse.research.report_page import report_page

pytestmark = pytest.mark.e2e

REPORT = example_report()
WIDE, PHONE = (1200, 900), (390, 844)
LABELS = "[...document.querySelectorAll('.labels text')].map(one => one.textContent)"


class Opened:
    """The page, what it asked for, and what the browser complained of."""

    def __init__(self, browser: Browser, file: Path, size: tuple[int, int], **how: Any) -> None:
        self.asked: list[str] = []
        self.complaints: list[str] = []
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **how)
        context.route("**/*", self._note)
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.goto(file.as_uri())

    def _note(self, route: Route) -> None:
        self.asked.append(route.request.url)
        route.continue_() if route.request.url.startswith("file:") else route.abort()

    def width(self, selector: str) -> float:
        box = self.page.locator(selector).first.bounding_box()
        assert box is not None
        return box["width"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report_page(REPORT), encoding="utf-8")
    return path


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_offline(browser: Browser, file: Path, size: tuple[int, int], scheme: str) -> None:
    opened = Opened(browser, file, size, color_scheme=scheme)
    expect(opened.page.get_by_role("heading", level=1)).to_have_text("sma cross on BTC/USD 30m")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    for name in ("worth", "fall", "close", "trade.won", "trade.lost"):
        assert opened.width(f".panel .{name}") > 50
    assert opened.asked == [file.as_uri()]
    assert opened.complaints == []
    opened.page.context.close()


def test_without_its_script_it_is_whole(browser: Browser, file: Path) -> None:
    opened = Opened(browser, file, WIDE, java_script_enabled=False)
    assert opened.width(".panel .worth") > 500
    expect(opened.page.locator(".readout")).to_be_hidden()
    before = opened.width(".curves .drawn")
    opened.page.get_by_text("4\u00d7").click()
    assert opened.width(".curves .drawn") == pytest.approx(4 * before, rel=0.01)
    opened.page.context.close()


def test_a_zoom_fits_the_levels_to_what_is_in_view(browser: Browser, file: Path) -> None:
    opened = Opened(browser, file, WIDE)
    page, whole = opened.page, opened.page.evaluate(LABELS)
    page.get_by_text("16\u00d7").click()
    page.wait_for_function(f"(w) => JSON.stringify({LABELS}) !== JSON.stringify(w)", arg=whole)
    view = page.locator(".curves .view")
    middle = view.evaluate("e => (e.scrollLeft + e.clientWidth / 2) / e.scrollWidth")
    assert middle == pytest.approx(0.5, abs=0.01)
    # the labels of the whole range are the same, whoever wrote them
    page.get_by_text("1\u00d7", exact=True).click()
    page.wait_for_function(f"(w) => JSON.stringify({LABELS}) === JSON.stringify(w)", arg=whole)
    assert opened.complaints == []
    page.context.close()


def test_the_curves_are_read_by_pointer_and_by_keyboard(browser: Browser, file: Path) -> None:
    opened = Opened(browser, file, WIDE)
    page, readout = opened.page, opened.page.locator(".readout")
    expect(readout).to_contain_text("Point at the curves")
    page.locator(".curves .view").focus()
    page.keyboard.press("ArrowRight")
    expect(readout).to_contain_text("2020-09-13 00:30 in-sample · equity 10,000.00")
    page.keyboard.press("Shift+ArrowRight")
    expect(readout).not_to_contain_text("2020-09-13 00:30")
    box = page.locator(".curves .drawn").bounding_box()
    assert box is not None
    page.locator(".curves .drawn").hover(position={"x": box["width"] - 2, "y": 100})
    expect(readout).to_contain_text("out-of-sample · equity")
    expect(page.locator(".cursor")).to_have_attribute("visibility", "visible")
    trade = REPORT["trades"][10]
    start, end = REPORT["ranges"]["start"], REPORT["ranges"]["end"]
    inside = (trade["entry_time"] + trade["exit_time"]) / 2
    x = box["width"] * (inside - start) / (end - start)
    page.locator(".curves .drawn").hover(position={"x": x, "y": 100})
    expect(readout).to_contain_text(f"{trade['side']} since")
    expect(readout).to_contain_text(f"ends by {trade['exit_reason']}")
    assert opened.complaints == []
    page.context.close()


def test_print_shows_the_whole_range_on_white(browser: Browser, file: Path) -> None:
    opened = Opened(browser, file, WIDE, color_scheme="dark")
    page = opened.page
    page.get_by_text("4\u00d7").click()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert opened.width(".curves .drawn") <= WIDE[0]
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    expect(page.locator("fieldset")).to_be_hidden()
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.context.close()


def test_the_page_of_a_backtest(browser: Browser, tmp_path: Path) -> None:
    candles = random_walk("BTC/USD", 600, seed=1)
    run = tp.backtest(candles, "sma_cross", {"fast": 5, "slow": 20})
    opened = Opened(browser, run.report(tmp_path / "run.html"), WIDE)
    page = opened.page
    expect(page.get_by_role("heading", level=1)).to_have_text("sma_cross on BTC/USD 30m")
    for name in ("worth", "held", "fall", "wick", "trade.won", "trade.lost"):
        assert opened.width(f".panel .{name}") > 50
    assert page.locator(".split").count() == 0
    page.locator(".curves .view").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".readout")).to_contain_text("bought and held 99,850.")
    page.get_by_text("16\u00d7").click()
    assert opened.complaints == []
    page.context.close()
