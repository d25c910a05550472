"""`sweep` and `validate` in Python; tests/integration/test_optimizer.py compares with a job's."""

import os
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

import tradepulse as tp
from optimizer_svc.search.trials import Costs, Subject
from optimizer_svc.validation import run
from tests.candle_series import random_walk
from tradepulse.library.found import Found
from tradepulse.library.heat import MOST
from tradepulse.library.verdicts import Verdict
from tradepulse.research.objectives import FIGURES
from tradepulse.research.search import samplers
from tradepulse.research.search.ranges import lookback_of_space
from tradepulse.strategies import get_strategy

CANDLES = random_walk("A/USD", 2_000, timeframe="1h")
DAY = 86_400_000
UNTIL = int(CANDLES.open_time[1_200])


def searched(**options: Any) -> Found:
    return tp.sweep(CANDLES, "sma_cross", **{"trials": 60, "until": UNTIL, **options})


@pytest.fixture(scope="module")
def found() -> Found:
    return searched(min_trades=20)


def test_the_frame_has_every_set_best_first(found: Found) -> None:
    frame = found.frame
    assert frame.height == found.trials == 60
    assert frame.columns == [
        "trial", "fast", "slow", "stop_atr", "target_atr", *FIGURES, "allowed"
    ]  # fmt: skip
    assert frame["fast"].dtype == pl.Int64
    assert sorted(frame["trial"].to_list()) == list(range(60))
    allowed = frame.filter("allowed")
    assert 0 < allowed.height < 60
    assert (allowed["trades"] >= 20).all()
    assert allowed["sharpe"].is_sorted(descending=True)
    assert frame["allowed"].is_sorted(descending=True)
    row = frame.row(0, named=True)
    assert found.params[row["trial"]][:2].tolist() == [row["fast"], row["slow"]]


def test_what_is_undefined_is_null_and_comes_last(found: Found) -> None:
    figures = found.figures.copy()
    figures[::2, FIGURES.index("sharpe")] = np.nan
    holed = replace(found, figures=figures)
    assert holed.frame["sharpe"].null_count() == 30
    assert not holed.frame["sharpe"].is_nan().any()
    assert holed.frame.head(5)["sharpe"].null_count() == 0
    assert holed.best().trial % 2 == 1


