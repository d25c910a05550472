"""The gates on planted cases: luck that they refuse, an edge that they pass, and bad input."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from tests.candle_series import START
from tradepulse.candles.arrays import Candles
from tradepulse.candles.timeframes import timeframe_ms
from tradepulse.research.objectives import FIGURES, Goal
from tradepulse.research.reality_check import NONE as NO_TRIALS
from tradepulse.research.reality_check import drawn_days, largest_t, with_trials
from tradepulse.research.simulate import SimulationRules
from tradepulse.research.space import random
from tradepulse.research.sweep import Sweep
from tradepulse.research.validation import Ranges, Report, ValidationRequest, validate
from tradepulse.research.validation.gates import GATES, Thresholds
from tradepulse.research.validation.procedure import WindowTrader, candidates, combined, walk
from tradepulse.research.validation.robustness import neighbours, stressed
from tradepulse.research.validation.validating import KINDS, STEPS, TESTS
from tradepulse.strategies import (
    Feature,
    Param,
    Strategy,
    compiled,
    enter_long,
    get_strategy,
    hold,
    leave,
    strategy,
)
from tradepulse.strategies._registry import STRATEGIES
from tradepulse.trading.sizing import AccountRules

WARM_UP = 400
HOUR = timeframe_ms("1h")


def market(count: int, seed: int, drift: float = 0.0, sigma: float = 0.004) -> Candles:
    """Hourly candles of a random walk whose drift, where there is one, lasts for 50 candles.

    With a drift of 0.0012 the sign of the trend can be known from the last candles: a true edge.
    """
    draw = np.random.default_rng(seed)
    trend = np.cumprod(np.where(draw.random(count) > 0.98, -1, 1))
    close = 100 * np.exp(np.cumsum(drift * trend + draw.normal(0, sigma, count)))
    open_ = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(open_, close) * (1 + sigma / 4 * draw.random(count))
    low = np.minimum(open_, close) * (1 - sigma / 4 * draw.random(count))
    times = START + HOUR * np.arange(count, dtype=np.int64)
    return Candles("test", "BTC/USD", "1h", times, open_, high, low, close, draw.random(count) * 10)


def requested(candles: Candles, name: str, tried: np.ndarray, best: int = 0) -> ValidationRequest:
    split = WARM_UP + 3 * (len(candles) - WARM_UP) // 4
    return ValidationRequest(
        strategy=name,
        params=dict(zip(get_strategy(name).index, tried[best].tolist(), strict=True)),
        ranges=Ranges(
            int(candles.open_time[WARM_UP]),
            int(candles.open_time[split]),
            int(candles.open_time[-1]) + HOUR,
        ),
        account=AccountRules(),
        simulation=SimulationRules(),
        min_trades=30,
        trials=len(tried),
        tried=tried,
        seed=1,
        method="random",
    )


def searched(candles: Candles, name: str, trials: int) -> tuple[ValidationRequest, float]:
    """Search in sample at random; return the request for the best, and its Sharpe ratio there."""
    found = get_strategy(name)
    tried = np.array([list(params.values()) for params in random(found, trials, 5)])
    request = requested(candles, name, tried)
    inside = candles.between(None, request.ranges.split)
    sweep = Sweep(inside, found, request.simulation, first=WARM_UP)
    result = sweep.run(tried, daily=True)
    assert result.daily is not None
    best = int(Goal("sharpe", request.min_trades).rank(result.figures)[0])
    luck = with_trials(NO_TRIALS, largest_t(result.daily, drawn_days(sweep.days, 1)), trials)
    chosen = replace(requested(candles, name, tried, best), searches=(luck,))
    return chosen, float(result.figures[best, FIGURES.index("sharpe")])


@pytest.fixture(scope="module")
def dice() -> Iterator[Strategy]:
    @strategy(space=(Param("seed", 0, 1e5, integer=True),), defaults={"seed": 0}, features={})
    def dice(i, c, f, p):
        """Enter and leave by a number made of the close and the seed: no idea at all."""
        dice = c.close[i] * 1e3 * (p.seed + 0.618) % 1.0
        if dice < 0.01:
            return enter_long()
        return leave() if dice > 0.98 else hold()

    yield dice
    del STRATEGIES["dice"]


@pytest.fixture(scope="module")
def edge() -> Candles:
    return market(14_000, 3, drift=0.0012)


@pytest.fixture(scope="module")
def asked(edge: Candles) -> ValidationRequest:
    return searched(edge, "sma_cross", 300)[0]


@pytest.fixture(scope="module")
def passed(edge: Candles, asked: ValidationRequest) -> Report:
    return validate(asked, edge)


def figure(report: Report, name: str) -> float | None:
    return next(gate.figure for gate in report.gates if gate.name == name)


def refusing(report: Report) -> set[str]:
    return {gate.name for gate in report.gates if not gate.passed}


def test_the_best_of_5000_random_strategies_is_refused(dice: Strategy) -> None:
    candles = market(10_000, 0)
    request, sharpe = searched(candles, "dice", 5_000)
    # in sample it looks like a good one
    assert sharpe > 2
    report = validate(request, candles)
    assert not report.passed
    refused = refusing(report)
    assert {"reality_check", "overfitting", "loss", "walk_forward_windows"} <= refused
    assert 0.3 < (figure(report, "overfitting") or 0) < 0.7
    # a random strategy is no cheat
    assert not {"look_ahead", "recursive"} & refused
    assert report.verdict.startswith(f"Refused by {len(refused)} of {len(GATES)} gates: ")


def test_all_of_eight_markets_without_an_edge_are_refused() -> None:
    reports = []
    for seed in range(8):
        candles = market(6_000, seed)
        reports.append(validate(searched(candles, "sma_cross", 300)[0], candles))
    assert sum(report.passed for report in reports) == 0
    # each of these alone refuses nearly all of them
    for name in ("reality_check", "loss", "walk_forward_windows"):
        assert sum(name in refusing(report) for report in reports) >= 7


def test_a_true_edge_passes_every_gate(passed: Report) -> None:
    assert refusing(passed) == set()
    assert passed.passed
    assert passed.verdict == f"Passed all {len(GATES)} gates."
    assert [gate.name for gate in passed.gates] == list(GATES)


def test_a_true_edge_that_the_costs_eat_is_refused(edge: Candles, asked: ValidationRequest) -> None:
    costly = replace(
        asked,
        account=AccountRules(fee=Decimal("0.01")),
        simulation=SimulationRules(fee=0.01),
    )
    assert {"holdout_profit", "cost_stress", "reality_check"} <= refusing(validate(costly, edge))


def test_the_report_is_json_in_the_agreed_form(
    passed: Report, asked: ValidationRequest, edge: Candles
) -> None:
    report = passed.as_json()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert set(report) == {
        *("version", "configuration", "search", "ranges", "figures", "equity", "price", "trades"),
        *("heat_map", "walk_forward", "gates", "passed", "verdict"),
    }
    assert report["configuration"]["params"] == dict(asked.params)
    assert report["search"] == {"trials": 300, "method": "random", "objective": "sharpe", "seed": 1}
    curve = report["equity"]
    assert len(curve["close_time"]) == len(curve["equity"]) == len(curve["drawdown_pct"]) <= 2_000
    assert curve["close_time"] == sorted(set(curve["close_time"]))
    assert curve["close_time"][-1] == edge.close_time[-1]
    sides = report["figures"]["in_sample"], report["figures"]["out_of_sample"]
    growth = math.prod(1 + side["net_profit_pct"] / 100 for side in sides)
    assert curve["equity"][-1] == pytest.approx(100_000 * growth)
    assert max(curve["drawdown_pct"]) >= max(side["max_drawdown_pct"] for side in sides) - 1e-9
    assert len(report["trades"]) == sum(side["trades"] for side in sides)
    assert len(report["price"]["close"]) <= 2_000
    kinds = [window["kind"] for window in report["walk_forward"]["windows"]]
    assert kinds == [kind for kind in KINDS for _ in range(TESTS)]
    for gate in report["gates"]:
        assert gate["verdict"].endswith(".")
        assert set(gate) == {
            *("name", "title", "figure", "unit", "threshold", "comparison", "passed", "verdict"),
            "details",
        }


def test_the_heat_map_holds_the_configuration_and_no_forbidden_set(
    passed: Report, asked: ValidationRequest
) -> None:
    found = passed.as_json()["heat_map"]
    x, y = found["x"], found["y"]
    assert asked.params[x["name"]] in x["values"]
    assert asked.params[y["name"]] in y["values"]
    sma = get_strategy("sma_cross")
    for side in ("in_sample", "out_of_sample"):
        for row, b in zip(found[side], y["values"], strict=True):
            for cell, a in zip(row, x["values"], strict=True):
                if not sma.valid({**asked.params, x["name"]: a, y["name"]: b}):
                    assert cell is None
    own = found["in_sample"][y["values"].index(asked.params[y["name"]])]
    assert own[x["values"].index(asked.params[x["name"]])] == pytest.approx(
        passed.as_json()["figures"]["in_sample"]["sharpe"], rel=1e-4
    )


def test_the_same_request_gives_the_same_report_and_progress_reaches_its_end(
    passed: Report, asked: ValidationRequest, edge: Candles
) -> None:
    steps: list[tuple[int, int]] = []
    again = validate(replace(asked, threads=2), edge, lambda *step: steps.append(step))
    assert again.as_json() == passed.as_json()
    assert steps == sorted(steps)
    assert steps[-1] == (STEPS, STEPS)
    assert len({done for done, _ in steps}) == STEPS


def with_other_end(candles: Candles, row: int) -> Candles:
    """The same candles up to a row, others after it."""
    other = market(len(candles), 99)
    scale = candles.close[row - 1] / other.open[row]
    columns = (
        np.concatenate((getattr(candles, name)[:row], scale * getattr(other, name)[row:]))
        for name in ("open", "high", "low", "close")
    )
    return Candles("test", "BTC/USD", "1h", candles.open_time, *columns, candles.volume)


def test_what_is_judged_in_sample_does_not_see_later_candles(
    passed: Report, asked: ValidationRequest, edge: Candles
) -> None:
    split = int(np.searchsorted(edge.open_time, asked.ranges.split))
    other = validate(asked, with_other_end(edge, split))
    for name in ("reality_check", "overfitting", "loss"):
        assert figure(other, name) == figure(passed, name)
    assert figure(other, "holdout_profit") != figure(passed, "holdout_profit")


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_is_chosen_for_by_its_training_days_alone(edge: Candles, kind: str) -> None:
    sma = get_strategy("sma_cross")
    drawn = candidates(sma, {}, ("fast", "slow"), 60, 1)
    between = int(edge.open_time[WARM_UP]), int(edge.close_time[-1])

    def windows(candles: Candles) -> list:
        trader = WindowTrader(candles, sma, SimulationRules(), WARM_UP)
        return list(
            walk(trader, drawn, lambda _: Goal("sharpe"), between, tests=4, embargo=1, kind=kind)
        )

    whole = windows(edge)
    for before, window in zip([None, *whole], whole, strict=False):
        assert window.test[0] - window.train[1] == 24 * HOUR
        assert before is None or window.test[0] == before.test[1]
        row = int(np.searchsorted(edge.open_time, window.train[1]))
        changed = next(w for w in windows(with_other_end(edge, row)) if w.test == window.test)
        assert changed.params == window.params
        assert changed.outside != window.outside


def test_paths_choose_by_other_days_than_they_trade() -> None:
    """One candidate is splendid in the days of one group only; there no path may have chosen it."""
    draw = np.random.default_rng(0)
    daily = draw.normal(0, 0.01, (400, 20))
    daily[40:80, 7] += 1.0
    found = combined(daily, purge=2, embargo=3)
    assert (found.purge, found.embargo) == (2, 3)
    assert len(found.sharpe) == 9
    assert found.sharpe.max() < 5
    # where it is splendid everywhere, every path takes it
    daily[:, 7] += 1.0
    assert combined(daily, purge=2, embargo=3).sharpe.min() > 5


def test_gaps_take_at_most_half_of_a_group() -> None:
    found = combined(np.random.default_rng(0).normal(0, 0.01, (100, 5)), purge=3, embargo=90)
    assert (found.purge, found.embargo) == (3, 2)


def test_trials_of_a_method_that_learns_are_not_taken_for_independent(
    asked: ValidationRequest, edge: Candles
) -> None:
    sources = {}
    for method in ("random", "bayesian"):
        report = validate(replace(asked, method=method), edge)
        (gate,) = (gate for gate in report.gates if gate.name == "overfitting")
        sources[method] = gate.details["source"]
    assert sources == {
        "random": "300 of the 300 trials of the search",
        "bayesian": "300 random draws",
    }


def test_more_trials_make_the_same_result_less_likely_to_be_skill(
    asked: ValidationRequest, edge: Candles
) -> None:
    few = figure(validate(replace(asked, trials=300), edge), "reality_check")
    many = figure(validate(replace(asked, trials=10**9), edge), "reality_check")
    assert few is not None
    assert many is not None
    assert few < many


def test_a_part_of_the_days_must_show_its_part_of_the_trades(asked: ValidationRequest) -> None:
    assert asked.goal() == Goal("sharpe", 30)
    assert asked.goal(0.25).min_trades == 8
    assert asked.goal(1.5).min_trades == 30
    assert replace(asked, min_trades=0).goal(0.25).min_trades == 1


def test_of_very_many_trials_a_sample_is_taken(asked: ValidationRequest) -> None:
    many = np.repeat(asked.tried, 20, axis=0)
    many[:, 0] = np.arange(len(many))
    request = replace(asked, tried=many, trials=10)
    sample = request.sample()
    assert len(sample) == 5_000
    assert (np.diff(sample[:, 0]) > 0).all()
    assert (sample == request.sample()).all()
    assert (sample != replace(request, seed=2).sample()).any()
    assert request.all_trials == 6_000


def test_only_what_the_search_moved_is_varied(asked: ValidationRequest) -> None:
    assert asked.varied() == ("fast", "slow", "stop_atr", "target_atr")
    tried = asked.tried.copy()
    tried[:, 2] = 3.0
    assert replace(asked, tried=tried).varied() == ("fast", "slow", "target_atr")
    assert replace(asked, tried=tried[:1]).varied() == ("fast", "slow", "stop_atr", "target_atr")
    drawn = candidates(get_strategy("sma_cross"), {"stop_atr": 3.0}, ("fast", "slow"), 50, 1)
    assert set(drawn[:, 2]) == {3.0}
    assert len(set(drawn[:, 0])) > 10


def test_a_configuration_made_by_hand_is_judged_too(
    asked: ValidationRequest, edge: Candles
) -> None:
    by_hand = replace(asked, tried=np.empty((0, 0)), trials=0, searches=(), method="")
    report = validate(by_hand, edge).as_json()
    assert report["search"]["trials"] == 1
    assert len(report["gates"]) == len(GATES)


def test_a_market_that_does_not_move_is_refused_in_words() -> None:
    n = 5_000
    flat = np.full(n, 100.0)
    times = START + HOUR * np.arange(n, dtype=np.int64)
    candles = Candles("test", "BTC/USD", "1h", times, flat, flat, flat, flat, np.ones(n))
    tried = get_strategy("sma_cross").vector({})[np.newaxis]
    report = validate(requested(candles, "sma_cross", tried), candles)
    json.dumps(report.as_json(), allow_nan=False)
    sentences = {gate.name: gate.verdict for gate in report.gates}
    assert sentences["holdout_profit"] == "It never traded out of sample."
    assert sentences["reality_check"] == "It never traded in sample."
    assert sentences["walk_forward_sharpe"] == "In no test was anything traded."
    assert "nothing to choose between" in sentences["overfitting"]
    assert "too few to draw them again" in sentences["bootstrap"]
    assert refusing(report) >= {"trades", "holdout_profit", "holdout_sharpe", "cost_stress"}


def test_data_too_short_for_a_gate_are_refused_by_it() -> None:
    candles = market(WARM_UP + 24 * 20, 0)
    tried = get_strategy("sma_cross").vector({"fast": 5, "slow": 10})[np.newaxis]
    report = validate(requested(candles, "sma_cross", tried), candles)
    sentences = {gate.name: gate.verdict for gate in report.gates if not gate.passed}
    assert sentences["overfitting"] == "16 days in sample are too few to cut into blocks."
    assert "too short to cut into groups" in sentences["combinatorial_paths"]
    assert report.as_json()["walk_forward"]["windows"] == []
    assert sentences["walk_forward_windows"] == "The data are too short for a walk-forward."


def test_a_hole_of_weeks_is_walked_over() -> None:
    candles = market(8_000, 0, drift=0.0012)
    keep = np.ones(8_000, dtype=bool)
    keep[2_500:5_000] = False
    columns = ("open_time", "open", "high", "low", "close", "volume")
    holed = Candles("test", "BTC/USD", "1h", *(getattr(candles, c)[keep] for c in columns))
    report = validate(searched(holed, "sma_cross", 50)[0], holed).as_json()
    windows = report["walk_forward"]["windows"]
    assert 0 < len(windows) < 2 * TESTS


@compiled
def _against_the_mean(open_, high, low, close, volume, args):
    """A feature that knows the mean of all closes, the later ones too."""
    return close / close.mean()


def cheat(i, c, f, p):
    """Buy below the mean of all time, sell above it."""
    return enter_long() if f.part[i] < 1.0 else leave()


def test_a_strategy_that_knows_the_future_is_refused_however_good(edge: Candles) -> None:
    future = Feature(_against_the_mean, (), rows=lambda: 1)
    space = (Param("unused", 0, 1),)
    strategy(space=space, defaults={"unused": 0}, features={"part": future})(cheat)
    try:
        tried = get_strategy("cheat").vector({})[np.newaxis]
        report = validate(requested(edge, "cheat", tried), edge)
    finally:
        del STRATEGIES["cheat"]
    assert "look_ahead" in refusing(report)
    assert "knows the future" in next(g.verdict for g in report.gates if g.name == "look_ahead")


def test_the_docs_name_every_gate_with_its_threshold() -> None:
    page = (Path(__file__).parents[3] / "docs/guides/validation.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| .* \| ([≥≤]) ([\d.]+) \|$", page, re.MULTILINE)
    asked = Thresholds()
    of = {name: name for name in ("trades", "bootstrap", "neighbours")} | {
        "reality_check": "luck",
        "holdout_profit": "profit_pct",
        "holdout_sharpe": "sharpe",
        "cost_stress": "stressed_profit_pct",
        "overfitting": "overfitting",
        "loss": "loss",
        "walk_forward_windows": "windows",
        "walk_forward_sharpe": "walk_forward_sharpe",
        "combinatorial_paths": "path_sharpe",
        "drawdown": "drawdown_pct",
    }
    signs = {">=": "≥", "<=": "≤"}
    assert [(name, sign, float(value)) for name, sign, value in rows] == [
        (name, signs[comparison], float(getattr(asked, of[name]) if name in of else 0))
        for name, (_, _, comparison) in GATES.items()
    ]


def bad(asked: ValidationRequest, **changes: object) -> ValidationRequest:
    return replace(asked, **changes)  # type: ignore[arg-type]  # of several types


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "nonsense"}, "unknown strategy 'nonsense'"),
        ({"params": {"fast": 100, "slow": 50}}, "fast .* must be less than slow"),
        ({"objective": "luck"}, "unknown objective 'luck'"),
        ({"share": 0.0}, "share is 0"),
        ({"trials": -1}, "-1 trials"),
        ({"tried": np.ones((30, 2))}, "trials have 2 parameters, sma_cross has 9"),
        ({"ranges": Ranges(START, START + 24 * HOUR, START + 9_000 * HOUR)}, "in sample span"),
        ({"ranges": Ranges(START, START + 9_000 * HOUR, START + 9_000 * HOUR)}, "0 candles .* out"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    asked: ValidationRequest, edge: Candles, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        validate(bad(asked, **changes), edge)


def test_candles_that_are_no_numbers_are_refused(asked: ValidationRequest, edge: Candles) -> None:
    close = edge.close.copy()
    close[7_000] = math.nan
    broken = replace(edge, close=close)
    with pytest.raises(ValueError, match=r"candle 7001 of 14000 .* close is nan; import it again"):
        validate(asked, broken)


def test_neighbours_move_one_parameter_each() -> None:
    sma = get_strategy("sma_cross")
    own = sma.complete({"fast": 4, "slow": 50, "stop_atr": 3.0, "target_atr": 0})
    near = neighbours(sma, own, [param.name for param in sma.space], 0.1)
    moved = [{name: value for name, value in one.items() if value != own[name]} for one in near]
    assert moved == [
        *({"fast": 3.0}, {"fast": 5.0}, {"slow": 45.0}, {"slow": 55.0}),
        *({"stop_atr": pytest.approx(2.7)}, {"stop_atr": pytest.approx(3.3)}),
        *({"atr_window": 13.0}, {"atr_window": 15.0}),
    ]


def test_neighbours_keep_to_bounds_and_to_the_strategys_rule() -> None:
    sma = get_strategy("sma_cross")
    near = neighbours(sma, sma.complete({"fast": 4, "slow": 5}), ["fast", "slow"], 0.1)
    # fast 5 and slow 4 would be refused; slow 4 is out of bounds besides
    assert [(one["fast"], one["slow"]) for one in near] == [(3.0, 5.0), (4.0, 6.0)]
    at_bound = neighbours(sma, sma.complete({"stop_atr": 20}), ["stop_atr"], 0.1)
    assert [one["stop_atr"] for one in at_bound] == [18.0]


def test_switches_are_not_moved() -> None:
    sweep = get_strategy("liquidity_sweep")
    own = sweep.complete({"allow_short": 1, "target_atr": 0})
    assert neighbours(sweep, own, ["allow_short", "target_atr", "trail_atr"], 0.1) == []


def test_stress_multiplies_every_cost() -> None:
    rules = AccountRules(
        fee=Decimal("0.001"), maker_fee=Decimal("0.0004"), slippage=0.0005, impact=0.1
    )
    assert stressed(rules, 2) == replace(
        rules, fee=Decimal("0.002"), maker_fee=Decimal("0.0008"), slippage=0.001, impact=0.2
    )
    assert stressed(AccountRules(), 2).maker_fee is None
    with pytest.raises(ValueError, match="a sell would get nothing"):
        stressed(replace(rules, impact=0.6), 2)
