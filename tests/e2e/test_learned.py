"""The page of learned weights in a real browser: what is known, what is not, what one does."""

import re
from collections.abc import Iterator
from uuid import UUID

import asyncpg
import pytest
from broken_studio import BrokenStudio, seeded
from playwright.sync_api import Browser, Page, expect

from tests.component.rl_rows import RUNNING, SEEDS, TRAINED, WARNING, learned
from tests.component.studio_rows import HALF_HOUR, START, series_of

pytestmark = pytest.mark.e2e

SIZES = {"laptop": (1440, 900), "phone": (390, 844)}
SOON_MS = 60_000
DAY = 86_400_000
CHECK = "/api/rl/train/check"
CLAIMS = re.compile(r"No model|No weights|No training yet|cannot train|not measured", re.IGNORECASE)
MODELS: dict[str, UUID] = {}


async def _rows(pool: asyncpg.Pool) -> None:
    await seeded(pool)
    MODELS.update(await learned(pool))


async def _none(_: asyncpg.Pool) -> None:
    """Nothing at all."""


@pytest.fixture(scope="module")
def running() -> Iterator[BrokenStudio]:
    studio = BrokenStudio(_rows)
    with studio.running():
        yield studio


@pytest.fixture
def studio(running: BrokenStudio) -> Iterator[BrokenStudio]:
    """The service, whole again after each test."""
    yield running
    running.failing, running.answers = set(), {}


def opened(browser: Browser, studio: BrokenStudio, size: str, query: str = "") -> tuple[Page, list]:
    """Open the page; the list gathers what the browser complains of."""
    width, height = SIZES[size]
    is_phone = size == "phone"
    context = browser.new_context(
        viewport={"width": width, "height": height}, is_mobile=is_phone, has_touch=is_phone
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        # what is asked for and not there is the page's to say
        lambda one: (
            complaints.append(one.text)
            if one.type == "error" and "Failed to load resource" not in one.text
            else None
        ),
    )
    page.goto(
        studio.address.replace("/?", f"/rl-portfolio?{query}&" if query else "/rl-portfolio?")
    )
    expect(page.get_by_test_id("connection")).to_have_text("live", timeout=SOON_MS)
    return page, complaints


def stage_of(studio: BrokenStudio, name: str) -> tuple[str, list[str]]:
    """Return a model's stage and what was set aside for it, as the database has them."""
    row = studio.row("select stage, overrides from rl_models where name = $1", name)
    return row["stage"], row["overrides"]


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@pytest.mark.parametrize("size", SIZES)
def test_everything_is_shown_and_nothing_is_wider_than_the_page(
    browser: Browser, studio: BrokenStudio, size: str
) -> None:
    page, complaints = opened(browser, studio, size, f"model={MODELS['first look']}&job={TRAINED}")
    who = page.get_by_test_id("who")
    expect(who).to_contain_text("older", timeout=SOON_MS)
    expect(who.get_by_test_id("override")).to_contain_text("Reason: it looked better in the replay")
    expect(page.get_by_test_id("fallback")).to_contain_text("8.9 % 30 of 336 closes")
    expect(page.get_by_test_id("shadows")).to_contain_text("9.0 of 14 days left")

    chart = page.get_by_test_id("weights-chart")
    expect(chart).to_have_attribute("data-closes", "400")
    expect(chart).to_have_attribute("data-fallbacks", "1")
    expect(chart).to_have_attribute("data-switches", "1")
    expect(page.get_by_test_id("held").locator("tbody tr")).to_have_count(4)
    chart.focus()
    page.keyboard.press("Home")
    expect(page.get_by_test_id("vector")).to_contain_text("2018-03-01 00:30 UTC by inverse volat")
    expect(page.get_by_test_id("held")).not_to_contain_text("Held")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("vector")).to_contain_text("Last decision 2018-03-09 08:00")

    page.get_by_role("link", name="beside in shadow").click()
    expect(page.get_by_test_id("vector")).to_contain_text("In shadow, decided 2018-03-09 08:00")
    expect(chart).to_have_attribute("data-switches", "0")
    page.go_back()
    expect(chart).to_have_attribute("data-switches", "1")

    expect(page.get_by_test_id("models").locator("tbody tr")).to_have_count(4)
    model = page.get_by_test_id("model")
    expect(model.get_by_test_id("warning")).to_have_text(WARNING)
    expect(model).to_contain_text("Looked at this test range: 2 times.")
    expect(model.get_by_test_id("baselines").locator("tbody tr")).to_have_count(9)
    expect(model.get_by_test_id("excess").locator('[data-crosses="true"]')).to_have_count(8)
    gates = model.get_by_test_id("gates").locator("li")
    expect(gates).to_have_count(11)
    assert [one.get_attribute("class") for one in gates.all()] == ["refused"] * 4 + ["passed"] * 7
    expect(model.get_by_test_id("model-events")).to_contain_text("trained: refused by 4 of 11")

    curves = page.locator('[data-testid="seed-curves"][data-metric="validation_excess"]')
    expect(curves).to_have_attribute("data-seeds", str(SEEDS))
    expect(curves).to_have_attribute("data-points", "11")
    expect(page.get_by_test_id("seed-curves")).to_have_count(8)
    expect(page.get_by_test_id("checked")).not_to_have_text("")
    assert overflow(page) == 0
    # two side by side
    model.get_by_role("link", name="Compare with beside").click()
    expect(model.locator("article")).to_have_count(2)
    assert overflow(page) == 0
    page.go_back()
    expect(model.locator("article")).to_have_count(1)
    assert complaints == []
    page.context.close()


