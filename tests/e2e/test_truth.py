"""The page in a real browser: what is shown of known rows, and of a service that fails.

The unknown is never shown as none.
"""

import re
from collections.abc import Iterator

import pytest
from broken_studio import BrokenStudio
from playwright.sync_api import Browser, Page, expect

from tests.component.studio_rows import HALF_HOUR, START, configuration_id, series_of

pytestmark = pytest.mark.e2e

SOON_MS = 60_000
CLAIMS = re.compile(
    "No position is open|Waiting for the first|No configuration yet|No job yet|No real order|paper|"
    "No series is subscribed|No candle is stored|No gap is",
    re.IGNORECASE,
)
PANELS = 10
BTC = series_of("BTC/USD")


@pytest.fixture(scope="module")
def running() -> Iterator[BrokenStudio]:
    studio = BrokenStudio()
    with studio.running():
        yield studio


@pytest.fixture
def studio(running: BrokenStudio) -> Iterator[BrokenStudio]:
    """The service, whole again after each test."""
    running.asked.clear()
    yield running
    running.failing, running.is_frozen = set(), False


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def test_one_failing_request_is_said_and_leaves_all_else_right(
    page: Page, studio: BrokenStudio
) -> None:
    studio.failing = {"/api/positions"}
    page.goto(studio.address)
    expect(page.get_by_test_id("connection")).to_have_text("live", timeout=SOON_MS)
    positions = page.get_by_role("region", name="Open positions")
    expect(positions).to_contain_text("Not known: the database does not answer")
    expect(positions).not_to_contain_text("No position is open")
    expect(page.locator("main [data-known=ready]")).to_have_count(PANELS - 1)
    expect(page.get_by_test_id("orders").locator("tbody tr").first).to_be_visible()

    # it is asked for again by itself; nothing else is, and the stream stays
    page.wait_for_function("() => true")
    while studio.asked["/api/positions"] < 4:
        page.wait_for_timeout(100)
    assert studio.asked["/api/stream"] <= 2  # one without a series, one with the first
    assert studio.asked["/api/orders"] == studio.asked["/api/stream"]
    studio.failing = set()
    positions.get_by_role("button", name="ask again").click()
    expect(page.get_by_test_id("positions").locator("tbody tr")).to_have_count(1)
    expect(page.locator("[data-known=failed]")).to_have_count(0)


def _paths(studio: BrokenStudio) -> set[str]:
    return {path for path in studio.asked if path.startswith("/api/")} - {"/api/stream"}


def test_nothing_is_claimed_while_nothing_is_answered(page: Page, studio: BrokenStudio) -> None:
    page.goto(studio.address)
    expect(page.get_by_test_id("mode")).to_have_text("paper", timeout=SOON_MS)
    # the browser keeps six connections, so what is shown may be asked for later than the mode
    while len(asked := _paths(studio)) < 13:
        page.wait_for_timeout(100)
    for address in ("/", "/market-data"):
        studio.failing = asked | {"/api/gaps", "/api/coverage", "/api/venues"}
        page.goto(studio.address.replace("/?", f"{address}?"))
        expect(page.get_by_text("Not known: ").first).to_be_visible(timeout=SOON_MS)
        text = page.locator("body").inner_text()
        assert CLAIMS.findall(text) == []
        studio.failing = set()


def test_a_frozen_server_is_no_live_one(page: Page, studio: BrokenStudio) -> None:
    page.goto(studio.address)
    expect(page.get_by_test_id("connection")).to_have_text("live", timeout=SOON_MS)
    expect(page.locator('[data-testid="service"][data-state="ready"]')).to_have_count(1)
    expect(page.locator("main [data-known=ready]")).to_have_count(PANELS)
    studio.is_frozen = True
    lost = page.get_by_test_id("lost")
    expect(lost).to_contain_text("No connection since", timeout=SOON_MS)
    expect(page.get_by_test_id("connection")).to_have_text("reconnecting")
    expect(page.locator("main.cut")).to_be_visible()
    expect(page.locator('[data-testid="service"][data-state="unknown"]')).to_have_count(1)
    # what was known stays, grey
    expect(page.get_by_test_id("positions").locator("tbody tr")).to_have_count(1)
    studio.is_frozen = False
    expect(page.get_by_test_id("connection")).to_have_text("live", timeout=SOON_MS)
    expect(lost).to_have_count(0)
    expect(page.locator("main.cut")).to_have_count(0)