def test_the_best_is_taken_by_backtest(found: Found) -> None:
    best = found.best()
    first = found.frame.row(0, named=True)
    assert (best.trial, best.figures["sharpe"]) == (first["trial"], first["sharpe"])
    assert best.params["slow"] == first["slow"]
    assert re.fullmatch(r"sma_cross fast=\d+ slow=\d+ .*: sharpe \N{MINUS SIGN}?[\d.]+", repr(best))
    traded = tp.backtest(CANDLES, best, end=UNTIL)
    # the search measures in floats without rounding, the account in rounded decimals
    assert traded.figures.sharpe == pytest.approx(first["sharpe"], rel=1e-4)
    calm = found.best("net_profit_pct", min_trades=25, max_drawdown_pct=20)
    assert (calm.figures["trades"] or 0) >= 25
    assert (calm.figures["max_drawdown_pct"] or 99) <= 20


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"min_trades": 5}, "luck was counted among sets of at least 20 trades: sweep again with"),
        ({"min_trades": 9_999}, "none of 60 trials made 9999 trades and a defined sharpe: ask for"),
        ({"objective": "luck"}, "unknown objective 'luck'; known are sharpe, sortino"),
        ({"max_drawdown_pct": 0}, "max_drawdown_pct is 0; it must be above 0"),
    ],
)
def test_a_best_that_cannot_be(found: Found, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        found.best(**asked)


@pytest.mark.parametrize(
    "until",
    [UNTIL, str(UNTIL), datetime.fromtimestamp(UNTIL / 1000, UTC)],
    ids=["ms", "text", "datetime"],
)
def test_a_time_of_every_form_divides_alike(until: Any) -> None:
    used = searched(trials=1, until=until).used
    assert (used.split, used.rows) == (UNTIL, 2_000)


def test_a_quarter_is_held_back_where_no_time_is_said() -> None:
    assert searched(trials=1, until=None).used.split == CANDLES.open_time[1_500]
    assert searched(trials=1, until=None, held_back=0.5).used.split == CANDLES.open_time[1_000]
    day = datetime.fromtimestamp(UNTIL // DAY * DAY / 1000, UTC).date()
    assert isinstance(day, date)
    some = searched(trials=1, until=None, start=int(CANDLES.open_time[600]), end=day)
    assert some.used.start == CANDLES.open_time[600]
    assert some.used.end <= UNTIL
    lookback = lookback_of_space(get_strategy("sma_cross"), {}, "1h")
    assert some.seen.open_time[0] == CANDLES.open_time[600 - lookback]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "bayes"}, "unknown method 'bayes'; known are grid, random"),
        ({"trials": 0}, "0 trials; at least 1"),
        ({"until": "yesterday"}, "until: yesterday is no time"),
        ({"until": int(CANDLES.open_time[9])}, "9 in-sample candles of .* are too few"),
        ({"fixed": {"fsat": 3}}, "has no parameter 'fsat'"),
        ({"fee": 2}, "fee 2: must be below 1"),
        ({"objective": "luck"}, "unknown objective 'luck'"),
    ],
)
def test_a_search_that_cannot_be(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        searched(**options)


def test_an_option_that_is_unknown() -> None:
    with pytest.raises(TypeError, match="there is no argument trails"):
        searched(trails=5)


def test_a_method_whose_library_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(method: str) -> None:
        raise ModuleNotFoundError(name="optuna")

    monkeypatch.setattr(samplers, "_proposers", missing)
    with pytest.raises(ValueError, match=r"bayesian needs optuna, .*: pip install 'tradepulse\["):
        searched(method="bayesian")


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Raise on SIGINT, which a worker of several ignores."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupt_ends_a_search_and_leaves_nothing_at_work() -> None:
    before = set(threading.enumerate())
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        searched(trials=10_000_000, method="quasi_random")
    timer.join()
    assert set(threading.enumerate()) <= before


def test_a_heat_map_has_medians(found: Found) -> None:
    drawn = found.heatmap("fast", "slow", "trades").svg
    assert drawn.startswith("<svg ")
    assert 0 < drawn.count("<rect") <= MOST * MOST
    assert "Median trades over fast and slow" in drawn
    grid = searched(trials=9, method="grid", fixed={"stop_atr": 0, "target_atr": 0})
    cells = grid.heatmap("fast", "slow").svg
    assert cells.count("<rect") == grid.trials
    for sharpe in grid.frame["sharpe"]:
        assert f"{sharpe:.2f}".lstrip("-") in cells
    assert grid.heatmap("fast", "slow")._repr_html_() == cells
    with pytest.raises(ValueError, match="stop_atr was not searched; searched were fast, slow"):
        grid.heatmap("fast", "stop_atr")
    with pytest.raises(ValueError, match="luck is no figure; there are net_profit_pct"):
        grid.heatmap("fast", "slow", "luck")


def test_a_notebook_shows_what_was_found(found: Found) -> None:
    assert repr(found) == (
        f"sma_cross on {CANDLES.series}: 60 parameter sets, random, seed 1; "
        f"{found.frame['allowed'].sum()} allowed"
    )
    assert "<table" in found._repr_html_()


@pytest.fixture(scope="module")
def verdict(found: Found) -> Verdict:
    return tp.validate(CANDLES, found.best(), search=found)


def test_a_validation_is_that_of_the_service(found: Found, verdict: Verdict) -> None:
    best = found.best()
    metrics = {"objective": "sharpe", "min_trades": 20, "method": "random", "seed": 1}
    subject = Subject(
        "sma_cross", best.params, 1.0, metrics, found.trials, found.params, [found.luck], 1
    )
    used = replace(found.used, end=int(CANDLES.close_time[-1]))
    told: list[float] = []
    before, run.report_progress = run.report_progress, told.append
    try:
        assert verdict.as_json() == run.run_gates(CANDLES, used, subject)
    finally:
        run.report_progress = before
    assert told[-1] == 1
    assert Costs().account_rules(CANDLES.instrument) == found.asked.account


def test_a_verdict_shows_itself(verdict: Verdict, tmp_path: Any) -> None:
    gates = verdict.gates
    assert gates.height == 15
    assert verdict.passed is bool(gates["passed"].all()) is False
    assert repr(verdict) == verdict.sentence
    assert verdict.sentence.startswith("Refused by ")
    page = verdict.report(tmp_path / "gates.html")
    assert page.read_text().startswith("<!doctype html>")
    assert verdict.sentence in page.read_text()
    assert gates["title"][0] in verdict._repr_html_()


def test_every_search_counts(found: Found, verdict: Verdict) -> None:
    other = searched(trials=40, seed=2, min_trades=0)
    both = tp.validate(CANDLES, found.best(), search=[found, other])
    assert both.as_json()["search"]["trials"] == 100
    assert verdict.as_json()["search"]["trials"] == 60
    luck = pl.col("title").str.contains("by luck")
    figures = [one.gates.filter(luck)["figure"][0] for one in (verdict, both)]
    assert figures[0] < figures[1]


def test_what_no_search_found_is_judged_alone() -> None:
    alone = tp.validate(CANDLES, tp.use("sma_cross", fast=5, slow=30), until=UNTIL)
    body = alone.as_json()
    assert (body["search"]["trials"], body["search"]["method"]) == (1, "")
    assert body["ranges"]["split"] == UNTIL


def test_a_validation_that_cannot_be(found: Found) -> None:
    best = found.best()
    with pytest.raises(ValueError, match=r"candles of .* leave nothing out of sample to judge by"):
        tp.validate(CANDLES.between(None, UNTIL), best, search=found)
    with pytest.raises(ValueError, match=r"the candles are not those of .* that the search saw"):
        tp.validate(CANDLES.rows(5, 2_000), best, search=found)
    with pytest.raises(ValueError, match="a search was of A/USD, the candles are of B/USD"):
        tp.validate(random_walk("B/USD", 2_000, timeframe="1h"), best, search=found)
    with pytest.raises(ValueError, match="no search given is of rsi_reversion"):
        tp.validate(CANDLES, tp.use("rsi_reversion"), search=found)
