"""What a training job tries, on which candles, and what it keeps."""

from dataclasses import replace
from typing import Any, get_args
from uuid import UUID

import numpy as np
import pytest
from pydantic import ValidationError

from optimizer_svc.search.plan import (
    Search,
    check_unchanged,
    choose,
    configuration_id,
    evidence,
    longest_lookback,
    plan,
    side_by_side,
    why_nothing,
)
from optimizer_svc.search.trials import (
    Costs,
    judge,
    returns_of,
)
from optimizer_svc.search.turns import Turn
from tradepulse.candles.arrays import Candles
from tradepulse.research.jobs import JobSpec, Method, Objective
from tradepulse.research.objectives import OBJECTIVES
from tradepulse.research.reality_check import drawn_days, largest_t
from tradepulse.research.search.ranges import Range, check_candles, range_of
from tradepulse.research.search.samplers import METHODS, make_sampler
from tradepulse.research.search.trials import (
    TrialSetup,
    batch_size,
    joined,
    measure,
    next_size,
    sweep_of,
    vectors,
)
from tradepulse.research.simulate import SimulationRules
from tradepulse.strategies import get_strategy
from tradepulse.trading.metrics import FIGURES

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


def sets_of(trials: int, strategy: str = "sma_cross") -> list[dict[str, float]]:
    sampler = make_sampler("random", get_strategy(strategy), {}, trials=trials, seed=1)
    return sampler.ask(trials)


def setup_of() -> TrialSetup:
    return TrialSetup(
        "sma_cross", 0, SimulationRules.of(Costs().account_rules("x:A/USD"), "x:A/USD")
    )


def figures_of(**columns: list[float]) -> np.ndarray:
    rows = len(next(iter(columns.values())))
    return np.column_stack([columns.get(name, [0.0] * rows) for name in FIGURES])


def test_the_queue_knows_what_the_samplers_and_objectives_know() -> None:
    assert set(get_args(Method)) == set(METHODS)
    assert set(get_args(Objective)) == set(OBJECTIVES)


def test_a_plan_numbers_every_search() -> None:
    spec = spec_of(strategies=["sma_cross", "liquidity_sweep"], symbols=["A/USD", "B/USD"])
    assert plan(spec) == [
        Search(0, "sma_cross", "A/USD"),
        Search(1, "sma_cross", "B/USD"),
        Search(2, "liquidity_sweep", "A/USD"),
        Search(3, "liquidity_sweep", "B/USD"),
    ]


def test_the_longest_lookback_is_that_of_the_widest_parameters() -> None:
    cross = get_strategy("sma_cross")
    widest = cross.lookback({p.name: p.high for p in cross.space if p.searched})
    assert longest_lookback(spec_of()) == widest
    both = spec_of(strategies=["sma_cross", "liquidity_sweep"])
    assert longest_lookback(both) >= widest
    # 200 < 500 is no longer so: its upper bounds contradict each other, and draws are looked at
    fixed = spec_of(fixed={"sma_cross": {"slow": 100}})
    assert cross.lookback({"slow": 100}) <= longest_lookback(fixed) < widest


def test_a_range_is_divided_by_the_fraction() -> None:
    found = range_of(market(1_000), 50)
    assert found == Range(0, 0, 750 * HOUR, 1_000 * HOUR, 1_000)


def test_a_range_is_divided_at_a_time() -> None:
    assert range_of(market(1_000), 50, split=600 * HOUR) == Range(
        0, 0, 600 * HOUR, 1_000 * HOUR, 1_000
    )
    whole = range_of(market(1_000), 50, 100 * HOUR, split=2_000 * HOUR)
    assert (whole.start, whole.split, whole.end) == (100 * HOUR, 1_000 * HOUR, 1_000 * HOUR)
    with pytest.raises(ValueError, match=r"^0 in-sample candles of x:A/USD:1h are too few"):
        range_of(market(1_000), 200, 100 * HOUR, split=50 * HOUR)


def test_candles_before_the_start_only_warm_up() -> None:
    found = range_of(market(1_000), 200, 200 * HOUR)
    assert found == Range(0, 200 * HOUR, 800 * HOUR, 1_000 * HOUR, 1_000)


def test_nothing_held_back_ends_where_the_data_ends() -> None:
    found = range_of(market(100), 50, held_back=0)
    assert found.split == found.end == 100 * HOUR
    params = get_strategy("sma_cross").complete({"fast": 2, "slow": 5})
    (judged,) = judge(market(100), found, [("sma_cross", params)], Costs())
    assert judged.figures["in_sample"] is not None
    assert judged.figures["out_of_sample"] is None
    assert judged.returns["out_of_sample"] == []