def test_rows_say_whose_they_are_and_are_shown_alone(page: Page, studio: BrokenStudio) -> None:
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(studio.address)
    orders = page.get_by_test_id("orders").locator("tbody tr")
    expect(orders.first).to_be_visible(timeout=SOON_MS)
    told = orders.count()
    eth = str(configuration_id("ETH/USD", "sma_cross"))
    orders.get_by_text(f"sma cross {eth[:8]}").first.click()
    of_eth = "from {} where configuration_id = $1::uuid"
    expect(orders).to_have_count(studio.count(of_eth.format("orders"), eth))
    # what is shown is in the address
    page.reload()
    trades = page.get_by_test_id("trades-table").locator("tbody tr")
    closed = studio.count(of_eth.format("positions") + " and exit_time is not null", eth)
    expect(trades).to_have_count(closed)
    expect(page.get_by_test_id("positions").locator("tbody tr")).to_have_count(1)
    for table in ("orders", "signals", "trades-table", "positions"):
        owners = page.get_by_test_id(table).get_by_test_id("whose")
        expect(owners.first).to_have_attribute("data-configuration", eth)
        assert {one.get_attribute("data-configuration") for one in owners.all()} == {eth}
    # its own series is drawn, each trade with entry and exit, the open position with its entry
    chart = page.get_by_test_id("candle-chart")
    expect(chart).to_have_attribute("aria-label", re.compile("ETH/USD 30m"))
    expect(chart).to_have_attribute("data-markers", str(2 * closed + 1))

    btc = str(configuration_id("BTC/USD", "liquidity_sweep"))
    page.get_by_test_id("only").select_option(btc)
    expect(page.get_by_text("This configuration has ordered nothing yet.")).to_be_visible()
    expect(page.get_by_text("No position of this configuration is open.")).to_be_visible()
    expect(chart).to_have_attribute("aria-label", re.compile("BTC/USD 30m"))
    page.get_by_role("link", name="show all").click()
    expect(orders).to_have_count(told)
    assert complaints == []


def test_a_target_that_falls_is_shown_as_it_stands(page: Page, studio: BrokenStudio) -> None:
    held = "update positions set targets = $1 where exit_time is null returning entry_time"
    studio.row(held, [[0, "871.5"], [10_000, "869.25"]])
    page.goto(studio.address)
    position = page.get_by_test_id("positions").locator("tbody tr")
    expect(position).to_contain_text("871.50 ↓", timeout=SOON_MS)
    expect(position.get_by_title("falls to 869.25 at 2018-03-1")).to_be_visible()


def test_the_api_is_read_in_the_browser(page: Page, studio: BrokenStudio) -> None:
    complaints: list[str] = []
    page.goto(studio.address)
    page.on("console", lambda message: complaints.append(message.text))
    page.get_by_role("link", name="API").click()
    line = page.locator("summary").filter(has_text="GET /api/positions")
    expect(line).to_contain_text("Open positions, valued at the last settled closes")
    example = page.get_by_text('"strategy": "sma_cross"').locator("visible=true")
    expect(example).to_have_count(0)
    line.click()
    expect(example).to_have_count(1)
    expect(page.get_by_text("the step that comes after it", exact=False)).to_be_visible()
    # no script, and no style but our own
    assert [text for text in complaints if "favicon" not in text and "404" not in text] == []


def test_a_ledger_that_does_not_follow_is_said(page: Page, studio: BrokenStudio) -> None:
    page.goto(studio.address)
    expect(page.locator("main [data-known=ready]")).to_have_count(PANELS, timeout=SOON_MS)
    behind = page.get_by_test_id("behind")
    expect(behind).to_have_count(0)
    for n in range(400, 404):
        studio.candle(BTC, START + n * HALF_HOUR, START + (n + 1) * HALF_HOUR)
    expect(behind).to_contain_text("2 h behind the candles: the executor has settled 2018-03-09")
    expect(page.locator("main.late")).to_be_visible()
