"""What a job may be asked for, and what optimizer_svc is told: bounds; what the gates are given."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from optimizer_svc.app import OptimizerSettings, threads_of
from optimizer_svc.search.trials import Subject
from optimizer_svc.validation import run
from tests.candle_series import random_walk
from tradepulse.research.jobs import (
    LAST_TIME,
    MOST_STRATEGIES,
    MOST_SYMBOLS,
    MOST_TRIALS,
    JobSpec,
    ValidationSpec,
)
from tradepulse.research.search.ranges import Range
from tradepulse.research.search.trials import batch_size, next_size
from tradepulse.research.validation import ValidationRequest

PLACE = {"kafka_bootstrap_servers": "k:1", "database_url": "postgresql://u@h/d"}


def spec(**changes: Any) -> JobSpec:
    given: dict[str, Any] = {
        "strategies": ("sma_cross",), "exchange": "venue", "symbols": ("A/USD",), "timeframe": "1h",
        **changes,
    }  # fmt: skip
    return JobSpec(**given)


def test_a_job_is_what_it_was_when_it_was_submitted() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        spec().trials = 5  # type: ignore[misc]  # that is the test
    for wrong in ({"trials": "5"}, {"activate": "yes"}, {"fee": "0.1"}, {"more": 1}):
        with pytest.raises(ValidationError):
            spec(**wrong)
    for wrong in ({"fee": float("nan")}, {"max_drawdown_pct": float("inf")}, {"trials": 2.5}):
        with pytest.raises(ValidationError):
            spec(**wrong)
    assert spec(trials=5.0).trials == 5
    plain = ValidationSpec(configuration_id="00000000-0000-0000-0000-000000000001",
                           strategy="s", series="x:A:1h", cause="asked")  # fmt: skip
    with pytest.raises(ValidationError, match="frozen"):
        plain.end = 5  # type: ignore[misc]  # likewise


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("trials", [1, 100_000], [0, 100_001]),
        ("seed", [0, 2**53 - 1], [-1, 2**53]),
        ("min_trades", [0, 1_000_000], [-1, 1_000_001]),
        ("keep", [1, 100], [0, 101]),
        ("start", [0, LAST_TIME], [-1, LAST_TIME + 1]),
        ("end", [0, LAST_TIME], [-1, LAST_TIME + 1]),
        ("max_drawdown_pct", [0.1, 100.0], [0.0, 100.1]),
        ("out_of_sample_fraction", [0.0, 0.99], [-0.1, 1.0]),
        ("fee", [0.0, 0.1], [-0.1, 0.11]),
        ("maker_fee", [0.0, 0.1], [-0.1, 0.11]),
        ("slippage", [0.0, 0.1], [-0.1, 0.11]),
        ("impact", [0.0, 0.5], [-0.1, 0.51]),
        ("exchange", ["x" * 64], ["", "x" * 65, "a b", "a:b"]),
        ("symbols", [tuple(str(n) for n in range(MOST_SYMBOLS))],
         [(), tuple(str(n) for n in range(MOST_SYMBOLS + 1)), ("A", "A")]),
        ("strategies", [("sma_cross",)], [(), ("no_such",), ("sma_cross", "sma_cross"),
         tuple(str(n) for n in range(MOST_STRATEGIES + 1))]),
    ],
)  # fmt: skip
def test_bounds_of_a_search(name: str, allowed: list[Any], refused: list[Any]) -> None:
    for value in allowed:
        assert getattr(spec(**{name: value}), name) == value
    for value in refused:
        with pytest.raises(ValueError, match=r"."):
            spec(**{name: value})


def test_a_search_is_no_larger_than_all_of_its_trials() -> None:
    symbols = tuple(str(n) for n in range(MOST_TRIALS // 100_000))
    assert len(spec(symbols=symbols, trials=100_000).symbols) == 100
    with pytest.raises(ValueError, match="at most 10,000,000 are one search"):
        spec(symbols=(*symbols, "more"), trials=100_000)
    assert spec(start=5, end=6).end == 6
    with pytest.raises(ValueError, match="start is not before end"):
        spec(start=6, end=6)
    with pytest.raises(ValueError, match="which is not searched"):
        spec(fixed={"liquidity_sweep": {}})


def test_one_core_is_left_to_the_others() -> None:
    assert [threads_of(cores) for cores in (None, 0, 1, 2, 3, 8)] == [1, 1, 1, 1, 2, 7]


@pytest.mark.parametrize(
    ("name", "allowed", "refused"),
    [
        ("optimizer_workers", [1, 256], [0, 257]),
        ("heartbeat_s", [0.1, 300.0], [0, 301]),
        ("trial_limit_s", [0.1, 86_400.0], [0, 86_401]),
        ("lifecycle_s", [0.1, 3_600.0], [0, 3_601]),
        ("false_alarm_rate", [0.001, 0.999], [0, 1]),
        ("dask_scheduler", ["tcp://h:1"], ["h:1", "tcp://"]),
    ],
)
def test_bounds_of_the_settings(name: str, allowed: list[Any], refused: list[Any]) -> None:
    for value in allowed:
        assert getattr(OptimizerSettings(**PLACE, **{name: value}), name) == value
    for value in refused:
        with pytest.raises(ValidationError, match=name):
            OptimizerSettings(**PLACE, **{name: value})


def test_what_it_does_where_it_is_told_nothing() -> None:
    settings = OptimizerSettings(**PLACE)
    assert (settings.heartbeat_s, settings.lifecycle_s, settings.fetch_missing) == (5, 5, True)
    assert (settings.account, settings.false_alarm_rate) == ("main", 0.01)
    assert settings.dask_scheduler is settings.venues_file is None


def test_a_batch_has_at_least_one_trial_however_slow() -> None:
    assert next_size(1, 1e9, 1, 1) == 1
    assert next_size(8, 1e9, 1, 1_024) < 8
    assert batch_size(0) == batch_size(1)
    assert batch_size(10**12) == 1


def test_the_gates_are_told_what_the_search_was_and_tell_how_far_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[ValidationRequest] = []
    told: list[float] = []

    class Report:
        def as_json(self) -> dict[str, Any]:
            return {"passed": True}

    def validate(request: ValidationRequest, candles: object, progress: Any) -> Report:
        asked.append(request)
        for done in (1, 2, 4):
            progress(done, 4)
        return Report()

    monkeypatch.setattr(run, "validate", validate)
    monkeypatch.setattr(run, "report_progress", told.append)
    metrics = {"objective": "calmar", "min_trades": 7, "max_drawdown_pct": 20.0, "seed": 3,
               "method": "grid", "fee": 0.002, "maker_fee": None, "slippage": 0.0, "impact": 0.0,
               "allows_margin": False}  # fmt: skip
    subject = Subject("sma_cross", {"fast": 3}, 0.5, metrics, 90, np.zeros((2, 8)), (), 3)
    candles = random_walk("A/USD", 10)
    found = run.run_gates(candles, Range(first=0, start=1, split=5, end=9, rows=10), subject)
    assert found == {"passed": True}
    assert told == [0.25, 0.5, 1.0]
    (one,) = asked
    assert (one.strategy, one.params, one.share, one.trials) == ("sma_cross", {"fast": 3}, 0.5, 90)
    assert (one.ranges.start, one.ranges.split, one.ranges.end) == (1, 5, 9)
    assert (one.objective, one.min_trades, one.max_drawdown_pct) == ("calmar", 7, 20.0)
    assert (one.seed, one.method, one.threads) == (3, "grid", 3)
    subject = Subject("sma_cross", {"fast": 3}, 0.5, {}, 90, np.zeros((2, 8)))
    run.run_gates(candles, Range(first=0, start=1, split=5, end=9, rows=10), subject)
    assert (asked[1].objective, asked[1].min_trades, asked[1].seed) == ("sharpe", 0, 0)
    assert (asked[1].max_drawdown_pct, asked[1].method, asked[1].threads) == (None, "", 1)