@pytest.mark.parametrize(
    ("rows", "lookback", "start", "message"),
    [
        (
            0,
            10,
            None,
            "no candles of x:A/USD:1h in the range of the search; import them or",
        ),
        (50, 10, 50 * HOUR, "no candles of x:A/USD:1h in the range"),
        (50, 38, None, "38 in-sample candles of x:A/USD:1h are too few: the longest lookback"),
    ],
)
def test_too_few_candles_are_refused(
    rows: int, lookback: int, start: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        range_of(market(rows), lookback, start)


def test_changed_candles_are_refused() -> None:
    used = range_of(market(1_000), 50)
    check_unchanged(used, market(1_000))
    with pytest.raises(ValueError, match="had 1000 candles when the job began and has 999 now"):
        check_unchanged(used, market(999))


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
def test_candles_that_are_not_numbers_are_refused(column: str) -> None:
    good = market(50)
    good = replace(good, open_time=good.open_time + 400_000 * HOUR)
    check_candles(good)
    values = getattr(good, column).copy()
    values[30] = np.nan
    message = rf"candle 31 of 50 of x:A/USD:1h cannot be used: {column} is nan; import it again"
    with pytest.raises(ValueError, match=message):
        check_candles(replace(good, **{column: values}))


def test_batches_are_small_for_long_series() -> None:
    assert batch_size(1_000) == 1_024
    assert batch_size(100_000) == 200
    assert batch_size(100_000_000) == 1


def test_a_trial_does_not_depend_on_its_batch() -> None:
    tried = vectors(sets_of(30))
    together = measure(sweep_of(market(1_500), setup_of(), 2), tried, setup_of()).figures
    alone = sweep_of(market(1_500), setup_of(), 1)
    singly = [measure(alone, one[np.newaxis], setup_of()).figures[0] for one in tried]
    np.testing.assert_array_equal(together, np.array(singly))
    assert np.unique(together, axis=0).shape[0] > 10


def test_what_cannot_be_chosen_is_no_luck() -> None:
    tried = vectors(sets_of(40))
    sweep, setup = sweep_of(market(1_500), setup_of(), 2), replace(setup_of(), seed=3)
    every = measure(sweep, tried, setup)
    trades = every.figures[:, FIGURES.index("trades")]
    least = int(np.median(trades))
    enough = trades >= least
    assert 0 < enough.sum() < len(tried)
    some = measure(sweep, tried, replace(setup, min_trades=least))
    np.testing.assert_array_equal(some.figures, every.figures)
    daily = sweep.run(tried[enough], daily=True).daily
    assert daily is not None
    expected = largest_t(daily, drawn_days(sweep.days, 3))
    assert some.largest == pytest.approx(expected, abs=1.1e-3)
    assert (some.largest <= every.largest + 1e-3).all()
    assert (some.largest < every.largest).any()
    parts = [measure(sweep, part, setup) for part in np.array_split(tried, 3)]
    assert joined(parts).largest == pytest.approx(every.largest, abs=1.1e-3)
    np.testing.assert_array_equal(joined(parts).figures, every.figures)


def test_the_search_measures_what_the_account_does() -> None:
    candles = market(1_500)
    used = range_of(candles, 400)
    for params in sets_of(5):
        sweep = sweep_of(candles.between(None, used.split), setup_of(), 1)
        quick = measure(sweep, vectors([params]), setup_of()).figures[0]
        (judged,) = judge(candles, used, [("sma_cross", params)], Costs())
        exact = judged.figures["in_sample"]
        assert exact is not None
        assert set(exact) == set(FIGURES)
        for name, value in zip(FIGURES, quick.tolist(), strict=True):
            known = np.nan if exact[name] is None else exact[name]
            assert value == pytest.approx(known, rel=1e-4, abs=1e-6, nan_ok=True), name
        assert exact["trades"] - len(judged.returns["in_sample"]) in (0, 1)


def test_returns_are_net_of_costs_and_leave_out_what_the_data_ended() -> None:
    candles = market(1_500)
    used = range_of(candles, 400)
    params = get_strategy("sma_cross").complete({"fast": 5, "slow": 20})
    free, dear = (
        judge(candles, used, [("sma_cross", params)], costs)[0].returns["in_sample"]
        for costs in (Costs(fee=0, slippage=0), Costs(fee=0.002, slippage=0))
    )
    assert len(free) == len(dear) > 20
    for cheap, costly in zip(free, dear, strict=True):
        # a fee on each side, the second on the exit's notional
        assert cheap - costly == pytest.approx(0.002 * (2 + cheap), rel=1e-3)
    assert returns_of([]) == []


def test_a_strategy_that_raises_says_so_in_one_line() -> None:
    sweep = sweep_of(market(500), setup_of(), 1)
    with pytest.raises(ValueError, match=r"^1 parameters for sma_cross, which has 9$"):
        measure(sweep, np.zeros((1, 1)), setup_of())


def test_the_size_of_an_entry_follows_the_account_limits() -> None:
    rules = SimulationRules.of(Costs(fee=0.002).account_rules("x:A/USD"), "x:A/USD")
    assert (rules.fee, rules.fraction, rules.allows_margin) == (0.002, 0.5, False)
    margin = Costs(allows_margin=True).account_rules("x:A/USD")
    assert SimulationRules.of(margin, "x:A/USD").allows_margin


def test_the_best_that_are_allowed_are_chosen() -> None:
    search = Search(0, "sma_cross", "A/USD")
    params = np.array([[float(n), 50.0] for n in range(2, 8)])
    figures = figures_of(
        sharpe=[0.5, 2.0, 2.0, 9.0, np.nan, 0.4],
        trades=[20, 20, 20, 9, 30, 20],
        max_drawdown_pct=[10, 30, 10, 10, 10, 10],
    )
    names = ["fast", "slow"]
    kept = choose(spec_of(keep=3, min_trades=10), search, names, params, figures)
    assert [(one.trial, one.trials) for one in kept] == [(1, 6), (2, 6), (0, 6)]
    assert kept[0].params == {"fast": 3.0, "slow": 50.0}
    calm = spec_of(keep=3, min_trades=10, max_drawdown_pct=20)
    assert [one.trial for one in choose(calm, search, names, params, figures)] == [2, 0, 5]
    assert choose(spec_of(min_trades=100), search, names, params, figures) == []


def test_why_nothing_is_kept() -> None:
    search = Search(0, "sma_cross", "A/USD")
    some = figures_of(trades=[3.0, 0.0])
    assert why_nothing(spec_of(max_drawdown_pct=5), search, some) == (
        "sma_cross on A/USD: none of 2 trials made 10 trades and a defined sharpe with a drawdown "
        "of at most 5 %"
    )
    none = figures_of(trades=[0.0, 0.0])
    assert why_nothing(spec_of(), search, none) == "sma_cross on A/USD: not one trade in 2 trials"


def test_the_best_is_never_told_alone() -> None:
    spec = spec_of(objective="profit_drawdown")
    chosen = choose(
        spec_of(min_trades=0), Search(0, "sma_cross", "A/USD"), ["fast"], np.ones((7, 1)),
        figures_of(sharpe=[1.0] * 7),
    )[0]  # fmt: skip
    sides = {
        "in_sample": {"net_profit_pct": 20.5, "max_drawdown_pct": 4.0},
        "out_of_sample": {"net_profit_pct": None, "max_drawdown_pct": 9.0},
    }
    metrics = evidence(spec, Range(0, 0, 10, 20, 20), chosen, sides)
    assert side_by_side(spec, metrics) == (
        "net_profit_pct in sample 20.5, out of sample undefined; max_drawdown_pct in sample 4, "
        "out of sample 9; best of 7 trials"
    )
    assert metrics["in_sample_range"] == [0, 10]
    assert metrics["out_of_sample_range"] == [10, 20]


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
        ({"method": "genetic"}, "'grid', 'random', 'quasi_random', 'bayesian'"),
        ({"objective": "luck"}, "'sharpe', 'sortino', 'calmar'"),
        ({"max_drawdown_pct": 0}, "greater than 0"),
    ],
)
def test_wrong_specs_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec_of(**changes)


@pytest.mark.parametrize(
    ("size", "took_s", "next_one"),
    [
        (1, 0.001, 4),
        (64, 0.1, 256),
        (512, 0.5, 1_024),
        (100, 1.0, 200),
        (100, 4.0, 50),
        (100, 400.0, 25),
        (8, 400.0, 4),
        (4, 400.0, 4),
        (4, 0.0, 16),
    ],
)
def test_a_batch_takes_about_two_seconds(size: int, took_s: float, next_one: int) -> None:
    assert next_size(size, took_s, 4, 1_024) == next_one
    # of very many candles not even so many as run side by side
    assert next_size(size, took_s, 4, 2) <= 2


def test_a_turn_is_over_after_its_time_or_three_times_what_it_took_to_take_up() -> None:
    now = 100.0
    turn = Turn(10.0, lambda: now)
    assert not turn.is_over
    now = 110.5
    assert turn.is_over
    turn.add_replay(2.0)
    turn.add_replay(2.0)
    assert not turn.is_over
    now = 112.5
    assert turn.is_over
