"""What a training job tries, on which candles, and what it keeps."""

from typing import Any
from uuid import UUID

import numpy as np
import pytest
from pydantic import ValidationError

from optimizer_svc.research import (
    Range,
    Search,
    check_unchanged,
    choose,
    chunks,
    configuration_id,
    longest_lookback,
    plan,
    range_of,
)
from optimizer_svc.trials import account_rules, judge, run_trials, simulation_rules
from tradepulse.runtime.jobs import JobSpec
from tradepulse.trading.candles import Candles
from tradepulse.trading.strategies import get_strategy

HOUR = 3_600_000


def spec_of(**changes: Any) -> JobSpec:
    given: dict[str, Any] = {
        "strategies": ["sma_cross"],
        "exchange": "x",
        "symbols": ["A/USD"],
        "timeframe": "1h",
        **changes,
    }
    return JobSpec(**given)


def market(rows: int, seed: int = 1) -> Candles:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, rows)))
    open_ = np.concatenate((close[:1], close[:-1]))
    times = HOUR * np.arange(rows, dtype=np.int64)
    high, low = np.maximum(open_, close) * 1.003, np.minimum(open_, close) * 0.997
    return Candles("x", "A/USD", "1h", times, open_, high, low, close, np.ones(rows))


def test_a_plan_numbers_every_trial_once_and_is_repeatable() -> None:
    spec = spec_of(
        strategies=["sma_cross", "liquidity_sweep"], symbols=["A/USD", "B/USD"], trials=7
    )
    searches = plan(spec)
    assert searches == plan(spec)
    assert [(s.strategy, s.symbol, s.first_trial, len(s.params)) for s in searches] == [
        ("sma_cross", "A/USD", 0, 7),
        ("sma_cross", "B/USD", 7, 7),
        ("liquidity_sweep", "A/USD", 14, 7),
        ("liquidity_sweep", "B/USD", 21, 7),
    ]
    assert searches[0].params == searches[1].params
    other = plan(spec.model_copy(update={"seed": 2}))
    assert other[0].params != searches[0].params


def test_a_grid_plan_stays_within_its_trials() -> None:
    searches = plan(spec_of(method="grid", trials=50))
    assert 1 < len(searches[0].params) <= 50


def test_the_longest_lookback_is_over_all_trials() -> None:
    short, long = {"fast": 2.0, "slow": 10.0}, {"fast": 2.0, "slow": 99.0}
    assert longest_lookback([Search("sma_cross", "A/USD", 0, (short, long))]) == 100


def test_a_range_is_divided_by_the_fraction() -> None:
    found = range_of(spec_of(out_of_sample_fraction=0.25), market(1_000), 50)
    assert found == Range(0, 0, 750 * HOUR, 1_000 * HOUR, 1_000)


def test_candles_before_the_start_only_warm_up() -> None:
    found = range_of(spec_of(start=200 * HOUR), market(1_000), 200)
    assert found == Range(0, 200 * HOUR, 800 * HOUR, 1_000 * HOUR, 1_000)


def test_nothing_held_back_ends_where_the_data_ends() -> None:
    found = range_of(spec_of(out_of_sample_fraction=0), market(100), 50)
    assert found.split == found.end == 100 * HOUR
    params = get_strategy("sma_cross").complete({"fast": 2, "slow": 5})
    judged = judge(market(100), found, "sma_cross", params, account_rules(spec_of(), "A/USD"))
    assert judged["out_of_sample"] is None