def test_views_are_links(browser: Browser, studio: BrokenStudio) -> None:
    page, complaints = opened(browser, studio, "laptop", "stage=REFUSED&view=table&days=7")
    expect(page.get_by_test_id("models").locator("tbody tr")).to_have_count(1, timeout=SOON_MS)
    expect(page.get_by_test_id("vectors").locator("tbody tr")).to_have_count(200)
    expect(page.get_by_test_id("weights-chart")).to_have_count(0)
    page.get_by_role("link", name="shadow 1").click()
    expect(page.get_by_test_id("models")).to_contain_text("beside")
    page.get_by_test_id("models").get_by_role("link").first.click()
    expect(page.get_by_test_id("model")).to_contain_text("Passed all 11 gates.")
    assert page.url.endswith(f"stage=SHADOW&view=table&days=7&model={MODELS['beside']}")
    page.reload()
    expect(page.get_by_test_id("model")).to_contain_text("Passed all 11 gates.", timeout=SOON_MS)
    page.get_by_role("link", name="Trading", exact=True).click()
    expect(page.get_by_test_id("weights")).to_be_visible()
    page.go_back()
    expect(page.get_by_test_id("model")).to_contain_text("Passed all 11 gates.")
    assert complaints == []
    page.context.close()


def test_the_form_says_at_once_what_comes_of_it(browser: Browser, studio: BrokenStudio) -> None:
    parts = {
        "train": {"start": 0, "end": 300 * DAY, "days": 300},
        "validation": {"start": 309 * DAY, "end": 409 * DAY, "days": 100},
        "test": {"start": 418 * DAY, "end": 518 * DAY, "days": 100},
    }
    told = {
        "refusals": [], "warnings": ["4 seeds are fewer than the 8 that the gates want"],
        "seconds": 540, "embargo_days": 9, "parts": parts, "configurations": [], "trainer": True,
        "free_bytes": None,
    }  # fmt: skip
    page, _ = opened(browser, studio, "laptop")
    form, start = page.get_by_test_id("train"), page.get_by_role("button", name="Start training")
    # the demo's nine days are too few
    expect(form).to_contain_text("no trainer is running: start it with", timeout=SOON_MS)
    expect(form).to_contain_text("0 days to test on, and fewer than 90 show nothing")
    queue = page.get_by_role("button", name="Queue training, to wait for a trainer")
    expect(queue).to_be_disabled()
    studio.answers = {CHECK: told | {"trainer": False}}
    form.get_by_label("Budget").fill("2")
    expect(form).to_contain_text("No trainer runs here, so a training waits")
    # what the check allows the service may still refuse
    queue.click()
    expect(form.get_by_role("alert")).to_contain_text("fewer than 90 show nothing")

    studio.answers = {CHECK: told}
    form.get_by_label("Seeds").fill("4")
    expect(form).to_contain_text("4 seeds are fewer than the 8")
    expect(page.get_by_test_id("split").locator("li")).to_have_text(
        [
            re.compile("train 300 d"), re.compile("embargo 9 d"), re.compile("validation 100 d"),
            re.compile("embargo 9 d"), re.compile("test 100 d"),
        ]
    )  # fmt: skip
    expect(start).to_have_text("Start training, about 9 min")
    expect(start).to_be_enabled()
    studio.answers = {CHECK: told | {"refusals": ["the test part is 60 days, at least 90"]}}
    form.get_by_label("From").fill("2018-01-01")
    expect(form).to_contain_text("the test part is 60 days, at least 90")
    expect(start).to_be_disabled()
    form.get_by_label("Seeds").fill("x")
    expect(form).to_contain_text("Seeds is a number of 0 or more.")
    studio.answers, studio.failing = {}, {CHECK}
    form.get_by_label("Seeds").fill("8")
    expect(form).to_contain_text("is not known: the database does not answer")
    page.context.close()


def test_a_training_that_runs_is_followed(browser: Browser, studio: BrokenStudio) -> None:
    page, complaints = opened(browser, studio, "laptop")
    state = page.get_by_test_id("job-state")
    expect(state).to_contain_text("wider nets", timeout=SOON_MS)
    expect(state).to_contain_text("3,100,000 of 8,000,000 steps over all seeds, about")
    curves = page.locator('[data-testid="seed-curves"][data-metric="validation_excess"]')
    curves.focus()
    page.keyboard.press("Home")
    expect(curves).to_have_attribute("aria-label", re.compile("by step: after 82 k steps: "))
    with page.expect_request(re.compile(f"/api/rl/jobs/{RUNNING}/cancel$")) as asked:
        state.get_by_role("button", name="Cancel").click()
    assert asked.value.method == "POST"
    expect(state).to_contain_text("being cancelled")
    expect(state.get_by_role("button", name="Cancel")).to_have_count(0)
    assert complaints == []
    page.context.close()


def test_one_failing_question_is_said_and_leaves_the_others(
    browser: Browser, studio: BrokenStudio
) -> None:
    studio.failing = {"/api/rl/models"}
    page, _ = opened(browser, studio, "laptop")
    history = page.get_by_role("region", name="Training history")
    expect(history).to_contain_text("Not known: the database does not answer", timeout=SOON_MS)
    expect(page.get_by_test_id("who")).to_contain_text("older")
    expect(page.get_by_test_id("weights-chart")).to_be_visible()
    studio.failing = set()
    history.get_by_role("button", name="ask again").click()
    expect(page.get_by_test_id("models").locator("tbody tr")).to_have_count(4)
    page.context.close()


def test_nothing_is_claimed_while_nothing_is_answered(
    browser: Browser, studio: BrokenStudio
) -> None:
    names = ("status", "models", "jobs", "allocations", "train/check")
    studio.failing = {f"/api/rl/{name}" for name in names}
    page, _ = opened(browser, studio, "laptop")
    expect(page.get_by_text("Not known: ")).to_have_count(4, timeout=SOON_MS)
    expect(page.get_by_test_id("checked")).to_contain_text("is not known: the database does not")
    assert CLAIMS.findall(page.locator("main").inner_text()) == []
    page.context.close()