@pytest.mark.parametrize(
    ("rows", "lookback", "start", "message"),
    [
        (0, 10, None, "no candles of x:A/USD:1h in the range of the job; import them or widen it"),
        (50, 10, 50 * HOUR, "no candles of x:A/USD:1h in the range"),
        (50, 38, None, "38 in-sample candles of x:A/USD:1h are too few: the longest lookback"),
    ],
)
def test_too_few_candles_are_refused(
    rows: int, lookback: int, start: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        range_of(spec_of(start=start), market(rows), lookback)


def test_changed_candles_are_refused() -> None:
    used = range_of(spec_of(), market(1_000), 50)
    check_unchanged(used, market(1_000))
    with pytest.raises(ValueError, match="had 1000 candles when the job began and has 999 now"):
        check_unchanged(used, market(999))


def test_chunks_hold_each_missing_trial_once_and_are_small_for_long_series() -> None:
    searches = plan(spec_of(symbols=["A/USD", "B/USD"], trials=130))
    done = frozenset({0, 1, 129, 130, 259})
    found = list(chunks(searches, done, rows=1_000))
    numbers = [number for chunk in found for number in chunk.trials]
    assert sorted(numbers) == sorted(set(range(260)) - done)
    assert max(len(chunk.trials) for chunk in found) == 100
    for chunk in found:
        first = chunk.search.first_trial
        assert chunk.params == [chunk.search.params[n - first] for n in chunk.trials]
    assert {len(chunk.trials) for chunk in chunks(searches, done, rows=3_000_000)} == {1}


def test_a_trial_does_not_depend_on_its_chunk() -> None:
    spec = spec_of(trials=30)
    params = plan(spec)[0].params
    rules = simulation_rules(account_rules(spec, "A/USD"), "x:A/USD")
    together = run_trials(market(1_500), 0, "sma_cross", params, rules)
    singly = [run_trials(market(1_500), 0, "sma_cross", [one], rules)[0] for one in params]
    assert together == singly


def test_the_search_measures_what_the_account_does() -> None:
    spec = spec_of(trials=5)
    candles = market(1_500)
    used = range_of(spec, candles, 400)
    rules = account_rules(spec, "A/USD")
    for params in plan(spec)[0].params:
        quick = run_trials(
            candles.between(None, used.split), used.start, "sma_cross", [params],
            simulation_rules(rules, "x:A/USD"),
        )[0]  # fmt: skip
        exact = judge(candles, used, "sma_cross", params, rules)["in_sample"]
        assert exact is not None
        assert quick.keys() == exact.keys()
        defined = {name for name, value in exact.items() if value is not None}
        assert defined == {name for name, value in quick.items() if value is not None}
        for name in defined:
            assert quick[name] == pytest.approx(exact[name], rel=1e-4, abs=1e-6), name


def test_the_size_of_an_entry_follows_the_account_limits() -> None:
    rules = simulation_rules(account_rules(spec_of(fee=0.002), "A/USD"), "x:A/USD")
    assert (rules.fee, rules.fraction, rules.allows_margin) == (0.002, 0.5, False)
    margin = account_rules(spec_of(allows_margin=True), "A/USD")
    assert simulation_rules(margin, "x:A/USD").allows_margin


def test_the_best_eligible_and_distinct_are_chosen() -> None:
    sets = tuple({"fast": float(n), "slow": 50.0} for n in (2, 3, 3, 4, 5, 6))
    search = Search("sma_cross", "A/USD", 10, sets)
    measured = {
        10: (0.5, 20),
        11: (2.0, 20),
        12: (2.0, 20),  # the same set again
        13: (9.0, 9),  # too few trades
        14: (None, 30),  # undefined
        15: (0.5, 20),  # ties with the first
    }
    kept = choose(spec_of(keep=3, min_trades=10), search, measured)
    assert [(one.trial, one.objective) for one in kept] == [(11, 2.0), (10, 0.5), (15, 0.5)]
    assert choose(spec_of(min_trades=100), search, measured) == []


def test_configuration_ids_follow_from_what_they_name() -> None:
    job = UUID(int=7)
    one = configuration_id(job, "x:A/USD:1h", "sma_cross", {"fast": 2.0, "slow": 5.0})
    assert one == configuration_id(job, "x:A/USD:1h", "sma_cross", {"slow": 5.0, "fast": 2.0})
    others = {
        configuration_id(UUID(int=8), "x:A/USD:1h", "sma_cross", {"fast": 2.0, "slow": 5.0}),
        configuration_id(job, "x:B/USD:1h", "sma_cross", {"fast": 2.0, "slow": 5.0}),
        configuration_id(job, "x:A/USD:1h", "sma_cross", {"fast": 3.0, "slow": 5.0}),
    }
    assert len(others | {one}) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategies": []}, "at least 1 item"),
        ({"strategies": ["macd"]}, "unknown strategy 'macd'"),
        ({"symbols": ["A/USD", "A/USD"]}, "named twice among A/USD, A/USD"),
        ({"timeframe": "7m"}, "unknown timeframe '7m'"),
        ({"start": 5, "end": 5}, "start is not before end"),
        ({"out_of_sample_fraction": 1}, "less than 1"),
        ({"fixed": {"liquidity_sweep": {}}}, "'liquidity_sweep', which is not searched"),
        ({"fixed": {"sma_cross": {"fsat": 1}}}, "has no parameter 'fsat'"),
        ({"fixed": {"sma_cross": {"fast": 1}}}, "'fast' is 1; it must be from 2 to 200"),
        ({"method": "genetic"}, "'random' or 'grid'"),
    ],
)
def test_wrong_specs_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec_of(**changes)