@pytest.mark.parametrize("size", SIZES)
def test_an_empty_database_says_what_to_do(browser: Browser, size: str) -> None:
    empty = BrokenStudio(_none)
    with empty.running():
        page, complaints = opened(browser, empty, size)
        who = page.get_by_test_id("who")
        expect(who).to_contain_text("No model decides", timeout=SOON_MS)
        history = page.get_by_role("region", name="Training history")
        expect(history).to_contain_text("No model was trained yet: start a training below")
        expect(page.get_by_text("No weights were decided in this range.")).to_be_visible()
        expect(page.get_by_text("No training yet: its curves are drawn here")).to_be_visible()
        assert overflow(page) == 0
        assert complaints == []
        page.context.close()


def test_a_refused_model_is_promoted_by_name_and_reason_then_rolled_back_and_retired(
    browser: Browser, studio: BrokenStudio
) -> None:
    """After the others: it changes who decides."""
    page, complaints = opened(browser, studio, "laptop", f"model={MODELS['first look']}")
    page.get_by_test_id("model").get_by_role("button", name="Promote …").click(timeout=SOON_MS)
    dialog = page.get_by_test_id("decide")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    watching, _ = opened(browser, studio, "phone")
    expect(watching.get_by_test_id("who")).to_contain_text("older")
    dialog.get_by_label("active: it sizes the next entries").check()
    expect(dialog.get_by_test_id("gates")).to_contain_text("Beats every baseline")
    expect(dialog.get_by_test_id("set-aside")).to_contain_text("it is not in SHADOW")
    expect(dialog).to_contain_text("older is retired for it")
    act = dialog.get_by_role("button", name="Promote first look to active")
    expect(act).to_be_disabled()
    dialog.get_by_label("Reason").fill("to see what comes of it")
    expect(act).to_be_disabled()
    name = dialog.get_by_label("Type its name")
    name.fill("first")
    expect(act).to_be_disabled()
    name.fill("first look")
    name.press("Enter")
    assert stage_of(studio, "first look")[0] == "REFUSED"  # Enter does not confirm
    act.click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_test_id("who")).to_contain_text("first look")
    stage, overrides = stage_of(studio, "first look")
    assert (stage, stage_of(studio, "older")[0]) == ("ACTIVE", "RETIRED")
    assert overrides[0].endswith("Reason: to see what comes of it")
    # the other page is told
    expect(watching.get_by_test_id("override")).to_contain_text("to see what comes of it")

    page.get_by_role("button", name="Roll back to older …").first.click()
    dialog.get_by_label("Reason").fill("it was not")
    dialog.get_by_label("Type its name").fill("older")
    dialog.get_by_role("button", name="Roll back to older").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_test_id("who")).to_contain_text("it was not")
    assert stage_of(studio, "older")[0] == "ACTIVE"

    page.get_by_test_id("who").get_by_role("button", name="Retire …").click()
    dialog.get_by_label("Reason").fill("enough")
    with page.expect_response(re.compile("/retire$")) as answered:
        dialog.get_by_role("button", name="Retire older").click()
    assert answered.value.status == 200
    expect(page.get_by_test_id("who")).to_contain_text("No model decides")
    assert stage_of(studio, "older")[0] == "RETIRED"
    with page.expect_download() as loaded:
        page.get_by_test_id("model").get_by_role("link", name="Export").click()
    assert loaded.value.suggested_filename == f"model-{str(MODELS['first look'])[:8]}.npz"
    assert complaints == []
    for one in (page, watching):
        one.context.close()


def test_weights_that_do_not_follow_are_said_to_be_old(
    browser: Browser, studio: BrokenStudio
) -> None:
    page, _ = opened(browser, studio, "laptop")
    expect(page.get_by_test_id("weights-chart")).to_be_visible(timeout=SOON_MS)
    expect(page.get_by_test_id("stale")).to_have_count(0)
    for n in range(400, 404):
        studio.candle(series_of("BTC/USD"), START + n * HALF_HOUR, START + (n + 1) * HALF_HOUR)
    weights = page.get_by_role("region", name="Portfolio weights")
    expect(weights.get_by_test_id("stale")).to_contain_text("2 h behind the candles: the last")
    expect(weights).to_have_attribute("data-stale", "true")
    page.context.close()
